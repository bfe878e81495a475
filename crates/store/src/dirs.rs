//! Making folders. A folder inside the cache takes owner (when we are root), group and mode bits of the cache
//! directory, whatever the umask: a cache that is shared like `/tmp` (01777) or by a group (02775) stays shared all
//! the way down. It is shaped under a temporary name and then renamed, so that no one meets it half made.
//!
//! The cache directory itself, when it is missing, is made by [`make_cache_dir`].

use std::fs::{self, DirBuilder, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Gid, Mode, OFlags, RenameFlags, Uid};

/// What sub-folders take from the cache directory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    uid: u32,
    gid: u32,
    mode: u32,
}

impl Shape {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o7777 }
    }

    /// Makes `dir` and whatever parents are missing. That it is there already is fine.
    pub(crate) fn make_all(self, tmp: &Path, dir: &Path) -> io::Result<()> {
        match self.make(tmp, dir) {
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            other => return other,
        }
        // The order matters: a folder is made under tmp/ and then moved to where its parent already is.
        if !tmp.is_dir() {
            self.make_in_place(tmp)?;
        }
        match dir.parent() {
            Some(parent) if !parent.is_dir() => self.make_all(tmp, parent)?,
            _ => {}
        }
        self.make(tmp, dir)
    }

    fn make(self, tmp: &Path, dir: &Path) -> io::Result<()> {
        if dir == tmp {
            return self.make_in_place(dir);
        }
        // A random name: process ids repeat between the containers that share a cache.
        let staged = tempfile::Builder::new().prefix("dir-").tempdir_in(tmp)?;
        self.apply(staged.path())?;
        match rename_new(staged.path(), dir) {
            Ok(()) => {
                let _ = staged.keep();
                Ok(())
            }
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists | ErrorKind::DirectoryNotEmpty) => Ok(()),
            Err(e) => Err(e),
        }
    }

    fn make_in_place(self, dir: &Path) -> io::Result<()> {
        match DirBuilder::new().mode(self.mode & 0o777).create(dir) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => return Ok(()),
            other => other?,
        }
        self.apply(dir)
    }

    /// By file descriptor, since in a shared folder the name may by now mean something else.
    fn apply(self, dir: &Path) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let fd = File::from(rustix::fs::open(dir, flags, Mode::empty())?);
        let made = fd.metadata()?;
        let me = rustix::process::geteuid().as_raw();
        if made.uid() != me {
            return Ok(());
        }
        let uid = (me == 0 && self.uid != 0).then(|| Uid::from_raw(self.uid));
        let gid = (made.gid() != self.gid).then(|| Gid::from_raw(self.gid));
        if uid.is_some() || gid.is_some() {
            // A group that we are not in cannot be given; the folder is still of use to us.
            let _ = rustix::fs::fchown(&fd, uid, gid);
        }
        if made.mode() & 0o7777 != self.mode || uid.is_some() || gid.is_some() {
            rustix::fs::fchmod(&fd, Mode::from_raw_mode(self.mode))?;
        }
        Ok(())
    }
}

/// Makes the cache directory with its parents. Root in a place of the system's makes it like `/tmp`, for all users of
/// the build to share; root in a user's place makes it that user's (`sudo` keeps HOME); anyone else, and root in a
/// private place, leaves it to the umask.
pub(crate) fn make_cache_dir(dir: &Path) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match fs::metadata(parent) {
        Ok(_) => {}
        Err(e) if e.kind() == ErrorKind::NotFound => make_parent(parent)?,
        Err(e) => return Err(e),
    }
    let around = fs::metadata(parent)?;
    match DirBuilder::new().create(dir) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        other => other?,
    }
    if rustix::process::geteuid().is_root() {
        let made = Shape::of(&fs::symlink_metadata(dir)?);
        if around.uid() != 0 {
            Shape { uid: around.uid(), gid: around.gid(), ..made }.apply(dir)?;
        } else if around.mode() & 0o001 != 0 {
            Shape { mode: 0o1777, ..made }.apply(dir)?;
        }
    }
    Ok(())
}

/// A missing parent: by the umask, and in a user's place that user's.
fn make_parent(dir: &Path) -> io::Result<()> {
    let above = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if !above.is_dir() {
        make_parent(above)?;
    }
    match DirBuilder::new().create(dir) {
        Err(e) if e.kind() == ErrorKind::AlreadyExists && dir.is_dir() => return Ok(()),
        other => other?,
    }
    let around = fs::metadata(above)?;
    if rustix::process::geteuid().is_root() && around.uid() != 0 {
        let made = Shape::of(&fs::symlink_metadata(dir)?);
        Shape { uid: around.uid(), gid: around.gid(), ..made }.apply(dir)?;
    }
    Ok(())
}

/// Renames to a name that must be free; `AlreadyExists` otherwise. File systems that cannot promise that (NFS) get a
/// look first and a plain rename, whose race is harmless: what is replaced has the same content by its name.
pub(crate) fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match rustix::fs::renameat_with(rustix::fs::CWD, from, rustix::fs::CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => match fs::symlink_metadata(to) {
            Ok(_) => Err(ErrorKind::AlreadyExists.into()),
            Err(_) => fs::rename(from, to),
        },
        other => other.map_err(io::Error::from),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn folders_take_the_bits_of_the_cache_directory() {
        let root = tempfile::tempdir().unwrap();
        for mode in [0o1777, 0o2775, 0o700] {
            let cache = root.path().join(format!("{mode:o}"));
            fs::create_dir(&cache).unwrap();
            fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).unwrap();
            let shape = Shape::of(&fs::metadata(&cache).unwrap());
            let dir = cache.join("a/b/c");
            shape.make_all(&cache.join("tmp"), &dir).unwrap();
            shape.make_all(&cache.join("tmp"), &dir).unwrap();
            for below in ["tmp", "a", "a/b", "a/b/c"] {
                let found = fs::metadata(cache.join(below)).unwrap().permissions().mode() & 0o7777;
                assert_eq!(found, mode, "{below}");
            }
            assert_eq!(fs::read_dir(cache.join("tmp")).unwrap().count(), 0, "nothing staged is left");
        }
    }

    #[test]
    fn a_file_in_the_way_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        assert!(make_cache_dir(&root.path().join("file/cache")).is_err());
    }
}
