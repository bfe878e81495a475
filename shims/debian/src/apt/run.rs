//! One call of apt or apt-get, carried out.

use std::process::{Command, ExitCode, Stdio};

use vcache_shim::cache::{self, Use};
use vcache_shim::child::{self, End, Stdout};
use vcache_shim::family::Explanation;
use vcache_shim::journal::{Journal, Outcome};
use vcache_shim::{Host, Messages, Policy, Settings, exit, links, real_tool, settings};
use vcache_store::Store;

use super::call::{Call, parse};
use super::config::{self, Extras, Folder, Look, VARIABLE};
use super::old::Shelf;
use super::pins::{self, Pinned};
use super::{outcome, removal};
use crate::COMPONENT;
use crate::notes;
use crate::reason::Code;

/// How often apt is run for one call: each time but the first with packages that the one before has shown to be needed.
const RUNS: usize = 10;

/// A call at work.
pub(super) struct Running<'a> {
    pub(super) host: &'a Host,
    pub(super) settings: &'a Settings,
    pub(super) policy: Policy,
    pub(super) messages: Messages,
    pub(super) call: Call,
    pub(super) store: Option<Store>,
}

/// Does the call in `host`.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let call = parse(host.args().get(1..).unwrap_or_default());
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    let is_plain = !policy.active() || settings::hook_skipped(settings) || real_tool::started_by_a_shim(host);
    if is_plain || !(call.fetches() || call.changes()) {
        return real_tool::pass_through(host);
    }
    let messages = Messages::of(settings);
    wrong.iter().for_each(|line| messages.warn(line));
    let what_for = if policy.write { Use::ReadWrite } else { Use::ReadOnly };
    // What is wrong with it the method says.
    let store = Some(())
        .filter(|()| policy.read || policy.write)
        .and_then(|()| Some(cache::open(host, settings, what_for).ok()?.store));
    let running = Running { host, settings, policy, messages, call, store };
    removal::record_versions(&running);
    let served = config::look(host, &running.call)
        .and_then(|look| running.serve(&look).map_err(|e| (Code::Trouble, e.to_string())));
    match served {
        Ok(status) => status,
        Err((code, detail)) => {
            if let Some(status) = running.refuses_to_leave(code, &detail) {
                return status;
            }
            running.messages.debug(format_args!("passthrough: {}: {detail}", code.name()));
            let journal = Journal::new(host, settings);
            let mut event = journal.event(Outcome::Passthrough);
            event.reason = Some(code.name().to_owned());
            event.detail = Some(detail);
            journal.write(running.store.as_ref(), &event);
            real_tool::pass_through(host)
        }
    }
}

impl Running<'_> {
    /// What apt alone would do may be forbidden: it knows no pins, and asks the network.
    fn refuses_to_leave(&self, code: Code, detail: &str) -> Option<ExitCode> {
        if !self.call.fetches() || self.call.only_shows {
            return None;
        }
        let why = format!("only apt alone could do this ({}: {detail})", code.help());
        if self.policy.offline {
            self.messages.error(format_args!("offline (VCACHE_OFFLINE=y), and {why}"));
            return Some(ExitCode::from(exit::OFFLINE_MISS));
        }
        if self.policy.strict {
            self.messages.error(format_args!("VCACHE_STRICT allows nothing without a pin, and {why}"));
            return Some(ExitCode::from(exit::STRICT_REFUSAL));
        }
        if self.policy.versioned && !Pinned::load(self).preferences.is_empty() {
            self.messages.warn(format_args!("no pins are in force: {why}"));
        }
        None
    }

    /// Runs apt with our method, and ends as it ended; or as policy has it.
    fn serve(&self, look: &Look) -> std::io::Result<ExitCode> {
        let tool = match real_tool::find(self.host) {
            Ok(tool) => tool,
            Err(missing) => {
                self.messages.error(&missing);
                return Ok(ExitCode::from(missing.status()));
            }
        };
        // Names in the cache's own file system can be hard links.
        let room = self.store.as_ref().filter(|_| self.policy.write).and_then(|store| store.workspace().ok());
        let mut folder =
            Folder::make(self.host, &self.call, &self.policy, room.as_ref().map(|room| room.path()))?;
        let pinned = Pinned::load(self);
        pinned.warn(self);
        let mut words = self.host.args().get(1..).unwrap_or_default().to_vec();
        if !pinned.preferences.is_empty() {
            // Of two options the later one counts, and behind `--` there are none.
            let end = words.iter().position(|word| word == "--").unwrap_or(words.len());
            words.splice(end..end, folder.pin(&pinned.preferences, look)?);
        }
        let mut extras = Extras { labels: pinned.expired_labels(self), ..Extras::default() };
        let store = self.store.as_ref().filter(|_| self.policy.read);
        let shelf = store.map(|store| Shelf {
            running: self,
            store,
            pinned: &pinned,
            folder: &folder,
            native: &look.architecture,
        });
        let mut end = End::Status(0);
        for run in 0..RUNS {
            let mut command = tool.command(self.host, &words);
            command.env(VARIABLE, folder.config());
            let ended = std::fs::write(folder.notes(), "")
                .and_then(|()| folder.write(&extras))
                .and_then(|()| child::start(command, Stdout::Inherit)?.wait());
            end = match ended {
                Ok(status) => End::like(status),
                Err(e) if run == 0 => return Err(e),
                // apt alone must not begin once more what it has begun with pins and the cache.
                Err(e) => {
                    self.messages.warn(format_args!("apt can't be run once more: {e}"));
                    break;
                }
            };
            let before = extras.clone();
            // apt may end well though it went without a package (`--fix-missing`).
            outcome::learn(self, end, &notes::read(&folder.notes()), shelf.as_ref(), &mut extras);
            if extras == before {
                break;
            }
        }
        if end == End::Status(0) && !extras.packages.is_empty() {
            pins::record(self, &extras.packages);
        }
        if self.call.changes() {
            refresh_links();
        }
        let end = outcome::judge(self, end, &notes::read(&folder.notes()));
        drop((folder, room));
        Ok(end.now())
    }
}

/// Tools have come or gone, and with them links of shims.
fn refresh_links() {
    let Ok(own) = std::fs::read_link("/proc/self/exe") else { return };
    let stands_with_links = own.parent().is_some_and(|folder| links::is_linked(folder, "apt-get"));
    if own.ends_with(links::EXECUTABLE) && stands_with_links {
        let mut refresh = Command::new(&own);
        refresh.arg("--refresh-links").stdin(Stdio::null()).stdout(Stdio::null());
        // Best effort: the next call does it again.
        let _ = refresh.status();
    }
}

/// Says what [`run`] would do.
pub(crate) fn explain(host: &Host, settings: &Settings) -> Explanation {
    let mut explanation = Explanation::exec(host);
    let call = parse(host.args().get(1..).unwrap_or_default());
    let (policy, _) = Policy::new(settings, COMPONENT);
    if !policy.active() || settings::hook_skipped(settings) || !call.fetches() {
        return explanation;
    }
    match config::look(host, &call) {
        Ok(_) => explanation.plan = "serve".to_owned(),
        Err((code, detail)) => {
            explanation.plan = "passthrough".to_owned();
            explanation.reason = Some(code.name().to_owned());
            explanation.detail = Some(detail);
        }
    }
    explanation
}
