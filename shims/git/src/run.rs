//! A call of `git`: told how to reach its remotes where it speaks to any, else a plain exec.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;
use vcache_shim::child::{self, End, Stdout};
use vcache_shim::journal::{Journal, Outcome};
use vcache_shim::pins::{Commit, Found};
use vcache_shim::{Host, Messages, Policy, Settings, cache, real_tool, settings};

use crate::COMPONENT;
use crate::address::key;
use crate::cached::pins;
use crate::call::{Call, Command, Remote, parse, split};
use crate::git::Git;
use crate::helper;
use crate::plan::{ASKED, Plan, Situation, asked, plan, refused};
use crate::reason::{Code, Reason};

/// The variable by which the helper learns of the call that it serves.
pub(crate) const CALL: &str = "VCACHE_GIT_CALL";
/// What the helper leaves instead of an exit status: the real git is to do it all, as if we were not there.
pub(crate) const AGAIN: &str = "again";
/// An alias of an alias of an alias … ends here: git itself ends loops, and says so.
const ALIASES: usize = 10;

/// Debian's links to git by other names; where a shim stands in git's place they lead to it. git goes by the name that it is called by.
pub(crate) const ALSO: &[&str] = &["git-receive-pack", "git-upload-archive", "git-upload-pack"];

/// What the helper is told.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Told {
    /// A file for the exit status with which the call is to end, or [`AGAIN`]; none where nobody waits.
    pub(crate) status: Option<PathBuf>,
    /// The repositories that the user has named.
    pub(crate) typed: Vec<Typed>,
    /// It is a clone.
    pub(crate) is_clone: bool,
    /// The real git may do it anew: no pin is passed by, and the network is allowed.
    pub(crate) may_be_redone: bool,
    /// `GIT_PROTOCOL_FROM_USER=0` was set for the call itself: it says nothing of submodules.
    pub(crate) is_distrusted: bool,
    /// Of a clone: the branch or tag that it checks out.
    pub(crate) branch: Option<String>,
    /// The refs that are named.
    pub(crate) refs: Vec<String>,
    /// Submodules are to be at a branch of theirs, not at the commit that is recorded.
    pub(crate) follows: bool,
}

/// A repository that the user has named.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Typed {
    /// The remote's name; none for that of a clone, which has whatever name.
    name: Option<String>,
    /// As it is typed or configured.
    typed: String,
    /// As git rewrites it.
    url: String,
}

impl Told {
    /// The URL that was typed or configured for what git asks for by this name and URL; none where somebody else asks: submodules, hooks.
    pub(crate) fn typed_as(&self, remote: &str, url: &str) -> Option<&str> {
        let is_it = |typed: &&Typed| {
            typed.name.as_ref().is_none_or(|name| name == remote) && key(&typed.url) == key(url)
        };
        self.typed.iter().find(is_it).map(|typed| typed.typed.as_str())
    }
}

/// Does the call in `host`.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    if host.name() == helper::NAME {
        return helper::run(host, settings);
    }
    if ALSO.iter().any(|name| host.name() == *name) {
        return as_git(host, settings);
    }
    let words = host.args().get(1..).unwrap_or_default();
    let call = parse(words);
    if call == Call::Local || settings::hook_skipped(settings) || real_tool::started_by_a_shim(host) {
        return real_tool::pass_through(host);
    }
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    if !policy.active() {
        return real_tool::pass_through(host);
    }
    let messages = Messages::of(settings);
    wrong.iter().for_each(|line| messages.warn(line));
    let git = match Git::of(host) {
        Ok(git) => git,
        Err(missing) => {
            messages.error(&missing);
            return ExitCode::from(missing.status());
        }
    };
    let left = Left { host, settings, policy: &policy, messages: &messages };
    let (remote, situation, reason) = match resolve(&git, call, words) {
        Ok(Some((remote, expanded))) => {
            let situation = look(host, &git, &expanded[..remote.globals]);
            let reason = match plan(&remote, &situation) {
                Plan::Passthrough(reason) => reason,
                Plan::Route { config, allowed, others } => {
                    if let Some(status) = left.check(others.iter().map(|(url, why)| (url, why)), &situation) {
                        return status;
                    }
                    let is_pinned = |url: &String| left.pins(url, &situation).pin.is_some();
                    let may_be_redone = !policy.offline && !asked(&remote, &situation).iter().any(is_pinned);
                    match route(
                        host,
                        &git,
                        told(&remote, &situation, may_be_redone, helper::is_distrusted(host)),
                        config,
                        allowed,
                    ) {
                        Ok(status) => return status,
                        Err(e) => Reason::new(Code::Trouble, e.to_string()),
                    }
                }
            };
            (remote, situation, reason)
        }
        Ok(None) => return real_tool::pass_through(host),
        Err(Unserved { reason, globals }) => {
            let situation = globals.map(|globals| look(host, &git, &words[..globals])).unwrap_or_default();
            (Remote::default(), situation, reason)
        }
    };
    let urls = asked(&remote, &situation);
    if let Some(status) = left.check(urls.iter().map(|url| (url, &reason)), &situation) {
        return status;
    }
    messages.debug(format_args!("passthrough: {}: {}", reason.code.name(), reason.detail));
    note(host, settings, Outcome::Passthrough, remote.url.as_deref(), &reason);
    real_tool::pass_through(host)
}

