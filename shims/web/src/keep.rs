//! After the real tool: check what it brought against the pins, take it into the store, record it.

use std::fs::{self, File};
use std::io::{self, Seek};
use std::process::ExitCode;
use std::sync::PoisonError;

use vcache_shim::journal::Outcome;
use vcache_shim::pins::Pin;
use vcache_shim::{Chain, OnMismatch, PinDigest, child, exit, outbox};
use vcache_store::{Digest, Error as StoreError, Hashes, Ingested, KeyLock, Mtime, Record};

use crate::Tool;
use crate::curl::headers::Response;
use crate::plan::{Job, Service};
use crate::reason::{Code, Reason};
use crate::request::{Destination, Existing, FileTime, REDIRECTS_TAKEN_FOR_GRANTED};
use crate::run::{Captured, pass_on};
use crate::session::{Session, now};
use crate::target::{Before, Target, Targets};
use crate::undo::remove_written;

/// What one run of the real tool has left.
pub(crate) struct Fetched {
    /// One for each request.
    pub(crate) targets: Vec<Target>,
    /// The same, where the tool's header dump tells them apart.
    pub(crate) responses: Option<Vec<Response>>,
    /// The content that went to standard output.
    pub(crate) captured: Captured,
    /// How the call ends if all is well with the content.
    pub(crate) end: child::End,
}

/// Content that is to be checked and kept.
enum Content {
    /// In the store, not yet published.
    Stored(Ingested),
    /// Hashed where it lies: the store is not written, or could not be.
    Hashed(Hashes),
}

impl Content {
    fn digest(&self, like: &Digest) -> Option<Digest> {
        let (id, md5) = match self {
            Content::Stored(ingested) => (ingested.id, ingested.md5),
            Content::Hashed(hashes) => (hashes.sha256, hashes.md5),
        };
        match like {
            Digest::Sha256(_) => Some(Digest::Sha256(id)),
            Digest::Md5(_) => md5.map(Digest::Md5),
        }
    }

    fn size(&self) -> u64 {
        match self {
            Content::Stored(ingested) => ingested.size,
            Content::Hashed(hashes) => hashes.size,
        }
    }
}

