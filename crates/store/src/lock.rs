//! Single flight: who fetches a key holds an exclusive `flock` on `locks/<key>`; the others wait for it and then find
//! the record. These are the only locks that anyone waits for; who needs several takes them in the order of their names,
//! with no other lock held but the shared ones on blobs (which nobody waits for); and they die with their holder: there
//! can be no deadlock and no stale lock.
//!
//! The file stays when the lock goes. Deleting it by hand is harmless: whoever gets the lock checks that the file still
//! has its name, and starts again if not; [`crate::gc`] removes old ones while it holds them.
//!
//! Waiting is polling, since `flock` has no time limit and a signal to end it would reach our caller's process too.

use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::{Error, Store};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);
const FIRST_WORD: Duration = Duration::from_secs(1);
const NEXT_WORD: Duration = Duration::from_secs(10);

/// What a caller is told while it waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LockWait {
    /// The key's text: what someone else is fetching.
    pub what: String,
    /// The lock file, for `fuser` and the like.
    pub path: PathBuf,
    /// How long we have waited.
    pub waited: Duration,
    /// How long we are ready to wait.
    pub patience: Duration,
}

/// A lock; let go by dropping it.
#[derive(Debug)]
#[must_use = "dropping it lets the lock go"]
pub struct KeyLock {
    file: File,
    waited: bool,
    /// Of the file when it was locked.
    modified: Option<SystemTime>,
}

impl KeyLock {
    /// Someone else held it when it was asked for, and may have done the work meanwhile.
    pub fn waited(&self) -> bool {
        self.waited
    }

    /// Someone has lost patience and gone on without it.
    pub fn contested(&self) -> bool {
        modified(&self.file) != self.modified
    }
}

fn modified(file: &File) -> Option<SystemTime> {
    file.metadata().and_then(|metadata| metadata.modified()).ok()
}

impl Store {
    /// Takes the lock on `what` (a key's text, or whatever else is named so), waiting up to `patience` for it. `waiting` is
    /// called after a second and then every ten. `Ok(None)`: the time is up, and the caller goes on by itself.
    ///
    /// # Errors
    /// [`Error::LockUnsupported`] where the file system has no `flock`; [`Error::Io`] where the lock file cannot be made.
    pub fn lock(
        &self,
        what: &str,
        patience: Duration,
        waiting: &mut dyn FnMut(&LockWait),
    ) -> Result<Option<KeyLock>, Error> {
        let path = self.own.layout.lock(what);
        wait_for(&path, patience, &|| self.lock_file(&path), &mut |waited| {
            waiting(&LockWait { what: what.to_owned(), path: path.clone(), waited, patience });
        })
    }

    fn lock_file(&self, path: &Path) -> Result<File, Error> {
        let failed = Error::io("open", path);
        match open_lock(path) {
            Err(Errno::NOENT) => {
                self.own
                    .make_dir(path.parent().unwrap_or(path))
                    .map_err(Error::io("make the folder of", path))?;
                open_lock(path).map_err(|e| failed(e.into()))
            }
            other => other.map_err(|e| failed(e.into())),
        }
    }
}

/// Takes the lock on a file of any folder, which is made and stays, waiting up to `patience`. `Ok(None)`: the time is up.
///
/// # Errors
/// As [`Store::lock`].
pub fn lock_file(path: &Path, patience: Duration) -> Result<Option<KeyLock>, Error> {
    let open = || open_lock(path).map_err(|e| Error::io("open", path)(e.into()));
    wait_for(path, patience, &open, &mut |_| {})
}

/// As [`Store::lock`], without a store: in the first of `folders` that can be written to, below a folder of its own that
/// everyone may write to.
///
/// # Errors
/// As [`Store::lock`]; the last folder's.
pub fn lock_named(
    folders: &[PathBuf],
    what: &str,
    patience: Duration,
    waiting: &mut dyn FnMut(&LockWait),
) -> Result<Option<KeyLock>, Error> {
    let mut failure = Error::io("lock", Path::new("."))(ErrorKind::NotFound.into());
    for folder in folders {
        let folder = folder.join("vcache-locks");
        // Sticky, as `/tmp` is; whoever made it first has done so.
        let _ = std::fs::create_dir(&folder).and_then(|()| {
            std::fs::set_permissions(&folder, std::os::unix::fs::PermissionsExt::from_mode(0o1777))
        });
        let path = folder.join(crate::Sha256Id::of(what.as_bytes()).to_string());
        let open = || open_lock(&path).map_err(|e| Error::io("open", &path)(e.into()));
        let mut tell =
            |waited| waiting(&LockWait { what: what.to_owned(), path: path.clone(), waited, patience });
        match wait_for(&path, patience, &open, &mut tell) {
            Err(error) => failure = error,
            other => return other,
        }
    }
    Err(failure)
}

