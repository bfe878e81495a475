//! apt's configuration (apt.conf(5)): what it is, and the file by which one call gets ours.
//!
//! The file is named by `APT_CONFIG`, so nothing of it shows in apt's argv, nor in its history. apt reads it first: what the system's files say counts more.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use vcache_shim::{Host, Policy, links, real_tool};

use super::call::Call;
use super::old::Old;
use crate::method::wishes::{ASKED, LENIENT, NOTES, PACKAGES};
use crate::reason::Code;

/// The variable that names the file.
pub(crate) const VARIABLE: &str = "APT_CONFIG";
/// Where apt's own methods are named.
const METHODS: [&str; 2] = ["Dir::Bin::Methods::http", "Dir::Bin::Methods::https"];
/// What else is asked for: a name of ours for each, as `apt-config shell` wants it.
const ROOT: &str = "RootDir";
const PARTS: &str = "Dir::Etc::PreferencesParts";
/// Its value where nobody has changed it.
const USUAL_PARTS: &str = "preferences.d";
const ARCHITECTURE: &str = "APT::Architecture";
/// The name of SONiC's preferences.
const PREFERENCES: &str = "01-versions-deb";
/// In seconds: some thirty years.
const AGES: &str = "1000000000";

/// What of apt's configuration matters.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Look {
    /// The folder with its preferences.
    pub(crate) parts: PathBuf,
    /// Somebody has moved that folder, and it may be in a file that apt reads after ours, or in argv.
    pub(crate) is_moved: bool,
    /// The native architecture.
    pub(crate) architecture: String,
}

