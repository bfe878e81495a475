//! `git-remote-vcache REMOTE URL`: the remote helper that git speaks to (gitremote-helpers(7)).
//!
//! It lists refs, and fetches what git then wants; what a hook pushes it leaves to the real git. Before it has said a word it may become git's own helper for HTTP, so a
//! repository that can't be served is served as if we were not there; of other transports the shim that waits runs the real git anew.

use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};

use vcache_shim::journal::Outcome;
use vcache_shim::{Chain, Host, Messages, Settings, exit};

use crate::address::{Transport, shared};
use crate::cached::Cached;
use crate::failure::Failure;
use crate::git::{Git, GitError};
use crate::push;
use crate::reason::Code;
use crate::run::{AGAIN, CALL, Told};
use crate::serve::{Role, Server, Want};
use crate::state::HEAD;

/// What follows `git-remote-` in its name.
pub(crate) const VCS: &str = "vcache";
/// Its name.
pub(crate) const NAME: &str = "git-remote-vcache";
/// As git ends where it can't go on.
const FATAL: u8 = 128;
/// What we can, and the line that ends it.
const CAPABILITIES: &str = "fetch\noption\ncheck-connectivity\nconnect\npush\n\n";

/// Who answers the git that has started us.
enum Answer {
    /// We do.
    Us,
    /// Its own helper for HTTP, as if we were not there.
    GitsOwn,
    /// Nobody.
    Fail(Failure),
}

/// Serves the git that has started us.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let messages = Messages::of(settings);
    let mut words = host.args().iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    let Some((remote, url)) = words.next().map(|remote| (remote.clone(), words.next().unwrap_or(remote)))
    else {
        messages.error(format_args!("{NAME} is run by git, as `{NAME} REMOTE URL`"));
        return ExitCode::from(FATAL);
    };
    let git = match Git::of(host) {
        Ok(git) => git.spoken_to(),
        Err(missing) => {
            messages.error(&missing);
            return ExitCode::from(missing.status());
        }
    };
    let Some(told) = host.env(CALL).and_then(|text| serde_json::from_str::<Told>(text.to_str()?).ok()) else {
        // Someone has typed `vcache::URL`, which without us would be nothing either.
        eprintln!("git: 'remote-{VCS}' is not a git command. See 'git --help'.");
        return ExitCode::from(FATAL);
    };
    let role = role(host, &git, &told, &remote, &url);
    let transport = Transport::of(&url);
    if let Some(name) = refused_protocol(host, &url, transport) {
        if role == Role::Named && told.may_be_redone {
            // The real git says so by itself.
            leave_word(&told, AGAIN);
        } else {
            eprintln!("fatal: transport '{name}' not allowed");
        }
        return ExitCode::from(FATAL);
    }
    let typed = told.typed_as(&remote, &url).unwrap_or(&url).to_owned();
    let pinned_as: &[&str] = if role == Role::Submodule { &[] } else { &[&typed, &url] };
    let cached = Cached::open(host, settings, &url, pinned_as);
    let mut server = Server::new(git, cached, url.clone(), told, role);
    server.remote = remote;
    server.left = shared(&url).err();
    match answer(&mut server, transport) {
        Answer::Us => match converse(&mut server) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => fail(&server, &failure),
        },
        Answer::GitsOwn => become_gits_own(&server),
        Answer::Fail(failure) => fail(&server, &failure),
    }
}

/// Submodules are cloned with GIT_PROTOCOL_FROM_USER=0 (git(1)); one that is there is fetched without it, and known by the superproject around it. What
/// else the call has not named is a script's.
fn role(host: &Host, git: &Git, told: &Told, remote: &str, url: &str) -> Role {
    if is_distrusted(host) && !told.is_distrusted {
        return Role::Submodule;
    }
    if told.typed_as(remote, url).is_some() {
        return Role::Named;
    }
    let output = git.here(["rev-parse", "--show-superproject-working-tree"]).stderr(Stdio::null()).output();
    let is_inside = output.is_ok_and(|output| !output.stdout.trim_ascii().is_empty());
    if is_inside { Role::Submodule } else { Role::Script }
}

/// Whether git is told that a URL is not the user's word.
pub(crate) fn is_distrusted(host: &Host) -> bool {
    host.env("GIT_PROTOCOL_FROM_USER").is_some_and(|value| value == "0")
}

/// Learns what is there, and decides.
fn answer(server: &mut Server<'_>, transport: Transport) -> Answer {
    let is_offline = server.cached.policy.offline;
    if server.left.is_some() && is_offline && transport != Transport::Local {
        return Answer::Fail(server.offline());
    }
    // Git by itself knows of no pin.
    let is_unpinned_online = !is_offline && server.cached.pin().is_none();
    let is_http = is_unpinned_online && transport == Transport::Http;
    if server.left == Some(Code::Credentials) && is_http {
        return Answer::GitsOwn;
    }
    match server.look() {
        // It is the real one that says why.
        Err(Failure::Git(_)) if is_http => return Answer::GitsOwn,
        Err(Failure::Unshared(code)) if is_http => {
            server.left = Some(code);
            return Answer::GitsOwn;
        }
        Err(failure) => return Answer::Fail(failure),
        Ok(()) => {}
    }
    let is_unborn = !server.view.refs.contains_key(HEAD);
    if is_unborn && is_unpinned_online && transport.is_remote() && (is_http || server.may_be_done_anew()) {
        server.left = server.left.or(Some(Code::Unborn));
        return if is_http { Answer::GitsOwn } else { Answer::Fail(Failure::Silent) };
    }
    Answer::Us
}

