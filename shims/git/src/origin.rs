//! Asking the origin, by the real git.

use std::process::Stdio;

use crate::bare::Bare;
use crate::git::{Git, not_started, words};
use crate::options::Options;
use crate::state::State;

/// Settings of the caller's repository that count on the way to a server.
const ON_THE_WAY: &str =
    r"^(http|credential|url|core\.(sshcommand|gitproxy|askpass)|ssh)\.|^core\.(sshcommand|gitproxy|askpass)$";

/// The refs that it has now.
///
/// # Errors
/// What git said.
pub(crate) fn list(git: &Git, url: &str) -> Result<State, String> {
    let output = git.here(["ls-remote", "--symref", "--", url]).output().map_err(|e| not_started(&e))?;
    if !output.status.success() {
        return Err(words(&output));
    }
    Ok(State::listed(&String::from_utf8_lossy(&output.stdout)))
}

/// Fetches into `bare` what these refspecs name, each object once, into packs; `is_part`: only as deep as the options say. What git says of its progress goes where the caller's git would say it.
///
/// # Errors
/// What git said.
pub(crate) fn fetch(
    git: &Git,
    url: &str,
    bare: &Bare,
    refspecs: &[String],
    options: &Options,
    is_part: bool,
) -> Result<(), String> {
    let mut args: Vec<String> = Vec::new();
    for (name, value) in git.config(&[], ON_THE_WAY) {
        args.extend(["-c".to_owned(), format!("{name}={value}")]);
    }
    for setting in [
        "fetch.unpackLimit=1",
        "transfer.unpackLimit=1",
        "gc.auto=0",
        "maintenance.auto=false",
        "core.hooksPath=/dev/null",
    ] {
        args.extend(["-c".to_owned(), setting.to_owned()]);
    }
    args.push(format!("--git-dir={}", bare.path().display()));
    args.extend(["fetch", "--quiet", "--force", "--no-recurse-submodules"].map(str::to_owned));
    // Of a whole history all tags are asked for by name; of a part git follows those that lead into it.
    if is_part {
        args.extend(options.deepening());
    } else {
        args.push("--no-tags".to_owned());
    }
    args.extend(options.shows_progress().then(|| "--progress".to_owned()));
    args.extend(["--".to_owned(), url.to_owned()]);
    args.extend_from_slice(refspecs);
    let mut command = git.elsewhere(&args);
    // Our standard output is git's side of the protocol.
    command.stdout(Stdio::null());
    let status = match options.shows_progress() {
        false => {
            let output = command.output().map_err(|e| not_started(&e))?;
            if output.status.success() {
                return Ok(());
            }
            return Err(words(&output));
        }
        true => command.status().map_err(|e| not_started(&e))?,
    };
    if status.success() { Ok(()) } else { Err("fatal: the origin could not be fetched from\n".to_owned()) }
}
