//! A build's context with something more in it, and the user's own untouched: a folder beside it whose files are hard links to those of the
//! context, so that nothing is copied. Where that can't be (another user's files, no right to write beside it) files are copied.
//!
//! It goes with the value. One that a killed process has left beside the context is removed by the next: its lock is free.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

const SETTLED: Duration = Duration::from_secs(60);
const PREFIX: &str = ".vcache-context-";

/// The context once more.
#[derive(Debug)]
pub(crate) struct Mirror {
    folder: TempDir,
    _held: File,
}

impl Mirror {
    /// Of `context`, an absolute path.
    ///
    /// # Errors
    /// The system's; also where the context is the root of the file system.
    pub(crate) fn of(context: &Path) -> io::Result<Mirror> {
        let context = context.canonicalize()?;
        let parent = context.parent().ok_or(ErrorKind::Unsupported)?;
        sweep(parent);
        let builder = || {
            let mut builder = tempfile::Builder::new();
            builder.prefix(PREFIX);
            builder
        };
        let folder = builder().tempdir_in(parent).or_else(|_| builder().tempdir())?;
        if folder.path().starts_with(&context) {
            return Err(io::Error::other(
                "the context holds the folder for temporary files; set TMPDIR to another one",
            ));
        }
        let held = File::open(folder.path())?;
        held.try_lock().map_err(io::Error::from)?;
        fill(&context, folder.path())?;
        fs::set_permissions(folder.path(), context.metadata()?.permissions())?;
        Ok(Mirror { folder, _held: held })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

fn fill(from: &Path, to: &Path) -> io::Result<()> {
    for entry in from.read_dir()? {
        let entry = entry?;
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type()?;
        if kind.is_dir() {
            fs::create_dir(&target)?;
            fill(&path, &target)?;
            fs::set_permissions(&target, entry.metadata()?.permissions())?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&path)?, &target)?;
        } else if kind.is_file() {
            fs::hard_link(&path, &target).or_else(|_| fs::copy(&path, &target).map(drop))?;
        }
        // docker takes sockets and devices from no context.
    }
    Ok(())
}

/// Removes what the dead have left.
fn sweep(parent: &Path) {
    let left = parent.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    let is_ours = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
    };
    for path in left.filter(is_ours).filter(|path| is_old(path)) {
        if File::open(&path).is_ok_and(|folder| folder.try_lock().is_ok()) {
            let _ = fs::remove_dir_all(&path);
        }
    }
}

/// One that has only just been made may have no lock yet.
fn is_old(path: &Path) -> bool {
    let made = path.symlink_metadata().and_then(|metadata| metadata.modified());
    made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > SETTLED))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    #[test]
    fn a_mirror_is_the_same_without_a_copy_and_goes() {
        let world = tempfile::tempdir().unwrap();
        let context = world.path().join("context");
        fs::create_dir_all(context.join("a/b")).unwrap();
        fs::write(context.join("a/b/file"), "x").unwrap();
        fs::set_permissions(context.join("a/b/file"), fs::Permissions::from_mode(0o751)).unwrap();
        fs::set_permissions(context.join("a"), fs::Permissions::from_mode(0o1770)).unwrap();
        symlink("nowhere", context.join("link")).unwrap();
        let left = world.path().join(".vcache-context-left");
        fs::create_dir(&left).unwrap();
        File::open(&left).unwrap().set_modified(std::time::SystemTime::now() - 2 * SETTLED).unwrap();
        fs::create_dir(world.path().join(".vcache-context-new")).unwrap();

        let mirror = Mirror::of(&context).unwrap();
        let inode = |path: &Path| path.metadata().unwrap().ino();
        assert_eq!(inode(&mirror.path().join("a/b/file")), inode(&context.join("a/b/file")));
        assert_eq!(mirror.path().join("a").metadata().unwrap().permissions().mode() & 0o7777, 0o1770);
        assert_eq!(fs::read_link(mirror.path().join("link")).unwrap(), Path::new("nowhere"));
        assert!(!left.exists() && world.path().join(".vcache-context-new").exists());
        File::open(mirror.path()).unwrap().set_modified(std::time::SystemTime::now() - 2 * SETTLED).unwrap();
        let other = Mirror::of(&context).unwrap();
        assert!(mirror.path().exists(), "one in use is not swept");
        drop((mirror, other));
        assert_eq!(world.path().read_dir().unwrap().count(), 2);
    }
}
