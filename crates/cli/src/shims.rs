//! Where the shims are: the multi-call executable, the names that it serves, and a folder of links for `PATH`.
//!
//! Looked for in `$VCACHE_SHIMS`, then in `../lib/sonic-vcache/shims` from our own folder (as installed), then beside
//! our own executable (as built): there links are made in a temporary folder. Which tools there are, and which of them are to
//! be linked on this machine, only the executable knows: called by its own name it prints one name a line.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use vcache_shim::Host;
use vcache_shim::links::{self, EXECUTABLE};

use crate::{files, process};

/// The variable that names a folder of shims.
pub(crate) const VARIABLE: &str = "VCACHE_SHIMS";
/// Where `install.sh` puts them, from the folder of `vcache`.
const INSTALLED: &str = "../lib/sonic-vcache/shims";

/// Which names the executable is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Names {
    /// All that it serves.
    All,
    /// Those to be linked on this machine: some only where the real tool is, since a link alone would change what scripts do.
    Here,
}

/// A folder to put first in `PATH`.
pub(crate) struct Folder {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// The links, where they had to be made; they go when the value does.
    _links: Option<tempfile::TempDir>,
}

/// A folder with the links that belong on this machine, and no other.
///
/// # Errors
/// `$VCACHE_SHIMS` is no folder of shims, or there is none anywhere.
pub(crate) fn folder(host: &Host) -> Result<Folder> {
    if let Some(dir) = host.env(VARIABLE) {
        let path = host.cwd().join(dir);
        if !path.join(EXECUTABLE).exists() {
            bail!(
                "{VARIABLE}={}: there is no {EXECUTABLE}; unset it, or name a folder of shims",
                path.display()
            );
        }
        return Ok(Folder { path, _links: None });
    }
    // Links that were taken away by `hooks disable` are missing for whoever calls tools by PATH, not for `run`.
    let is_current = |path: &PathBuf| {
        let names = |which| names(&path.join(EXECUTABLE), which);
        let (Ok(all), Ok(here)) = (names(Names::All), names(Names::Here)) else { return false };
        all.iter().all(|name| path.join(name).exists() == here.contains(name))
    };
    if let Some(path) = installed().filter(is_current) {
        return Ok(Folder { path, _links: None });
    }
    let installed = installed().map(|path| path.join(EXECUTABLE));
    let executable = installed.or_else(beside_us).with_context(missing)?;
    let dir = files::temporary_folder()?;
    files::link(&executable, &dir.path().join(EXECUTABLE))?;
    links::enable(dir.path(), &names(&executable, Names::Here)?)
        .with_context(|| format!("{}: the links can't be made", dir.path().display()))?;
    Ok(Folder { path: dir.path().to_owned(), _links: Some(dir) })
}

/// The multi-call executable.
///
/// # Errors
/// There is none where it is looked for.
pub(crate) fn executable(host: &Host) -> Result<PathBuf> {
    let named = host.env(VARIABLE).map(|dir| host.cwd().join(dir));
    let folders = named.into_iter().chain(installed()).map(|dir| dir.join(EXECUTABLE));
    let in_path = || in_path(host).map(|dir| dir.join(EXECUTABLE));
    folders.chain(beside_us()).find(|path| path.exists()).or_else(in_path).with_context(missing)
}

fn missing() -> String {
    format!(
        "no {EXECUTABLE} found; run ./install.sh, or set {VARIABLE} to a folder with {EXECUTABLE} and its links"
    )
}

pub(crate) fn installed() -> Option<PathBuf> {
    let folder = process::own_executable()?.parent()?.join(INSTALLED);
    folder.join(EXECUTABLE).exists().then(|| folder.canonicalize().unwrap_or(folder))
}

fn beside_us() -> Option<PathBuf> {
    Some(process::own_executable()?.with_file_name(EXECUTABLE)).filter(|path| path.exists())
}

/// The first folder of `PATH` with the multi-call executable.
pub(crate) fn in_path(host: &Host) -> Option<PathBuf> {
    host.path().into_iter().map(|dir| host.cwd().join(dir)).find(|dir| dir.join(EXECUTABLE).exists())
}

/// The names that the executable serves, or those of them that are to be linked here.
///
/// # Errors
/// It can't be started.
pub(crate) fn names(executable: &Path, which: Names) -> Result<Vec<String>> {
    let option = match which {
        Names::All => "--names",
        Names::Here => "--links",
    };
    let printed = process::output(executable, &[OsStr::new(option)], &[])?;
    Ok(String::from_utf8_lossy(&printed)
        .lines()
        .map(str::trim)
        .filter(|l| !l.is_empty())
        .map(str::to_owned)
        .collect())
}

/// What the executable says about the reasons that it counts: name and one line for people. Empty where it can't be
/// asked: statistics are worth showing without.
pub(crate) fn reasons(host: &Host) -> Vec<(String, String)> {
    let ask = || process::output(&executable(host)?, &[OsStr::new("--reasons")], &[]);
    let Ok(printed) = ask() else { return Vec::new() };
    let printed = String::from_utf8_lossy(&printed);
    let pair = |line: &str| line.split_once('\t').map(|(name, help)| (name.to_owned(), help.to_owned()));
    printed.lines().filter_map(pair).collect()
}
