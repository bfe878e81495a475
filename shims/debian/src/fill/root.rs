//! A root of apt's own: its state, lists and packages in a temporary folder, no package installed, and one architecture.
//!
//! Its configuration is read after the system's (`-c`, apt.conf(5)), so that proxies and credentials are the system's, while no folder and no hook of it
//! counts: what tidies the system's caches up after an update must not run for ours.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use vcache_shim::child::{self, Stdout};
use vcache_shim::{Host, Settings, real_tool};
use vcache_store::Store;

use super::Surroundings;
use crate::apt::item;

/// Hooks of the system, as far as they run for what we do.
const HOOKS: [&str; 4] = [
    "APT::Update::Pre-Invoke",
    "APT::Update::Post-Invoke",
    "APT::Update::Post-Invoke-Success",
    "AptCli::Hooks",
];

/// The root. It goes with the value.
pub(super) struct Root {
    dir: TempDir,
    /// For apt-get: argv[0], and the environment.
    host: Host,
}

/// What apt-get said on stderr.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Said {
    pub(super) success: bool,
    lines: Vec<String>,
}

impl Root {
    /// Makes it.
    ///
    /// # Errors
    /// There is no room, or a source or a keyring can't be read; the message names it.
    pub(super) fn make(
        host: &Host,
        settings: &Settings,
        store: &Store,
        surroundings: &Surroundings<'_>,
        architecture: &str,
    ) -> io::Result<Root> {
        let dir = tempfile::Builder::new().prefix("vcache-apt-").tempdir()?;
        let root = Root { host: environment(host, settings, store), dir };
        // Methods that have become `_apt` come through here.
        fs::set_permissions(root.dir.path(), Permissions::from_mode(0o755))?;
        for folder in ["state/lists", "cache", "preferences.d", "sources.list.d", "keyrings"] {
            fs::create_dir_all(root.path(folder))?;
        }
        fs::create_dir_all(root.downloads())?;
        fs::write(root.path("status"), "")?;
        fs::write(root.path("apt.conf"), root.configuration(host, surroundings, architecture)?)?;
        root.give_downloads()?;
        Ok(root)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// apt-get downloads into its working directory. The method knows packages by a folder of this name.
    fn downloads(&self) -> PathBuf {
        self.path("downloads/partial")
    }

    fn configuration(
        &self,
        host: &Host,
        surroundings: &Surroundings<'_>,
        architecture: &str,
    ) -> io::Result<Vec<u8>> {
        let mut text = Vec::new();
        let mut add = |name: &str, value: &OsStr| -> io::Result<()> {
            text.extend(item(name, value)?);
            Ok(())
        };
        for (name, path) in [
            ("Dir::State", "state"),
            ("Dir::State::lists", "state/lists"),
            ("Dir::State::status", "status"),
            ("Dir::State::extended_states", "state/extended_states"),
            ("Dir::Cache", "cache"),
            ("Dir::Cache::archives", "cache/archives"),
            ("Dir::Cache::pkgcache", "cache/pkgcache.bin"),
            ("Dir::Cache::srcpkgcache", "cache/srcpkgcache.bin"),
            ("Dir::Etc::preferences", "preferences"),
            ("Dir::Etc::preferencesparts", "preferences.d"),
        ] {
            add(name, self.path(path).as_os_str())?;
        }
        if !surroundings.sources.is_empty() {
            let folder = self.path("sources.list.d");
            collect(host, surroundings.sources, &["list", "sources"], "list", &folder)?;
            add("Dir::Etc::sourcelist", self.path("sources.list").as_os_str())?;
            add("Dir::Etc::sourceparts", folder.as_os_str())?;
        }
        if !surroundings.keyrings.is_empty() {
            let folder = self.path("keyrings");
            collect(host, surroundings.keyrings, &["gpg", "asc"], "gpg", &folder)?;
            add("Dir::Etc::trusted", self.path("trusted.gpg").as_os_str())?;
            add("Dir::Etc::trustedparts", folder.as_os_str())?;
        }
        add("Dir::Bin::Methods::http", surroundings.method.as_os_str())?;
        add("Dir::Bin::Methods::https", surroundings.method.as_os_str())?;
        add("APT::Architecture", OsStr::new(architecture))?;
        // Versions are named one by one; an index that is older than it says may be all that a snapshot or the cache has.
        add("Acquire::Check-Valid-Until", OsStr::new("false"))?;
        let cleared = HOOKS.iter().chain(&["APT::Architectures"]).map(|name| format!("#clear {name};\n"));
        text.extend(cleared.collect::<String>().into_bytes());
        text.extend(item("APT::Architectures::", OsStr::new(architecture))?);
        Ok(text)
    }

    /// Where methods change to another user, that one writes the packages.
    fn give_downloads(&self) -> io::Result<()> {
        if !rustix::process::geteuid().is_root() {
            return Ok(());
        }
        let mut name = String::new();
        let args = ["shell", "USER", "APT::Sandbox::User"].map(str::to_owned);
        self.run("apt-config", &args, &mut |line| name = line.trim_start_matches("USER=").replace('\'', ""))?;
        let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let user = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|user| user[0] == name);
        match user.and_then(|user| user.get(2)?.parse().ok()) {
            Some(uid) => chown(self.downloads(), Some(uid), None),
            None => Ok(()),
        }
    }

