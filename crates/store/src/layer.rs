//! One cache directory, own or lower, and the few ways in which its files are touched: small files are read without
//! following links, written beside and renamed; times are refreshed at most hourly.
//!
//! Trust: an owner is trusted who is root, ourselves, the owner of the cache directory or in the configuration.
//! What only trusted owners may say: a record (URL to content), an alias (md5 to sha256) and a meta file (sha256 to
//! blake3). Each of these files also says in clear what it is about, since whoever owns a folder can rename another's
//! file in it to a name that means something else.

use std::fs::{File, Metadata};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_NOW};
use tempfile::NamedTempFile;

use crate::Error;
use crate::dirs::Shape;
use crate::layout::{Layout, beside};

/// A hit refreshes times at most this often, to spare the disk.
const TOUCH_EVERY: Duration = Duration::from_secs(3600);
/// Nothing small is larger than this; a URL of a few kilobytes is the worst that records hold.
const SMALL: u64 = 1 << 20;

/// A cache directory that is there and has a format that we know.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) layout: Layout,
    shape: Shape,
    owner: u32,
    me: u32,
    trusted_uids: Vec<u32>,
    /// Written to; a lower layer is not.
    pub(crate) own: bool,
    /// As in [`crate::Config`].
    pub(crate) stored_at: Option<u64>,
}

impl Layer {
    pub(crate) fn new(dir: &Path, metadata: &Metadata, trusted_uids: &[u32], own: bool) -> Self {
        Self {
            layout: Layout::new(dir),
            shape: Shape::of(metadata),
            owner: metadata.uid(),
            me: rustix::process::geteuid().as_raw(),
            trusted_uids: trusted_uids.to_vec(),
            own,
            stored_at: None,
        }
    }

    /// Whether what this user wrote is believed.
    pub(crate) fn trusts(&self, uid: u32) -> bool {
        uid == 0 || uid == self.me || uid == self.owner || self.trusted_uids.contains(&uid)
    }

    pub(crate) fn uid(&self) -> u32 {
        self.me
    }

    /// A small file of a trusted owner with its handle; `None` when there is none, or one that is not to be believed.
    pub(crate) fn read_trusted(&self, path: &Path) -> Result<Option<Small>, Error> {
        Ok(self.read(path)?.filter(|small| self.trusts(small.metadata.uid())))
    }

    /// A small file, whoever wrote it.
    pub(crate) fn read(&self, path: &Path) -> Result<Option<Small>, Error> {
        let Some(file) = open_regular(path)? else { return Ok(None) };
        let failed = |e| Error::io("read", path)(e);
        let metadata = file.metadata().map_err(failed)?;
        if !metadata.is_file() || metadata.len() > SMALL {
            return Ok(None);
        }
        let mut content = vec![0; metadata.len() as usize];
        match file.read_exact_at(&mut content, 0) {
            Ok(()) => Ok(Some(Small { content, file, metadata })),
            // Someone cuts it short instead of replacing it, as nobody may.
            Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(None),
            Err(e) => Err(failed(e)),
        }
    }

    /// Writes a small file as a whole: beside, then renamed over whatever has the name.
    pub(crate) fn put(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        let mut tmp = self.temporary()?;
        let written = (|| {
            tmp.write_all(content)?;
            rustix::fs::fchmod(tmp.as_file(), Mode::from_raw_mode(0o644))?;
            Ok(())
        })();
        written.map_err(Error::io("write", path))?;
        self.rename(tmp.path(), path, |from, to| std::fs::rename(from, to))
            .map_err(Error::io("write", path))?;
        let _ = tmp.into_temp_path().keep();
        Ok(())
    }

    /// As [`Self::put`]; where another user's file has the name and the folder is sticky, ours goes beside it.
    pub(crate) fn put_shared(&self, path: &Path, content: &[u8]) -> Result<(), Error> {
        match self.put(path, content) {
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::PermissionDenied => {
                self.put(&beside(path, self.me), content)
            }
            other => other,
        }
    }

    /// `tmp/`, made when it is missing.
    pub(crate) fn tmp_folder(&self) -> Result<PathBuf, Error> {
        let dir = self.layout.tmp();
        if !dir.is_dir() {
            self.shape.make_all(&dir, &dir).map_err(Error::io("make", &dir))?;
        }
        Ok(dir)
    }

    /// A file in `tmp/`, gone when dropped.
    pub(crate) fn temporary(&self) -> Result<NamedTempFile, Error> {
        let dir = self.layout.tmp();
        let make = || tempfile::Builder::new().prefix("new-").tempfile_in(&dir);
        let made = match make() {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.shape.make_all(&dir, &dir).map_err(Error::io("make", &dir))?;
                make()
            }
            other => other,
        };
        made.map_err(Error::io("make a file in", &dir))
    }

    /// Renames by `how`, making the target's folder when it is missing.
    pub(crate) fn rename(
        &self,
        from: &Path,
        to: &Path,
        how: impl Fn(&Path, &Path) -> io::Result<()>,
    ) -> io::Result<()> {
        match how(from, to) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                self.make_dir(to.parent().unwrap_or(to))?;
                how(from, to)
            }
            other => other,
        }
    }

    /// Makes a folder of the cache in the shape of the cache directory.
    pub(crate) fn make_dir(&self, dir: &Path) -> io::Result<()> {
        self.shape.make_all(&self.layout.tmp(), dir)
    }
}

/// A small file as it was read.
pub(crate) struct Small {
    pub(crate) content: Vec<u8>,
    pub(crate) file: File,
    pub(crate) metadata: Metadata,
}

/// Opens for reading what is no link; `None` when nothing is there, or a link. Without `NONBLOCK` a planted FIFO would
/// hang us; the caller still checks that it is a regular file.
pub(crate) fn open_regular(path: &Path) -> Result<Option<File>, Error> {
    use rustix::io::Errno;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(fd) => Ok(Some(File::from(fd))),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(e) => Err(Error::io("open", path)(e.into())),
    }
}

/// Marks a file as used now, unless that was done within the hour. Whoever may not do that (another user's file, a
/// read-only file system) still has the hit.
pub(crate) fn touch(file: &File, metadata: &Metadata) {
    let fresh = metadata.modified().is_ok_and(|then| {
        // A time in the future is as good as none: it would keep the file for ever.
        SystemTime::now().duration_since(then).is_ok_and(|age| age < TOUCH_EVERY)
    });
    if !fresh {
        let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
        let _ = rustix::fs::futimens(file, &Timestamps { last_access: now, last_modification: now });
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// The entries of a folder, sorted; none when the folder is missing.
pub(crate) fn entries(dir: &Path) -> Result<Vec<PathBuf>, Error> {
    let listing = match std::fs::read_dir(dir) {
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(Vec::new()),
        other => other.map_err(Error::io("list", dir))?,
    };
    let mut paths = Vec::new();
    for entry in listing {
        paths.push(entry.map_err(Error::io("list", dir))?.path());
    }
    paths.sort();
    Ok(paths)
}

/// Everything two levels below a bucket: its entries, sorted.
pub(crate) fn sharded_entries(bucket: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    for shard in entries(bucket)? {
        if shard.symlink_metadata().is_ok_and(|metadata| metadata.is_dir()) {
            paths.extend(entries(&shard)?);
        } else {
            paths.push(shard);
        }
    }
    Ok(paths)
}
