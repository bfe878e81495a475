//! Settings and where each came from: the environment, then what the host of a container build has handed over, then SONiC's `buildinfo.config`, then `/etc/vcache/config`.
//!
//! `sudo` and `chroot` drop the environment, so a build leaves its settings in the files. These hold lines of
//! `export K=V` or `K=V`, with or without quotes around the value, as SONiC's `generate_buildinfo_config.sh` writes
//! them. They are read, never executed; a line of another kind is passed over.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::Host;
use crate::handover::{self, BESIDE, Handover};

/// One variable that is understood.
pub struct Variable {
    /// Its name in the environment and in the files.
    pub name: &'static str,
    /// Its value where nobody gives one; empty: not set.
    pub default: &'static str,
    /// One line for people.
    pub help: &'static str,
}

macro_rules! variables {
    ($($name:literal, $default:literal, $help:literal;)*) => {
        /// Every variable, in the order of the documentation. `vcache config` and the README's table are made from it.
        pub const VARIABLES: &[Variable] = &[$(Variable { name: $name, default: $default, help: $help },)*];
    };
}

variables! {
    "SONIC_VERSION_CACHE_METHOD", "none", "`none`, `cache` (read and write), `rcache` (read: nothing is stored), `wcache` (refresh), `rwcache` (as `cache`)";
    "SONIC_VERSION_CACHE", "", "the same under SONiC's internal name; the former wins";
    "VCACHE_DIR", "", "cache directory";
    "SONIC_VERSION_CACHE_SOURCE", "", "cache directory, where it exists and `VCACHE_DIR` is not set";
    "SONIC_VERSION_CONTROL_COMPONENTS", "none", "`none`, `all`, or a list of `deb,py2,py3,web,git,docker,go`: whose pins hold";
    "VCACHE_OFFLINE", "n", "`y`: touch no network; a miss is an error (exit status 118)";
    "VCACHE_STRICT", "n", "`y`: a request without a pin is an error (exit status 117)";
    "VCACHE_ON_MISMATCH", "fail", "content contradicts its pin: `fail` (exit status 119) or `warn`";
    "VCACHE_RETRY", "0", "retries for downloads whose caller asked for none; a minute at most in total";
    "VCACHE_LOWER", "", "read-only caches to look into after the own one, separated by `:`";
    "VCACHE_REMOTE", "", "second tiers, separated by blanks: `http(s)://…` (Bazel's remote-cache protocol), `unix:/socket`, `file:///folder`; for `vcache` also `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`; `#trusted`, `#read-only` behind one";
    "VCACHE_REMOTE_CREDENTIALS", "", "a file with a line for each second tier: its address and `user:password` or a token";
    "VCACHE_TRANSPORT", "", "how an image build gets the cache: `serve`, `stage` or `log`; not set: `serve`, and where no server can be reached `stage`, if anything is known of the image";
    "VCACHE_SERVE_ADDRESS", "", "for image builds: the URL of a `vcache serve` that runs (`http://:TOKEN@cache:8080`), or the address at which one is to be started (`10.0.0.5`, `10.0.0.5:8080`)";
    "VCACHE_IMAGE_FILES", "", "more files and folders that an image's key is made of, separated by `:`";
    "VCACHE_IMAGE_ENV", "", "variables whose values an image's key is made of, separated by `,`";
    "VCACHE_TRUSTED_UIDS", "", "users whose unpinned records are believed, beside root, oneself and the owner of the cache; separated by `,`";
    "VCACHE_LOCK_WAIT", "600", "seconds to wait for another process that fetches the same content, or that holds the locks of dpkg";
    "VCACHE_PIN_DIGEST", "md5", "how new pins are recorded: `md5` (as SONiC's tools read them) or `sha256`";
    "VCACHE_BUILDINFO", "/usr/local/share/buildinfo", "SONiC's buildinfo folder: `versions/` has the pins in force, `build-versions/` gets what was used";
    "VCACHE_LOG", "warn", "`off`, `error`, `warn`, `info`, `debug`; on stderr";
    "VCACHE_BUILD_LOG", "", "a file that gets one line of JSON for each request";
    "BUILD_PACKAGES_URL", "", "base URL that is asked for `<name>-<hash>` before the origin of pinned content";
    "BUILD_SNAPSHOT_URL", "", "base URL of the snapshots of Debian's archive, for `vcache-shim --reproducible-mirrors`";
    "MIRROR_SNAPSHOT", "n", "`y`: while an image is built no other sources of packages count beside the snapshot's";
    "VCACHE_MIRRORS", "/etc/vcache/mirrors", "a file of rewrite rules `prefix/ -> mirror/ …`, one a line: the mirrors are asked before the origin";
    "SKIP_BUILD_HOOK", "", "`y`: every shim is a plain exec of its real tool";
}