fn wait_for(
    path: &Path,
    patience: Duration,
    open: &dyn Fn() -> Result<File, Error>,
    waiting: &mut dyn FnMut(Duration),
) -> Result<Option<KeyLock>, Error> {
    let start = Instant::now();
    let (mut next_word, mut pause, mut waited) = (FIRST_WORD, FIRST_PAUSE, false);
    let mut file = open()?;
    loop {
        match file.try_lock() {
            Ok(()) if has_name(&file, path) => {
                let modified = modified(&file);
                return Ok(Some(KeyLock { file, waited, modified }));
            }
            // Someone deleted the file while we waited: what we hold is a lock on nothing.
            Ok(()) => file = open()?,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) if e.kind() == ErrorKind::Interrupted => continue,
            Err(TryLockError::Error(e)) => return Err(classify(path, e)),
        }
        waited = true;
        let elapsed = start.elapsed();
        if elapsed >= patience {
            // The holder learns of it by the file's time.
            let _ = file.set_modified(SystemTime::now());
            return Ok(None);
        }
        if elapsed >= next_word {
            waiting(elapsed);
            next_word = elapsed + NEXT_WORD;
        }
        std::thread::sleep(pause.min(patience - elapsed));
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Opens first and creates second: in a sticky folder the kernel (`fs.protected_regular`) refuses even root an open with
/// `O_CREAT` of another user's file. Writable if possible, since NFS wants that for an exclusive lock.
fn open_lock(path: &Path) -> Result<File, Errno> {
    let common = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let all = Mode::from_raw_mode(0o666);
    for _ in 0..8 {
        let opened = match rustix::fs::open(path, OFlags::RDWR | common, Mode::empty()) {
            Err(Errno::ACCESS | Errno::ROFS) => {
                rustix::fs::open(path, OFlags::RDONLY | common, Mode::empty())
            }
            other => other,
        };
        match opened {
            Err(Errno::NOENT) => {}
            other => return other.map(File::from),
        }
        match rustix::fs::open(path, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | common, all) {
            Err(Errno::EXIST) => {}
            Ok(fd) => {
                // Whatever the umask: another user who waits must be able to open it.
                let _ = rustix::fs::fchmod(&fd, all);
                return Ok(File::from(fd));
            }
            Err(e) => return Err(e),
        }
    }
    Err(Errno::NOENT)
}

/// Whether the locked file is still the one that others will find.
pub(crate) fn has_name(file: &File, path: &Path) -> bool {
    match (file.metadata(), path.symlink_metadata()) {
        (Ok(held), Ok(named)) => (held.dev(), held.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

/// Which answers mean that there is no locking here, rather than that it failed.
pub(crate) fn unsupported(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    error.kind() == ErrorKind::Unsupported
        || matches!(errno, Some(Errno::NOLCK | Errno::NOSYS | Errno::BADF | Errno::OPNOTSUPP | Errno::INVAL))
}

fn classify(path: &Path, source: io::Error) -> Error {
    if unsupported(&source) {
        Error::LockUnsupported { path: path.to_owned(), source }
    } else {
        Error::io("lock", path)(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_without_locks_is_told_from_a_failure() {
        for errno in [Errno::NOLCK, Errno::NOSYS, Errno::BADF, Errno::OPNOTSUPP] {
            assert!(
                matches!(classify(Path::new("l"), errno.into()), Error::LockUnsupported { .. }),
                "{errno:?}"
            );
        }
        assert!(matches!(classify(Path::new("l"), Errno::IO.into()), Error::Io { .. }));
    }
}
