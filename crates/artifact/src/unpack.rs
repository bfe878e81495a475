//! Members become files. The content is not believed: it may not have been checked yet, and whoever made it may mean harm.
//!
//! Names are only ever made in folders that this restore has made itself and holds open: the folders of the member before,
//! of which the new member's must be one. So neither `..`, nor `/`, nor a link that an earlier member has made leads
//! anywhere else, and no name is made twice. The target of a hard link is looked for from the output's top, and no link is
//! followed on the way. The staging folder is closed to others until all is done, setuid files in it too.
//!
//! A folder gets owner, mode and time when the last of its members was made.

use std::ffi::{CStr, CString, OsStr};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::Error;
use crate::attributes;
use crate::format::{Attributes, Kind, Member};
use crate::pax::Records;
use crate::sparse::{self, Extent};
use crate::staging::{OUT, Staging};

const BUFFER: usize = 256 << 10;
/// Extended attributes of one file are 64 KiB each at most, and few file systems have room for many.
const LARGEST_PAX: u64 = 16 << 20;

/// An output that is wanted.
pub(crate) struct Output<'a> {
    pub(crate) name: &'a str,
    pub(crate) staging: Staging<'a>,
    /// Its own attributes, once it was met.
    pub(crate) top: Option<Attributes>,
}

/// What was made.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
}

/// Reads a tar to its end, and makes what is in it of the outputs that are wanted.
pub(crate) fn unpack(tar: impl Read, outputs: &mut [Output<'_>]) -> Result<Counts, Error> {
    let mut unpacking =
        Unpacking { outputs, open: Vec::new(), buffer: vec![0; BUFFER], counts: Counts::default() };
    let mut archive = tar::Archive::new(tar);
    let mut pax = Records::default();
    for entry in archive.entries().map_err(Error::unreadable)?.raw(true) {
        let mut entry = entry.map_err(Error::unreadable)?;
        if entry.header().entry_type() == tar::EntryType::XHeader {
            if entry.size() > LARGEST_PAX {
                return Err(Error::malformed("a pax header is too large"));
            }
            let mut records = Vec::new();
            entry.read_to_end(&mut records).map_err(Error::unreadable)?;
            pax = Records::parse(&records)?;
            continue;
        }
        let member = Member::decode(entry.header(), &std::mem::take(&mut pax))?;
        unpacking.member(&member, &mut entry)?;
    }
    unpacking.close_to(0)?;
    let counts = unpacking.counts;
    // What follows the end may be no member, but it must be there and whole.
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(Error::unreadable)?;
    Ok(counts)
}

struct Unpacking<'a, 'b> {
    outputs: &'b mut [Output<'a>],
    /// From an output's top to the folder of the last member.
    open: Vec<OpenFolder>,
    buffer: Vec<u8>,
    counts: Counts,
}

struct OpenFolder {
    name: Vec<u8>,
    folder: OwnedFd,
    attributes: Attributes,
    /// As it will be called, for messages.
    path: PathBuf,
}

/// Where a member is to be made.
struct Place<'a> {
    folder: BorrowedFd<'a>,
    file: &'a CStr,
    /// As it will be called, for messages.
    path: PathBuf,
    /// As it is called now.
    staged: PathBuf,
}

impl Unpacking<'_, '_> {
    fn member(&mut self, member: &Member, data: &mut dyn Read) -> Result<(), Error> {
        let components = components(&member.name)?;
        let (last, parents) = components.split_last().expect("there is one at least");
        let Some(at) = self.outputs.iter().position(|output| output.name.as_bytes() == components[0]) else {
            return Ok(());
        };
        let common = self.open.iter().zip(parents).take_while(|(open, name)| open.name == **name).count();
        self.close_to(common)?;
        if common < parents.len() {
            return Err(malformed(&member.name, "it comes without its folder"));
        }
        let output = &mut self.outputs[at];
        let below = PathBuf::from_iter(components[1..].iter().map(|name| OsStr::from_bytes(name)));
        let of_top = |path: PathBuf| if components.len() == 1 { path } else { path.join(&below) };
        let file = CString::new(*last).expect("components has looked at it");
        let place = Place {
            folder: self.open.last().map_or(output.staging.folder(), |open| open.folder.as_fd()),
            file: if parents.is_empty() { OUT } else { &file },
            path: of_top(output.staging.destination().to_owned()),
            staged: of_top(output.staging.folder_path().join(OsStr::from_bytes(OUT.to_bytes()))),
        };
        if parents.is_empty() {
            output.top = Some(member.attributes.clone());
        }
        self.counts.entries += 1;
        let made = match &member.kind {
            Kind::Folder => {
                let folder = place.make_folder()?;
                let attributes = member.attributes.clone();
                let path = place.path;
                self.open.push(OpenFolder { name: last.to_vec(), folder, attributes, path });
                return Ok(());
            }
            Kind::File { size } => {
                let extent = Extent { offset: 0, length: *size };
                return place.make_file(member, data, Some(&[extent]), &mut self.buffer, &mut self.counts);
            }
            Kind::Sparse { .. } => {
                return place.make_file(member, data, None, &mut self.buffer, &mut self.counts);
            }
            Kind::HardLink(target) => return place.make_hard_link(target, output),
            Kind::Link(target) => {
                let target = CString::new(target.as_slice()).ok().filter(|target| !target.is_empty());
                let target = target.ok_or_else(|| malformed(&member.name, "its target is none"))?;
                rustix::fs::symlinkat(&target, place.folder, place.file)
            }
            Kind::Fifo => rustix::fs::mknodat(place.folder, place.file, FileType::Fifo, Mode::RUSR, 0),
            Kind::Device { block, major, minor } => {
                let kind = if *block { FileType::BlockDevice } else { FileType::CharacterDevice };
                let device = rustix::fs::makedev(*major, *minor);
                rustix::fs::mknodat(place.folder, place.file, kind, Mode::RUSR, device)
            }
        };
        made.map_err(|e| place.failed("make", e))?;
        let is_link = matches!(member.kind, Kind::Link(_));
        attributes::put_at(place.folder, place.file, &place.staged, is_link, &member.attributes, &place.path)
    }