fn converse(server: &mut Server<'_>) -> Result<(), Failure> {
    let mut lines = io::stdin().lock().lines();
    let (mut wants, mut refspecs) = (Vec::new(), Vec::new());
    let mut listed = false;
    while let Some(line) = lines.next().transpose().map_err(Failure::Deaf)? {
        let answer = match line.split_once(' ').unwrap_or((&line, "")) {
            ("capabilities", _) => CAPABILITIES.to_owned(),
            ("option", option) => format!("{}\n", server.options.set(option)),
            ("connect", "git-upload-archive") => return archive(server),
            // Objects are not sent where they can be put in place.
            ("connect", _) => "fallback\n".to_owned(),
            ("list", "") => {
                server.catch_up()?;
                server.settle_pin()?;
                server.spare();
                listed = true;
                server.view.listing()
            }
            ("list", "for-push") => push::list(&server.git, &server.url)?,
            ("push", refspec) => {
                refspecs.push(refspec.to_owned());
                continue;
            }
            ("", _) if !refspecs.is_empty() => {
                let answer = push::push(&server.git, &server.url, &refspecs)?;
                refspecs.clear();
                answer
            }
            ("fetch", what) => {
                let (id, name) = what.split_once(' ').unwrap_or((what, what));
                wants.push(Want { id: id.to_owned(), name: name.to_owned() });
                continue;
            }
            ("", _) if !wants.is_empty() => {
                let lines = server.give(&wants)?;
                wants.clear();
                server.note(None);
                listed = false;
                lines + "\n"
            }
            ("", _) => break,
            _ => return Err(Failure::Strange(line)),
        };
        let mut out = io::stdout().lock();
        out.write_all(answer.as_bytes()).and_then(|()| out.flush()).map_err(Failure::Deaf)?;
    }
    if listed {
        server.note(None);
    }
    Ok(())
}

/// The protocol, where the user allows only others (git(1), GIT_ALLOW_PROTOCOL). That of a path git itself sees to.
fn refused_protocol(host: &Host, url: &str, transport: Transport) -> Option<String> {
    let allowed = host.env("GIT_ALLOW_PROTOCOL")?.to_string_lossy().into_owned();
    let name = match transport {
        Transport::Ssh => "ssh",
        Transport::Http | Transport::Git => url.split(':').next()?,
        Transport::Local | Transport::Foreign => return None,
    };
    (!allowed.split(':').any(|other| other == name)).then(|| name.to_owned())
}

fn become_gits_own(server: &Server<'_>) -> ExitCode {
    server.note(server.left.is_none().then_some(Outcome::Failed));
    let (remote, url) = (&server.remote, &server.url);
    let name = format!("remote-{}", url.split(':').next().unwrap_or_default());
    let error = server.git.here([&name, remote, url]).stdin(Stdio::inherit()).exec();
    server.cached.messages.error(format_args!("git {name}: {error}"));
    ExitCode::from(exit::CANNOT_EXECUTE)
}

/// Ends a call of `git archive --remote`: git speaks to the real `git upload-archive` from here on.
fn archive(server: &mut Server<'_>) -> Result<(), Failure> {
    let path = server.whole()?;
    let mut out = io::stdout().lock();
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(Failure::Deaf)?;
    drop(out);
    let mut command = server.git.elsewhere(["upload-archive".as_ref(), path.as_os_str()]);
    let status = command.stdin(Stdio::inherit()).status().map_err(GitError::NotRun)?;
    server.note(if status.success() { None } else { Some(Outcome::Failed) });
    Ok(())
}

/// Says why, and leaves word for the shim that waits: its exit status, or [`AGAIN`].
fn fail(server: &Server<'_>, failure: &Failure) -> ExitCode {
    let messages = &server.cached.messages;
    let mut outcome = if server.left.is_some() { Outcome::Passthrough } else { Outcome::Failed };
    let mut word = None;
    match failure {
        Failure::Refused(refusal) => {
            messages.error(refusal);
            outcome = Outcome::Refused;
            word = Some(refusal.status().to_string());
        }
        // What a submodule has begun can't be done anew as if nothing had been.
        _ if server.may_be_done_anew() => {
            // What the origin says against being listed it says to the real git, too.
            let is_said = match failure {
                Failure::Git(_) => !server.has_fetched(),
                _ => matches!(failure, Failure::Silent | Failure::Unshared(_)),
            };
            if !is_said {
                messages.warn(format_args!("{}; going on without the cache", Chain(failure)));
            }
            word = Some(AGAIN.to_owned());
        }
        Failure::Silent => {}
        Failure::Git(error) => eprint!("{}", error.words()),
        _ => messages.error(Chain(failure)),
    }
    server.note(Some(outcome));
    if let Some(word) = word {
        leave_word(&server.told, &word);
    }
    ExitCode::from(FATAL)
}

/// Several helpers of one call may leave word: what is refused stays refused.
fn leave_word(told: &Told, word: &str) {
    let Some(status) = &told.status else { return };
    let is_unwritten = || std::fs::metadata(status).is_ok_and(|status| status.len() == 0);
    if word != AGAIN || is_unwritten() {
        // Where it can't be written git's own status is what remains.
        let _ = std::fs::write(status, word);
    }
}
