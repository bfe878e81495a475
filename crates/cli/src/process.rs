//! The command's door to processes: the build that `run` starts, and questions to the multi-call executable.
//!
//! The build runs in our process group with our streams; signals are handed on to it ([`HandOn`]).
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the one place of this crate that starts processes and asks where its executable is"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};
use vcache_shim::child::HandOn;

/// Our own executable, links followed; `/proc` may be missing.
pub(crate) fn own_executable() -> Option<PathBuf> {
    std::env::current_exe().ok()
}

/// Runs a build to its end, with `env` added to the environment. The program is looked up in the `PATH` of `env`.
///
/// # Errors
/// It can't be started.
pub(crate) fn run(command: &[OsString], env: &[(OsString, OsString)]) -> io::Result<ExitStatus> {
    let Some((program, args)) = command.split_first() else { return Err(io::ErrorKind::NotFound.into()) };
    run_as(Path::new(program), program, args, env)
}

/// Runs `program` to its end under another name, with `env` added to the environment.
///
/// # Errors
/// It can't be started.
pub(crate) fn run_as(
    program: &Path,
    name: &OsStr,
    args: &[OsString],
    env: &[(OsString, OsString)],
) -> io::Result<ExitStatus> {
    let mut child = Command::new(program).arg0(name).args(args).envs(env.iter().cloned()).spawn()?;
    HandOn::to(&child).wait(&mut child)
}

/// The exit status as a shell gives it: 128 and the number of the signal for a death by signal.
pub(crate) fn status(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

/// What a program prints; it gets no stdin.
///
/// # Errors
/// It can't be started, or fails; its last words are in the message.
pub(crate) fn output(program: &Path, args: &[&OsStr], env: &[(OsString, OsString)]) -> Result<Vec<u8>> {
    let result = Command::new(program)
        .args(args)
        .envs(env.iter().cloned())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{}: can't be started", program.display()))?;
    if !result.status.success() {
        let words = String::from_utf8_lossy(&result.stderr);
        bail!("{}: {}: {}", program.display(), result.status, words.trim());
    }
    Ok(result.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_a_shells() {
        for (raw, expected) in [(0, 0), (3 << 8, 3), (9, 137), (255 << 8, 255)] {
            assert_eq!(status(ExitStatus::from_raw(raw)), expected);
        }
    }

    #[test]
    fn last_words_are_in_the_message() {
        let args = ["-c", "echo bad luck >&2; exit 3"].map(OsStr::new);
        let message = output(Path::new("/bin/sh"), &args, &[]).unwrap_err().to_string();
        assert!(message.contains("bad luck") && message.contains('3'), "{message}");
        assert!(output(Path::new("/nonexistent"), &[], &[]).is_err());
    }
}
