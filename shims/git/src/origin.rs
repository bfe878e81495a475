//! Asking the origin, by the real git.

use std::process::Stdio;

use crate::bare::Bare;
use crate::git::{Git, GitError};
use crate::options::Options;
use crate::state::State;

/// Settings of the caller's repository that count on the way to a server.
const ON_THE_WAY: &str =
    r"^(http|credential|url|core\.(sshcommand|gitproxy|askpass)|ssh)\.|^core\.(sshcommand|gitproxy|askpass)$";

/// The first git whose fetch knows `--porcelain`.
const PORCELAIN: (u32, u32) = (2, 41);

/// What keeps git from rewriting a URL that it has rewritten already (git-config(1), `url.<base>.insteadOf`: the longest match counts).
pub(crate) fn as_is(url: &str) -> Vec<String> {
    // In a name there is no place for `=`.
    if url.contains('=') { Vec::new() } else { vec!["-c".to_owned(), format!("url.{url}.insteadOf={url}")] }
}

/// The refs that it has now.
///
/// # Errors
/// What git said.
pub(crate) fn list(git: &Git, url: &str) -> Result<State, GitError> {
    let mut args = as_is(url);
    args.extend(["ls-remote", "--symref", "--", url].map(str::to_owned));
    let mut command = git.here(&args);
    let printed = git.run(command.stdout(Stdio::piped()), false)?;
    String::from_utf8(printed).map(|text| State::listed(&text)).map_err(|_| GitError::NotText)
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
) -> Result<(), GitError> {
    let mut args: Vec<String> = as_is(url);
    for setting in [
        "fetch.unpackLimit=1",
        "transfer.unpackLimit=1",
        "gc.auto=0",
        "maintenance.auto=false",
        "core.hooksPath=/dev/null",
    ] {
        args.extend(["-c".to_owned(), setting.to_owned()]);
    }
    args.extend(["fetch", "--force"].map(str::to_owned));
    // Without a table of refs on standard error, which only newer ones have for standard output instead.
    let is_shown = options.shows_progress() && git.version() >= PORCELAIN;
    args.push(if is_shown { "--porcelain" } else { "--quiet" }.to_owned());
    args.extend(["--no-recurse-submodules", "--update-shallow"].map(str::to_owned));
    // Of a whole history all tags are asked for by name; of a part git follows those that lead into it.
    if is_part {
        args.extend(options.deepening());
    } else {
        // Objects come and are checked in a dry run too; only refs are not written, each of which would cost a file. They are ours to write.
        args.extend(["--no-tags", "--dry-run"].map(str::to_owned));
    }
    args.extend(options.shows_progress().then(|| "--progress".to_owned()));
    args.extend(["--".to_owned(), url.to_owned()]);
    args.extend_from_slice(refspecs);
    let mut command = git.at(bare, &args);
    let (name, parameters) = git.parameters_with(&git.config(&[], ON_THE_WAY));
    command.env(name, parameters);
    // Our standard output is git's side of the protocol.
    git.run(command.stdout(Stdio::null()), options.shows_progress())?;
    bare.pack_loose(git)
}
