//! A world of its own for one test: home, temporary folder, working folder, cache, version files, shims.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::process::{Run, TIME_LIMIT};

/// The modification time of files that a test sets up: 2019-01-01, in seconds since the epoch.
pub const SETUP_TIME: u64 = 1_546_300_800;

/// The part of `PATH` behind the shims.
const SYSTEM_PATH: &str = "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// A temporary root, deleted with the value.
///
/// `work/` (the working folder), `home/`, `tmp/` are what a command may write to; `cache/` and `buildinfo/` belong to
/// the shims; `shims/` holds `vcache-shim` and its links as an image gets them.
#[derive(Debug)]
pub struct Sandbox {
    root: TempDir,
}

impl Sandbox {
    /// A new root with shims from [`crate::bin_dir`].
    pub fn new() -> Sandbox {
        let sandbox = Sandbox::without_shims();
        stage(&crate::bin_dir(), &sandbox.shims());
        sandbox
    }

    /// A new root with an empty `shims/`, for tests of the real tools alone.
    pub fn without_shims() -> Sandbox {
        let root =
            tempfile::Builder::new().prefix("vcache-test-").tempdir().expect("make a temporary folder");
        // Other users' processes must get through.
        set_mode(root.path(), 0o755);
        let sandbox = Sandbox { root };
        std::fs::create_dir_all(sandbox.shims()).expect("make shims/");
        sandbox.clear();
        sandbox
    }

    /// The root itself.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    /// The working folder.
    pub fn work(&self) -> PathBuf {
        self.root().join("work")
    }

    /// `HOME`.
    pub fn home(&self) -> PathBuf {
        self.root().join("home")
    }

    /// `TMPDIR`.
    pub fn tmp(&self) -> PathBuf {
        self.root().join("tmp")
    }

    /// `VCACHE_DIR`; not there until a shim makes it.
    pub fn cache(&self) -> PathBuf {
        self.root().join("cache")
    }

    /// `VCACHE_BUILDINFO`.
    pub fn buildinfo(&self) -> PathBuf {
        self.root().join("buildinfo")
    }

    /// The folder of shims that is first in `PATH`.
    pub fn shims(&self) -> PathBuf {
        self.root().join("shims")
    }

    /// `VCACHE_BUILD_LOG`.
    pub fn build_log(&self) -> PathBuf {
        self.root().join("build.jsonl")
    }

    /// Makes working folder, home and temporary folder anew.
    pub fn clear_work(&self) {
        for dir in [self.work(), self.home(), self.tmp()] {
            // A test may have taken write permission away from a folder; root does not need it, others do.
            std::fs::remove_dir_all(&dir).ok();
            std::fs::create_dir_all(&dir).expect("make a folder");
            set_mode(&dir, 0o755);
        }
        std::fs::remove_file(self.build_log()).ok();
    }

    /// Makes everything but the shims anew: no cache, no pins, nothing recorded.
    pub fn clear(&self) {
        self.clear_work();
        std::fs::remove_dir_all(self.cache()).ok();
        std::fs::remove_dir_all(self.buildinfo()).ok();
        for dir in ["versions", "build-versions", "config", "log"] {
            std::fs::create_dir_all(self.buildinfo().join(dir)).expect("make buildinfo");
        }
    }

    /// Writes the pins in force: `buildinfo/versions/versions-web`.
    pub fn pin_web(&self, text: &str) {
        self.write("buildinfo/versions/versions-web", text.as_bytes());
    }

    /// The pins that shims recorded: `buildinfo/build-versions/versions-web`; empty when there is none.
    pub fn recorded_web(&self) -> String {
        std::fs::read_to_string(self.buildinfo().join("build-versions/versions-web")).unwrap_or_default()
    }

    /// Writes the pins of repositories in force: `buildinfo/versions/versions-git`.
    pub fn pin_git(&self, text: &str) {
        self.write("buildinfo/versions/versions-git", text.as_bytes());
    }

    /// The commits that shims recorded: `buildinfo/build-versions/versions-git`; empty when there is none.
    pub fn recorded_git(&self) -> String {
        std::fs::read_to_string(self.buildinfo().join("build-versions/versions-git")).unwrap_or_default()
    }

    /// The lines of the build log.
    pub fn log_lines(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.build_log()).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Writes a file below the root, folders included, with [`SETUP_TIME`] as its time.
    pub fn write(&self, path: impl AsRef<Path>, bytes: &[u8]) -> PathBuf {
        let path = self.root().join(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("make a folder");
        std::fs::write(&path, bytes).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        set_time(&path, SETUP_TIME);
        path
    }

    /// A command by the real tools: no shims in `PATH`, none of their variables.
    pub fn real<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Run {
        self.command(argv, OsString::from(SYSTEM_PATH))
    }

    /// A command with the shims first in `PATH` and no configuration of them.
    pub fn bare<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Run {
        let mut path = self.shims().into_os_string();
        path.push(":");
        path.push(SYSTEM_PATH);
        self.command(argv, path)
    }

    /// A command with the shims first in `PATH`, cache and version control on.
    pub fn shim<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>) -> Run {
        self.bare(argv)
            .env("VCACHE_DIR", self.cache())
            .env("VCACHE_BUILDINFO", self.buildinfo())
            .env("VCACHE_BUILD_LOG", self.build_log())
            .env("SONIC_VERSION_CACHE_METHOD", "cache")
            .env("SONIC_VERSION_CONTROL_COMPONENTS", "all")
    }

    fn command<S: AsRef<OsStr>>(&self, argv: impl IntoIterator<Item = S>, path: OsString) -> Run {
        let env = [
            ("PATH", path),
            ("HOME", self.home().into()),
            ("TMPDIR", self.tmp().into()),
            ("LC_ALL", "C".into()),
            ("TZ", "UTC".into()),
        ];
        Run {
            argv: argv.into_iter().map(|word| word.as_ref().to_owned()).collect(),
            env: env.into_iter().map(|(name, value)| (name.into(), value)).collect::<BTreeMap<_, _>>(),
            cwd: self.work(),
            stdin: None,
            limit: TIME_LIMIT,
        }
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Sandbox::new()
    }
}

/// Lays shims out as an image gets them: the executable and relative links to it.
fn stage(bins: &Path, shims: &Path) {
    std::fs::copy(bins.join("vcache-shim"), shims.join("vcache-shim")).expect("copy vcache-shim");
    for name in ["wget", "curl", "git", "git-remote-vcache"] {
        symlink("vcache-shim", shims.join(name)).expect("link a shim");
    }
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .unwrap_or_else(|error| panic!("chmod {}: {error}", path.display()));
}

fn set_time(path: &Path, seconds: u64) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("open to set its time");
    file.set_times(std::fs::FileTimes::new().set_modified(time).set_accessed(time))
        .expect("set a file's time");
}