    /// Runs apt-get; `line` gets what it prints.
    ///
    /// # Errors
    /// It can't be started, or is ended by a signal.
    pub(super) fn apt_get(&self, args: &[String], line: &mut dyn FnMut(&str)) -> io::Result<Said> {
        self.run("apt-get", args, line)
    }

    fn run(&self, name: &str, args: &[String], line: &mut dyn FnMut(&str)) -> io::Result<Said> {
        let host = self.host.with_args(vec![name.into()]);
        let tool =
            real_tool::find(&host).map_err(|e| io::Error::new(io::ErrorKind::NotFound, e.to_string()))?;
        let config = [OsString::from("-c"), self.path("apt.conf").into()];
        let args: Vec<OsString> = config.into_iter().chain(args.iter().map(Into::into)).collect();
        let stderr = self.path("stderr");
        let mut command = tool.command(&host, &args);
        let env = host.env_all().map(|(name, value)| (name.to_owned(), value.to_owned()));
        command.envs(env).env_remove("LANGUAGE").current_dir(self.downloads());
        command.stdin(Stdio::null()).stderr(File::create(&stderr)?);
        let mut running = child::start(command, Stdout::Pipe)?;
        if let Some(stdout) = running.stdout() {
            let lines = BufReader::new(stdout).split(b'\n').map_while(Result::ok);
            lines.for_each(|text| line(&String::from_utf8_lossy(&text)));
        }
        let status = running.wait()?;
        if let Some(signal) = status.signal() {
            // Whoever ends it wants no more of it either: signals to us go to it while it runs.
            let ended = format!("{name} was ended by signal {signal}");
            return Err(io::Error::new(io::ErrorKind::Interrupted, ended));
        }
        let text = fs::read(&stderr)?;
        let lines = String::from_utf8_lossy(&text).lines().map(str::to_owned).collect();
        Ok(Said { success: status.success(), lines })
    }

    /// Makes room for the next packages.
    ///
    /// # Errors
    /// A file can't be removed.
    pub(super) fn empty(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.downloads())? {
            fs::remove_file(entry?.path())?;
        }
        Ok(())
    }
}

/// The environment in which apt-get, and through it our method, runs: the cache is this one, and versions are those that are asked for, whatever the
/// version files of this folder say.
fn environment(host: &Host, settings: &Settings, store: &Store) -> Host {
    let offline = if settings.flag("VCACHE_OFFLINE") == Some(true) { "y" } else { "n" };
    let ours: [(&str, &OsStr); 7] = [
        ("LC_ALL", OsStr::new("C")),
        ("VCACHE_DIR", store.dir().as_os_str()),
        ("VCACHE_OFFLINE", OsStr::new(offline)),
        ("VCACHE_STRICT", OsStr::new("n")),
        ("SONIC_VERSION_CACHE_METHOD", OsStr::new("cache")),
        ("SONIC_VERSION_CONTROL_COMPONENTS", OsStr::new("none")),
        ("SKIP_BUILD_HOOK", OsStr::new("n")),
    ];
    let env = host.env_all().map(|(name, value)| (name.to_owned(), value.to_owned()));
    let env = env.chain(ours.map(|(name, value)| (name.into(), value.to_owned())));
    Host::new(Vec::new(), env, host.cwd().to_owned())
}

