//! `git-remote-vcache REMOTE URL`: the remote helper that git speaks to (gitremote-helpers(7)).
//!
//! It lists refs, and fetches what git then wants; what a hook pushes it leaves to the real git. Before it has said a word it may become git's own helper for HTTP, so a
//! repository that can't be served is served as if we were not there.

use std::io::{self, BufRead, Write};
use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};

use vcache_shim::journal::Outcome;
use vcache_shim::{Host, Level, Messages, Settings, exit};

use crate::address::{Transport, shared};
use crate::git::{Git, not_started, short};
use crate::mirror::Mirror;
use crate::push;
use crate::reason::Code;
use crate::run::{AGAIN, CALL, Told};
use crate::serve::{Failure, Server, Want};
use crate::state::HEAD;

/// What follows `git-remote-` in its name.
pub(crate) const VCS: &str = "vcache";
/// Its name.
pub(crate) const NAME: &str = "git-remote-vcache";
/// As git ends where it can't go on.
const FATAL: u8 = 128;
/// What we can, and the line that ends it.
const CAPABILITIES: &str = "fetch\noption\ncheck-connectivity\nconnect\npush\n\n";

/// Serves the git that has started us.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let messages = Messages::new(Level::parse(settings.get("VCACHE_LOG")).unwrap_or_default());
    let mut words = host.args().iter().skip(1).map(|word| word.to_string_lossy().into_owned());
    let Some((remote, url)) = words.next().map(|remote| (remote.clone(), words.next().unwrap_or(remote)))
    else {
        messages.error(format_args!("{NAME} is run by git, as `{NAME} REMOTE URL`"));
        return ExitCode::from(exit::NO_REAL_TOOL);
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
    // What submodules name is not the user's word (git(1), GIT_PROTOCOL_FROM_USER).
    let is_named = host.env("GIT_PROTOCOL_FROM_USER").is_none_or(|value| value != "0");
    let transport = Transport::of(&url);
    if let Some(name) = refused_protocol(host, &url, transport) {
        if is_named {
            // The real git says so by itself.
            leave_word(&told, AGAIN);
        } else {
            eprintln!("fatal: transport '{name}' not allowed");
        }
        return ExitCode::from(FATAL);
    }
    let shared = shared(&url);
    let typed = told.typed.iter().find(|(name, _)| name.is_empty() || *name == remote);
    let typed = typed.map_or(url.clone(), |(_, typed)| typed.clone());
    let pinned_as: &[&str] = if is_named { &[&typed, &url] } else { &[] };
    let mirror = Mirror::open(host, settings, &url, pinned_as);
    let offline = mirror.policy.offline;
    if shared == Err(Code::Credentials) && !offline {
        return become_gits_own(&git, &remote, &url);
    }
    let mut server = Server::new(git, mirror, url.clone(), told, is_named);
    // What is not shared is passed on.
    server.is_local = shared.is_err();
    if server.is_local && offline && transport != Transport::Local {
        return fail(&server, &server.offline());
    }
    // Git by itself knows of no pin.
    let may_leave = !offline && server.mirror.pin().is_none();
    let is_http = transport == Transport::Http && may_leave;
    match server.look() {
        // It is the real one that says why; of an empty repository we could not even tell the branch that it will have.
        Err(Failure::Origin(_)) if is_http => return become_gits_own(&server.git, &remote, &server.url),
        // And without its `HEAD` not what is checked out by default.
        Ok(view) if is_http && !view.refs.contains_key(HEAD) => {
            return become_gits_own(&server.git, &remote, &server.url);
        }
        Ok(view) if may_leave && is_named && transport.is_remote() && !view.refs.contains_key(HEAD) => {
            return fail(&server, &Failure::Origin(String::new()));
        }
        Err(failure) => return fail(&server, &failure),
        Ok(_) => {}
    }
    match converse(&mut server) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => fail(&server, &failure),
    }
}

