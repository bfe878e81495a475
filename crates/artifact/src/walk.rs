//! The walk over what is saved: each folder before what is in it, names in the order of their bytes. Files are opened below the
//! open folder and no link is followed, so that a tree which someone changes meanwhile leads nowhere else.
//!
//! A file or folder whose time of change is another one after it was read is [`Error::Changed`].

use std::collections::HashMap;
use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat, StatxAttributes, StatxFlags};
use rustix::io::Errno;

use crate::attributes::{self, Of};
use crate::format::{Attributes, Kind, Member, padding};
use crate::save::{Packer, writing};
use crate::sparse::{self, Extent};
use crate::{Error, LeftOut, Reason, Source, remove};

const BUFFER: usize = 256 << 10;

pub(crate) struct Walk<'a> {
    out: &'a mut Packer,
    /// The blob in the making, for messages.
    blob: &'a Path,
    /// Device and inode of each file of this output that has more than one name, and the name by which it was saved.
    linked: HashMap<(u64, u64), Vec<u8>>,
    buffer: Vec<u8>,
    entries: u64,
    bytes: u64,
    left_out: Vec<LeftOut>,
}

/// One file, below its open folder.
struct Here<'a> {
    folder: &'a OwnedFd,
    file: &'a CStr,
    /// Its name in the artifact.
    name: Vec<u8>,
    path: PathBuf,
}

impl<'a> Walk<'a> {
    pub(crate) fn new(out: &'a mut Packer, blob: &'a Path) -> Self {
        Self {
            out,
            blob,
            linked: HashMap::new(),
            buffer: vec![0; BUFFER],
            entries: 0,
            bytes: 0,
            left_out: Vec::new(),
        }
    }

    /// Entries, bytes of content, and what was left out.
    pub(crate) fn end(self) -> (u64, u64, Vec<LeftOut>) {
        (self.entries, self.bytes, self.left_out)
    }

    pub(crate) fn output(&mut self, source: &Source<'_>) -> Result<(), Error> {
        self.linked.clear();
        let path = source.path;
        let open = Error::input::<Errno>("open", path);
        // `a/..` and `/` have no name below their folder; they are their own `.`.
        let (folder, file) = match path.file_name() {
            Some(file) => (path.parent().filter(|parent| !parent.as_os_str().is_empty()), file),
            None => (Some(path), OsStr::new(".")),
        };
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let folder =
            rustix::fs::openat(CWD, folder.unwrap_or(Path::new(".")), flags, Mode::empty()).map_err(open)?;
        let file = CString::new(file.as_bytes()).map_err(Error::input("open", path))?;
        let name = source.name.as_bytes().to_vec();
        self.entry(Here { folder: &folder, file: &file, name, path: path.to_owned() }, true)
    }