    /// Folders beyond the first `count` get no more members.
    fn close_to(&mut self, count: usize) -> Result<(), Error> {
        while self.open.len() > count
            && let Some(OpenFolder { folder, attributes, path, .. }) = self.open.pop()
        {
            attributes::put(folder.as_fd(), &attributes, &path)?;
        }
        Ok(())
    }
}

impl Place<'_> {
    fn make_folder(&self) -> Result<OwnedFd, Error> {
        rustix::fs::mkdirat(self.folder, self.file, Mode::RWXU).map_err(|e| self.failed("make", e))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let folder = rustix::fs::openat(self.folder, self.file, flags, Mode::empty());
        folder.map_err(|e| self.failed("open", e))
    }

    /// `extents`: where its data goes; `None`: its data begins with a map that says so.
    fn make_file(
        &self,
        member: &Member,
        data: &mut dyn Read,
        extents: Option<&[Extent]>,
        buffer: &mut [u8],
        counts: &mut Counts,
    ) -> Result<(), Error> {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::RUSR | Mode::WUSR;
        let fd =
            rustix::fs::openat(self.folder, self.file, flags, mode).map_err(|e| self.failed("make", e))?;
        let file = File::from(fd);
        let writing = || Error::output("write", &self.path);
        let map;
        let extents = match (extents, &member.kind) {
            (None, Kind::Sparse { size, .. }) => {
                map = sparse::read(data, *size)?;
                file.set_len(*size).map_err(writing())?;
                &map
            }
            (extents, _) => extents.unwrap_or_default(),
        };
        for &Extent { mut offset, mut length } in extents {
            counts.bytes += length;
            while length > 0 {
                let wanted = length.min(buffer.len() as u64) as usize;
                data.read_exact(&mut buffer[..wanted]).map_err(Error::unreadable)?;
                file.write_all_at(&buffer[..wanted], offset).map_err(writing())?;
                offset += wanted as u64;
                length -= wanted as u64;
            }
        }
        attributes::put(file.as_fd(), &member.attributes, &self.path)
    }

    fn make_hard_link(&self, target: &[u8], output: &Output<'_>) -> Result<(), Error> {
        let refused = || malformed(target, "it is linked to, and is no file of the same output");
        let components = components(target)?;
        let [top, inner @ .., last] = components.as_slice() else { return Err(refused()) };
        if *top != output.name.as_bytes() {
            return Err(refused());
        }
        let mut folder: Option<OwnedFd> = None;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for name in std::iter::once(&OUT.to_bytes()).chain(inner) {
            let from = folder.as_ref().map_or(output.staging.folder(), AsFd::as_fd);
            let next = rustix::fs::openat(from, *name, flags, Mode::empty());
            folder = Some(next.map_err(|_| refused())?);
        }
        let from = folder.as_ref().map_or(output.staging.folder(), AsFd::as_fd);
        match rustix::fs::linkat(from, *last, self.folder, self.file, AtFlags::empty()) {
            Err(Errno::NOENT) => Err(refused()),
            other => other.map_err(|e| self.failed("link", e)),
        }
    }

    fn failed(&self, action: &'static str, e: Errno) -> Error {
        match e {
            Errno::EXIST => malformed(self.path.as_os_str().as_bytes(), "it is there twice"),
            _ => Error::output(action, &self.path)(e),
        }
    }
}

/// The parts of a member's name.
fn components(name: &[u8]) -> Result<Vec<&[u8]>, Error> {
    let components: Vec<_> = name.split(|&byte| byte == b'/').collect();
    let is_name = |name: &&[u8]| !matches!(*name, b"" | b"." | b"..") && !name.contains(&0);
    if components.iter().all(is_name) {
        Ok(components)
    } else {
        Err(malformed(name, "a name that is refused"))
    }
}

fn malformed(name: &[u8], what: &str) -> Error {
    Error::malformed(format!("{}: {what}", String::from_utf8_lossy(name)))
}
