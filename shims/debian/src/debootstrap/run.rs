//! One call of debootstrap, carried out.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use tempfile::NamedTempFile;
use vcache_artifact::{Destination, Source};
use vcache_shim::cache::{self, Use};
use vcache_shim::child::{self, End, Stdout};
use vcache_shim::family::{Explanation, RequestExplanation};
use vcache_shim::journal::{Journal, Outcome};
use vcache_shim::real_tool::RealTool;
use vcache_shim::{Chain, Host, Messages, OnMismatch, Policy, Settings, exit, outbox, real_tool};
use vcache_store::{Key, LockWait, Store};

use super::call::{Call, parse};
use super::index::{self, Index};
use super::key::key;
use crate::COMPONENT;
use crate::reason::Code;

/// The outputs of an artifact.
const TREE: &str = "tree";
const TARBALL: &str = "tarball";
const SAID: &str = "stdout";

/// A call at work.
pub(super) struct Running<'a> {
    pub(super) host: &'a Host,
    pub(super) settings: &'a Settings,
    pub(super) policy: Policy,
    pub(super) messages: Messages,
}

impl Running<'_> {
    /// SONiC's folder.
    pub(super) fn buildinfo(&self) -> PathBuf {
        self.settings.buildinfo(self.host)
    }
}

/// A bootstrap that the cache can have, and what it is of.
struct Planned {
    call: Call,
    tool: RealTool,
    store: Store,
    key: Key,
    indexes: Vec<(String, Index)>,
}

/// Does the call in `host`.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    if !(policy.read || policy.write) || real_tool::started_by_a_shim(host) {
        return real_tool::pass_through(host);
    }
    let running = Running { host, settings, policy, messages: Messages::of(settings) };
    wrong.iter().for_each(|line| running.messages.warn(line));
    let words = host.args().get(1..).unwrap_or_default();
    match running.plan(words) {
        Ok(planned) => running.serve(&planned),
        Err((code, detail)) => {
            let asks_mirror = parse(words).is_ok_and(|call| call.unpacks.is_none());
            if running.policy.offline && asks_mirror {
                running.messages.error(format_args!(
                    "offline (VCACHE_OFFLINE=y), and only the real debootstrap could do this ({}: {detail})",
                    code.help()
                ));
                return ExitCode::from(exit::OFFLINE_MISS);
            }
            running.messages.debug(format_args!("passthrough: {}: {detail}", code.name()));
            let journal = Journal::new(host, settings);
            let mut event = journal.event(Outcome::Passthrough);
            event.reason = Some(code.name().to_owned());
            event.detail = Some(detail);
            let opened = cache::open(host, settings, Use::ReadOnly).ok();
            journal.write(opened.as_ref().map(|opened| &opened.store), &event);
            real_tool::pass_through(host)
        }
    }
}

