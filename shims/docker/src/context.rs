//! A build's context with something more in it, and the user's own untouched: a copy whose files are hard links to those of the
//! context, so that nothing is copied. It lies among the temporary files, or, where no link can lead there, beside the context.
//! Of the user's files that changes the link count for a while, and ctime.
//! Where none can be made at all (another user's files, no right to write beside it) files are copied. Symbolic links likewise.
//!
//! It goes with the value. One that a killed process has left is removed by the next: its lock is free.

use std::fs::{self, File, FileTimes, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, CWD, OFlags, Timespec, Timestamps, utimensat};
use tempfile::TempDir;

const SETTLED: Duration = Duration::from_secs(60);
const PREFIX: &str = ".vcache-context-";

/// The context once more, and a folder for files of ours.
#[derive(Debug)]
pub(crate) struct ContextCopy {
    /// Nobody else's business: with the right to look into it. It has the copy and what is not part of it.
    folder: Option<TempDir>,
    _held: File,
    context: PathBuf,
}

impl ContextCopy {
    /// Of `context`, an absolute path. `sample`: a file in it. Refuses one that has something named `reserved`.
    ///
    /// # Errors
    /// The system's, with the path; also where the context is the root of the file system.
    pub(crate) fn of(context: &Path, sample: &Path, reserved: &str) -> io::Result<ContextCopy> {
        let context = context.canonicalize().map_err(at(context))?;
        let parent = context.parent().ok_or(ErrorKind::Unsupported)?;
        Self::within(&[&std::env::temp_dir(), parent], &context, sample, reserved)
    }

    /// In the first of `places` where a link to `sample` can be made, else the first that can be written to.
    fn within(places: &[&Path], context: &Path, sample: &Path, reserved: &str) -> io::Result<ContextCopy> {
        places.iter().for_each(|place| sweep(place));
        let new = |place: &&Path| {
            let made = tempfile::Builder::new()
                .prefix(PREFIX)
                .permissions(Permissions::from_mode(0o700))
                .tempdir_in(place)
                .map_err(at(place));
            made.and_then(|folder| Ok((File::open(folder.path())?, folder)))
        };
        let takes_links =
            |(_, folder): &(File, TempDir)| fs::hard_link(sample, folder.path().join("sample")).is_ok();
        let mut made = places.iter().map(new).collect::<Vec<_>>();
        let chosen = made.iter().position(|made| made.as_ref().is_ok_and(takes_links));
        let chosen = chosen.or_else(|| made.iter().position(Result::is_ok)).unwrap_or(0);
        let (held, folder) = made.swap_remove(chosen)?;
        if folder.path().canonicalize()?.starts_with(context) {
            return Err(io::Error::other(
                "the context holds the folder for temporary files; set TMPDIR to another one",
            ));
        }
        held.try_lock().map_err(io::Error::from)?;
        // A tree that it lies in is no less clean for it.
        fs::write(folder.path().join(".gitignore"), "*\n").map_err(at(folder.path()))?;
        let copy = ContextCopy { context: folder.path().join("context"), folder: Some(folder), _held: held };
        make(context, &copy.context, reserved)?;
        Ok(copy)
    }

    /// The copy.
    pub(crate) fn path(&self) -> &Path {
        &self.context
    }

    /// Gives a folder of the copy the times and permissions of the one that it is a copy of.
    ///
    /// # Errors
    /// The system's, with the path.
    pub(crate) fn restore(&self, original: &Path, name: &str) -> io::Result<()> {
        let (from, to) = (original.join(name), self.context.join(name));
        from.metadata().and_then(|metadata| like(&File::open(&to)?, &metadata)).map_err(at(&to))
    }

    /// A path beside it.
    pub(crate) fn aside(&self, name: &str) -> PathBuf {
        self.context.with_file_name(name)
    }
}

