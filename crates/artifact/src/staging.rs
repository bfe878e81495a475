//! Where a tree is put together before it has its name: a folder `.vcache-restoring-<16 hex>`, mode 0700, beside the destination, or
//! within it where that is an empty folder (which may be a mount point, so that beside it is another file system).
//! The output is made in there as `out`, and moved when all of the artifact was checked.
//!
//! Locks: who fills a folder that is there holds its `flock`, and each staging folder is locked for as long as it lives. One that
//! nobody holds was left by someone who was killed, and is removed by the next restore at that place. Where the file system
//! has no locks, nothing is removed.
//!
//! A kill while a folder is being filled (a rename for each of its entries) leaves some of them there, and the staging folder
//! with the rest.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FlockOperation, Mode, OFlags, RenameFlags, Stat};
use rustix::io::Errno;

use crate::Error;
use crate::attributes::{self, Of};
use crate::format::Attributes;
use crate::remove::{names, remove};

/// What the names of staging folders begin with.
const PREFIX: &str = ".vcache-restoring-";
/// The output within the staging folder.
pub(crate) const OUT: &CStr = c"out";
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
const ATTEMPTS: usize = 16;

pub(crate) struct Staging<'a> {
    /// The destination.
    path: &'a Path,
    /// The destination's folder; the destination itself where that is to be filled.
    parent: OwnedFd,
    place: Place,
    /// The staging folder in `parent`.
    name: CString,
    folder: OwnedFd,
    moved: Vec<CString>,
    is_finished: bool,
}

enum Place {
    /// The destination is made, with this name.
    Beside(CString),
    /// The destination is filled; it was like this, and becomes like that.
    Within { before: Attributes, top: Option<Attributes> },
}

impl<'a> Staging<'a> {
    pub(crate) fn prepare(path: &'a Path) -> Result<Self, Error> {
        let (parent, place) = match rustix::fs::openat(CWD, path, FOLDER, Mode::empty()) {
            Ok(folder) => {
                let before = claim(&folder, path)?;
                (folder, Place::Within { before, top: None })
            }
            Err(Errno::NOENT) => beside(path)?,
            Err(Errno::NOTDIR) => return Err(Error::InTheWay { path: path.to_owned() }),
            Err(e) => return Err(Error::output("open", path)(e)),
        };
        sweep(&parent).map_err(Error::output("list the folder of", path))?;
        if let Place::Within { .. } = place
            && let Some(found) = names(&parent).map_err(Error::output("list", path))?.pop()
        {
            return Err(Error::NotEmpty {
                path: path.to_owned(),
                found: OsStr::from_bytes(found.to_bytes()).to_owned(),
            });
        }
        let (name, folder) = make(&parent).map_err(Error::output("make a temporary folder for", path))?;
        Ok(Self { path, parent, place, name, folder, moved: Vec::new(), is_finished: false })
    }

    /// The folder in which [`OUT`] is to be made.
    pub(crate) fn folder(&self) -> BorrowedFd<'_> {
        self.folder.as_fd()
    }

    /// Its path.
    pub(crate) fn folder_path(&self) -> PathBuf {
        let parent = match self.place {
            Place::Beside(_) => self.path.parent().unwrap_or(Path::new("")),
            Place::Within { .. } => self.path,
        };
        parent.join(OsStr::from_bytes(self.name.to_bytes()))
    }

    /// The destination.
    pub(crate) fn destination(&self) -> &'a Path {
        self.path
    }

    /// Gives the output its name. `attributes`: its own. It can still be taken back.
    pub(crate) fn commit(&mut self, attributes: &Attributes) -> Result<(), Error> {
        match &mut self.place {
            Place::Beside(file) => {
                match move_entry(self.folder.as_fd(), OUT, self.parent.as_fd(), file) {
                    Err(e) if is_there(&e) => Err(Error::InTheWay { path: self.path.to_owned() }),
                    other => other.map_err(Error::output("make", self.path)),
                }?;
                self.moved.push(file.clone());
            }
            Place::Within { top, .. } => {
                let inner =
                    match rustix::fs::openat(&self.folder, OUT, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
                        Err(Errno::NOTDIR | Errno::LOOP) => {
                            return Err(Error::InTheWay { path: self.path.to_owned() });
                        }
                        other => other.map_err(Error::output("fill", self.path))?,
                    };
                *top = Some(attributes.clone());
                attributes::put(self.parent.as_fd(), attributes, self.path)?;
                // So that we may write in there, whoever we are. The rest of it is for `finish`.
                let own = Mode::from_raw_mode(attributes.mode) | Mode::RWXU;
                for folder in [&self.parent, &inner] {
                    rustix::fs::fchmod(folder, own).map_err(Error::output("fill", self.path))?;
                }
                for name in names(&inner).map_err(Error::output("fill", self.path))? {
                    match move_entry(inner.as_fd(), &name, self.parent.as_fd(), &name) {
                        Err(e) if is_there(&e) => {
                            let found = OsStr::from_bytes(name.to_bytes()).to_owned();
                            Err(Error::NotEmpty { path: self.path.to_owned(), found })
                        }
                        other => other.map_err(Error::output("fill", self.path)),
                    }?;
                    self.moved.push(name);
                }
            }
        }
        Ok(())
    }

    /// What was committed stays. All that could fail has been done before, to the same files.
    pub(crate) fn finish(mut self) {
        self.is_finished = true;
        let _ = remove(self.parent.as_fd(), &self.name);
        if let Place::Within { top: Some(top), .. } = &self.place {
            let _ = rustix::fs::fchmod(&self.parent, Mode::from_raw_mode(top.mode));
            let _ = rustix::fs::futimens(&self.parent, &attributes::times(top.mtime));
        }
    }
}