/// What is looked at before URLs are left to the real git.
struct Left<'a> {
    host: &'a Host,
    settings: &'a Settings,
    policy: &'a Policy,
    messages: &'a Messages,
}

impl Left<'_> {
    /// Ends a call where one of these URLs, left for the reason beside it, may not be asked; a pin that nobody checks is said.
    fn check<'u>(
        &self,
        urls: impl Iterator<Item = (&'u String, &'u Reason)>,
        situation: &Situation,
    ) -> Option<ExitCode> {
        for (url, reason) in urls {
            let pins = self.pins(url, situation);
            if let Some(refusal) = refused(self.policy, reason, url, &pins) {
                self.messages.error(&refusal);
                note(self.host, self.settings, Outcome::Refused, Some(url), reason);
                return Some(ExitCode::from(refusal.status()));
            }
            if let Some(pin) = pins.pin {
                let url = vcache_store::public_url(url);
                self.messages.warn(format_args!(
                    "the pin of {url} ({}) is not checked in this call: {reason}",
                    pin.place
                ));
            }
        }
        None
    }

    /// What version files say of a URL as typed, else of what git makes of it.
    fn pins(&self, url: &str, situation: &Situation) -> Found<Commit> {
        let urls = [url, &situation.rewritten(url)];
        pins(self.host, self.settings, self.policy, self.messages, &urls)
    }
}

/// Becomes the real git under the name that was typed.
fn as_git(host: &Host, settings: &Settings) -> ExitCode {
    let folder = host.args().first().map(|typed| Path::new(typed).with_file_name("git"));
    match real_tool::find(&host.with_args(folder.map(PathBuf::into_os_string).into_iter().collect())) {
        Ok(git) => git.exec(host),
        Err(missing) => {
            Messages::of(settings).error(&missing);
            ExitCode::from(missing.status())
        }
    }
}

fn note(host: &Host, settings: &Settings, outcome: Outcome, url: Option<&str>, reason: &Reason) {
    let journal = Journal::new(host, settings);
    let mut event = journal.event(outcome);
    event.reason = Some(reason.code.name().to_owned());
    event.detail = Some(reason.detail.clone()).filter(|detail| !detail.is_empty());
    event.url = url.map(vcache_store::public_url);
    let opened = cache::open(host, settings, cache::Use::ReadOnly);
    journal.write(opened.as_ref().ok().map(|opened| &opened.store), &event);
}

/// A call of which is only known that it is none of those that are served.
pub(crate) struct Unserved {
    pub(crate) reason: Reason,
    /// Where it surely speaks to remotes: how many words come before the subcommand.
    globals: Option<usize>,
}