impl Drop for ContextCopy {
    fn drop(&mut self) {
        if let Some(folder) = self.folder.take() {
            make_removable(folder.path());
            drop(folder);
        }
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> io::Error {
    let path = path.display().to_string();
    move |e| io::Error::new(e.kind(), format!("{path}: {e}"))
}

/// A folder like `from`, with all in it.
fn make(from: &Path, to: &Path, reserved: &str) -> io::Result<()> {
    fs::create_dir(to).map_err(at(to))?;
    for entry in from.read_dir().map_err(at(from))? {
        let entry = entry.map_err(at(from))?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        if entry.file_name() == reserved {
            return Err(io::Error::other(format!("{}: the name is taken by vcache", path.display())));
        }
        let kind = entry.file_type().map_err(at(&path))?;
        if kind.is_dir() {
            make(&path, &target, reserved)?;
        } else {
            fs::hard_link(&path, &target).or_else(|_| copy(&path, &target)).map_err(at(&path))?;
        }
    }
    like(&File::open(to).map_err(at(to))?, &from.metadata().map_err(at(from))?).map_err(at(to))
}

/// Of a file or a symbolic link. Pipes, sockets and devices are taken along by a link, or not at all.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = from.symlink_metadata()?;
    if metadata.is_symlink() {
        symlink(from.read_link()?, to)?;
        let modified = Timespec { tv_sec: metadata.mtime(), tv_nsec: metadata.mtime_nsec() };
        let times = Timestamps { last_access: modified, last_modification: modified };
        return Ok(utimensat(CWD, to, &times, AtFlags::SYMLINK_NOFOLLOW)?);
    }
    if !metadata.is_file() {
        return Err(io::Error::other("no file, and no link to it can be made"));
    }
    fs::copy(from, to)?;
    like(&File::open(to)?, &metadata)
}

/// With these times and permissions, both of which an image takes over from its context.
fn like(file: &File, metadata: &Metadata) -> io::Result<()> {
    let times = FileTimes::new().set_modified(metadata.modified()?).set_accessed(metadata.accessed()?);
    file.set_times(times)?;
    file.set_permissions(metadata.permissions())
}

/// Gives us the right to remove what is in folders of a context that nobody may write to.
fn make_removable(folder: &Path) {
    let is_closed = |metadata: &Metadata| metadata.mode() & 0o700 != 0o700;
    if folder.symlink_metadata().as_ref().is_ok_and(is_closed) {
        let _ = fs::set_permissions(folder, Permissions::from_mode(0o700));
    }
    for entry in folder.read_dir().into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_removable(&entry.path());
        }
    }
}

