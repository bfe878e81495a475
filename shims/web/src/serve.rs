//! Serving a call: from the cache where it has every answer, else by the real tool.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::PoisonError;

use vcache_shim::host::FileId;
use vcache_shim::journal::Outcome;
use vcache_shim::{Chain, Origin, exit, real_tool};
use vcache_store::{Error as StoreError, KeyLock, LockWait, Store};

use crate::answer::{Answer, Wanted};
use crate::deliver::{Undelivered, deliver};
use crate::plan::{Job, Order, Service};
use crate::reason::{Code, Reason};
use crate::request::{Destination, Existing, Transfer};
use crate::session::{Served, Session};
use crate::target::{Before, Target, Targets};
use crate::{Tool, curl};

impl Session<'_> {
    /// Serves a call whose plan allows it.
    pub(crate) fn serve(&self, mut service: Service) -> ExitCode {
        let url = service.jobs.first().map(|job| job.url.clone());
        if let Some(reason) = self.left_to_the_tool(&service) {
            return self.pass_through(&reason, url.as_deref());
        }
        service.jobs.retain(|job| !self.is_kept(job));
        let waited_for_file = self.lock_files(&service);
        if let Some(code) = self.answer_by_cache(&service, Wanted::Permitted) {
            return code;
        }
        for unusable in self.store().map_or(&[][..], Store::unusable_layers) {
            self.messages
                .warn(format_args!("VCACHE_LOWER: {}; going on without that layer", Chain(unusable)));
        }
        if self.policy.offline {
            return self.offline_miss(&service);
        }
        if let Some(reason) = &service.inseparable {
            self.warn_unchecked(&service, reason.code.help());
            return self.pass_through(reason, url.as_deref());
        }
        if (self.lock_keys(&service) || waited_for_file)
            && let Some(code) = self.answer_by_cache(&service, Wanted::Fresh)
        {
            return code;
        }
        if self.try_packages(&service)
            && let Some(code) = self.answer_by_cache(&service, Wanted::Permitted)
        {
            return code;
        }
        self.fetch(&service)
    }

    /// Answers every request from the cache, or none.
    fn answer_by_cache(&self, service: &Service, wanted: Wanted) -> Option<ExitCode> {
        let answers = self.answers(service, wanted)?;
        match self.deliver_all(service, &answers, None) {
            Served::Done(code) => Some(code),
            Served::Not => None,
        }
    }

    /// What only a look at the destination can tell.
    fn left_to_the_tool(&self, service: &Service) -> Option<Reason> {
        let to_stdout = |job: &Job| job.transfer.destination == Destination::Stdout;
        let shown = std::io::stdout().is_terminal() && !self.policy.offline;
        if shown && service.jobs.iter().any(to_stdout) {
            return Some(Reason::new(Code::Terminal, ""));
        }
        let all_kept = service.jobs.iter().all(|job| self.is_kept(job));
        all_kept.then(|| Reason::new(Code::Kept, ""))
    }

    /// The file is there, and the caller wants it left alone.
    fn is_kept(&self, job: &Job) -> bool {
        let target = || Targets::new(self.host.cwd()).next(&job.transfer, None);
        job.transfer.existing == Existing::Keep && target().before != Before::Absent
    }

    fn offline_miss(&self, service: &Service) -> ExitCode {
        let missing = service.jobs.iter().find(|j| self.answer(j, Wanted::Permitted).is_none());
        let Some(job) = missing.or(service.jobs.first()) else { return ExitCode::from(exit::OFFLINE_MISS) };
        let pin = match &job.pin {
            Some(pin) => format!("pinned to {} by {}", pin.text, pin.place),
            None => "not pinned".to_owned(),
        };
        let dir =
            self.store().map_or_else(|| "no usable cache".to_owned(), |s| s.dir().display().to_string());
        let message = format!(
            "{}: offline (VCACHE_OFFLINE=y) and not in the cache ({dir}); {pin}; run the build once with the network, \
             or point VCACHE_DIR at a cache that has it",
            job.url
        );
        self.refuse(exit::OFFLINE_MISS, &message, Some(&job.url))
    }

    /// Holds the locks of the files that are written, be it by a hit or a download, so that nobody takes for his own what
    /// another one puts there. In the order of their names, and before all keys, so that two calls can't wait for each
    /// other. True when another process had one of them first.
    fn lock_files(&self, service: &Service) -> bool {
        // Whoever started us may hold them, and waits for our end.
        if real_tool::inside_a_call(self.host) {
            return false;
        }
        let names = service.jobs.iter().filter_map(|job| lock_of_file(self.host.cwd(), &job.transfer));
        for name in names.collect::<BTreeSet<_>>() {
            match self.lock_one(&name) {
                Some(lock) => self.file_locks.borrow_mut().push(lock),
                None => self.files_unsafe.set(true),
            }
        }
        self.file_locks.borrow().iter().any(KeyLock::waited)
    }

    /// Holds the locks of what is missing, so that of many calls for one URL a single one fetches. True when another process
    /// had one of them first, by now or just before.
    fn lock_keys(&self, service: &Service) -> bool {
        let Some(store) = self.store().filter(|_| self.policy.write && !real_tool::inside_a_call(self.host))
        else {
            return false;
        };
        let keys = service.jobs.iter().map(|job| job.key().text().to_owned()).collect::<BTreeSet<_>>();
        let locks: Vec<KeyLock> = keys.iter().filter_map(|name| self.lock_one(name)).collect();
        let waited = locks.iter().any(KeyLock::waited);
        *self.key_locks.lock().unwrap_or_else(PoisonError::into_inner) = locks;
        // It may have been done between our look and our lock, which then was free. What is to be newer than what is known is no such case.
        let has_come = |job: &Job| {
            job.order == Order::CacheFirst
                && store.lookup_named(&job.key().name()).is_ok_and(|found| found.is_some())
        };
        waited || service.jobs.iter().any(has_come)
    }

    /// In the cache, else, where that is not or can't be written to, in a folder for temporary files.
    fn lock_one(&self, name: &str) -> Option<KeyLock> {
        let waiting = &mut |wait: &LockWait| {
            self.messages.warn(format_args!(
                "another process is at work on {}; waiting for it ({} s of at most {} s; lock: {})",
                wait.what.replace('\n', " "),
                wait.waited.as_secs(),
                wait.patience.as_secs(),
                wait.path.display()
            ));
        };
        let patience = self.policy.lock_wait;
        let in_cache =
            self.store().filter(|_| self.policy.write).map(|store| store.lock(name, patience, waiting));
        let got = match in_cache {
            Some(Ok(got)) => Ok(got),
            // A cache that can't be written to is no reason to do without.
            _ => vcache_store::lock_named(&self.lock_folders(), name, patience, waiting),
        };
        match got {
            Ok(None) => {
                self.messages.warn("waited long enough; downloading it here as well");
                None
            }
            Ok(some) => some,
            Err(e) => {
                self.messages.warn(format_args!("{}; going on without a lock", Chain(&e)));
                None
            }
        }
    }

    /// Where a lock can lie. In the build of an image first in memory: what lies elsewhere would become part of it.
    fn lock_folders(&self) -> Vec<PathBuf> {
        let mut folders = self.scratch_folders();
        if ["VCACHE_DIR", "VCACHE_REMOTE"]
            .iter()
            .any(|name| *self.settings.origin(name) == Origin::HandedOver)
        {
            folders.insert(0, PathBuf::from("/dev/shm"));
        }
        folders
    }

    /// Delivers every answer, or none when a blob proves unusable before the first one is delivered. `fixed`: the targets
    /// as they were before the real tool tried.
    pub(crate) fn deliver_all(
        &self,
        service: &Service,
        answers: &[Answer],
        fixed: Option<&[Target]>,
    ) -> Served {
        for (job, answer) in service.jobs.iter().zip(answers) {
            if let Some(code) = self.stale_hash(job, answer) {
                return Served::Done(code);
            }
        }
        // One request is checked while it is delivered; of several the first must not be there when the second fails.
        if answers.len() > 1 && !answers.iter().all(|a| self.is_sound(a)) {
            return Served::Not;
        }
        let mut targets = Targets::new(self.host.cwd());
        let mut status = 0;
        let mut delivered: Vec<(&Job, Target)> = Vec::new();
        // Where the real tool must do it after all, it finds everything as it was.
        let take_back = |delivered: &[(&Job, Target)]| {
            delivered.iter().for_each(|(job, target)| target.put_back(job.transfer.existing));
        };
        for (index, (job, answer)) in service.jobs.iter().zip(answers).enumerate() {
            let found = targets.next(&job.transfer, answer.header_name());
            let target = fixed.filter(|_| !job.is_named_by_header()).map_or(found, |all| all[index].clone());
            match deliver(self.tool, job, &target, &answer.blob, answer.mtime()) {
                Ok(()) => {
                    self.delivered(job, answer, &target);
                    delivered.push((job, target));
                    // Of several transfers curl reports how the last one ended.
                    status = if self.tool == Tool::Curl { 0 } else { status };
                }
                Err(Undelivered::Corrupt) => {
                    self.quarantine(answer);
                    take_back(&delivered);
                    return Served::Not;
                }
                Err(Undelivered::Cache(e)) => {
                    self.messages.warn(format_args!("{}; downloading it instead", Chain(&e)));
                    take_back(&delivered);
                    return Served::Not;
                }
                // The real tool's work is checked where there is a pin.
                Err(Undelivered::RealTool(_))
                    if job.pin.is_some() && fixed.is_none() && !self.policy.offline =>
                {
                    take_back(&delivered);
                    return Served::Not;
                }
                Err(Undelivered::RealTool(reason)) => {
                    take_back(&delivered);
                    return Served::Done(self.pass_through(&reason, Some(&job.url)));
                }
                Err(Undelivered::Contradicts(found)) => {
                    take_back(&delivered);
                    let there = format!("{found} in the file that is there ({})", target.display());
                    self.refuse(exit::PIN_VIOLATED, &self.mismatch(job, &there), Some(&job.url));
                    return Served::Done(ExitCode::from(exit::PIN_VIOLATED));
                }
                Err(Undelivered::Fails(failed, message)) => {
                    self.messages.error(message);
                    self.note(Outcome::Failed, job, 0, None);
                    status = failed;
                }
            }
        }
        self.write_log(service);
        Served::Done(ExitCode::from(status))
    }

    fn delivered(&self, job: &Job, answer: &Answer, target: &Target) {
        if let Some(format) = &job.transfer.write_out {
            let facts = curl::write_out::Facts {
                size: answer.blob.size(),
                filename: job.transfer.name_as_typed(answer.header_name()),
                content_type: answer.record.as_ref().and_then(|r| r.content_type.clone()),
            };
            let text = curl::write_out::render(format, &facts).unwrap_or_default();
            let _ = std::io::stdout().write_all(text.as_bytes());
        }
        self.messages.info(format_args!("hit: {} -> {}", job.url, target.display()));
        if self.policy.offline && self.policy.versioned && job.pin.is_none() {
            self.messages.warn(format_args!("{}: offline and not pinned; using the last copy", job.url));
        }
        self.record_pin(&job.url, &self.digest_to_record(job, answer));
        self.note_hit(job, answer);
    }

    /// wget's log file is there after a hit too, with a line that says where the content came from.
    fn write_log(&self, service: &Service) {
        let Some((path, append)) = &service.call.log else { return };
        let path = self.host.cwd().join(path);
        let opened = OpenOptions::new().create(true).write(true).append(*append).truncate(!append).open(path);
        if let Ok(mut log) = opened {
            for job in &service.jobs {
                let _ = writeln!(log, "{}: answered from the cache", job.url);
            }
        }
    }

    fn is_sound(&self, answer: &Answer) -> bool {
        match answer.blob.verify() {
            Ok(()) => true,
            Err(StoreError::Corrupt { .. }) => {
                self.quarantine(answer);
                false
            }
            Err(e) => {
                self.messages.warn(format_args!("{}; downloading it instead", Chain(&e)));
                false
            }
        }
    }

    fn quarantine(&self, answer: &Answer) {
        let id = answer.blob.id();
        let done = match self.store().map(|store| store.quarantine(&answer.blob)) {
            Some(Ok(true)) => "moved to quarantine".to_owned(),
            Some(Err(e)) => Chain(&e).to_string(),
            Some(Ok(false)) | None => "left where it is".to_owned(),
        };
        let mut event = self.journal.event(Outcome::Corrupt);
        event.detail = Some(format!("sha256:{id}"));
        self.journal.write(self.store(), &event);
        let path = answer.blob.path().display();
        let next =
            if self.policy.offline { "it would have to be downloaded again" } else { "downloading it again" };
        self.messages.warn(format_args!("{path} is corrupt ({done}); {next}"));
    }
}

/// The name of the lock on the file that a transfer writes: by its folder's identity, since containers that share a cache
/// have files of the same name. wget's numbered names count as one.
fn lock_of_file(cwd: &Path, transfer: &Transfer) -> Option<String> {
    let path = match &transfer.destination {
        Destination::Stdout => return None,
        Destination::Path(path) => cwd.join(path),
        Destination::Named { folder, name, .. } => cwd.join(folder).join(name),
    };
    let path = path.canonicalize().unwrap_or(path);
    // The folder need not be there yet: then by the next one above it that is.
    let (folder, above) =
        path.ancestors().skip(1).find_map(|above| Some((FileId::of(above).ok()?, above)))?;
    let rest = path.strip_prefix(above).ok()?;
    Some(format!("file {}:{} {}", folder.device, folder.inode, rest.display()))
}