/// Where a value came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The process's environment.
    Environment,
    /// The host of the build in whose container we are, see [`crate::handover`].
    HandedOver,
    /// A line of a file.
    File(PathBuf, usize),
    /// Nobody set it.
    Default,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Environment => f.write_str("environment"),
            Origin::HandedOver => f.write_str("handed over by the host of this build"),
            Origin::File(path, line) => write!(f, "{}:{line}", path.display()),
            Origin::Default => f.write_str("default"),
        }
    }
}

/// The settings in force for one process.
#[derive(Clone, Debug)]
pub struct Settings {
    values: Vec<(String, Origin)>,
}

const SYSTEM_FILE: &str = "/etc/vcache/config";

impl Settings {
    /// Reads the environment and both files. What can't be read is as if it were not there.
    pub fn load(host: &Host) -> Settings {
        let mut settings =
            Settings { values: VARIABLES.iter().map(|v| (v.default.to_owned(), Origin::Default)).collect() };
        for (index, variable) in VARIABLES.iter().enumerate() {
            if let Some(value) = host.env(variable.name) {
                settings.values[index] = (value.to_string_lossy().into_owned(), Origin::Environment);
            }
        }
        settings.take_over(host);
        let system = read_assignments(Path::new(SYSTEM_FILE));
        let buildinfo = match settings.origin("VCACHE_BUILDINFO") {
            Origin::Environment => None,
            _ => system.iter().rev().find(|a| a.name == "VCACHE_BUILDINFO").map(|a| PathBuf::from(&a.value)),
        };
        let buildinfo = buildinfo.unwrap_or_else(|| settings.path("VCACHE_BUILDINFO").unwrap_or_default());
        let sonic_file = buildinfo.join("config/buildinfo.config");
        settings.fill(&sonic_file, &read_assignments(&sonic_file));
        settings.fill(Path::new(SYSTEM_FILE), &system);
        settings
    }

    /// What the host of this build has handed over counts where the environment says nothing.
    fn take_over(&mut self, host: &Host) {
        let lists = ["NO_PROXY", "no_proxy"].into_iter().filter_map(|name| host.env(name)?.to_str());
        let Some(handover) = lists.filter_map(Handover::decode_from_no_proxy).next() else { return };
        let switch = |on: bool| if on { "y" } else { "n" }.to_owned();
        let beside = handover.remote == BESIDE;
        let place = match beside {
            true => ("VCACHE_DIR", handover::beside_us().unwrap_or_default()),
            false => ("VCACHE_REMOTE", handover.remote),
        };
        // In an image without the folder there is nothing to use.
        let method = if beside && place.1.is_empty() { "none".to_owned() } else { handover.method };
        for (name, value) in [
            place,
            ("SONIC_VERSION_CACHE_METHOD", method),
            ("VCACHE_OFFLINE", switch(handover.offline)),
            ("VCACHE_STRICT", switch(handover.strict)),
        ] {
            let slot = &mut self.values[Settings::index(name)];
            if slot.1 == Origin::Default {
                *slot = (value, Origin::HandedOver);
            }
        }
    }

    fn fill(&mut self, file: &Path, assignments: &[Assignment]) {
        // Within a file the last assignment wins, as in a shell.
        for a in assignments.iter().rev() {
            let Some(index) = VARIABLES.iter().position(|v| v.name == a.name) else { continue };
            if self.values[index].1 == Origin::Default && !a.value.is_empty() {
                self.values[index] = (a.value.clone(), Origin::File(file.to_owned(), a.line));
            }
        }
    }

    fn index(name: &str) -> usize {
        VARIABLES.iter().position(|v| v.name == name).expect("a variable of the table")
    }

    /// The value of a variable of the table where nobody sets one.
    pub fn default_of(name: &str) -> &'static str {
        VARIABLES[Settings::index(name)].default
    }

    /// The value of a variable of the table; empty where nobody set one and it has no default.
    pub fn get(&self, name: &str) -> &str {
        &self.values[Settings::index(name)].0
    }

    /// Where that value came from.
    pub fn origin(&self, name: &str) -> &Origin {
        &self.values[Settings::index(name)].1
    }

    /// A switch, in any case: `y`, `yes`, `1`, `true`, `on`, or `n`, `no`, `0`, `false`, `off`, or nothing. None for
    /// anything else.
    pub fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name).to_ascii_lowercase().as_str() {
            "y" | "yes" | "1" | "true" | "on" => Some(true),
            "" | "n" | "no" | "0" | "false" | "off" => Some(false),
            _ => None,
        }
    }

    /// The value as a path, where there is one.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        Some(self.get(name)).filter(|v| !v.is_empty()).map(PathBuf::from)
    }

    /// SONiC's buildinfo folder.
    pub fn buildinfo(&self, host: &Host) -> PathBuf {
        host.cwd().join(self.path("VCACHE_BUILDINFO").unwrap_or_default())
    }

    /// Every variable with its value and origin.
    pub fn iter(&self) -> impl Iterator<Item = (&'static Variable, &str, &Origin)> {
        VARIABLES.iter().zip(&self.values).map(|(v, (value, origin))| (v, value.as_str(), origin))
    }
}