impl Session<'_> {
    /// Works through the requests of a run that the tool ended without an error.
    pub(crate) fn keep(&self, service: &Service, mut fetched: Fetched) -> ExitCode {
        let mut end = fetched.end;
        for (index, job) in service.jobs.iter().enumerate() {
            let response = fetched.responses.as_ref().map(|all| all[index].clone());
            let target =
                self.named_by_header(job, response.as_ref()).unwrap_or(fetched.targets[index].clone());
            let captured = match job.transfer.destination {
                Destination::Stdout => std::mem::take(&mut fetched.captured),
                _ => Captured::Nothing,
            };
            if let Err(status) =
                self.keep_one(job, &target, response.as_ref(), captured, service.jobs.len() > 1)
            {
                end = child::End::Status(status);
            }
        }
        if let Some(store) = self.store().filter(|_| self.policy.write) {
            outbox::send_beside(self.host, store);
        }
        end.now()
    }

    /// curl `-J`: the file has the name from the answer. curl refuses to overwrite one, so it was not there before.
    fn named_by_header(&self, job: &Job, response: Option<&Response>) -> Option<Target> {
        let name = response?.disposition.as_deref();
        let target = || Targets::new(self.host.cwd()).next(&job.transfer, name);
        (job.is_named_by_header() && name.is_some()).then(|| Target { before: Before::Absent, ..target() })
    }

    fn keep_one(
        &self,
        job: &Job,
        target: &Target,
        response: Option<&Response>,
        captured: Captured,
        service_has_others: bool,
    ) -> Result<(), u8> {
        let mut storable = self.not_storable(job, target, response);
        let (content, held) = match self.content(job, target, captured, storable.is_none()) {
            Ok(found) => found,
            Err(e) => {
                self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url));
                (None, None)
            }
        };
        let Some(content) = content else { return self.keep_nothing(job, target, storable, held) };
        let size = content.size();
        let found = job.pin.as_ref().and_then(|p| content.digest(&p.digest));
        let matches = job.pin.as_ref().map(|p| found == Some(p.digest));
        if matches == Some(false) {
            let found = found.map_or_else(|| "nothing".to_owned(), |d| d.to_string());
            if self.policy.on_mismatch == OnMismatch::Fail {
                return Err(self.violated(job, target, &found));
            }
            self.messages.warn(self.mismatch(job, &found));
        }
        let contested = self.files_unsafe.get() || self.file_locks.borrow().iter().any(KeyLock::contested);
        let ours = target.path.is_none() || !contested;
        if !ours {
            storable = Some(Reason::new(Code::Unclear, "the file could not be locked"));
        }
        if storable.is_none() && !self.is_whole(size, response, service_has_others) {
            storable = Some(Reason::new(Code::Unclear, "one of several"));
        }
        // What has the pinned digest is the content, whatever the answer's headers say.
        let whole = storable.is_none() || matches == Some(true);
        let recorded = self.digest_of(job, &content, matches).filter(|_| whole);
        let mut reason = storable.filter(|_| !whole);
        match content {
            Content::Stored(ingested) if whole => self.publish(job, target, response, ingested),
            Content::Hashed(_) if self.policy.write && whole => {
                reason = Some(Reason::new(Code::CacheTrouble, ""))
            }
            Content::Stored(_) | Content::Hashed(_) => {}
        }
        // Where pins in force and recorded ones are one file, a warning must not change what it warns of.
        if let Some(digest) = recorded.filter(|_| matches != Some(false) || !self.records_into_pins()) {
            self.record_pin(&job.url, &digest);
        }
        self.note(Outcome::Miss, job, size, reason.as_ref());
        held.map_or(Ok(()), |held| self.release(held))
    }

    /// Whether content is known to be complete though the tool's exit status does not say so: of several transfers curl
    /// reports how the last one ended. wget reports the worst.
    pub(crate) fn is_whole(&self, size: u64, response: Option<&Response>, one_of_several: bool) -> bool {
        match response.and_then(|response| response.content_length) {
            Some(length) => length == size,
            None => self.tool == Tool::Wget || !one_of_several,
        }
    }

    /// Nothing came that could be hashed.
    fn keep_nothing(
        &self,
        job: &Job,
        target: &Target,
        reason: Option<Reason>,
        held: Option<File>,
    ) -> Result<(), u8> {
        let reason = reason.unwrap_or_else(|| Reason::new(Code::Unchanged, ""));
        self.note(Outcome::Miss, job, 0, Some(&reason));
        // `-N` and `-c` may have found that there is nothing to fetch.
        let may_be_nothing =
            matches!(job.transfer.existing, Existing::Timestamp | Existing::Continue | Existing::Keep);
        let left_something =
            job.is_named_by_header() || target.path.as_ref().is_some_and(|path| path.exists());
        let expected = left_something && !may_be_nothing;
        let must_be_checked = job.pin.is_some() && self.policy.on_mismatch == OnMismatch::Fail;
        match held {
            // Held back, and now impossible to check: it can't be passed on.
            Some(_) if must_be_checked => {
                Err(self.violated(job, target, "content that could not be checked"))
            }
            Some(held) => self.release(held),
            None if must_be_checked && expected => {
                Err(self.violated(job, target, "nothing that could be checked"))
            }
            None if must_be_checked && left_something => self.check_what_stays(job, target),
            None => Ok(()),
        }
    }

    /// The file that was there was current, or complete, and stays; but it must be what the pin says.
    fn check_what_stays(&self, job: &Job, target: &Target) -> Result<(), u8> {
        match job.pin.as_ref().and_then(|pin| self.found_instead(target, pin)) {
            Some(found) => {
                let there = format!("{found} in the file that is there ({})", target.display());
                self.refuse(exit::PIN_VIOLATED, &self.mismatch(job, &there), Some(&job.url));
                Err(exit::PIN_VIOLATED)
            }
            None => Ok(()),
        }
    }

    fn release(&self, mut held: File) -> Result<(), u8> {
        // Whoever reads it may fetch the same.
        self.key_locks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        pass_on(&mut held).map_err(|e| {
            if e.kind() != io::ErrorKind::BrokenPipe {
                self.messages.error(format_args!("writing stdout: {e}"));
            }
            self.tool.write_failure()
        })
    }

    /// What a written file holds instead of what its pin says; none when it is right.
    pub(crate) fn found_instead(&self, target: &Target, pin: &Pin) -> Option<String> {
        let file = target.path.as_ref().and_then(|path| File::open(path).ok());
        file.map_or_else(|| Some("nothing that could be read".to_owned()), |file| found_instead(&file, pin))
    }

    /// Why what was fetched is not the content of the URL, or can't be known to be.
    fn not_storable(&self, job: &Job, target: &Target, response: Option<&Response>) -> Option<Reason> {
        match response {
            None => return Some(Reason::new(Code::Unclear, "")),
            Some(r) if r.status != 200 => {
                return Some(Reason::new(Code::Status, r.status.to_string()));
            }
            Some(_) => {}
        }
        is_resumed(job, target).then(|| Reason::new(Code::Resume, target.display()))
    }

    /// The content, hashed, and in the store where it may be kept; and the file in which it is held back.
    fn content(
        &self,
        job: &Job,
        target: &Target,
        captured: Captured,
        storable: bool,
    ) -> Result<(Option<Content>, Option<File>), StoreError> {
        let (mut file, held) = match captured {
            Captured::Stored(ingested) => return Ok((Some(Content::Stored(ingested)), None)),
            Captured::Held(file) => {
                let again = file.try_clone().map_err(|source| StoreError::Input { source })?;
                (file, Some(again))
            }
            Captured::Nothing => {
                let path = target.path.as_ref().filter(|_| target.was_written());
                let Some(file) = path.and_then(|p| File::open(p).ok()) else { return Ok((None, None)) };
                (file, None)
            }
        };
        file.rewind().map_err(|source| StoreError::Input { source })?;
        let md5 = self.wants_md5(job);
        let pinned = job.pin.is_some();
        if let Some(store) = self.store().filter(|_| self.policy.write && (storable || pinned)) {
            match store.ingest(&mut file, md5) {
                Ok(ingested) => return Ok((Some(Content::Stored(ingested)), held)),
                // Not our build's trouble: what it asked for is where it should be, and can still be checked.
                Err(e) => self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url)),
            }
            file.rewind().map_err(|source| StoreError::Input { source })?;
        }
        if !(pinned || storable && self.policy.versioned) {
            return Ok((None, held));
        }
        Ok((Some(Content::Hashed(Hashes::of(&file, md5)?)), held))
    }

    fn publish(&self, job: &Job, target: &Target, response: Option<&Response>, ingested: Ingested) {
        let Some(store) = self.store() else { return };
        let key = job.key();
        let response = response.cloned().unwrap_or_default();
        let record = Record {
            key: key.text().to_owned(),
            sha256: ingested.id,
            size: ingested.size,
            name: response.disposition.clone(),
            mtime: self.server_time(job, target, &response),
            redirects: self.redirects(job, &response),
            content_type: response.content_type.clone(),
            origin: job.url.clone(),
            fetched: now(),
        };
        let record = with_what_was_known(record, store.lookup_here(&key).ok().flatten());
        let published = ingested.publish(&job.url).and_then(|_| store.publish(&key, &record));
        match published {
            Ok(()) => self.messages.info(format_args!("kept: {}", job.url)),
            Err(e) => self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url)),
        }
    }

    /// How many redirects led to it, at most: wget does not tell, but it has kept to the limit that it was given.
    fn redirects(&self, job: &Job, response: &Response) -> Option<u32> {
        let limit = job.transfer.max_redirects;
        match self.tool {
            Tool::Curl => Some(response.redirects),
            Tool::Wget => (limit < REDIRECTS_TAKEN_FOR_GRANTED).then_some(limit),
        }
    }

    /// curl's header dump has the server's time; wget leaves it on the file, unless told not to. A file time that lies
    /// within this call means that the server sent none.
    fn server_time(&self, job: &Job, target: &Target, response: &Response) -> Mtime {
        if self.tool == Tool::Curl {
            return response.last_modified.map_or(Mtime::None, Mtime::At);
        }
        let Some(path) = target.path.as_ref().filter(|_| job.transfer.mtime == FileTime::Server) else {
            return Mtime::Unknown;
        };
        match fs::metadata(path).map(|m| std::os::unix::fs::MetadataExt::mtime(&m)) {
            Ok(time) if time >= self.started as i64 - 1 => Mtime::None,
            Ok(time) => u64::try_from(time).map_or(Mtime::Unknown, Mtime::At),
            Err(_) => Mtime::Unknown,
        }
    }

    /// An md5 costs more than all else together, so it is computed only where a pin or a version file wants one.
    pub(crate) fn wants_md5(&self, job: &Job) -> bool {
        match &job.pin {
            Some(pin) => matches!(pin.digest, Digest::Md5(_)),
            None => self.policy.versioned && self.policy.pin_digest == PinDigest::Md5,
        }
    }

    /// The digest for the version file.
    fn digest_of(&self, job: &Job, content: &Content, matches: Option<bool>) -> Option<String> {
        if let Some(pin) = job.pin.as_ref().filter(|_| matches == Some(true)) {
            return Some(pin.text.clone());
        }
        let md5 = content.digest(&Digest::Md5([0; 16]));
        let digest = match self.policy.pin_digest {
            PinDigest::Md5 if md5.is_some() => md5,
            _ => match content {
                Content::Stored(ingested) => Some(Digest::Sha256(ingested.id)),
                Content::Hashed(hashes) => Some(Digest::Sha256(hashes.sha256)),
            },
        };
        digest.map(|d| d.to_string())
    }

    /// The content contradicts its pin: nothing of it is left for a later step of the build to take for good.
    pub(crate) fn violated(&self, job: &Job, target: &Target, found: &str) -> u8 {
        if let Some(path) = target.path.as_ref().filter(|_| target.was_written() && !self.files_unsafe.get())
        {
            remove_written(path);
        }
        self.refuse(exit::PIN_VIOLATED, &self.mismatch(job, found), Some(&job.url));
        exit::PIN_VIOLATED
    }

    pub(crate) fn mismatch(&self, job: &Job, found: &str) -> String {
        let (text, place) = job.pin.as_ref().map_or(("", ""), |p| (&p.text, &p.place));
        format!(
            "{}: the content contradicts its pin: {place} expects {text}, found {found}; if the new content is right, \
             change that line, else find out why the origin changed",
            job.url
        )
    }
}

/// `-c` on a file that was there: that what came is the rest of it is the caller's word, not ours.
fn is_resumed(job: &Job, target: &Target) -> bool {
    job.transfer.existing == Existing::Continue && target.before.size() > 0
}

/// wget shows no headers: what curl learned of the same content stays.
fn with_what_was_known(new: Record, old: Option<Record>) -> Record {
    let Some(old) = old.filter(|old| old.sha256 == new.sha256) else { return new };
    Record {
        name: new.name.or(old.name),
        mtime: if new.mtime == Mtime::Unknown { old.mtime } else { new.mtime },
        redirects: new.redirects.or(old.redirects),
        content_type: new.content_type.or(old.content_type),
        ..new
    }
}

/// What an open file holds instead of what a pin says; none when it is right.
pub(crate) fn found_instead(file: &File, pin: &Pin) -> Option<String> {
    let wants_md5 = matches!(pin.digest, Digest::Md5(_));
    let Ok(hashes) = Hashes::of(file, wants_md5) else {
        return Some("nothing that could be read".to_owned());
    };
    let found = Content::Hashed(hashes).digest(&pin.digest);
    if found == Some(pin.digest) { None } else { found.map(|digest| digest.to_string()) }
}