/// Looks whether apt, as it is configured for this call, can have our method.
///
/// # Errors
/// Why it can't.
pub(crate) fn look(host: &Host, call: &Call) -> Result<Look, (Code, String)> {
    let trouble = |e: &dyn std::fmt::Display| (Code::Trouble, format!("apt-config: {e}"));
    let config = host.with_args(vec!["apt-config".into()]);
    let tool = real_tool::find(&config).map_err(|e| trouble(&e))?;
    let mut words = call.config.clone();
    let parts = format!("{PARTS}/d");
    let wanted = [
        ("HTTP", METHODS[0]),
        ("HTTPS", METHODS[1]),
        ("ROOT", ROOT),
        ("PARTS", &parts),
        ("MOVED", PARTS),
        ("ARCHITECTURE", ARCHITECTURE),
    ];
    words.push("shell".into());
    words.extend(wanted.iter().flat_map(|(ours, item)| [ours, item]).map(OsString::from));
    let output = tool.command(&config, &words).output().map_err(|e| trouble(&e))?;
    if !output.status.success() {
        // The real apt says what is wrong with the configuration.
        return Err(trouble(&output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let mut look = Look::default();
    for line in text.lines() {
        match line.split_once('=') {
            Some(("ROOT", root)) if !root.trim_matches(['\'', '/']).is_empty() => {
                return Err((Code::OtherRoot, root.to_owned()));
            }
            Some(("HTTP" | "HTTPS", method)) if !is_ours(method) => {
                return Err((Code::OtherMethod, method.to_owned()));
            }
            Some(("ARCHITECTURE", name)) => name.trim_matches('\'').clone_into(&mut look.architecture),
            Some(("MOVED", name)) => look.is_moved = name.trim_matches('\'') != USUAL_PARTS,
            Some(("PARTS", parts)) => look.parts = PathBuf::from(parts.trim_matches('\'')),
            _ => {}
        }
    }
    Ok(look)
}

/// Whether a method, as `apt-config` quotes it, is the shim: of a call around us, or of a file that `install.sh --apt-conf` has made.
fn is_ours(quoted: &str) -> bool {
    links::is_shim(Path::new(quoted.trim_matches('\'')))
}

/// A folder with the file, and whatever else is the call's own; it goes with the value.
pub(crate) struct Folder {
    folder: TempDir,
    /// Lines that stay the same for all runs of the call.
    fixed: Vec<u8>,
    /// Where packages get their names.
    packages: PathBuf,
}

/// What a further run of apt is told because of what the one before has met.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Extras {
    /// Labels of Release files that are to be believed though they are no longer valid.
    pub(crate) labels: BTreeSet<String>,
    /// Packages that no index offers any more.
    pub(crate) packages: BTreeMap<PathBuf, Old>,
}

impl Folder {
    /// Makes it. `room`: a folder on the cache's own file system, where packages are to get their names.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn make(host: &Host, call: &Call, policy: &Policy, room: Option<&Path>) -> io::Result<Folder> {
        let folder = tempfile::Builder::new().prefix("vcache-apt-").tempdir()?;
        // Methods that have become `_apt` read what apt reads.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
        // dpkg shows the last parts of a path, and is to show what it shows of apt's own archives.
        let packages = room.unwrap_or(folder.path()).join("apt/archives");
        fs::create_dir_all(&packages)?;
        let mut made = Folder { folder, fixed: Vec::new(), packages };
        fs::write(made.notes(), "")?;
        // One that is not there apt passes over, and an `#include` of it would end the call.
        let callers = host.env(VARIABLE).filter(|name| !name.is_empty()).map(|name| host.cwd().join(name));
        if let Some(callers) = callers.filter(|file| file.is_file()) {
            made.add("#include", callers)?;
        }
        let method = fs::read_link("/proc/self/exe")?;
        METHODS.iter().try_for_each(|name| made.add(name, &method))?;
        made.add(NOTES, made.notes())?;
        made.add(PACKAGES, made.packages.clone())?;
        if call.changes() {
            // As dpkg's shim waits for an apt.
            made.add("DPkg::Lock::Timeout", policy.lock_wait.as_secs().to_string())?;
        }
        for asked in call.words.iter().filter(|word| word.contains('=') && !word.contains('"')) {
            made.add(ASKED, asked)?;
        }
        Ok(made)
    }

    fn add(&mut self, name: &str, value: impl AsRef<OsStr>) -> io::Result<()> {
        self.fixed.extend(item(name, value.as_ref())?);
        Ok(())
    }

    /// Pins take effect beside whatever the folder of apt's preferences holds. Gives the options that apt needs for it: none but where the folder is moved, so that argv
    /// and apt's history stay as they are.
    ///
    /// # Errors
    /// A file can't be made.
    pub(crate) fn pin(&mut self, preferences: &str, look: &Look) -> io::Result<Vec<OsString>> {
        let ours = self.folder.path().join("preferences.d");
        fs::create_dir(&ours)?;
        for entry in fs::read_dir(&look.parts).into_iter().flatten() {
            let entry = entry?;
            if entry.file_name() != PREFERENCES {
                symlink(entry.path(), ours.join(entry.file_name()))?;
            }
        }
        fs::write(ours.join(PREFERENCES), preferences)?;
        let mut option = OsString::from(format!("{PARTS}="));
        option.push(&ours);
        self.add(PARTS, ours)?;
        Ok(if look.is_moved { vec!["-o".into(), option] } else { Vec::new() })
    }

    /// Writes the configuration file for the next run.
    ///
    /// # Errors
    /// It can't be written.
    pub(crate) fn write(&self, extras: &Extras) -> io::Result<()> {
        let mut text = self.fixed.clone();
        for label in
            extras.labels.iter().filter(|label| !label.contains(|c: char| c == '"' || c.is_ascii_control()))
        {
            text.extend(item(&format!("\"Acquire::Min-ValidTime::{label}\""), OsStr::new(AGES))?);
            text.extend(item(LENIENT, OsStr::new(label))?);
        }
        for package in extras.packages.keys() {
            text.extend(item("APT::Sources::With::", package.as_os_str())?);
        }
        fs::write(self.config(), text)
    }

    /// The configuration file.
    pub(crate) fn config(&self) -> PathBuf {
        self.folder.path().join("apt.conf")
    }

    /// The file of notes.
    pub(crate) fn notes(&self) -> PathBuf {
        self.folder.path().join("notes")
    }

    /// Where packages get their names.
    pub(crate) fn packages(&self) -> &Path {
        &self.packages
    }
}

/// One line. apt knows no way to write a `"` or the end of a line in a value.
pub(crate) fn item(name: &str, value: &OsStr) -> io::Result<Vec<u8>> {
    let value = value.as_bytes();
    if value.iter().any(|&byte| byte == b'"' || byte.is_ascii_control()) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a path that apt.conf can't have"));
    }
    Ok([name.as_bytes(), b" \"", value, b"\";\n"].concat())
}