/// One `K=V` of a file.
#[derive(PartialEq, Debug)]
struct Assignment {
    name: String,
    value: String,
    line: usize,
}

fn read_assignments(file: &Path) -> Vec<Assignment> {
    std::fs::read_to_string(file).map(|text| assignments(&text)).unwrap_or_default()
}

fn assignments(text: &str) -> Vec<Assignment> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some((name, value)) = line.split_once('=') else { continue };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            continue;
        }
        found.push(Assignment { name: name.to_owned(), value: unquote(value).to_owned(), line: number + 1 });
    }
    found
}

fn unquote(value: &str) -> &str {
    let value = value.trim();
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|v| v.strip_suffix(quote)) {
            return inner;
        }
    }
    value
}

/// True when SONiC's own switch asks for a plain exec: exactly `SKIP_BUILD_HOOK=y`, as its hooks test it.
pub fn hook_skipped(settings: &Settings) -> bool {
    settings.get("SKIP_BUILD_HOOK") == "y"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_sonics_file_are_read_and_others_passed_over() {
        let text = "# c\nexport A=1\nB=\"two words\"\n export C='x'\nif true; then\nexport D=\nrm -rf $A=1\n";
        let got: Vec<_> = assignments(text).into_iter().map(|a| (a.name, a.value, a.line)).collect();
        let want = [("A", "1", 2), ("B", "two words", 3), ("C", "x", 4), ("D", "", 6)];
        assert_eq!(got, want.map(|(n, v, l)| (n.to_owned(), v.to_owned(), l)));
    }

    #[test]
    fn variables_are_unique_and_described() {
        for (i, v) in VARIABLES.iter().enumerate() {
            assert!(!v.help.is_empty(), "{}", v.name);
            assert!(VARIABLES[..i].iter().all(|w| w.name != v.name), "{}", v.name);
        }
    }

    #[test]
    fn what_is_handed_over_counts_where_the_environment_says_nothing() {
        let remote = "http://:t@127.0.0.1:1#trusted".to_owned();
        let given =
            Handover { method: "rcache".into(), offline: true, strict: false, remote: remote.clone() };
        let load = |env: &[(&str, &str)]| {
            let nowhere = ("VCACHE_BUILDINFO", "/nonexistent");
            let env = env.iter().chain([&nowhere]).map(|(k, v)| ((*k).into(), (*v).into()));
            Settings::load(&Host::new(vec!["x".into()], env, "/".into()))
        };
        for name in ["NO_PROXY", "no_proxy"] {
            let settings = load(&[(name, &format!("localhost,{}", given.encode()))]);
            assert_eq!(settings.get("VCACHE_REMOTE"), remote, "{name}");
            assert_eq!(settings.get("SONIC_VERSION_CACHE_METHOD"), "rcache");
            assert_eq!(settings.origin("VCACHE_OFFLINE"), &Origin::HandedOver);
            assert_eq!(settings.get("VCACHE_OFFLINE"), "y");
        }
        let settings = load(&[("NO_PROXY", &given.encode()), ("SONIC_VERSION_CACHE_METHOD", "none")]);
        assert_eq!(settings.get("SONIC_VERSION_CACHE_METHOD"), "none");
    }

    #[test]
    fn environment_wins_over_the_file_and_the_last_line_of_a_file_over_the_first() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("config")).unwrap();
        let file = dir.path().join("config/buildinfo.config");
        std::fs::write(&file, "export VCACHE_RETRY=1\nexport VCACHE_RETRY=2\nexport VCACHE_LOG=debug\n")
            .unwrap();
        let env = [("VCACHE_BUILDINFO", dir.path().to_str().unwrap()), ("VCACHE_LOG", "info")];
        let env = env.map(|(k, v)| (k.into(), v.into()));
        let settings = Settings::load(&Host::new(vec!["x".into()], env, "/".into()));
        assert_eq!(settings.get("VCACHE_RETRY"), "2");
        assert_eq!(settings.origin("VCACHE_RETRY"), &Origin::File(file, 2));
        assert_eq!(settings.get("VCACHE_LOG"), "info");
        assert_eq!(settings.get("VCACHE_ON_MISMATCH"), "fail");
    }
}
