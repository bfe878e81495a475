//! What has no digest: Release files mostly, from which the digests of all else follow.
//!
//! Its content changes without its URL, so the origin is asked, and its answer kept. Offline, and where the origin can't be reached, the last one that is
//! known is given: apt itself goes on with the lists that it has then, and a fresh container has none. A pinned one is given whatever the origin has by now.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use vcache_shim::OnMismatch;
use vcache_shim::journal::{Journal, Outcome};
use vcache_shim::pins::Release as Pin;
use vcache_store::{Blob, Key, Record, Sha256Id, public_url};
use vcache_versions::MirrorState;

use super::keep::open;
use super::message::{FAILURE, Message, REDIRECT};
use super::request::{Expected, Request};
use super::session::{Pending, Session};
use crate::notes::Note;
use crate::release::Release;
use crate::release_url::{Part, ReleaseUrl};

/// The part of a key under which a redirect is kept: the content is the URL to which it led.
pub(super) const REDIRECTED: &str = "redirect";
/// The part of a key under which it is kept that the origin has no such file; without content. It counts only where the origin can't be asked.
pub(super) const ABSENT: &str = "absent";
/// How apt's method names that answer.
const NOT_FOUND: [&str; 2] = ["HttpError404", "HttpError410"];
/// How apt's methods begin the reason of a failure that is the origin's answer; all others are of the way to it, or have none.
const ANSWERED: [&str; 2] = ["HttpError", "MaximumSizeExceeded"];
/// In bytes; a URL is shorter.
const LONGEST_URL: u64 = 64 << 10;
/// In bytes; apt takes no larger Release file (`Acquire::MaxReleaseFileSize`).
pub(crate) const LARGEST_RELEASE: u64 = 10_000_000;

/// The part of a key for the Release file of a suite that was made then.
pub(crate) fn made_at(date: &str) -> String {
    format!("at {date}")
}

/// The part of a key for the signature of a Release file.
pub(crate) fn signature_of(release: &Sha256Id) -> String {
    format!("of {release}")
}

impl Session {
    /// Deals with a request that names no digest.
    pub(super) fn by_url(&self, request: Request, journal: Journal) {
        let url = ReleaseUrl::of(&request.uri);
        if let Some(url) = &url
            && let Some(pin) = self.pin_of(url)
            && self.give_frozen(&request, &journal, url, &pin)
        {
            return;
        }
        if !self.policy.offline {
            return self.delegate(request, journal, None);
        }
        if !self.last_known(&request, &journal) {
            self.miss_offline(&request, &journal);
        }
    }

    /// Gives the files that a pin means; whether apt has its answer.
    fn give_frozen(&self, request: &Request, journal: &Journal, url: &ReleaseUrl, pin: &Pin) -> bool {
        let Some(store) = self.store().filter(|_| self.policy.read) else { return false };
        let MirrorState::Release { date, sha256 } = &pin.state else { return false };
        let by_date = |url: &str| {
            let record = self.heard(store.lookup(&Key::deb_index(url, &made_at(date)))).flatten();
            record.map(|record| record.sha256)
        };
        let pinned = sha256.as_ref().and_then(|digits| digits.parse::<Sha256Id>().ok());
        let release = pinned.or_else(|| by_date(&request.uri)).or_else(|| by_date(&url.release()));
        let Some(release) = release else { return false };
        if url.part() == Part::Signature {
            let key = Key::deb_index(&request.uri, &signature_of(&release));
            let Some(record) = self.heard(store.lookup(&key)).flatten() else { return false };
            let blob = self.heard(store.find(&record.sha256.into())).flatten();
            return blob.is_some_and(|blob| self.give(request, journal, &blob, Some(&record)));
        }
        let Some(blob) = self.heard(store.find(&release.into())).flatten() else { return false };
        let Some(text) = self.text(&blob) else { return false };
        if Release::read(&text).is_clearsigned != (url.part() == Part::InRelease) {
            self.fail(request, "the repository had none when it was pinned");
            return true;
        }
        self.warn_of_newer(request, &Release::read(&text), pin);
        let record = self.heard(store.lookup(&Key::deb_index(&request.uri, &made_at(date)))).flatten();
        self.give_release(request, journal, &blob, record.filter(|record| record.sha256 == release).as_ref())
    }

