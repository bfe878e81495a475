//! The command's door to processes: the build that `run` starts, and questions to the multi-call executable.
//!
//! The build runs in our process group with our streams. SIGTERM and SIGHUP that reach us are handed on; SIGINT and
//! SIGQUIT too, unless we are in the foreground of a terminal, which has sent them to the whole group already: many
//! tools take a second Ctrl-C as an order to stop at once. The handlers are set after the child is started, so that
//! what the caller told us to ignore (`nohup`) stays ignored in the build.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the one place of this crate that starts processes and asks where its executable is"
)]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

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
    let mut child = Command::new(program).args(args).envs(env.iter().cloned()).spawn()?;
    if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        forward_signals(pid);
    }
    child.wait()
}

/// The exit status as a shell gives it: 128 and the number of the signal for a death by signal.
pub(crate) fn status(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

fn forward_signals(child: Pid) {
    let all = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT].map(Signal::as_raw);
    let Ok(mut signals) = signal_hook::iterator::Signals::new(all) else { return };
    // Lives as long as the process, which ends soon after the child.
    std::thread::spawn(move || {
        for signal in signals.forever().filter_map(Signal::from_named_raw) {
            if matches!(signal, Signal::INT | Signal::QUIT) && in_foreground() {
                continue;
            }
            let _ = rustix::process::kill_process(child, signal);
        }
    });
}

/// True where our process group has the terminal.
fn in_foreground() -> bool {
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
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