impl Running<'_> {
    fn plan(&self, words: &[OsString]) -> Result<Planned, (Code, String)> {
        let call = parse(words)?;
        if !rustix::process::geteuid().is_root() || self.host.env("FAKEROOTKEY").is_some() {
            return Err((Code::NotRoot, String::new()));
        }
        let target = self.host.cwd().join(&call.target);
        if fs::read_dir(&target).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err((Code::OtherBootstrap, format!("{} is not empty", target.display())));
        }
        let tool = real_tool::find(self.host).map_err(|e| (Code::Trouble, e.to_string()))?;
        let what_for = if self.policy.write { Use::ReadWrite } else { Use::ReadOnly };
        let opened = cache::open(self.host, self.settings, what_for)
            .map_err(|e| (Code::Trouble, Chain(&e).to_string()))?;
        opened.wrong.iter().for_each(|line| self.messages.warn(line));
        let mut indexes = Vec::new();
        let suites = std::iter::once(&call.suite).chain(&call.suites);
        for suite in suites.filter(|_| call.unpacks.is_none()) {
            let mirror = call.mirror.as_deref().unwrap_or_default();
            let Some(index) = index::of_suite(self, &opened.store, mirror, suite) else {
                return Err((Code::NoIndex, format!("{mirror} {suite}")));
            };
            indexes.push((suite.clone(), index));
        }
        let key = key(self, &call, &tool.path, &indexes)?;
        Ok(Planned { call, tool, store: opened.store, key, indexes })
    }

    fn serve(&self, planned: &Planned) -> ExitCode {
        let journal = Journal::new(self.host, self.settings);
        if self.restored(planned, &journal) {
            return ExitCode::SUCCESS;
        }
        let what = format!("debootstrap {}", planned.call.suite);
        if self.policy.offline {
            self.messages.error(format_args!(
                "{what}: offline (VCACHE_OFFLINE=y) and not in the cache; run it once with the network, or point VCACHE_DIR at a cache that has it"
            ));
            self.record(planned, &journal, Outcome::Refused, 0);
            return ExitCode::from(exit::OFFLINE_MISS);
        }
        if let Some(status) = self.contradicts(planned) {
            self.record(planned, &journal, Outcome::Refused, 0);
            return status;
        }
        let mut waiting = |wait: &LockWait| {
            let (waited, patience) = (wait.waited.as_secs(), wait.patience.as_secs());
            self.messages.warn(format_args!(
                "{what}: another process makes it; waited {waited} of at most {patience} seconds so far"
            ));
        };
        let lock = planned.store.lock(planned.key.text(), self.policy.lock_wait, &mut waiting).ok().flatten();
        if lock.as_ref().is_some_and(vcache_store::KeyLock::waited) && self.restored(planned, &journal) {
            return ExitCode::SUCCESS;
        }
        match self.make(planned, &journal) {
            Ok(end) => end.now(),
            Err(e) => {
                self.messages.warn(format_args!("{e}; going on without the cache"));
                real_tool::pass_through(self.host)
            }
        }
    }

    /// A mirror that has moved on can't make what a pin asks for.
    fn contradicts(&self, planned: &Planned) -> Option<ExitCode> {
        let mirror = planned.call.mirror.as_deref()?;
        for (suite, index) in &planned.indexes {
            let Some(place) = &index.pinned_at else { continue };
            let url = format!("{mirror}/dists/{suite}/InRelease");
            let now = index::fetch(self, &planned.store, &url);
            if now.as_ref().is_ok_and(|now| *now == index.sha256) {
                continue;
            }
            let has =
                now.map_or_else(|why| format!("can't be had ({why})"), |now| format!("is sha256:{now} now"));
            let line = format!(
                "{url}: pinned to sha256:{} ({place}), and {has}; the cache has no tree of it: correct the line, or remove it",
                index.sha256
            );
            if self.policy.on_mismatch == OnMismatch::Fail {
                self.messages.error(line);
                return Some(ExitCode::from(exit::PIN_VIOLATED));
            }
            self.messages.warn(line);
        }
        None
    }

    /// Puts the artifact where it belongs; whether there was one.
    fn restored(&self, planned: &Planned, journal: &Journal) -> bool {
        if !self.policy.read {
            return false;
        }
        let place = self.place(&planned.call);
        let is_tarball = planned.call.makes.is_some();
        // A tarball replaces one that is there when it is whole, so it is made beside it.
        let beside = place.parent().filter(|_| is_tarball).map(|folder| tempfile::tempdir_in(folder).ok());
        let (Ok(said), None | Some(Some(_))) = (tempfile::tempdir(), &beside) else { return false };
        let said = said.path().join(SAID);
        let beside = beside.flatten();
        let made = beside.as_ref().map_or_else(|| place.clone(), |folder| folder.path().join(TARBALL));
        let destinations = [
            Destination { name: output(&planned.call), path: &made },
            Destination { name: SAID, path: &said },
        ];
        match vcache_artifact::restore(&planned.store, &planned.key, &destinations) {
            Ok(Some(restored)) => {
                if is_tarball {
                    if let Err(e) = fs::rename(&made, &place) {
                        self.messages.warn(format_args!("{}: {e}; it is made anew", place.display()));
                        return false;
                    }
                    // The real one works there, and takes it away.
                    let _ = fs::remove_dir(self.host.cwd().join(&planned.call.target));
                }
                if !is_tarball {
                    of_this_machine(&place);
                }
                if let Ok(text) = fs::read(&said) {
                    let _ = io::stdout().write_all(&text);
                }
                self.record(planned, journal, Outcome::Hit, restored.size);
                true
            }
            Ok(None) => false,
            Err(e) => {
                self.messages.warn(format_args!("{}; it is made anew", Chain(&e)));
                false
            }
        }
    }

    /// Has the real debootstrap make it, and keeps it.
    fn make(&self, planned: &Planned, journal: &Journal) -> io::Result<End> {
        let words = self.host.args().get(1..).unwrap_or_default();
        let mut said = NamedTempFile::new()?;
        let mut running = child::start(planned.tool.command(self.host, words), Stdout::Pipe)?;
        if let Some(mut from) = running.stdout() {
            pass_on(&mut from, said.as_file_mut());
        }
        let end = End::like(running.wait()?);
        if end != End::Status(0) {
            self.record(planned, journal, Outcome::Failed, 0);
            return Ok(end);
        }
        let size = if self.policy.write { self.keep(planned, said.path()) } else { None };
        self.record(planned, journal, Outcome::Miss, size.unwrap_or(0));
        Ok(end)
    }

    fn keep(&self, planned: &Planned, said: &Path) -> Option<u64> {
        // The mirror may have moved on meanwhile: then it is not known what the tree is of.
        let mirror = planned.call.mirror.as_deref().unwrap_or_default();
        for (suite, index) in planned.indexes.iter().filter(|_| self.policy.write) {
            let url = format!("{mirror}/dists/{suite}/InRelease");
            if !index::fetch(self, &planned.store, &url).is_ok_and(|now| now == index.sha256) {
                self.messages.warn(format_args!("{url}: it changed meanwhile; the tree is not kept"));
                return None;
            }
        }
        let place = self.place(&planned.call);
        let sources =
            [Source { name: output(&planned.call), path: &place }, Source { name: SAID, path: said }];
        match vcache_artifact::save(&planned.store, &planned.key, &sources) {
            Ok(saved) => {
                outbox::send_beside(self.host, &planned.store);
                Some(saved.size)
            }
            Err(e) => {
                self.messages.warn(format_args!("{}; the tree is not kept", Chain(&e)));
                None
            }
        }
    }

    /// Where what is made is to be.
    fn place(&self, call: &Call) -> PathBuf {
        let place = self.host.cwd().join(call.makes.as_ref().unwrap_or(&call.target));
        // Without `/` or `.` at its end.
        place.components().collect()
    }

    fn record(&self, planned: &Planned, journal: &Journal, outcome: Outcome, bytes: u64) {
        let mut event = journal.event(outcome);
        let mirror = planned.call.mirror.clone().unwrap_or_default();
        event.url = Some(format!("{mirror} {}", planned.call.suite).trim_start().to_owned());
        event.bytes = bytes;
        journal.write(Some(&planned.store), &event);
    }
}