fn converse(server: &mut Server<'_>) -> Result<(), Failure> {
    let trouble = |e: io::Error| Failure::Trouble(format!("git does not listen: {e}\n"));
    let mut lines = io::stdin().lock().lines();
    let (mut wants, mut refspecs) = (Vec::new(), Vec::new());
    let mut listed = false;
    while let Some(line) = lines.next().transpose().map_err(trouble)? {
        let answer = match line.split_once(' ').unwrap_or((&line, "")) {
            ("capabilities", _) => CAPABILITIES.to_owned(),
            ("option", option) => format!("{}\n", server.options.set(option)),
            ("connect", "git-upload-archive") => return archive(server),
            // Objects are not sent where they can be put in place.
            ("connect", _) => "fallback\n".to_owned(),
            ("list", "") => {
                server.settle_pin()?;
                listed = true;
                server.listing()
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
            _ => return Err(Failure::Trouble(format!("git asks for `{line}`, which is not done here\n"))),
        };
        let mut out = io::stdout().lock();
        out.write_all(answer.as_bytes()).and_then(|()| out.flush()).map_err(trouble)?;
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

fn become_gits_own(git: &Git, remote: &str, url: &str) -> ExitCode {
    let name = format!("remote-{}", url.split(':').next().unwrap_or_default());
    let error = git.here([name.as_str(), remote, url]).stdin(Stdio::inherit()).exec();
    eprintln!("vcache: error: git {name}: {error}");
    ExitCode::from(exit::CANNOT_EXECUTE)
}

/// Ends a call of `git archive --remote`: git speaks to the real `git upload-archive` from here on.
fn archive(server: &mut Server<'_>) -> Result<(), Failure> {
    let trouble = |e: io::Error| Failure::Trouble(not_started(&e));
    let path = server.whole()?;
    let mut out = io::stdout().lock();
    out.write_all(b"\n").and_then(|()| out.flush()).map_err(trouble)?;
    drop(out);
    let mut command = server.git.elsewhere(["upload-archive".as_ref(), path.as_os_str()]);
    let status = command.stdin(Stdio::inherit()).status().map_err(trouble)?;
    server.note(if status.success() { None } else { Some(Outcome::Failed) });
    Ok(())
}

/// Says why, and leaves word for the shim that waits: its exit status, or [`AGAIN`].
fn fail(server: &Server<'_>, failure: &Failure) -> ExitCode {
    let messages = &server.mirror.messages;
    let (outcome, word) = match failure {
        Failure::Refused(status, said) => {
            messages.error(said);
            (Outcome::Refused, status.to_string())
        }
        // What a submodule has begun can't be done anew as if nothing had been.
        Failure::Origin(_) | Failure::Trouble(_) if server.may_be_done_anew() => {
            // What the origin says against being listed it says to the real git, too.
            match failure {
                Failure::Origin(_) if !server.has_fetched() => {}
                Failure::Origin(said) | Failure::Trouble(said) => {
                    messages.warn(format_args!("{}; going on without the cache", short(said)));
                }
                Failure::Refused(..) => {}
            }
            (Outcome::Failed, AGAIN.to_owned())
        }
        Failure::Origin(said) => {
            eprint!("{said}");
            (Outcome::Failed, String::new())
        }
        Failure::Trouble(said) => {
            messages.error(said.trim_end());
            (Outcome::Failed, String::new())
        }
    };
    server.note(Some(outcome));
    leave_word(&server.told, &word);
    ExitCode::from(FATAL)
}

/// Several helpers of one call may leave word: what is refused stays refused.
fn leave_word(told: &Told, word: &str) {
    let is_free = || std::fs::metadata(&told.status).is_ok_and(|status| status.len() == 0);
    if !word.is_empty() && (word != AGAIN || is_free()) {
        // Where it can't be written git's own status is what remains.
        let _ = std::fs::write(&told.status, word);
    }
}
