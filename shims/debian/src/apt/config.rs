//! apt's configuration (apt.conf(5)): what it is, and the file by which one call gets ours.
//!
//! The file is named by `APT_CONFIG`, so nothing of it shows in apt's argv, nor in its history. apt reads it first: what the system's files say counts more.

use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vcache_shim::{Host, real_tool};

use super::call::Call;
use crate::method::wishes::{NOTES, PACKAGES};
use crate::reason::Code;

/// The variable that names the file.
pub(crate) const VARIABLE: &str = "APT_CONFIG";
/// Where apt's own methods are named.
const METHODS: [&str; 2] = ["Dir::Bin::Methods::http", "Dir::Bin::Methods::https"];
/// What else is asked for: a name of ours for each, as `apt-config shell` wants it.
const ROOT: &str = "RootDir";

/// Looks whether apt, as it is configured for this call, can have our method.
///
/// # Errors
/// Why it can't.
pub(crate) fn look(host: &Host, call: &Call) -> Result<(), (Code, String)> {
    let trouble = |e: &dyn std::fmt::Display| (Code::Trouble, format!("apt-config: {e}"));
    let config = host.with_args(vec!["apt-config".into()]);
    let tool = real_tool::find(&config).map_err(|e| trouble(&e))?;
    let mut words = call.config.clone();
    words.extend(["shell", "HTTP", METHODS[0], "HTTPS", METHODS[1], "ROOT", ROOT].map(OsString::from));
    let output = tool.command(&config, &words).output().map_err(|e| trouble(&e))?;
    if !output.status.success() {
        // The real apt says what is wrong with the configuration.
        return Err(trouble(&output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text.lines() {
        match line.split_once('=') {
            Some(("ROOT", root)) if root.trim_matches(['\'', '/']) != "" => {
                return Err((Code::OtherRoot, root.to_owned()));
            }
            Some(("HTTP" | "HTTPS", method)) if method != "''" && !is_ours(host, method) => {
                return Err((Code::OtherMethod, method.to_owned()));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Whether a method, as `apt-config` quotes it, is the shim: of a call around us, or of a file that `install.sh` has made.
fn is_ours(host: &Host, quoted: &str) -> bool {
    let id = vcache_shim::host::FileId::of(Path::new(quoted.trim_matches('\'')));
    host.exe().is_some_and(|own| id.is_ok_and(|id| id == own))
}

/// A folder with the file, and whatever else is the call's own; it goes with the value.
pub(crate) struct Folder {
    folder: TempDir,
}

impl Folder {
    /// Makes it. `packages`: where packages get their names, if not in the folder.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn make(host: &Host, packages: Option<&Path>) -> io::Result<Folder> {
        let folder = tempfile::Builder::new().prefix("vcache-apt-").tempdir()?;
        // Methods that have become `_apt` read what apt reads.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        let made = Folder { folder };
        fs::write(made.notes(), "")?;
        let own = made.folder.path().join("packages");
        fs::create_dir(&own)?;
        fs::write(made.config(), text(host, &made.notes(), packages.unwrap_or(&own))?)?;
        Ok(made)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("apt.conf")
    }

    /// The file of notes.
    pub(crate) fn notes(&self) -> PathBuf {
        self.folder.path().join("notes")
    }
}

/// The lines: the caller's file, if there is one, then ours.
fn text(host: &Host, notes: &Path, packages: &Path) -> io::Result<Vec<u8>> {
    let method = fs::read_link("/proc/self/exe")?;
    let items = [
        (METHODS[0], method.as_path()),
        (METHODS[1], &method),
        (NOTES, notes),
        (PACKAGES, packages),
    ];
    let mut text = Vec::new();
    if let Some(callers) = host.env(VARIABLE) {
        text.extend(item("#include", host.cwd().join(callers).as_os_str())?);
    }
    for (name, value) in items {
        text.extend(item(name, value.as_os_str())?);
    }
    Ok(text)
}

/// One line. apt knows no way to write a `"` or the end of a line in a value.
fn item(name: &str, value: &OsStr) -> io::Result<Vec<u8>> {
    let value = value.as_bytes();
    if value.iter().any(|&byte| byte == b'"' || byte.is_ascii_control()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path that apt.conf can't have"));
    }
    Ok([name.as_bytes(), b" \"", value, b"\";\n"].concat())
}
