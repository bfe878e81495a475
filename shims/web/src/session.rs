//! One call from beginning to end: decide, answer from the cache, or run the real tool and keep what it brought.

use std::cell::{Cell, RefCell};
use std::ffi::OsStr;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use once_cell::unsync::OnceCell;
use vcache_shim::cache::{Opened, Use};
use vcache_shim::host::FileId;
use vcache_shim::journal::{Event, Journal, Outcome};
use vcache_shim::pins::{self, Found, Pins};
use vcache_shim::{Chain, Host, Messages, Policy, Settings, cache, real_tool, settings};
use vcache_store::{KeyLock, Store};
use vcache_versions::WebDigest;

use crate::answer::Answer;
use crate::plan::{self, Job, Plan, leaves_the_machine};
use crate::reason::{Code, Reason};
use crate::{COMPONENT, Tool};

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
    pub(crate) journal: Journal,
    store: OnceCell<Option<Store>>,
    /// The locks of what is fetched; let go when the call ends, or when it waits for its reader.
    pub(crate) key_locks: Mutex<Vec<KeyLock>>,
    /// The locks of the files that are written.
    pub(crate) file_locks: RefCell<Vec<KeyLock>>,
    /// One of these could not be had: what stands in a file may be another call's.
    pub(crate) files_unsafe: Cell<bool>,
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
    if settings::hook_skipped(settings) || real_tool::started_by_a_shim(host) {
        return real_tool::pass_through(host);
    }
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    let messages = Messages::of(settings);
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
        Session {
            host,
            settings,
            tool,
            policy,
            messages,
            started,
            looks_only: false,
            journal,
            store,
            key_locks: Mutex::default(),
            file_locks: RefCell::default(),
            files_unsafe: Cell::default(),
        }
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
                self.messages.warn(format_args!("{problem}; the line is ignored"));
            }
            found
        };
        (plan::plan(parsed, &self.policy, &|url: &str| -> Found { look_up(url) }, self.proxied()), url)
    }

    /// The environment names a proxy (curl(1), "ENVIRONMENT"; wget's manual, "Proxies").
    fn proxied(&self) -> bool {
        let is_proxy = |name: &OsStr| name.to_string_lossy().to_ascii_lowercase().ends_with("_proxy");
        self.host.env_all().any(|(name, value)| {
            is_proxy(name) && name != "no_proxy" && name != "NO_PROXY" && !value.is_empty()
        })
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
        self.settings.buildinfo(self.host)
    }

    /// The cache, opened at the first need; where it can't be used there is one warning and the build goes on.
    pub(crate) fn store(&self) -> Option<&Store> {
        let what_for = if self.looks_only || !self.policy.write { Use::ReadOnly } else { Use::ReadWrite };
        let open = || match cache::open(self.host, self.settings, what_for) {
            _ if !(self.policy.read || self.policy.write) => None,
            Ok(Opened { store, wrong }) => {
                wrong.iter().for_each(|line| self.messages.warn(line));
                Some(store)
            }
            Err(e) => {
                self.messages.warn(format_args!("{}; going on without the cache", Chain(&e)));
                None
            }
        };
        self.store.get_or_init(open).as_ref()
    }

    /// Says what went wrong with second tiers since this was last said.
    pub(crate) fn say_tier_troubles(&self) {
        for trouble in self.store().map(Store::tier_troubles).unwrap_or_default() {
            self.messages.warn(format_args!("{}; going on without it", Chain(&trouble)));
        }
    }

    /// Hands the call over to the real tool, as it was given, unless it would need a network that must not be touched.
    pub(crate) fn pass_through(&self, reason: &Reason, url: Option<&str>) -> ExitCode {
        let no_network = matches!(reason.code, Code::NoUrl | Code::MissingValue | Code::Kept);
        if self.policy.offline
            && !no_network
            && url.is_some_and(|url| self.proxied() || leaves_the_machine(url))
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

    /// Writes the line of a request that was answered.
    pub(crate) fn note_hit(&self, job: &Job, answer: &Answer) {
        let event = Event {
            url: Some(job.url.clone()),
            bytes: answer.blob.size(),
            tier: answer.blob.tier().map(ToOwned::to_owned),
            ..self.journal.event(Outcome::Hit)
        };
        self.journal.write(self.store(), &event);
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

    /// Under `vcache run` the lock folder is both.
    pub(crate) fn records_into_pins(&self) -> bool {
        let of = |folder: &str| FileId::of(&self.buildinfo().join(folder).join("versions-web")).ok();
        of("versions").is_some_and(|pins| of("build-versions") == Some(pins))
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
}
