//! One call from beginning to end: decide, answer from the cache, or run the real tool and keep what it brought.

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use once_cell::unsync::OnceCell;
use vcache_shim::host::FileId;
use vcache_shim::journal::{Event, Journal, Outcome};
use vcache_shim::pins::{self, Found, Pins};
use vcache_shim::{Chain, Host, Level, Messages, Policy, Settings, cache, exit, real_tool, settings};
use vcache_store::{Error as StoreError, KeyLock, LockWait, Store};
use vcache_versions::WebDigest;

use crate::answer::{Answer, Wanted};
use crate::deliver::{Undelivered, deliver};
use crate::plan::{self, Job, Plan, Service, leaves_the_machine};
use crate::reason::{Code, Reason};
use crate::request::{Destination, Existing, Transfer};
use crate::target::{Before, Target, Targets};
use crate::{COMPONENT, Tool, curl};

/// What one call needs at hand.
pub(crate) struct Session<'a> {
    pub(crate) host: &'a Host,
    pub(crate) settings: &'a Settings,
    pub(crate) tool: Tool,
    pub(crate) policy: Policy,
    pub(crate) messages: Messages,
    /// Seconds since 1970.
    pub(crate) started: u64,
    /// Nothing is to be done: the store is only read.
    looks_only: bool,
    journal: Journal,
    store: OnceCell<Option<Store>>,
}

/// How an attempt to serve ended.
pub(crate) enum Served {
    /// The call is done.
    Done(ExitCode),
    /// Something in the cache proved unusable; nothing has been delivered.
    Not,
}

