//! The door to the world: argv, environment, working directory and our own identity, read once at start.
//!
//! Code that decides takes a `&Host`; nothing else in the workspace reads the process's surroundings, so a test can
//! build a host of its own with [`Host::new`].

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What tells one file from another, however many names lead to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FileId {
    /// Device.
    pub device: u64,
    /// Inode.
    pub inode: u64,
}

impl FileId {
    /// The file that `path` leads to, links followed.
    ///
    /// # Errors
    /// Those of `stat(2)`.
    pub fn of(path: &Path) -> io::Result<FileId> {
        fs::metadata(path).map(|m| FileId { device: m.dev(), inode: m.ino() })
    }
}

/// The file that runs. Without `/proc` (a chroot before it is mounted) the kernel's own word for it, which it gives each
/// process at its start.
fn own_file() -> Option<FileId> {
    let by_name = || FileId::of(Path::new(OsStr::from_bytes(rustix::param::linux_execfn().to_bytes())));
    FileId::of(Path::new("/proc/self/exe")).or_else(|_| by_name()).ok()
}

/// The surroundings of this process.
#[derive(Clone, Debug)]
pub struct Host {
    args: Vec<OsString>,
    env: BTreeMap<OsString, OsString>,
    cwd: PathBuf,
    exe: Option<FileId>,
}

impl Host {
    /// The surroundings of the running process.
    pub fn from_process() -> Host {
        Host {
            args: std::env::args_os().collect(),
            env: std::env::vars_os().collect(),
            cwd: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            exe: own_file(),
        }
    }

    /// Surroundings made up by a test, or by `vcache explain` for another argv.
    pub fn new(
        args: Vec<OsString>,
        env: impl IntoIterator<Item = (OsString, OsString)>,
        cwd: PathBuf,
    ) -> Host {
        Host { args, env: env.into_iter().collect(), cwd, exe: None }
    }

    /// The same surroundings with another argv.
    pub fn with_args(&self, args: Vec<OsString>) -> Host {
        Host { args, ..self.clone() }
    }

    /// argv, the name of the tool first.
    pub fn args(&self) -> &[OsString] {
        &self.args
    }

    /// The last component of argv[0]: the tool that is stood in for.
    pub fn name(&self) -> &OsStr {
        self.args.first().and_then(|a| Path::new(a).file_name()).unwrap_or_default()
    }

    /// A variable of the environment; an empty one counts as not set.
    pub fn env(&self, name: &str) -> Option<&OsStr> {
        self.env.get(OsStr::new(name)).map(OsString::as_os_str).filter(|v| !v.is_empty())
    }

    /// The whole environment.
    pub fn env_all(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.env.iter().map(|(k, v)| (k.as_os_str(), v.as_os_str()))
    }

    /// The home folder: `HOME`, else what `/etc/passwd` has for the user, as the tools look it up.
    pub fn home(&self) -> Option<OsString> {
        if let Some(home) = self.env.get(OsStr::new("HOME")) {
            return Some(home.clone());
        }
        let uid = rustix::process::geteuid().as_raw().to_string();
        let users = fs::read_to_string("/etc/passwd").ok()?;
        let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        let of_user = fields.into_iter().find(|fields| fields.get(2) == Some(&uid.as_str()))?;
        Some(of_user.get(5)?.into())
    }

    /// The working directory.
    pub fn cwd(&self) -> &Path {
        &self.cwd
    }

    /// The executable that runs: the multi-call shim itself, where the system can tell.
    pub fn exe(&self) -> Option<FileId> {
        self.exe
    }

    /// The folders of `PATH`, in order, with the shell's default where it is not set.
    pub fn path(&self) -> Vec<PathBuf> {
        const DEFAULT: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let path = self.env("PATH").unwrap_or(OsStr::new(DEFAULT));
        std::env::split_paths(path)
            .map(|p| if p.as_os_str().is_empty() { PathBuf::from(".") } else { p })
            .collect()
    }
}