    /// apt takes no Release file that is older than the one it has, and says nothing of it.
    fn warn_of_newer(&self, request: &Request, release: &Release, pin: &Pin) {
        let Some(file) = request.kept() else { return };
        // Dates of this form sort as text.
        if file.is_file() && Release::read(&fs::read(&file).unwrap_or_default()).date > release.date {
            self.messages.warn(format_args!(
                "{}: apt has a newer one than the pinned one ({}), and keeps it; remove it, and apt's other lists, before",
                file.display(),
                pin.place
            ));
        }
    }

    /// Gives a Release file that its origin may not have any more, and tells if it is no longer valid.
    fn give_release(
        &self,
        request: &Request,
        journal: &Journal,
        blob: &Blob,
        record: Option<&Record>,
    ) -> bool {
        let Some(text) = self.text(blob) else { return false };
        let pin = ReleaseUrl::of(&request.uri).and_then(|url| self.digest_of(&url));
        if let Some(what) =
            self.forbidden(request, pin.as_ref(), &blob.id(), "the cache, of when it was last seen,")
        {
            self.record(journal, Outcome::Refused, request, |_| {});
            self.fail(request, &what);
            return true;
        }
        let release = Release::read(&text);
        if let Some(label) = release.label.as_ref().filter(|_| release.is_expired(now())) {
            self.note(&Note::Expired(label.clone()));
        }
        if !self.give(request, journal, blob, record) {
            return false;
        }
        if let (Some(url), Some(date)) = (ReleaseUrl::of(&request.uri), release.date) {
            self.write_down_release(&url, &date, &blob.id().to_string());
        }
        true
    }

    /// A Release file's content.
    fn text(&self, blob: &Blob) -> Option<Vec<u8>> {
        let mut text = Vec::new();
        if blob.size() > LARGEST_RELEASE {
            return None;
        }
        match blob.stream_to(&mut text) {
            Ok(()) => Some(text),
            Err(error) => {
                self.put_aside(blob, &error);
                None
            }
        }
    }