/// What an alias stands for, if the call is one; the words are then those that it stands for. None: no call that speaks to remotes.
pub(crate) fn resolve(
    git: &Git,
    call: Call,
    words: &[OsString],
) -> Result<Option<(Remote, Vec<OsString>)>, Unserved> {
    let (mut call, mut words) = (call, words.to_vec());
    for _ in 0..ALIASES {
        let (name, at) = match call {
            Call::Local => return Ok(None),
            Call::Remote(remote) => return Ok(Some((remote, words))),
            Call::Unknown { name, at } if name == "lfs" => {
                let fetches = |word: &OsString| ["fetch", "pull", "clone"].iter().any(|fetch| word == fetch);
                let globals = words.get(at + 1).is_some_and(fetches).then_some(at);
                return Err(Unserved { reason: Reason::new(Code::Lfs, ""), globals });
            }
            Call::Unknown { name, at } => (name, at),
        };
        let asked = format!(r"^alias\.{}$", name.replace('.', r"\."));
        let Some((_, alias)) = git.config(&words[..at], &asked).pop() else { return Ok(None) };
        if alias.starts_with('!') {
            return Err(Unserved { reason: Reason::new(Code::ShellAlias, name), globals: None });
        }
        let Some(expanded) = split(&alias) else { return Ok(None) };
        words.splice(at..=at, expanded.into_iter().map(OsString::from));
        call = parse(&words);
    }
    Ok(None)
}

pub(crate) fn look(host: &Host, git: &Git, globals: &[OsString]) -> Situation {
    Situation {
        config: git.config(globals, ASKED),
        allowed: host.env("GIT_ALLOW_PROTOCOL").map(|value| value.to_string_lossy().into_owned()),
        has_helper: finds_helper(host) || beside_us().is_some(),
    }
}

fn finds_helper(host: &Host) -> bool {
    host.path().into_iter().any(|folder| host.cwd().join(folder).join(helper::NAME).is_file())
}

/// The folder of the shims, where the helper is there: for a shim in the tool's own place.
fn beside_us() -> Option<PathBuf> {
    let folder = std::fs::read_link("/proc/self/exe").ok()?.parent()?.to_owned();
    folder.join(helper::NAME).exists().then_some(folder)
}

/// What the helper is to know of a call.
fn told(remote: &Remote, situation: &Situation, may_be_redone: bool, is_distrusted: bool) -> Told {
    let is_clone = remote.command == Command::Clone;
    let named = |name: Option<&str>, typed: &str| Typed {
        name: name.map(str::to_owned),
        typed: typed.to_owned(),
        url: situation.rewritten(typed),
    };
    let typed: Vec<Typed> = match situation.typed(remote) {
        Some(url) => vec![named(if is_clone { None } else { Some(url) }, url)],
        None => situation.remotes().into_iter().map(|(name, url)| named(Some(name), url)).collect(),
    };
    Told {
        status: None,
        // Of several remotes some may have been fetched from already.
        may_be_redone: may_be_redone && typed.len() == 1,
        typed,
        is_clone,
        is_distrusted,
        branch: remote.branch.clone(),
        refs: remote.refs.clone(),
        follows: remote.follows,
    }
}

fn route(
    host: &Host,
    git: &Git,
    told: Told,
    config: Vec<String>,
    allowed: Option<String>,
) -> std::io::Result<ExitCode> {
    let mut status = NamedTempFile::with_prefix("vcache-git-")?;
    let told = Told { status: Some(status.path().to_owned()), ..told };
    let words = config.into_iter().flat_map(|setting| ["-c".into(), setting.into()]);
    let words: Vec<OsString> = words.chain(host.args().iter().skip(1).cloned()).collect();
    let mut command = git.as_typed(host, &words);
    command.env(CALL, serde_json::to_string(&told)?);
    if let Some(folder) = beside_us().filter(|_| !finds_helper(host)) {
        let folders = host.path().into_iter().chain([folder]);
        command.env("PATH", std::env::join_paths(folders).map_err(std::io::Error::other)?);
    }
    if let Some(allowed) = allowed {
        command.env("GIT_ALLOW_PROTOCOL", allowed);
    }
    let child = child::start(command, Stdout::Inherit)?;
    // From here on it is done, and not a second time but on the helper's word.
    let end = child.wait().map_or(End::Status(1), End::like);
    if end == End::Status(0) {
        return Ok(ExitCode::SUCCESS);
    }
    let mut ours = String::new();
    let _ = status.read_to_string(&mut ours);
    drop(status);
    if ours == AGAIN {
        return Ok(real_tool::pass_through(host));
    }
    Ok(ours.parse().map_or(end, End::Status).now())
}