impl Drop for Staging<'_> {
    /// Best effort: what was moved goes back, and away with the rest.
    fn drop(&mut self) {
        if self.is_finished {
            return;
        }
        for (at, name) in self.moved.drain(..).enumerate() {
            let aside = CString::new(format!("undone-{at}")).expect("there is no zero in it");
            let _ = move_entry(self.parent.as_fd(), &name, self.folder.as_fd(), &aside);
        }
        let _ = remove(self.parent.as_fd(), &self.name);
        if let Place::Within { before, top } = &self.place {
            for (name, _) in top.iter().flat_map(|top| &top.xattrs) {
                if !before.xattrs.iter().any(|(other, _)| other == name) {
                    let _ = rustix::fs::fremovexattr(&self.parent, name.as_slice());
                }
            }
            match top {
                Some(_) => drop(attributes::put(self.parent.as_fd(), before, self.path)),
                None => drop(rustix::fs::futimens(&self.parent, &attributes::times(before.mtime))),
            }
        }
    }
}

/// Takes a folder that is to be filled for us alone, and says how it is.
fn claim(folder: &OwnedFd, path: &Path) -> Result<Attributes, Error> {
    if rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
        return Err(Error::Busy { path: path.to_owned() });
    }
    let stat = rustix::fs::fstat(folder).map_err(Error::output("look at", path))?;
    attributes::read(&stat, Of::Open(folder.as_fd())).map_err(Error::output("look at", path))
}

fn beside(path: &Path) -> Result<(OwnedFd, Place), Error> {
    // A link that leads nowhere is something, too; so is what has no name of its own.
    let in_the_way = || Error::InTheWay { path: path.to_owned() };
    if path.symlink_metadata().is_ok() {
        return Err(in_the_way());
    }
    let file = path.file_name().ok_or_else(in_the_way)?;
    let file = CString::new(file.as_bytes()).map_err(Error::output("make", path))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = rustix::fs::openat(CWD, parent, FOLDER, Mode::empty());
    Ok((folder.map_err(Error::output("open the folder of", path))?, Place::Beside(file)))
}

/// Removes staging folders of ours that nobody holds.
fn sweep(parent: &OwnedFd) -> io::Result<()> {
    for name in names(parent)? {
        if !name.to_bytes().starts_with(PREFIX.as_bytes()) {
            continue;
        }
        let Ok(folder) = rustix::fs::openat(parent, &name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) else {
            continue;
        };
        let is_ours = |stat: Stat| stat.st_uid == rustix::process::geteuid().as_raw();
        if rustix::fs::fstat(&folder).is_ok_and(is_ours)
            && rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            let _ = remove(parent.as_fd(), &name);
        }
    }
    Ok(())
}

/// Makes a staging folder, and locks it. Who sweeps may take it for left over before it is locked: then another one is made.
fn make(parent: &OwnedFd) -> io::Result<(CString, OwnedFd)> {
    for _ in 0..ATTEMPTS {
        let mut random = [0; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let name = CString::new(format!("{PREFIX}{:016x}", u64::from_ne_bytes(random)))?;
        match rustix::fs::mkdirat(parent, &name, Mode::RWXU) {
            Err(Errno::EXIST) => continue,
            other => other?,
        }
        let folder = match rustix::fs::openat(parent, &name, FOLDER | OFlags::NOFOLLOW, Mode::empty()) {
            Err(Errno::NOENT) => continue,
            other => other?,
        };
        if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive) == Err(Errno::WOULDBLOCK) {
            continue;
        }
        let ours = rustix::fs::fstat(&folder)?;
        if !rustix::fs::statat(parent, &name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|named| named.st_ino == ours.st_ino)
        {
            continue;
        }
        // What it has from its parent (setgid, access lists) would go on to everything in it.
        for name in ["system.posix_acl_default", "system.posix_acl_access"] {
            let _ = rustix::fs::fremovexattr(&folder, name);
        }
        rustix::fs::fchmod(&folder, Mode::RWXU)?;
        return Ok((name, folder));
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Renames, and replaces nothing. A folder keeps its mode and time, which are changed on the way where its owner may not write to it: the move
/// is a change of its `..`.
fn move_entry(from: BorrowedFd<'_>, name: &CStr, to: BorrowedFd<'_>, new: &CStr) -> io::Result<()> {
    let rename = || match rustix::fs::renameat_with(from, name, to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => {
            // The file system has no such rename: look first, then.
            if rustix::fs::statat(to, new, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                return Err(Errno::EXIST);
            }
            rustix::fs::renameat(from, name, to, new)
        }
        other => other,
    };
    match rename() {
        Err(Errno::ACCESS) => {}
        other => return Ok(other?),
    }
    let folder = rustix::fs::openat(from, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?;
    let stat = rustix::fs::fstat(&folder)?;
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(stat.st_mode & 0o7777) | Mode::RWXU)?;
    let renamed = rename();
    rustix::fs::fchmod(&folder, Mode::from_raw_mode(stat.st_mode & 0o7777))?;
    rustix::fs::futimens(&folder, &attributes::times(attributes::mtime(&stat)))?;
    Ok(renamed?)
}

fn is_there(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}
