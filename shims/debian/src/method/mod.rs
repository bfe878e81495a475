//! apt's acquire method for `http` and `https`: what apt knows by its digest comes from the cache, everything else by apt's own method.
//!
//! apt starts it where `Dir::Bin::Methods::http` says so, with the path of its own method as argv[0]. That one runs as our child all the while: what it can
//! (its capabilities) is what we can, proxies, credentials, retries and TLS are its, and what it says goes on to apt as it is.
//! Two threads, of which the first to end ends the other: one reads what apt asks for and answers or hands on, one reads what the child says, keeps what it has brought, and passes it on.
//! A request that another process fetches just now waits in a thread of its own.
//!
//! - Content with a SHA-256: a hit where the cache has it. A package that is to be unpacked is answered with a path outside apt's folders, so that nothing
//!   is copied; all else is copied to where apt wants it, with the date that its origin gave.
//! - Release files have no digest. Their origin is asked, unless it is pinned or offline; where the origin can't be reached the last known one is given.
//!
//! We stay whom apt has started us as, root mostly, since the cache is to be written; only the child goes to the network, and it changes to `_apt`.

mod give;
mod index;
mod keep;
pub(crate) mod message;
mod pins;
pub(crate) mod request;
mod session;
pub(crate) mod wishes;

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use vcache_shim::child::{self, End, Stdout};
use vcache_shim::{Host, Messages, Policy, Settings, exit, real_tool, settings};

use crate::COMPONENT;
pub(crate) use index::{LARGEST_RELEASE, made_at, signature_of};
use session::Session;

/// The names that apt calls its methods by; ours is never found in `PATH`.
pub(crate) const NAMES: &[&str] = &["http", "https"];

/// Serves the apt that has started us.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let messages = Messages::of(settings);
    let Some(method) = real_method(host) else {
        messages.error(format_args!(
            "{}: apt starts this by the path of its own method, which is not there",
            host.args().first().map(|typed| typed.display().to_string()).unwrap_or_default()
        ));
        return ExitCode::from(exit::NO_REAL_TOOL);
    };
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    let mut command = Command::new(&method);
    command.arg0(&host.args()[0]);
    if !policy.active() || settings::hook_skipped(settings) {
        let error = command.exec();
        messages.error(format_args!("{}: {error}", method.display()));
        return ExitCode::from(exit::CANNOT_EXECUTE);
    }
    wrong.iter().for_each(|line| messages.warn(line));
    command.stdin(Stdio::piped());
    let mut running = match child::start(command, Stdout::Pipe) {
        Ok(running) => running,
        Err(error) => {
            messages.error(format_args!("{}: {error}", method.display()));
            return ExitCode::from(exit::CANNOT_EXECUTE);
        }
    };
    let (Some(to), Some(from)) = (running.stdin(), running.stdout()) else { return ExitCode::FAILURE };
    let session = Session::open(host, settings, policy, messages, to);
    session.serve(from);
    running.wait().map_or(ExitCode::FAILURE, |status| End::like(status).now())
}

/// apt's own method, where argv[0] leads to it, or to us with it aside.
fn real_method(host: &Host) -> Option<PathBuf> {
    let typed = host.args().first().map(PathBuf::from).filter(|typed| typed.components().count() > 1)?;
    real_tool::at(host, &typed)
}
