//! Sending what waits for the tiers, beside the build: by a process of its own, which nobody waits for.
//!
//! `vcache-shim --flush` is that process. It is started by whoever has put something into the outbox, unless one is at it
//! already, and ends when the outbox is empty. What it does not get done is done by the next one, or by `vcache flush`.

use std::os::fd::BorrowedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use rustix::io::FdFlags;
use vcache_store::Store;

use crate::Host;
use crate::links::EXECUTABLE;

/// The word by which the process knows what it is for.
pub const FLUSH: &str = "--flush";

/// Starts it, if there is something to send and nobody sends it. For shims: it is their executable that is started. Best effort.
pub fn send_beside(host: &Host, store: &Store) {
    let something = store.tiers().iter().any(|tier| tier.is_written())
        && store.waiting().is_ok_and(|waiting| !waiting.is_empty());
    if !something || vcache_remote::is_being_flushed(store) || !keep_to_ourselves() {
        return;
    }
    let _ = Command::new("/proc/self/exe")
        .arg0(EXECUTABLE)
        .arg(FLUSH)
        .current_dir(host.cwd())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        // A Ctrl-C is for the build.
        .process_group(0)
        .spawn();
}

/// What our caller has given us open (`flock 9`, make's jobserver) must not stay open for as long as something is sent.
fn keep_to_ourselves() -> bool {
    let Ok(entries) = std::fs::read_dir("/proc/self/fd") else { return false };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<i32>().ok());
    for number in numbers.filter(|number| *number > 2).collect::<Vec<_>>() {
        // SAFETY: the kernel has just listed it; one that is closed meanwhile makes the call fail, and does no more.
        #[allow(unsafe_code, reason = "these are not ours by any handle")]
        let fd = unsafe { BorrowedFd::borrow_raw(number) };
        let _ = rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC);
    }
    true
}
