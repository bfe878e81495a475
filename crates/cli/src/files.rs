//! The command's door to files: version files, logs and temporary folders that a user names or that `run` makes.
//! What lies inside the cache belongs to `vcache_store`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the one place of this crate that opens files; each error names its path"
)]

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// The content of a file.
///
/// # Errors
/// It can't be read.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{}: can't be read", path.display()))
}

/// Makes a folder with all above it, and gives its absolute path.
///
/// # Errors
/// Something else has the name, or it can't be made.
pub(crate) fn make_folder(path: &Path) -> Result<PathBuf> {
    if path.exists() && !path.is_dir() {
        bail!("{}: is not a folder; name another one, or move it away", path.display());
    }
    fs::create_dir_all(path).with_context(|| format!("{}: the folder can't be made", path.display()))?;
    path.canonicalize().with_context(|| format!("{}: can't be resolved", path.display()))
}

/// A temporary folder that every user may look into, since a build may change users; it goes when the value does.
///
/// # Errors
/// `$TMPDIR` (or `/tmp`) can't be written.
pub(crate) fn temporary_folder() -> Result<tempfile::TempDir> {
    tempfile::Builder::new()
        .prefix("vcache-run-")
        .permissions(fs::Permissions::from_mode(0o755))
        .tempdir()
        .context("a temporary folder can't be made; set TMPDIR to a folder that can be written")
}

/// A symbolic link.
///
/// # Errors
/// It can't be made.
pub(crate) fn link(target: &Path, link: &Path) -> Result<()> {
    symlink(target, link).with_context(|| format!("{}: the link can't be made", link.display()))
}

/// An empty folder in one that exists.
///
/// # Errors
/// It can't be made.
pub(crate) fn make_empty(path: &Path) -> Result<()> {
    fs::create_dir(path).with_context(|| format!("{}: the folder can't be made", path.display()))
}

/// A folder with mode 1777, and all above it: every user may write into it, and none remove what another one has put there.
///
/// # Errors
/// It can't be made, or its mode can't be set.
pub(crate) fn make_for_all(path: &Path) -> Result<()> {
    let made = fs::create_dir_all(path);
    made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o1777)))
        .with_context(|| format!("{}: the folder can't be made", path.display()))
}

/// The length of a file; 0 where it is not there.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

/// The lines of a file from byte `from` on; bytes that are not UTF-8 are replaced, so that such a line is merely one
/// that can't be understood.
///
/// # Errors
/// The file can't be opened. A failure later on ends the lines.
pub(crate) fn lines_from(path: &Path, from: u64) -> io::Result<impl Iterator<Item = String> + use<>> {
    let mut file = File::open(path)?;
    // A file that was cut meanwhile is read from its beginning.
    let from = if file.metadata()?.len() < from { 0 } else { from };
    file.seek(SeekFrom::Start(from))?;
    Ok(BufReader::new(file)
        .split(b'\n')
        .map_while(Result::ok)
        .map(|line| String::from_utf8_lossy(&line).into_owned()))
}

/// Every file named `versions-KIND*` below `folder`, sorted. Links to folders are not followed, so that a loop of them
/// can't trap us; `folder` itself may be a link.
///
/// # Errors
/// A folder can't be read.
pub(crate) fn version_files(folder: &Path, kind: &str) -> Result<Vec<PathBuf>> {
    let begin = format!("versions-{kind}");
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries =
            fs::read_dir(&folder).with_context(|| format!("{}: can't be read", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("{}: can't be read", folder.display()))?;
            let path = entry.path();
            let kind = entry.file_type().with_context(|| format!("{}: can't be read", path.display()))?;
            if kind.is_dir() {
                folders.push(path);
            } else if entry.file_name().as_encoded_bytes().starts_with(begin.as_bytes()) && path.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The names in a folder with their metadata, links not followed; what can't be read is left out.
pub(crate) fn entries(folder: &Path) -> Vec<(PathBuf, fs::Metadata)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.flatten().filter_map(|e| Some((e.path(), e.metadata().ok()?))).collect()
}

/// A file to be read, or standard input for `-`.
///
/// # Errors
/// It can't be opened.
pub(crate) fn input(path: &Path) -> Result<File> {
    if path == Path::new("-") {
        return duplicate(io::stdin().as_fd()).context("standard input can't be used");
    }
    let file = File::open(path).with_context(|| format!("{}: can't be read", path.display()))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        bail!("{}: is a folder", path.display());
    }
    Ok(file)
}

/// Standard output without the buffer that looks for ends of lines.
///
/// # Errors
/// It is closed.
pub(crate) fn raw_stdout() -> Result<File> {
    duplicate(io::stdout().as_fd()).context("standard output can't be used")
}

fn duplicate(fd: BorrowedFd<'_>) -> io::Result<File> {
    fd.try_clone_to_owned().map(File::from)
}

/// A file in `folder` that is gone when the value is.
///
/// # Errors
/// Those of `open(2)`.
pub(crate) fn probe(folder: &Path) -> io::Result<tempfile::NamedTempFile> {
    tempfile::Builder::new().prefix(".vcache-doctor-").tempfile_in(folder)
}

/// A second opening of the same file, with a lock of its own.
///
/// # Errors
/// Those of `open(2)`.
pub(crate) fn reopen(path: &Path) -> io::Result<File> {
    File::options().read(true).write(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_files_are_found_at_any_depth() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("build/versions/host-image");
        fs::create_dir_all(&deep).unwrap();
        for name in ["versions-web", "versions-web-amd64", "versions-git"] {
            fs::write(deep.join(name), "").unwrap();
        }
        fs::write(dir.path().join("versions-web"), "").unwrap();
        symlink(dir.path(), deep.join("loop")).unwrap();
        let found = version_files(dir.path(), "web").unwrap();
        let expected =
            [deep.join("versions-web"), deep.join("versions-web-amd64"), dir.path().join("versions-web")];
        assert_eq!(found, expected);
        assert_eq!(version_files(dir.path(), "git").unwrap(), [deep.join("versions-git")]);
        assert!(version_files(&dir.path().join("none"), "web").unwrap_err().to_string().contains("none"));
    }

    #[test]
    fn only_added_lines_are_read_unless_the_file_was_cut() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("log");
        fs::write(&file, b"one\ntwo\n\xff\n").unwrap();
        let lines = |from| lines_from(&file, from).unwrap().collect::<Vec<_>>();
        assert_eq!(lines(4), ["two", "\u{fffd}"]);
        assert_eq!(lines(999).len(), 3);
    }

    #[test]
    fn a_file_in_the_place_of_a_folder_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let message = make_folder(file.path()).unwrap_err().to_string();
        assert!(message.contains("is not a folder"), "{message}");
    }
}
