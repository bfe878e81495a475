//! What has no digest: Release files mostly, from which the digests of all else follow.
//!
//! Its content changes without its URL, so the origin is asked, and its answer kept. Offline, and where the origin can't be reached, the last one that is
//! known is given: apt itself goes on with the lists that it has then, and a fresh container has none.

use vcache_shim::journal::{Journal, Outcome};
use vcache_store::{Key, public_url};

use super::message::{Message, REDIRECT};
use super::request::Request;
use super::session::{Pending, Session};

/// The part of a key under which a redirect is kept: the content is the URL to which it led.
pub(super) const REDIRECTED: &str = "redirect";
/// How apt's methods name what may be otherwise a moment later (`acquire-worker.cc`).
const UNREACHABLE: &[&str] =
    &["Timeout", "ConnectionRefused", "ConnectionTimedOut", "ResolveFailure", "TmpResolveFailure"];
/// In bytes; a URL is shorter.
const LONGEST_URL: u64 = 64 << 10;

impl Session {
    /// Deals with a request that names no digest.
    pub(super) fn by_url(&self, request: Request, journal: Journal) {
        if !self.policy.offline {
            return self.delegate(request, journal, None);
        }
        if !self.last_known(&request, &journal) {
            self.miss_offline(&request, &journal);
        }
    }

    /// Gives what was last seen; whether there was any.
    fn last_known(&self, request: &Request, journal: &Journal) -> bool {
        let Some(store) = self.store().filter(|_| self.policy.read) else { return false };
        let record = self.heard(store.lookup(&Key::deb_index(&request.uri, ""))).flatten();
        let redirect = self.heard(store.lookup(&Key::deb_index(&request.uri, REDIRECTED))).flatten();
        // Of the two the later one is what the origin does now.
        let (first, is_redirect) = match (&record, &redirect) {
            (Some(record), Some(redirect)) if redirect.fetched > record.fetched => (Some(redirect), true),
            (Some(record), _) => (Some(record), false),
            (None, redirect) => (redirect.as_ref(), true),
        };
        let Some(found) = first else { return false };
        let Some(blob) = self.heard(store.find(&found.sha256.into())).flatten() else { return false };
        if !is_redirect {
            return self.give(request, journal, &blob, Some(found));
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
        let is_unreachable = UNREACHABLE.contains(&reason) || message.is_true("Transient-Failure");
        let has_no_digest = request.expected == super::request::Expected::Nothing;
        if is_unreachable && has_no_digest && self.last_known(request, journal) {
            self.messages.warn(format_args!(
                "{}: {}; going on with what was last seen of it",
                public_url(&request.uri),
                message.text("Message").unwrap_or("can't be reached")
            ));
            return None;
        }
        self.record(journal, Outcome::Failed, request, |event| {
            event.detail = message.text("Message").map(public_url);
        });
        Some(message)
    }
}
