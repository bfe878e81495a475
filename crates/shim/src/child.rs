//! The real tool as a child process, where something follows its end.
//!
//! The child gets our stdin and stderr, and our stdout or a pipe. SIGINT, SIGTERM, SIGHUP and SIGQUIT that reach us are
//! handed on; if we are killed outright the kernel kills the child too, so that nothing goes on writing behind a
//! caller who thinks that it is dead. Its end is ours: the same exit status, or death by the same signal.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitCode, ExitStatus, Stdio};

use rustix::process::{Pid, Signal};

use crate::Host;
use crate::real_tool::RealTool;

/// Where the child's stdout goes.
pub enum Stdout {
    /// To ours.
    Inherit,
    /// Into a pipe, [`Child::stdout`].
    Pipe,
    /// Into this file.
    File(File),
}

/// Starts the real tool with `args` (without argv[0]).
///
/// # Errors
/// Those of `fork(2)` and `execve(2)`.
pub fn start(host: &Host, tool: &RealTool, args: &[OsString], stdout: Stdout) -> io::Result<Child> {
    let mut command = tool.command(host, args);
    match stdout {
        Stdout::Inherit => {}
        Stdout::Pipe => {
            command.stdout(Stdio::piped());
        }
        Stdout::File(file) => {
            command.stdout(file);
        }
    }
    let parent = rustix::process::getpid();
    let die_with_parent = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have died before the line above took hold.
        if rustix::process::getppid() == Some(parent) {
            Ok(())
        } else {
            Err(io::ErrorKind::Interrupted.into())
        }
    };
    // SAFETY: between fork and exec the closure makes three system calls; it neither allocates nor takes a lock.
    #[allow(unsafe_code, reason = "the only way to arrange that the child does not outlive us")]
    let child = unsafe { command.pre_exec(die_with_parent) }.spawn()?;
    forward_signals(&child);
    Ok(child)
}

fn forward_signals(child: &Child) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    let Ok(mut signals) = signal_hook::iterator::Signals::new([
        Signal::INT.as_raw(),
        Signal::TERM.as_raw(),
        Signal::HUP.as_raw(),
        Signal::QUIT.as_raw(),
    ]) else {
        return;
    };
    // The thread lives as long as the process: a signal after the child's end meets a pid that is not reaped yet, or
    // arrives when we are about to exit ourselves.
    std::thread::spawn(move || {
        for signal in signals.forever() {
            if let Some(signal) = Signal::from_named_raw(signal) {
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
    });
}

/// How this process is to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// With this exit status.
    Status(u8),
    /// By this signal.
    Signal(i32),
}

impl End {
    /// As the child ended: with its exit status, or by the signal that killed it.
    pub fn like(status: ExitStatus) -> End {
        match status.signal() {
            Some(signal) => End::Signal(signal),
            None => End::Status(status.code().map_or(1, |c| c as u8)),
        }
    }

    /// Ends so; for a status the caller returns it from `main`.
    pub fn now(self) -> ExitCode {
        match self {
            End::Status(status) => ExitCode::from(status),
            End::Signal(signal) => {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
                // Where the signal's default action is not death, a shell's number for it is what remains.
                ExitCode::from(128u8.wrapping_add(signal as u8))
            }
        }
    }
}