    fn entry(&mut self, here: Here<'_>, is_top: bool) -> Result<(), Error> {
        let stat = rustix::fs::statat(here.folder, here.file, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.map_err(|e| here.failed("look at", e))?;
        let kind = FileType::from_raw_mode(stat.st_mode);
        if kind == FileType::Directory {
            return self.folder(here, &stat, is_top);
        }
        if kind == FileType::Socket {
            self.left_out.push(LeftOut { path: here.path, reason: Reason::Socket });
            return Ok(());
        }
        if stat.st_nlink > 1 {
            if let Some(first) = self.linked.get(&identity(&stat)) {
                let kind = Kind::HardLink(first.clone());
                let attributes = Attributes { xattrs: Vec::new(), ..here.attributes(&stat)? };
                return self.write(&Member { name: here.name, attributes, kind });
            }
            self.linked.insert(identity(&stat), here.name.clone());
        }
        let kind = match kind {
            FileType::RegularFile => return self.file(here, &stat),
            FileType::Symlink => {
                let target = rustix::fs::readlinkat(here.folder, here.file, Vec::new());
                Kind::Link(target.map_err(|e| here.failed("read", e))?.into_bytes())
            }
            FileType::Fifo => Kind::Fifo,
            FileType::CharacterDevice | FileType::BlockDevice => Kind::Device {
                block: kind == FileType::BlockDevice,
                major: rustix::fs::major(stat.st_rdev),
                minor: rustix::fs::minor(stat.st_rdev),
            },
            _ => return Err(here.failed("tell the kind of", Errno::NOTSUP)),
        };
        let attributes = here.attributes(&stat)?;
        self.write(&Member { name: here.name, attributes, kind })
    }

    fn folder(&mut self, here: Here<'_>, stat: &Stat, is_top: bool) -> Result<(), Error> {
        let folder = here.open(OFlags::DIRECTORY, stat)?;
        let attributes = attributes::read(stat, Of::Open(folder.as_fd()));
        let attributes = attributes.map_err(Error::input("read the attributes of", &here.path))?;
        self.write(&Member { name: here.name.clone(), attributes, kind: Kind::Folder })?;
        if !is_top && is_mounted(&folder) {
            self.left_out.push(LeftOut { path: here.path, reason: Reason::Mounted });
            return Ok(());
        }
        for file in here.names(&folder)? {
            let mut name = here.name.clone();
            name.push(b'/');
            name.extend(file.to_bytes());
            let path = here.path.join(OsStr::from_bytes(file.to_bytes()));
            self.entry(Here { folder: &folder, file: &file, name, path }, false)?;
        }
        here.expect_same(&folder, stat)
    }

    fn file(&mut self, here: Here<'_>, stat: &Stat) -> Result<(), Error> {
        let fd = here.open(OFlags::NONBLOCK, stat)?;
        let size = stat.st_size as u64;
        let has_holes = (stat.st_blocks as u64).saturating_mul(512) < size;
        let whole = Extent { offset: 0, length: size };
        let extents = match has_holes {
            true => sparse::extents(fd.as_fd(), size).map_err(Error::input("read", &here.path))?,
            false => vec![whole],
        };
        let attributes = attributes::read(stat, Of::Open(fd.as_fd()));
        let attributes = attributes.map_err(Error::input("read the attributes of", &here.path))?;
        let mut map = Vec::new();
        let mut kind = Kind::File { size };
        if extents != [whole] {
            map = sparse::encode(&extents, size);
            let data = extents.iter().map(|extent| extent.length).sum::<u64>();
            kind = Kind::Sparse { stored: map.len() as u64 + data, size };
        }
        let member = Member { name: here.name.clone(), attributes, kind };
        self.write(&member)?;
        self.out.write_all(&map).map_err(writing(self.blob))?;
        let file = File::from(fd);
        for extent in &extents {
            self.copy(&here, &file, *extent)?;
        }
        self.out.write_all(padding(member.stored())).map_err(writing(self.blob))?;
        here.expect_same(&file, stat)
    }

    fn copy(
        &mut self,
        here: &Here<'_>,
        file: &File,
        Extent { mut offset, mut length }: Extent,
    ) -> Result<(), Error> {
        self.bytes += length;
        while length > 0 {
            let wanted = length.min(BUFFER as u64) as usize;
            match file.read_at(&mut self.buffer[..wanted], offset) {
                Ok(0) => return Err(here.changed()),
                Ok(count) => {
                    self.out.write_all(&self.buffer[..count]).map_err(writing(self.blob))?;
                    offset += count as u64;
                    length -= count as u64;
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(Error::input("read", &here.path)(e)),
            }
        }
        Ok(())
    }

    fn write(&mut self, member: &Member) -> Result<(), Error> {
        self.entries += 1;
        self.out.write_all(&member.encode()).map_err(writing(self.blob))
    }
}

impl Here<'_> {
    /// Opens what `stat` has described, and nothing else.
    fn open(&self, flags: OFlags, stat: &Stat) -> Result<OwnedFd, Error> {
        let flags = flags | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = rustix::fs::openat(self.folder, self.file, flags, Mode::empty());
        let fd = fd.map_err(|e| self.failed("open", e))?;
        self.expect_same(&fd, stat)?;
        Ok(fd)
    }

    fn expect_same(&self, fd: impl AsFd, before: &Stat) -> Result<(), Error> {
        let now = rustix::fs::fstat(fd).map_err(|e| self.failed("look at", e))?;
        let of = |stat: &Stat| (identity(stat), stat.st_size, stat.st_ctime, stat.st_ctime_nsec);
        if of(&now) == of(before) { Ok(()) } else { Err(self.changed()) }
    }

    fn names(&self, folder: &OwnedFd) -> Result<Vec<CString>, Error> {
        let mut names = remove::names(folder).map_err(Error::input("list", &self.path))?;
        names.sort();
        Ok(names)
    }

    fn attributes(&self, stat: &Stat) -> Result<Attributes, Error> {
        attributes::read(stat, Of::Path(&self.path))
            .map_err(Error::input("read the attributes of", &self.path))
    }

    fn failed(&self, action: &'static str, e: Errno) -> Error {
        match e {
            Errno::NOENT | Errno::LOOP | Errno::NOTDIR | Errno::NXIO if self.name.contains(&b'/') => {
                self.changed()
            }
            _ => Error::input(action, &self.path)(e),
        }
    }

    fn changed(&self) -> Error {
        Error::Changed { path: self.path.clone() }
    }
}

#[allow(clippy::unnecessary_cast, reason = "the types differ between machines")]
fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev as u64, stat.st_ino as u64)
}

/// Whether another file system (or a part of the same one) shows here. Kernels before 5.8 don't tell.
fn is_mounted(folder: &OwnedFd) -> bool {
    let found = rustix::fs::statx(folder, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
    found.is_ok_and(|found| found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}
