//! The links by which the multi-call executable is called: made and taken away, never at the cost of a foreign file.
//!
//! Links are relative, so that a folder with the executable and its links can be copied anywhere.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::host::FileId;

/// The file name of the multi-call executable.
pub const EXECUTABLE: &str = "vcache-shim";

/// True where `path` leads to a multi-call executable: ours, or another copy of it.
pub fn is_shim(path: &Path) -> bool {
    path.canonicalize().is_ok_and(|file| file.file_name().is_some_and(|name| name == EXECUTABLE))
}

/// True where `name` in `folder` leads to the multi-call executable in the same folder.
pub fn is_linked(folder: &Path, name: &str) -> bool {
    let id = |name: &str| FileId::of(&folder.join(name)).ok();
    id(name).is_some() && id(name) == id(EXECUTABLE)
}

/// What happened to one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// A link was made.
    Made(PathBuf),
    /// It was there already.
    Kept(PathBuf),
    /// A link to the executable was taken away.
    Removed(PathBuf),
    /// Something else has that name and was left alone.
    Foreign(PathBuf),
}

/// Links each of `names` in `folder` to the multi-call executable in the same folder.
///
/// # Errors
/// The executable is missing or a link can't be made.
pub fn enable(folder: &Path, names: &[String]) -> io::Result<Vec<Change>> {
    let executable = FileId::of(&folder.join(EXECUTABLE))?;
    let mut changes = Vec::new();
    for name in names {
        let link = folder.join(name);
        changes.push(match link.symlink_metadata() {
            Err(_) => {
                symlink(EXECUTABLE, &link)?;
                Change::Made(link)
            }
            Ok(_) if FileId::of(&link).is_ok_and(|id| id == executable) => Change::Kept(link),
            Ok(_) => Change::Foreign(link),
        });
    }
    Ok(changes)
}

/// Takes the links to the multi-call executable in `folder` away.
///
/// # Errors
/// The executable is missing or a link can't be removed.
pub fn disable(folder: &Path, names: &[String]) -> io::Result<Vec<Change>> {
    let executable = FileId::of(&folder.join(EXECUTABLE))?;
    let mut changes = Vec::new();
    for name in names {
        let link = folder.join(name);
        let Ok(found) = link.symlink_metadata() else { continue };
        let ours = found.is_symlink() && FileId::of(&link).is_ok_and(|id| id == executable);
        changes.push(if ours {
            fs::remove_file(&link)?;
            Change::Removed(link)
        } else {
            Change::Foreign(link)
        });
    }
    Ok(changes)
}

/// Links the names that are `wanted`, and takes the links of the `others` away. What else stands under these is not
/// mentioned, since nothing was wanted there.
///
/// # Errors
/// The executable is missing, or a link can't be made or removed.
pub fn arrange(folder: &Path, wanted: &[String], others: &[String]) -> io::Result<Vec<Change>> {
    let mut changes = enable(folder, wanted)?;
    let removed = disable(folder, others)?.into_iter().filter(|change| matches!(change, Change::Removed(_)));
    changes.extend(removed);
    Ok(changes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_come_and_go_and_foreign_files_stay() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["wget".to_owned(), "curl".to_owned()];
        assert!(enable(dir.path(), &names).is_err());
        fs::write(dir.path().join(EXECUTABLE), "x").unwrap();
        fs::write(dir.path().join("curl"), "mine").unwrap();
        let (wget, curl) = (dir.path().join("wget"), dir.path().join("curl"));
        let made = enable(dir.path(), &names).unwrap();
        assert_eq!(made, [Change::Made(wget.clone()), Change::Foreign(curl.clone())]);
        assert_eq!(fs::read_link(&wget).unwrap(), Path::new(EXECUTABLE));
        assert_eq!(enable(dir.path(), &names).unwrap()[0], Change::Kept(wget.clone()));
        assert_eq!(
            disable(dir.path(), &names).unwrap(),
            [Change::Removed(wget.clone()), Change::Foreign(curl.clone())]
        );
        assert!(curl.exists() && !wget.exists());
    }

    #[test]
    fn some_names_are_wanted_and_others_not() {
        let dir = tempfile::tempdir().unwrap();
        let [wanted, other, foreign] = ["wget", "docker", "podman"].map(|name| vec![name.to_owned()]);
        let path = |name: &str| dir.path().join(name);
        fs::write(path(EXECUTABLE), "x").unwrap();
        fs::write(path("podman"), "mine").unwrap();
        enable(dir.path(), &other).unwrap();
        assert!(is_linked(dir.path(), "docker") && !is_linked(dir.path(), "wget"));
        assert!(!is_linked(dir.path(), "podman") && is_shim(&path("docker")) && !is_shim(&path("podman")));
        let changes = arrange(dir.path(), &wanted, &[other, foreign].concat()).unwrap();
        assert_eq!(changes, [Change::Made(path("wget")), Change::Removed(path("docker"))]);
        assert!(path("podman").exists());
    }
}
