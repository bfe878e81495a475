//! The real tool as a child process, where something follows its end.
//!
//! The child gets our stdin and stderr, and our stdout or a pipe. Signals that ask a process to end, or to do something,
//! are handed on while it runs; before and after they do to us what they always do, unless a [`Deferral`] lives. If we are killed outright the kernel
//! kills the child too, so that nothing goes on writing behind a caller who thinks that it is dead. Its end is ours: the
//! same exit status, or death by the same signal.

use std::fs::File;
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Once};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};
use signal_hook::iterator::SignalsInfo;
use signal_hook::iterator::exfiltrator::WithOrigin;
use signal_hook::low_level::siginfo::Cause;

/// Where the child's stdout goes.
pub enum Stdout {
    /// To ours.
    Inherit,
    /// Into a pipe, [`Running::stdout`].
    Pipe,
    /// Into this file.
    File(File),
}

/// A running child.
pub struct Running {
    child: Child,
    signals: HandOn,
}

impl Running {
    /// The write end of its standard input, where the command was told to have a pipe there; once.
    pub fn stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// The read end of its standard output, where that was asked to be [`Stdout::Pipe`]; once.
    pub fn stdout(&mut self) -> Option<ChildStdout> {
        self.child.stdout.take()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn wait(mut self) -> io::Result<ExitStatus> {
        self.signals.wait(&mut self.child)
    }
}

/// Starts a command: of the real tool ([`crate::real_tool::RealTool::command`]), or of ours.
///
/// # Errors
/// Those of `fork(2)` and `execve(2)`.
pub fn start(mut command: Command, stdout: Stdout) -> io::Result<Running> {
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
    let signals = HandOn::to(&child);
    Ok(Running { child, signals })
}

/// Hands signals on to a child until it has been waited for; from then on they do to us what they always do, as they do
/// when the child has ended and only our own work remains.
///
/// What the terminal sends goes to the child by itself: many tools take a second Ctrl-C as an order to stop at once. A
/// signal that our caller told us to ignore (`nohup`) stays ignored, by us and by the child.
pub struct HandOn(());

/// The process that gets them; 0: none. One at a time, so that a single thread will do.
static CHILD: AtomicI32 = AtomicI32::new(0);

impl HandOn {
    /// Starts handing on.
    pub fn to(child: &Child) -> HandOn {
        CHILD.store(pid_of(child).map_or(0, |pid| pid.as_raw_nonzero().get()), Ordering::SeqCst);
        look_at_signals();
        HandOn(())
    }

    /// Waits for the end of `child`, to which signals go on.
    ///
    /// # Errors
    /// Those of `wait(2)`.
    pub fn wait(self, child: &mut Child) -> io::Result<ExitStatus> {
        // First no more signals to it, then its number is free for another process.
        if let Some(pid) = pid_of(child) {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            while matches!(waitid(WaitId::Pid(pid), options), Err(rustix::io::Errno::INTR)) {}
        }
        drop(self);
        child.wait()
    }
}

impl Drop for HandOn {
    fn drop(&mut self) {
        CHILD.store(0, Ordering::SeqCst);
    }
}

/// While one lives, a signal does not end us but is noted, so that what was begun can be taken back first. A child gets it as ever.
pub struct Deferral(());

static DEFERRED: AtomicBool = AtomicBool::new(false);
/// The number of the last signal that was deferred; 0: none.
static NOTED: AtomicI32 = AtomicI32::new(0);

impl Deferral {
    /// Begins to defer.
    pub fn begin() -> Deferral {
        NOTED.store(0, Ordering::SeqCst);
        DEFERRED.store(true, Ordering::SeqCst);
        look_at_signals();
        Deferral(())
    }

    /// The signal that we are to end by.
    pub fn noted(&self) -> Option<i32> {
        Some(NOTED.load(Ordering::SeqCst)).filter(|&number| number != 0)
    }

    /// Defers no longer; gives the signal that we are to end by. None is lost: one that is not noted by now ends us by itself.
    pub fn end(self) -> Option<i32> {
        DEFERRED.store(false, Ordering::SeqCst);
        self.noted()
    }
}

impl Drop for Deferral {
    fn drop(&mut self) {
        DEFERRED.store(false, Ordering::SeqCst);
    }
}

/// Starts the thread that hands on and notes, once. It lives as long as the process.
fn look_at_signals() {
    static THREAD: Once = Once::new();
    THREAD.call_once(|| {
        let ignored = ignored_signals();
        let all = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2];
        let all = all.map(Signal::as_raw).into_iter().filter(move |number| ignored >> (number - 1) & 1 == 0);
        let (ready, is_ready) = sync_channel::<()>(0);
        // Asked for by the thread itself: where there is no room for one, signals do what they always do.
        let started = std::thread::Builder::new().spawn(move || {
            let mut signals = SignalsInfo::<WithOrigin>::new(all);
            drop(ready);
            for origin in signals.iter_mut().flat_map(SignalsInfo::forever) {
                hand_on(Pid::from_raw(CHILD.load(Ordering::SeqCst)), origin.signal, origin.cause);
            }
        });
        if started.is_ok() {
            let _ = is_ready.recv();
        }
    });
}

fn hand_on(child: Option<Pid>, number: i32, cause: Cause) {
    let child = child.filter(|pid| !has_ended(*pid));
    let deferred = DEFERRED.load(Ordering::SeqCst);
    if deferred {
        NOTED.store(number, Ordering::SeqCst);
    }
    match (child, Signal::from_named_raw(number)) {
        (Some(_), Some(Signal::INT | Signal::QUIT)) if cause == Cause::Kernel => {}
        (Some(child), Some(signal)) => {
            let _ = rustix::process::kill_process(child, signal);
        }
        // Once more: who has stopped deferring meanwhile may not see what was noted.
        _ if deferred && DEFERRED.load(Ordering::SeqCst) => {}
        _ => {
            let _ = signal_hook::low_level::emulate_default_handler(number);
        }
    }
}

/// Whether a child has ended, and waits for us to look.
fn has_ended(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
    matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_)))
}

/// The signals that are ignored, one bit each, as proc(5) has them; none where it is not mounted.
fn ignored_signals() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}

fn pid_of(child: &Child) -> Option<Pid> {
    i32::try_from(child.id()).ok().and_then(Pid::from_raw)
}

/// From now on a file that grows past `ulimit -f` is an error of the write, not the end of this process: what is too large
/// to be kept can still be passed on. A child has the signal's own action again.
pub fn survive_file_limit() {
    let _ = signal_hook::flag::register(signal_hook::consts::SIGXFSZ, Arc::new(AtomicBool::new(false)));
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
