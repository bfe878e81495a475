//! dpkg's locks (dpkg(1); `lib/dpkg/dbmodify.c`): POSIX record locks on two files in the folder of its database.
//!
//! Since 1.19.1 dpkg takes that of `lock-frontend` first, as apt does for all its work, then that of `lock`; before, only the latter.
//! It never waits. We do, in the kernel's queue, in the same order, and keep both: a record lock belongs to the process, so it outlives the exec of
//! dpkg, which then finds it free for itself, and lets it go at its end. For that
//!
//! - the descriptors stay open over the exec: a lock is lost by the first close of *any* descriptor of its file in the process. So
//!   each is brought to its place before it is locked, and dpkg's children have them too. They hold no lock by it;
//! - no other thread is left at the exec: before Linux 5.11 it takes the locks away from a process that has threads.
//!
//! The road not taken: `DPKG_FRONTEND_LOCKED` and waiting for a dpkg beside us, as apt does. No descriptor would get to anyone's children, but
//! dpkg would not be the process that the caller has started.
//!
//! In a new root the files are made as dpkg makes them. An old dpkg does not know `lock-frontend`: it is made only where the dpkg of this system
//! has made one for itself.
//!
//! Order of acquisition: `lock-frontend`, `lock`. Neither dpkg nor apt waits for the former with the latter in hand.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, fcntl_lock};
use rustix::io::{Errno, FdFlags, fcntl_dupfd_cloexec, fcntl_setfd, retry_on_intr};
use vcache_shim::Messages;

use super::holder::Holder;

const FRONTEND: &str = "lock-frontend";
const DATABASE: &str = "lock";
/// That of this system's own database.
const OWN_FRONTEND: &str = "/var/lib/dpkg/lock-frontend";
/// How long nothing is said.
const SILENCE: Duration = Duration::from_secs(1);
/// How often it is said again.
const AGAIN: Duration = Duration::from_secs(10);
/// Descriptors from here on: scripts of packages have those below for themselves.
const FIRST_DESCRIPTOR: i32 = 200;

/// The locks, as long as it lives.
pub(super) struct Locks {
    files: Vec<LockFile>,
}

/// Waits for the locks of the database in `folder` until `limit` is over. None: they can't be had, and the real dpkg will say why.
pub(super) fn wait(folder: &Path, limit: Duration, messages: Messages) -> Option<Locks> {
    let patience = Patience { started: Instant::now(), limit, messages };
    loop {
        let mut files = Vec::new();
        match LockFile::open(folder.join(FRONTEND), Path::new(OWN_FRONTEND).exists()) {
            Ok(file) => files.push(file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(_) => return None,
        }
        let is_without = files.is_empty();
        files.push(LockFile::open(folder.join(DATABASE), true).ok()?);
        if !files.iter().all(|file| file.acquire(&patience)) {
            return None;
        }
        // The first dpkg here has made it meanwhile: once more, in the right order.
        if !(is_without && folder.join(FRONTEND).exists()) {
            return Some(Locks { files });
        }
    }
}

impl Locks {
    /// Lets the descriptors stay open over an exec.
    pub(super) fn keep_over_exec(&self) {
        for file in &self.files {
            let _ = fcntl_setfd(&*file.descriptor, FdFlags::empty());
        }
    }
}

/// How long is waited, and who is told.
struct Patience {
    started: Instant,
    limit: Duration,
    messages: Messages,
}

/// A file with a lock. Nothing else in this process may open it: see above.
struct LockFile {
    path: PathBuf,
    descriptor: Arc<OwnedFd>,
}

impl LockFile {
    fn open(path: PathBuf, make: bool) -> io::Result<LockFile> {
        let file =
            File::options().read(true).write(true).create(make).truncate(false).mode(0o640).open(&path)?;
        // Where the process may not have so many descriptors, any will do.
        let descriptor = fcntl_dupfd_cloexec(&file, FIRST_DESCRIPTOR).unwrap_or_else(|_| file.into());
        Ok(LockFile { path, descriptor: Arc::new(descriptor) })
    }

    /// Takes the lock. False: it can't be had, or not in time.
    fn acquire(&self, patience: &Patience) -> bool {
        match fcntl_lock(&*self.descriptor, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(Errno::AGAIN | Errno::ACCESS) => self.wait(patience),
            Err(_) => false,
        }
    }

    /// Waits for it. False: it can't be had, or not in time; a thread that still waits ends with the exec of dpkg.
    fn wait(&self, patience: &Patience) -> bool {
        if let Some(holder) = Holder::of(&*self.descriptor)
            && holder.is_ancestor()
        {
            // It would wait for us, and we for it.
            patience
                .messages
                .debug(format_args!("{}: held by {holder}, which has started us", self.path.display()));
            return false;
        }
        let Ok((thread, ended)) = self.queue() else { return false };
        let mut speak = patience.started.elapsed() + SILENCE;
        loop {
            let until = speak.min(patience.limit);
            let left = until.saturating_sub(patience.started.elapsed());
            if ended.recv_timeout(left) != Err(RecvTimeoutError::Timeout) {
                let is_ours = thread.join().unwrap_or(false);
                until_alone();
                return is_ours;
            }
            let is_over = patience.started.elapsed() >= patience.limit;
            self.say(patience, is_over);
            if is_over {
                return false;
            }
            speak += AGAIN;
        }
    }

    /// Puts a thread into the kernel's queue. It ends with true when it has the lock; the receiver is disconnected by then.
    fn queue(&self) -> io::Result<(JoinHandle<bool>, Receiver<()>)> {
        let (alive, ended) = sync_channel(0);
        let descriptor = Arc::clone(&self.descriptor);
        let wait = move || {
            let _alive = alive;
            retry_on_intr(|| fcntl_lock(&*descriptor, FlockOperation::LockExclusive)).is_ok()
        };
        Ok((thread::Builder::new().spawn(wait)?, ended))
    }

    /// Says who is waited for, or is not any longer.
    fn say(&self, patience: &Patience, is_over: bool) {
        let path = self.path.display();
        let Some(holder) = Holder::of(&*self.descriptor) else { return };
        let seconds = patience.started.elapsed().as_secs();
        if is_over {
            patience.messages.warn(format_args!(
                "dpkg: {path} is held by {holder}; waited {seconds} s for it, and no longer (VCACHE_LOCK_WAIT)"
            ));
        } else {
            patience.messages.warn(format_args!("dpkg: waiting for {path}, held by {holder}"));
        }
    }
}

/// Returns when no other thread is left. One that was joined may be on its way out, with our table of descriptors in its hands.
fn until_alone() {
    for _ in 0..100 {
        match fs::read_dir("/proc/self/task").map(Iterator::count) {
            Ok(0 | 1) => return,
            Ok(_) => thread::sleep(Duration::from_millis(1)),
            // It can't be seen.
            Err(_) => return thread::sleep(Duration::from_millis(20)),
        }
    }
}
