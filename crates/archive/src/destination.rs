//! Where an archive is written: a file that has no name until it is complete, so that nobody meets half of one, and
//! nothing is left when the process is killed. What is no regular file (a pipe, a device) is written to directly.
//!
//! Where a file system knows no files without a name it has one that begins with `.vcache-`, and that a kill leaves.

use std::fs::{File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use tempfile::NamedTempFile;

/// A file in the making.
#[derive(Debug)]
pub struct Destination {
    path: PathBuf,
    file: Written,
}

#[derive(Debug)]
enum Written {
    Unnamed(File),
    Beside(NamedTempFile),
    Directly(File),
}

impl Destination {
    /// Opens the place where `path` will be.
    ///
    /// # Errors
    /// The system's; also where a directory has the name, or its folder is not there or can't be written.
    pub fn new(path: &Path) -> io::Result<Destination> {
        let file = match path.metadata() {
            Ok(there) if there.is_dir() => return Err(ErrorKind::IsADirectory.into()),
            Ok(there) if !there.is_file() => Written::Directly(File::options().write(true).open(path)?),
            _ => Self::unseen(folder_of(path))?,
        };
        Ok(Destination { path: path.to_owned(), file })
    }

    fn unseen(folder: &Path) -> io::Result<Written> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let unnamed = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666));
        // It gets its name through here.
        if let Ok(file) = unnamed.map(File::from)
            && through_proc(&file).exists()
        {
            return Ok(Written::Unnamed(file));
        }
        beside().tempfile_in(folder).map(Written::Beside)
    }

    /// Gives the file its name, in the place of a file that has it.
    ///
    /// # Errors
    /// The system's; then there is no new file.
    pub fn finish(self) -> io::Result<()> {
        match self.file {
            Written::Directly(_) => Ok(()),
            Written::Beside(file) => file.persist(&self.path).map(drop).map_err(|e| e.error),
            Written::Unnamed(file) => match link(&file, &self.path) {
                // A link replaces nothing, a rename does.
                Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                    let linked = beside().make_in(folder_of(&self.path), |path| link(&file, path))?;
                    linked.persist(&self.path).map_err(|e| e.error)
                }
                other => other,
            },
        }
    }
}

impl Write for Destination {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Written::Unnamed(file) | Written::Directly(file) => file.write(piece),
            Written::Beside(file) => file.write(piece),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn link(file: &File, path: &Path) -> io::Result<()> {
    Ok(rustix::fs::linkat(CWD, through_proc(file), CWD, path, AtFlags::SYMLINK_FOLLOW)?)
}

fn through_proc(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

fn beside() -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    // Less what the umask takes away.
    builder.prefix(".vcache-").permissions(Permissions::from_mode(0o666));
    builder
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let names = folder.read_dir().unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        for text in ["first", "second"] {
            let mut destination = Destination::new(&path).unwrap();
            destination.write_all(text.as_bytes()).unwrap();
            assert_ne!(std::fs::read_to_string(&path).unwrap_or_default(), text);
            destination.finish().unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
            assert_eq!(names(dir.path()), ["a"]);
        }
        drop(Destination::new(&dir.path().join("b")).unwrap());
        assert_eq!(names(dir.path()), ["a"], "what is not finished leaves nothing");
    }

    #[test]
    fn places_that_cannot_be_written_are_errors_at_once() {
        let dir = tempfile::tempdir().unwrap();
        for path in [dir.path().to_owned(), dir.path().join("none/a")] {
            assert!(Destination::new(&path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn a_device_is_written_to_directly() {
        let mut destination = Destination::new(Path::new("/dev/full")).unwrap();
        assert_eq!(destination.write_all(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
        Destination::new(Path::new("/dev/null")).unwrap().finish().unwrap();
        assert!(Path::new("/dev/null").exists());
    }
}
