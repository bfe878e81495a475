//! Owner, mode, time and extended attributes, read and put back.
//!
//! The order of putting back matters: a change of owner clears setuid bits and capabilities, and each of them would change
//! the time. What a machine's own policy gives (labels of SELinux, Smack, IMA, EVM) is neither read nor put back.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Gid, Mode, Stat, Timespec, Timestamps, UTIME_OMIT, Uid, XattrFlags};
use rustix::io::Errno;

use crate::Error;
use crate::format::Attributes;

/// The kernel's limit for the list of names, and for a value (xattr(7)).
const LARGEST: usize = 64 << 10;

/// An open file, or a path that is not followed, whose extended attributes are meant.
#[derive(Clone, Copy)]
pub(crate) enum Of<'a> {
    Open(BorrowedFd<'a>),
    Path(&'a Path),
}

impl Of<'_> {
    /// How long the list is; most files have none.
    fn length(self) -> rustix::io::Result<usize> {
        match self {
            Self::Open(fd) => rustix::fs::flistxattr_query(fd),
            Self::Path(path) => rustix::fs::llistxattr_query(path),
        }
    }

    fn list(self, names: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Open(fd) => rustix::fs::flistxattr(fd, names),
            Self::Path(path) => rustix::fs::llistxattr(path, names),
        }
    }

    fn get(self, name: &CStr, value: &mut [u8]) -> rustix::io::Result<usize> {
        match self {
            Self::Open(fd) => rustix::fs::fgetxattr(fd, name, value),
            Self::Path(path) => rustix::fs::lgetxattr(path, name, value),
        }
    }

    fn set(self, name: &[u8], value: &[u8]) -> rustix::io::Result<()> {
        match self {
            Self::Open(fd) => rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty()),
            Self::Path(path) => rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()),
        }
    }
}

/// What `stat` says, and the extended attributes.
pub(crate) fn read(stat: &Stat, of: Of<'_>) -> io::Result<Attributes> {
    Ok(Attributes {
        mode: stat.st_mode & 0o7777,
        uid: stat.st_uid,
        gid: stat.st_gid,
        mtime: mtime(stat),
        xattrs: xattrs(of)?,
    })
}

#[allow(clippy::unnecessary_cast, reason = "the types differ between machines")]
pub(crate) fn mtime(stat: &Stat) -> Timespec {
    Timespec { tv_sec: stat.st_mtime as _, tv_nsec: stat.st_mtime_nsec as _ }
}

fn xattrs(of: Of<'_>) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    match of.length() {
        Err(Errno::OPNOTSUPP) | Ok(0) => return Ok(Vec::new()),
        other => other?,
    };
    let (mut names, mut value) = (vec![0; LARGEST], vec![0; LARGEST]);
    let length = of.list(&mut names)?;
    let mut found = Vec::new();
    for name in names[..length].split_inclusive(|&byte| byte == 0) {
        let Ok(name) = CStr::from_bytes_with_nul(name) else { continue };
        if is_kept(name.to_bytes()) {
            match of.get(name, &mut value) {
                // It has just gone: whoever saves sees by the time of change that someone is at it.
                Err(Errno::NODATA) => {}
                other => found.push((name.to_bytes().to_vec(), value[..other?].to_vec())),
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_kept(name: &[u8]) -> bool {
    let of_policy = [
        &b"security.selinux"[..],
        b"security.SMACK64",
        b"security.ima",
        b"security.evm",
        b"security.apparmor",
    ];
    match name {
        // Others of the system's are views of what the file system itself has.
        [b's', b'y', b's', b't', b'e', b'm', b'.', rest @ ..] => rest.starts_with(b"posix_acl_"),
        _ => !of_policy.iter().any(|prefix| name.starts_with(prefix)),
    }
}

/// Puts everything back on an open file or folder. `path` is for messages.
pub(crate) fn put(fd: BorrowedFd<'_>, attributes: &Attributes, path: &Path) -> Result<(), Error> {
    let (uid, gid) = owner(attributes);
    rustix::fs::fchown(fd, uid, gid).map_err(|e| not_owned(e, path))?;
    let mode = Mode::from_raw_mode(attributes.mode);
    rustix::fs::fchmod(fd, mode).map_err(Error::output("set the mode of", path))?;
    put_xattrs(Of::Open(fd), attributes, path)?;
    rustix::fs::futimens(fd, &times(attributes.mtime)).map_err(Error::output("set the time of", path))
}

/// As [`put`], of what can't be opened; `at` is its path.
pub(crate) fn put_at(
    folder: impl AsFd,
    name: &CStr,
    at: &Path,
    is_link: bool,
    attributes: &Attributes,
    path: &Path,
) -> Result<(), Error> {
    let (uid, gid) = owner(attributes);
    rustix::fs::chownat(&folder, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW)
        .map_err(|e| not_owned(e, path))?;
    if !is_link {
        let mode = Mode::from_raw_mode(attributes.mode);
        rustix::fs::chmodat(&folder, name, mode, AtFlags::empty())
            .map_err(Error::output("set the mode of", path))?;
    }
    put_xattrs(Of::Path(at), attributes, path)?;
    rustix::fs::utimensat(&folder, name, &times(attributes.mtime), AtFlags::SYMLINK_NOFOLLOW)
        .map_err(Error::output("set the time of", path))
}

fn put_xattrs(of: Of<'_>, attributes: &Attributes, path: &Path) -> Result<(), Error> {
    for (name, value) in &attributes.xattrs {
        let action = || format!("set the attribute {} of", String::from_utf8_lossy(name));
        of.set(name, value).map_err(|e| Error::output(action(), path)(e))?;
    }
    Ok(())
}

fn owner(attributes: &Attributes) -> (Option<Uid>, Option<Gid>) {
    (Some(Uid::from_raw(attributes.uid)), Some(Gid::from_raw(attributes.gid)))
}

/// The time of access stays what it is.
pub(crate) fn times(mtime: Timespec) -> Timestamps {
    Timestamps { last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT }, last_modification: mtime }
}

/// In a user namespace an id that it has not is `EINVAL`.
fn not_owned(e: Errno, path: &Path) -> Error {
    let e = if e == Errno::INVAL { Errno::PERM } else { e };
    Error::output("set the owner of", path)(e)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_a_policy_are_not_kept() {
        for (name, kept) in [
            ("user.x", true),
            ("security.capability", true),
            ("trusted.overlay.opaque", true),
            ("system.posix_acl_access", true),
            ("system.posix_acl_default", true),
            ("system.nfs4_acl", false),
            ("security.selinux", false),
            ("security.SMACK64EXEC", false),
            ("security.ima", false),
        ] {
            assert_eq!(is_kept(name.as_bytes()), kept, "{name}");
        }
    }
}