/// Removes what the dead have left.
fn sweep(place: &Path) {
    let left = place.read_dir().into_iter().flatten().flatten();
    let is_ours = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(PREFIX.as_bytes());
    for path in left.filter(|entry| is_ours(&entry.file_name())).map(|entry| entry.path()) {
        // Nobody else's folder, no link to one, and nothing that hangs when it is opened.
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let opened = File::options().read(true).custom_flags(flags.bits() as i32).open(&path);
        let Ok(folder) = opened else { continue };
        if folder.metadata().is_ok_and(|metadata| is_left(&metadata)) && folder.try_lock().is_ok() {
            make_removable(&path);
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// One that has only just been made may have no lock yet.
fn is_left(folder: &Metadata) -> bool {
    let is_old = folder.modified().is_ok_and(|made| made.elapsed().is_ok_and(|age| age > SETTLED));
    is_old && folder.uid() == rustix::process::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    const RESERVED: &str = "reserved";

    struct World {
        root: TempDir,
        context: PathBuf,
    }

    impl World {
        fn new() -> World {
            let root = tempfile::tempdir().unwrap();
            let context = root.path().join("context");
            fs::create_dir_all(context.join("a/b")).unwrap();
            fs::write(context.join("a/b/file"), "x").unwrap();
            World { root, context }
        }

        fn copied(&self, places: &[&Path]) -> io::Result<ContextCopy> {
            ContextCopy::within(places, &self.context, &self.context.join("a/b/file"), RESERVED)
        }
    }

    fn age(path: &Path) {
        File::open(path).unwrap().set_modified(SystemTime::now() - 2 * SETTLED).unwrap();
    }

    #[test]
    fn a_copy_is_the_same_without_copying_and_goes() {
        let world = World::new();
        let at = |name: &str| world.context.join(name);
        fs::set_permissions(at("a/b/file"), Permissions::from_mode(0o751)).unwrap();
        fs::set_permissions(at("a"), Permissions::from_mode(0o1570)).unwrap();
        symlink("nowhere", at("link")).unwrap();
        rustix::fs::mknodat(CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        age(&at("a"));
        let made = world.copied(&[world.root.path()]).unwrap();
        let metadata = |path: PathBuf| path.metadata().unwrap();
        assert_eq!(metadata(made.path().join("a/b/file")).ino(), metadata(at("a/b/file")).ino());
        let (copied, original) = (metadata(made.path().join("a")), metadata(at("a")));
        assert_eq!((copied.mode(), copied.mtime()), (original.mode(), original.mtime()));
        assert_eq!(fs::read_link(made.path().join("link")).unwrap(), Path::new("nowhere"));
        let link = |path: &Path| path.join("link").symlink_metadata().unwrap();
        assert_eq!(link(made.path()).mtime_nsec(), link(&world.context).mtime_nsec());
        assert_eq!(
            metadata(made.path().join("fifo")).file_type(),
            metadata(at("fifo")).file_type(),
            "a pipe is taken along"
        );
        assert_eq!(metadata(made.aside("")).mode() & 0o777, 0o700);
        drop(made);
        assert_eq!(world.root.path().read_dir().unwrap().count(), 1);
        fs::set_permissions(at("a"), Permissions::from_mode(0o700)).unwrap();
    }

    #[test]
    fn files_are_copied_where_no_link_can_be_made() {
        let world = World::new();
        age(&world.context.join("a/b/file"));
        let Ok(elsewhere) = tempfile::tempdir_in("/dev/shm") else {
            eprintln!("SKIPPED: there is no /dev/shm");
            return;
        };
        let file = world.context.join("a/b/file").metadata().unwrap();
        symlink("nowhere", world.context.join("link")).unwrap();
        let link = world.context.join("link").symlink_metadata().unwrap();
        let made = world.copied(&[elsewhere.path()]).unwrap();
        let copied = made.path().join("link").symlink_metadata().unwrap();
        assert_eq!((copied.mtime(), copied.mtime_nsec()), (link.mtime(), link.mtime_nsec()));
        let copied = made.path().join("a/b/file").metadata().unwrap();
        assert_eq!((copied.mtime(), copied.mode()), (file.mtime(), file.mode()));
        assert_ne!((copied.dev(), copied.ino()), (file.dev(), file.ino()));
        // A place with links is better than one without.
        let made = world.copied(&[elsewhere.path(), world.root.path()]).unwrap();
        assert!(made.path().starts_with(world.root.path()), "{made:?}");
        let made = world.copied(&[Path::new("/proc/none"), elsewhere.path()]).unwrap();
        assert!(made.path().starts_with(elsewhere.path()), "{made:?}");
    }

    #[test]
    fn what_cannot_be_copied_is_named() {
        let world = World::new();
        fs::write(world.context.join("a").join(RESERVED), "").unwrap();
        let message = world.copied(&[world.root.path()]).unwrap_err().to_string();
        assert!(message.contains("a/reserved: the name is taken"), "{message}");
        let message = world.copied(&[Path::new("/proc/none")]).unwrap_err().to_string();
        assert!(message.contains("/proc/none"), "{message}");
        let message = world.copied(&[&world.context]).unwrap_err().to_string();
        assert!(message.contains("TMPDIR"), "{message}");
    }

    #[test]
    fn what_the_dead_have_left_is_removed() {
        let world = World::new();
        let at = |name: &str| world.root.path().join(format!("{PREFIX}{name}"));
        fs::create_dir_all(at("left").join("closed")).unwrap();
        fs::set_permissions(at("left").join("closed"), Permissions::from_mode(0o500)).unwrap();
        fs::create_dir(at("new")).unwrap();
        symlink(&world.context, at("link")).unwrap();
        rustix::fs::mknodat(CWD, at("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        age(&at("left"));
        let used = world.copied(&[world.root.path()]).unwrap();
        age(&used.aside(""));
        let other = world.copied(&[world.root.path()]).unwrap();
        assert!(used.path().exists() && other.path().exists(), "one in use is left alone");
        assert!(!at("left").exists());
        assert!(at("new").exists() && at("link").exists() && at("fifo").symlink_metadata().is_ok());
    }
}