/// debootstrap copies these from the machine that it runs on; what another one had is replaced.
fn of_this_machine(tree: &Path) {
    for name in ["etc/resolv.conf", "etc/hostname"] {
        let (copy, own) = (tree.join(name), fs::read(Path::new("/").join(name)).ok());
        let is_file = copy.symlink_metadata().is_ok_and(|found| found.is_file());
        if is_file && fs::read(&copy).ok() != own {
            // Best effort: a wrong name server is not worth a bootstrap.
            let _ = own.map_or_else(|| fs::remove_file(&copy), |text| fs::write(&copy, text));
        }
    }
}

fn output(call: &Call) -> &'static str {
    if call.makes.is_some() { TARBALL } else { TREE }
}

/// Copies what is said to our own output and to a file, as it comes.
fn pass_on(from: &mut dyn Read, to: &mut fs::File) {
    let mut piece = [0; 8 << 10];
    let mut out = io::stdout();
    while let Ok(count @ 1..) = from.read(&mut piece) {
        // A reader that is gone is the real tool's trouble, which meets it when it has more to say; ours is the file.
        let _ = out.write_all(&piece[..count]).and_then(|()| out.flush());
        let _ = to.write_all(&piece[..count]);
    }
}

/// Says what [`run`] would do, without asking the mirror.
pub(crate) fn explain(host: &Host, settings: &Settings) -> Explanation {
    let mut explanation = Explanation::exec(host);
    let (policy, _) = Policy::new(settings, COMPONENT);
    if !(policy.read || policy.write) {
        return explanation;
    }
    match parse(host.args().get(1..).unwrap_or_default()) {
        Ok(call) => {
            explanation.plan = "serve".to_owned();
            explanation.requests = vec![RequestExplanation {
                url: call.mirror.unwrap_or_default(),
                destination: call.makes.unwrap_or(call.target).display().to_string(),
                pin: None,
                pinned_by: None,
                cache: "unknown".to_owned(),
                sha256: None,
            }];
        }
        Err((code, detail)) => {
            explanation.plan = "passthrough".to_owned();
            explanation.reason = Some(code.name().to_owned());
            explanation.detail = Some(detail);
        }
    }
    explanation
}
