//! What the cache holds for a request, and whether it may be given.

use std::process::ExitCode;

use vcache_shim::{Chain, exit};
use vcache_store::{Blob, Digest, Key, Mtime, Record};

use crate::plan::{Job, Order, Service};
use crate::request::{Destination, FileTime, REDIRECTS_TAKEN_FOR_GRANTED};
use crate::session::Session;

/// Cached content for a request.
pub(crate) struct Answer {
    pub(crate) blob: Blob,
    /// What is known of the answer beside its bytes; none for content that is known by its pin alone.
    pub(crate) record: Option<Record>,
}

/// Which cached content will do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Wanted {
    /// What the plan lets the cache answer.
    Permitted,
    /// That, and what another process has fetched since this call began.
    Fresh,
    /// Whatever there is: the network has failed.
    Fallback,
    /// Whatever there is, to say so.
    Known,
}

impl Job {
    /// The key of the request in the index.
    pub(crate) fn key(&self) -> Key {
        Key::web(&self.transfer.url, &self.transfer.variant.join("\n"))
    }

    /// curl `-J`: the answer decides about the file's name.
    pub(crate) fn is_named_by_header(&self) -> bool {
        matches!(self.transfer.destination, Destination::Named { from_header: true, .. })
    }
}

impl Answer {
    /// The server's time of the content.
    pub(crate) fn mtime(&self) -> Mtime {
        self.record.as_ref().map_or(Mtime::Unknown, |r| r.mtime)
    }

    /// The file name that the server gave.
    pub(crate) fn header_name(&self) -> Option<&str> {
        self.record.as_ref()?.name.as_deref()
    }
}

impl Session<'_> {
    /// An answer for each request, or none when one is missing.
    pub(crate) fn answers(&self, service: &Service, wanted: Wanted) -> Option<Vec<Answer>> {
        service.jobs.iter().map(|job| self.answer(job, wanted)).collect()
    }

    /// What the cache has for one request. Says what went wrong with second tiers.
    pub(crate) fn answer(&self, job: &Job, wanted: Wanted) -> Option<Answer> {
        let answer = self.look_up(job, wanted);
        self.say_tier_troubles();
        answer
    }

    fn look_up(&self, job: &Job, wanted: Wanted) -> Option<Answer> {
        let permitted = match (job.order, wanted) {
            (Order::CacheFirst, _) | (Order::OriginFirst, Wanted::Fresh | Wanted::Fallback) => true,
            (_, Wanted::Known) => true,
            (Order::OriginOnly, Wanted::Fresh) => self.policy.write,
            (Order::OriginFirst, Wanted::Permitted) | (Order::OriginOnly, _) => false,
        };
        let store = self.store().filter(|_| permitted)?;
        let record = store.lookup(&job.key()).unwrap_or_else(|e| {
            self.messages.warn(Chain(&e));
            None
        });
        let must_be_fresh = wanted == Wanted::Fresh && job.order != Order::CacheFirst;
        let record = record.filter(|r| !must_be_fresh || r.fetched >= self.started);
        let (digest, record) = match &job.pin {
            Some(pin) if must_be_fresh => (pin.digest, Some(record?)),
            Some(pin) => (pin.digest, record),
            None => {
                let record = record.filter(|r| self.tells_enough(job, r, wanted))?;
                (Digest::Sha256(record.sha256), Some(record))
            }
        };
        let blob = match &record {
            Some(record) => store.find_or(&digest, record.sha256),
            None => store.find_for(&digest, &job.key()),
        };
        let blob = blob.unwrap_or_else(|e| {
            self.messages.warn(Chain(&e));
            None
        })?;
        // Pinned content is the same whatever was asked for beside it, and so is its time.
        let of_content = |key: &Key| store.lookup_of(key, blob.id()).ok().flatten();
        let record = record.filter(|r| r.sha256 == blob.id());
        let record = record.or_else(|| of_content(&job.key()));
        let record = record.or_else(|| of_content(&Key::web(&job.transfer.url, "")));
        let redirects = record.as_ref().and_then(|r| r.redirects).unwrap_or(0);
        (redirects <= job.transfer.max_redirects).then_some(Answer { blob, record })
    }

    /// A record made by another kind of call may lack what this one needs: then the origin is asked once more, unless
    /// it can't be.
    fn tells_enough(&self, job: &Job, record: &Record, wanted: Wanted) -> bool {
        let headers_seen = record.redirects.is_some();
        let needs_headers =
            job.transfer.max_redirects < REDIRECTS_TAKEN_FOR_GRANTED || job.is_named_by_header();
        let needs_time =
            job.transfer.mtime == FileTime::Server && job.transfer.destination != Destination::Stdout;
        let no_choice = self.policy.offline || wanted == Wanted::Fallback;
        (headers_seen || !needs_headers) && (record.mtime != Mtime::Unknown || !needs_time || no_choice)
    }

    /// The digest for the version file: the pin as it stands, else in the form that is configured.
    pub(crate) fn digest_to_record(&self, job: &Job, answer: &Answer) -> String {
        let pinned = job.pin.as_ref().map(|p| p.text.clone());
        pinned.unwrap_or_else(|| format!("sha256:{}", answer.blob.id()))
    }

    /// Content that is pinned for this URL but was fetched under another one: most likely the version in the URL was
    /// changed and its digest was not. A mirror (the same path on another host) is no such case.
    pub(crate) fn stale_hash(&self, job: &Job, answer: &Answer) -> Option<ExitCode> {
        let pin = job.pin.as_ref().filter(|_| answer.record.is_none())?;
        let origin = self.store()?.origin(answer.blob.id())?;
        if path_of(&origin) == path_of(&job.url) {
            return None;
        }
        let message = format!(
            "{}: {} pins it to {}, which is the content of {origin}; was the version changed without its digest?",
            job.url, pin.place, pin.text
        );
        if self.policy.strict {
            return Some(self.refuse(exit::STRICT_REFUSAL, &message, Some(&job.url)));
        }
        self.messages.warn(message);
        None
    }
}

/// A URL without scheme and host.
fn path_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |slash| &rest[slash..])
}