/// Does the call in `host`.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    if settings::hook_skipped(settings) {
        return real_tool::pass_through(host);
    }
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    let messages = Messages::new(Level::parse(settings.get("VCACHE_LOG")).unwrap_or_default());
    for line in wrong {
        messages.warn(line);
    }
    if !policy.active() {
        return real_tool::pass_through(host);
    }
    let session = Session::new(host, settings, policy, messages);
    match session.plan() {
        (Plan::Passthrough { reason, unchecked }, url) => {
            if let Some(pin) = unchecked {
                let why = reason.code.help();
                session.messages.warn(format_args!("the pin of {pin} is not checked in this call: {why}"));
            }
            session.pass_through(&reason, url.as_deref())
        }
        (Plan::Refuse { status, message }, url) => session.refuse(status, &message, url.as_deref()),
        (Plan::Serve(service), _) => session.serve(service),
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs())
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        host: &'a Host,
        settings: &'a Settings,
        policy: Policy,
        messages: Messages,
    ) -> Session<'a> {
        let (tool, journal) = (Tool::of(host), Journal::new(host, settings));
        let (started, store) = (now(), OnceCell::new());
        Session { host, settings, tool, policy, messages, started, looks_only: false, journal, store }
    }

    /// The same for someone who only wants to know.
    pub(crate) fn only_looking(self) -> Session<'a> {
        Session { looks_only: true, ..self }
    }

    /// The plan, and the URL to name in the journal when it is not to serve.
    pub(crate) fn plan(&self) -> (Plan, Option<String>) {
        let parsed = self.tool.parse(self.host);
        let url = match &parsed {
            crate::request::Parsed::Other { urls, .. } => urls.first(),
            crate::request::Parsed::Fetch(call) => call.transfers.first().map(|t| &t.url),
        };
        let url = url.map(|u| vcache_store::public_url(u));
        let pins = self.pins();
        let look_up = |url: &str| {
            let found = pins.web(url);
            for problem in found.problems.iter().filter(|_| !found.contradictory) {
                self.messages.warn(format_args!("{problem}; the line is passed over"));
            }
            found
        };
        (plan::plan(parsed, &self.policy, &|url: &str| -> Found { look_up(url) }), url)
    }

    fn pins(&self) -> Pins {
        if !self.policy.versioned {
            return Pins::default();
        }
        Pins::load(&self.buildinfo(), COMPONENT.0).unwrap_or_else(|e| {
            let folder = self.buildinfo();
            self.messages
                .warn(format_args!("{}/versions/versions-web: {e}; no pins are in force", folder.display()));
            Pins::default()
        })
    }

    pub(crate) fn buildinfo(&self) -> std::path::PathBuf {
        self.host.cwd().join(self.settings.path("VCACHE_BUILDINFO").unwrap_or_default())
    }

    /// The cache, opened at the first need; where it can't be used there is one warning and the build goes on.
    pub(crate) fn store(&self) -> Option<&Store> {
        let open = || match cache::open(self.host, self.settings, self.looks_only || !self.policy.write) {
            _ if !(self.policy.read || self.policy.write) => None,
            Ok(store) => Some(store),
            Err(e) => {
                self.messages.warn(format_args!("{}; going on without the cache", Chain(&e)));
                None
            }
        };
        self.store.get_or_init(open).as_ref()
    }

    /// Hands the call over to the real tool, as it was given, unless it would need a network that must not be touched.
    pub(crate) fn pass_through(&self, reason: &Reason, url: Option<&str>) -> ExitCode {
        let no_network = matches!(reason.code, Code::NoUrl | Code::MissingValue | Code::Kept);
        if self.policy.offline
            && !no_network
            && url.is_some_and(leaves_the_machine)
            && let Plan::Refuse { status, message } = plan::offline(reason, url)
        {
            return self.refuse(status, &message, url);
        }
        self.messages.debug(format_args!("passthrough: {}: {}", reason.code.name(), reason.detail));
        let mut event = self.journal.event(Outcome::Passthrough);
        event.reason = Some(reason.code.name().to_owned());
        event.detail = Some(reason.detail.clone()).filter(|d| !d.is_empty());
        event.url = url.map(ToOwned::to_owned);
        self.journal.write(self.store(), &event);
        real_tool::pass_through(self.host)
    }

    /// Ends the call with one of our own statuses.
    pub(crate) fn refuse(&self, status: u8, message: &str, url: Option<&str>) -> ExitCode {
        self.messages.error(message);
        let mut event = self.journal.event(Outcome::Refused);
        event.reason = Some(status.to_string());
        event.url = url.map(ToOwned::to_owned);
        self.journal.write(self.store(), &event);
        ExitCode::from(status)
    }

    /// Writes the line of one request.
    pub(crate) fn note(&self, outcome: Outcome, job: &Job, bytes: u64, reason: Option<&Reason>) {
        let event = Event {
            url: Some(job.url.clone()),
            bytes,
            reason: reason.map(|r| r.code.name().to_owned()),
            detail: reason.map(|r| r.detail.clone()).filter(|d| !d.is_empty()),
            ..self.journal.event(outcome)
        };
        self.journal.write(self.store(), &event);
    }

    /// Writes into `build-versions/versions-web` what this build used.
    pub(crate) fn record_pin(&self, url: &str, digest: &str) {
        if !self.policy.versioned {
            return;
        }
        let Ok(digest) = digest.parse::<WebDigest>() else { return };
        if let Err(e) = pins::record_web(&self.buildinfo(), COMPONENT.0, url, &digest) {
            let folder = self.buildinfo();
            let file = folder.join("build-versions/versions-web");
            self.messages.warn(format_args!("{}: {e}; the pin of {url} is not recorded", file.display()));
        }
    }

    fn serve(&self, mut service: Service) -> ExitCode {
        let url = service.jobs.first().map(|job| job.url.clone());
        if let Some(reason) = self.left_to_the_tool(&service) {
            return self.pass_through(&reason, url.as_deref());
        }
        service.jobs.retain(|job| !self.is_kept(job));
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
        let locks = self.lock(&service);
        if locks.iter().any(KeyLock::waited)
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

    /// Holds the locks of what is missing, so that of many calls for one URL a single one fetches; and of the files that
    /// will be written, so that none takes what another one puts there for its own. In the order of their names, so that
    /// two calls can't wait for each other.
    fn lock(&self, service: &Service) -> Vec<KeyLock> {
        let Some(store) = self.store().filter(|_| self.policy.write) else { return Vec::new() };
        let keys = service.jobs.iter().map(|job| job.key().text().to_owned());
        let files = service.jobs.iter().filter_map(|job| lock_of_file(self.host.cwd(), &job.transfer));
        let names: BTreeSet<String> = keys.chain(files).collect();
        let mut locks = Vec::new();
        for name in &names {
            let waiting = &mut |wait: &LockWait| {
                self.messages.warn(format_args!(
                    "another process is at work on {}; waiting for it ({} s of at most {} s; lock: {})",
                    wait.what.replace('\n', " "),
                    wait.waited.as_secs(),
                    wait.patience.as_secs(),
                    wait.path.display()
                ));
            };
            match store.lock(name, self.policy.lock_wait, waiting) {
                Ok(Some(lock)) => locks.push(lock),
                Ok(None) => self.messages.warn("waited long enough; downloading it here as well"),
                Err(e) => self.messages.warn(format_args!("{}; going on without a lock", Chain(&e))),
            }
        }
        locks
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
            match deliver(self.tool, &job.transfer, &target, &answer.blob, answer.mtime()) {
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
                Err(Undelivered::RealTool(reason)) => {
                    take_back(&delivered);
                    return Served::Done(self.pass_through(&reason, Some(&job.url)));
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
        self.record_pin(&job.url, &self.digest_to_record(job, answer));
        self.note(Outcome::Hit, job, answer.blob.size(), None);
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
        self.messages.warn(format_args!("{path} is corrupt ({done}); downloading it again"));
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
    let folder = FileId::of(path.parent()?).ok()?;
    Some(format!("file {}:{} {}", folder.device, folder.inode, path.file_name()?.display()))
}