/// Copies files into a folder of apt's, which reads those with certain endings in the order of their names; a file with another ending gets `ending`. Of a
/// folder, those with the endings, and what is in `sources.list` and `sources.list.d`, as in apt's own.
fn collect(host: &Host, named: &[PathBuf], endings: &[&str], ending: &str, to: &Path) -> io::Result<()> {
    let ends_so = |path: &Path| path.extension().is_some_and(|of| endings.iter().any(|ending| of == *ending));
    let mut files = Vec::new();
    for path in named {
        let path = host.cwd().join(path);
        if !path.is_dir() {
            files.push(path);
            continue;
        }
        let mut of_folder = Vec::new();
        for folder in [path.clone(), path.join("sources.list.d")].iter().filter(|folder| folder.is_dir()) {
            let entries = fs::read_dir(folder).map_err(|e| named_error(folder, &e))?;
            of_folder.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
        }
        of_folder.retain(|path| ends_so(path));
        of_folder.sort();
        if of_folder.is_empty() {
            let what = endings.iter().map(|ending| format!("*.{ending}")).collect::<Vec<_>>().join(" or ");
            let none = io::Error::new(io::ErrorKind::NotFound, format!("has no file named {what}"));
            return Err(named_error(&path, &none));
        }
        files.extend(of_folder);
    }
    for (at, file) in files.iter().enumerate() {
        let ending = if ends_so(file) { file.extension().unwrap_or_default() } else { OsStr::new(ending) };
        let mut name = OsString::from(format!("{at:03}."));
        name.push(ending);
        let content = fs::read(file).map_err(|e| named_error(file, &e))?;
        fs::write(to.join(&name), content)?;
        fs::set_permissions(to.join(&name), Permissions::from_mode(0o644))?;
    }
    Ok(())
}

fn named_error(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}

impl Said {
    /// Warnings and errors of apt, and what our method has said.
    pub(super) fn troubles(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str).filter(|line| !line.is_empty() && !line.starts_with("N: "))
    }

    /// What our method has said.
    pub(super) fn words_of_method(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().filter_map(|line| line.strip_prefix("vcache: warning: "))
    }

    /// What was said about a URI.
    pub(super) fn about(&self, uri: &str) -> Option<String> {
        let what = |line: &String| Some(line.split_once(uri)?.1.trim().to_owned());
        let mut whats = self.lines.iter().filter(|line| line.starts_with("E: ")).filter_map(what);
        whats.next_back().filter(|what| !what.is_empty())
    }

    /// The last error.
    pub(super) fn last_words(&self) -> String {
        let last = self.lines.iter().rev().find_map(|line| line.strip_prefix("E: "));
        format!("apt-get: {}", last.unwrap_or("failed"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_about_a_package() {
        let lines = [
            "W: Download is performed unsandboxed",
            "E: Failed to fetch http://h/a.deb  404  Not Found [IP: ::1 80]",
            "E: Unable to fetch some archives, maybe run apt-get update or try with --fix-missing?",
        ];
        let said = Said { success: false, lines: lines.map(str::to_owned).to_vec() };
        assert_eq!(said.about("http://h/a.deb").as_deref(), Some("404  Not Found [IP: ::1 80]"));
        assert_eq!(said.about("http://h/b.deb"), None);
        assert!(said.last_words().starts_with("apt-get: Unable to fetch"));
    }

    #[test]
    fn files_and_folders_are_collected_by_their_endings() {
        let dir = tempfile::tempdir().unwrap();
        let [apt, to] = ["apt", "to"].map(|name| dir.path().join(name));
        fs::create_dir_all(apt.join("sources.list.d")).unwrap();
        fs::create_dir(&to).unwrap();
        for name in
            ["sources.list", "sources.list.d/x.sources", "sources.list.d/x.save", "sources.list.amd64"]
        {
            fs::write(apt.join(name), name).unwrap();
        }
        let host = Host::new(Vec::new(), [], dir.path().to_owned());
        let named = ["apt".into(), "apt/sources.list.amd64".into()];
        collect(&host, &named, &["list", "sources"], "list", &to).unwrap();
        let read = |name: &str| fs::read_to_string(to.join(name)).unwrap();
        let found = ["000.list", "001.sources", "002.list"].map(read);
        assert_eq!(found, ["sources.list", "sources.list.d/x.sources", "sources.list.amd64"]);
        let none = collect(&host, &["to".into()], &["gpg"], "gpg", &to).unwrap_err().to_string();
        assert!(none.ends_with("to: has no file named *.gpg"), "{none}");
        let none = collect(&host, &["none".into()], &["gpg"], "gpg", &to).unwrap_err().to_string();
        assert!(none.contains("none: "), "{none}");
    }
}