    /// Answers as the origin did when it was last asked; whether it ever was.
    fn last_known(&self, request: &Request, journal: &Journal) -> bool {
        let Some(store) = self.store().filter(|_| self.policy.read) else { return false };
        let known = |part: &'static str| {
            let record = self.heard(store.lookup(&Key::deb_index(&request.uri, part))).flatten();
            record.map(|record| (record, part))
        };
        // Of two answers in one second a file is the better one, and it comes last.
        let latest = [ABSENT, REDIRECTED, ""].into_iter().filter_map(known);
        let Some((found, part)) = latest.max_by_key(|(record, _)| record.fetched) else { return false };
        if part == ABSENT {
            self.fail(request, "the repository has none");
            return true;
        }
        let Some(blob) = self.heard(store.find(&found.sha256.into())).flatten() else { return false };
        if part.is_empty() {
            return match ReleaseUrl::of(&request.uri).is_some_and(|url| url.part() != Part::Signature) {
                true => self.give_release(request, journal, &blob, Some(&found)),
                false => self.give(request, journal, &blob, Some(&found)),
            };
        }
        let mut url = Vec::new();
        if blob.size() > LONGEST_URL {
            return false;
        }
        if let Err(error) = blob.stream_to(&mut url) {
            self.put_aside(&blob, &error);
            return false;
        }
        self.say(&Message::new(REDIRECT, "Redirect").with("URI", &request.uri).with("New-URI", url));
        true
    }

    /// The method could not do it; what apt hears instead, if it hears anything.
    pub(super) fn failed(&self, message: Message, pending: &Pending) -> Option<Message> {
        let Pending { request, journal, .. } = pending;
        let reason = message.text("FailReason").unwrap_or_default();
        let is_answer = ANSWERED.iter().any(|answered| reason.starts_with(answered));
        let is_unreachable = !is_answer || message.is_true("Transient-Failure");
        let has_no_digest = request.expected == Expected::Nothing;
        if is_unreachable && has_no_digest && self.last_known(request, journal) {
            self.messages.warn(format_args!(
                "{}: {}; going on with what was last seen of it",
                public_url(&request.uri),
                message.text("Message").unwrap_or("can't be reached")
            ));
            return None;
        }
        if has_no_digest && NOT_FOUND.contains(&reason) {
            self.keep_small(request, ABSENT, "");
        }
        self.record(journal, Outcome::Failed, request, |event| {
            event.detail = message.text("Message").map(public_url);
        });
        Some(message)
    }

    /// The digest to which a repository is pinned, and where that stands.
    fn digest_of(&self, url: &ReleaseUrl) -> Option<(String, String)> {
        let pin = self.pin_of(url)?;
        match pin.state {
            MirrorState::Release { sha256: Some(digits), .. } => Some((digits, pin.place)),
            _ => None,
        }
    }

    /// Why a Release file may not be given: its repository is pinned to another one. A warning where policy leaves it at that.
    fn forbidden(
        &self,
        request: &Request,
        pin: Option<&(String, String)>,
        found: &Sha256Id,
        holder: &str,
    ) -> Option<String> {
        let (digits, place) = pin.filter(|(digits, _)| *digits != found.to_string())?;
        let what = format!(
            "{}: pinned to sha256:{digits} ({place}), and {holder} has sha256:{found}; the cache has the pinned one not (any more): correct the line, or remove it",
            public_url(&request.uri)
        );
        if self.policy.on_mismatch == OnMismatch::Fail {
            self.note(&Note::Violated(what.clone()));
            return Some(what);
        }
        self.messages.warn(what);
        None
    }

    /// Looks at a Release file that its origin has sent; what apt hears instead of it, if it may not have it.
    pub(super) fn look_at_release(
        &self,
        request: &Request,
        file: &Path,
        sha256: &Sha256Id,
    ) -> Option<Message> {
        let url = ReleaseUrl::of(&request.uri).filter(|url| url.part() != Part::Signature)?;
        let pin = self.digest_of(&url);
        if let Some(what) = self.forbidden(request, pin.as_ref(), sha256, "the origin") {
            return Some(refusal(request, &what));
        }
        let mut text = Vec::new();
        open(file).and_then(|file| file.take(LARGEST_RELEASE).read_to_end(&mut text)).ok()?;
        let release = Release::read(&text);
        let is_pinned = pin.is_some_and(|(digits, _)| digits == sha256.to_string());
        let wishes = self.wishes();
        let is_lenient =
            release.label.as_ref().is_some_and(|label| wishes.is_some_and(|w| w.is_lenient(label)));
        if is_lenient
            && !is_pinned
            && release.is_expired(now())
            && wishes.is_some_and(|w| w.checks_valid_until())
        {
            // apt would say so if we had not told it to believe this label for longer; and of what we answer it shows little on stderr.
            self.messages.warn(format_args!(
                "{}: the Release file is expired (`Valid-Until`), and it is not the pinned one",
                public_url(&request.uri)
            ));
            return Some(refusal(request, "the Release file is expired"));
        }
        if let Some(date) = &release.date {
            self.write_down_release(&url, date, &sha256.to_string());
        }
        None
    }
}

/// What apt hears instead of a file that it may not have, and which goes.
fn refusal(request: &Request, why: &str) -> Message {
    let _ = fs::remove_file(&request.dest);
    Message::new(FAILURE, "URI Failure").with("URI", &request.uri).with("Message", why)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
