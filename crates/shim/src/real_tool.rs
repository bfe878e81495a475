//! Finds the real tool and hands the process over to it.
//!
//! `PATH` is walked past everything that is the shim itself, told by device and inode, so that a folder named twice,
//! a trailing slash or a hard link do no harm. `PATH` itself stays as it is: a tool that starts another one must still
//! meet its shim. Where `install.sh --divert` has put a shim in a tool's own place, the tool stands beside it under
//! the name with [`DIVERTED`] appended.
//!
//! A second copy of the shim further down in `PATH` is another file, and would take the first for its real tool and so
//! on for ever. Two guards travel in the variable [`GUARD`]: the shims that this very process (or its parent) has been
//! already, which are skipped; and a depth, which ends any loop that a script in between makes.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use rustix::process::{Pid, test_kill_process};

use crate::host::FileId;
use crate::{Host, exit, links};

/// What `install.sh --divert` appends to a real tool's name.
pub const DIVERTED: &str = ".vcache-real";
/// The variable of the recursion guard: `<depth> <pid> <exec or wait>:<tool> <device>:<inode>…`; `wait`: the shim waits for
/// the end of what it has started.
pub const GUARD: &str = "VCACHE_SHIM_GUARD";
const MAX_DEPTH: u32 = 40;

/// A real tool that can be started, and the guard that it is started with.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RealTool {
    /// Where it is.
    pub path: PathBuf,
    guard: Guard,
}

/// Why there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NotFound {
    /// Nothing of that name in `PATH` that is not a shim.
    Absent(OsString),
    /// The shim was entered again and again.
    Loop(OsString),
}

impl fmt::Display for NotFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NotFound::Absent(name) => {
                write!(f, "{}: command not found (no real tool behind the shim in PATH)", name.display())
            }
            NotFound::Loop(name) => write!(
                f,
                "{0}: the real {0} leads back into its shim ({MAX_DEPTH} times); look for a script of that name in PATH",
                name.display()
            ),
        }
    }
}

impl std::error::Error for NotFound {}

impl NotFound {
    /// The exit status that a shell would give.
    pub fn status(&self) -> u8 {
        match self {
            NotFound::Absent(_) => exit::NO_REAL_TOOL,
            NotFound::Loop(_) => exit::CANNOT_EXECUTE,
        }
    }
}

/// Finds the real tool for the name that `host` was called by.
///
/// # Errors
/// [`NotFound`] where there is none, or where shims have led to shims too often.
pub fn find(host: &Host) -> Result<RealTool, NotFound> {
    let name = host.name();
    let mut guard = Guard::read(host.env(GUARD));
    if guard.depth >= MAX_DEPTH {
        return Err(NotFound::Loop(name.to_owned()));
    }
    guard.shims.extend(host.exe());
    let typed = host.args().first().map(Path::new).filter(|p| p.components().count() > 1);
    let diverted = typed.map(aside).filter(|p| is_executable(p));
    let path = diverted
        .or_else(|| {
            let is_shim = |path: &Path| FileId::of(path).is_ok_and(|id| guard.shims.contains(&id));
            host.path().iter().find_map(|dir| candidate(&host.cwd().join(dir).join(name), is_shim))
        })
        .ok_or_else(|| NotFound::Absent(name.to_owned()))?;
    Ok(RealTool { path, guard })
}

/// The real tool at this path, or aside from it where a shim stands there; none where there is neither.
pub fn at(host: &Host, path: &Path) -> Option<PathBuf> {
    let is_own = |path: &Path| host.exe().is_some_and(|own| FileId::of(path).is_ok_and(|id| id == own));
    candidate(path, is_own)
}

/// True where `PATH` leads to a real tool of the name that `host` was called by. Links to other copies of the shim do not
/// count: two copies would each keep the other's links.
pub fn is_there(host: &Host) -> bool {
    let is_own = |path: &Path| host.exe().is_some_and(|own| FileId::of(path).is_ok_and(|id| id == own));
    let is_shim = |path: &Path| is_own(path) || links::is_shim(path);
    host.path().iter().any(|dir| candidate(&host.cwd().join(dir).join(host.name()), is_shim).is_some())
}

/// The real tool at `path`, or aside from it when `path` is a shim.
fn candidate(path: &Path, is_shim: impl Fn(&Path) -> bool) -> Option<PathBuf> {
    if !is_executable(path) {
        return None;
    }
    if is_shim(path) {
        return Some(aside(path)).filter(|p| is_executable(p));
    }
    Some(path.to_owned())
}

fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(DIVERTED);
    PathBuf::from(name)
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
}

impl RealTool {
    /// A command for it whose end we wait for: argv[0] as the caller typed it, the guard set, everything else as it is.
    pub fn command(&self, host: &Host, args: &[OsString]) -> Command {
        self.command_to(host, args, "wait")
    }

    fn command_to(&self, host: &Host, args: &[OsString], what: &str) -> Command {
        let mut command = Command::new(&self.path);
        command.arg0(host.args().first().map_or(OsStr::new(""), OsString::as_os_str));
        command.args(args).env(GUARD, self.guard.text(what, host.name()));
        command
    }

    /// Replaces this process by the real tool with its original argv. Returns only when that failed.
    pub fn exec(&self, host: &Host) -> ExitCode {
        let error = self.command_to(host, host.args().get(1..).unwrap_or_default(), "exec").exec();
        eprintln!("vcache: error: {}: {error}", self.path.display());
        ExitCode::from(exit::CANNOT_EXECUTE)
    }
}

/// True when the process that started us is itself a shim at work: we are what it takes for its real tool (a second copy of
/// the shims in `PATH`), and nothing is left for us but to be a plain exec.
pub fn started_by_a_shim(host: &Host) -> bool {
    let by_parent = Guard::pid(host.env(GUARD)) == Some(std::os::unix::process::parent_id());
    let waiting = host.env(GUARD).and_then(|value| value.to_str()?.split(' ').nth(2)?.strip_prefix("wait:"));
    by_parent && waiting.is_some_and(|tool| host.name() == tool)
}

/// True when a shim further up waits for the end of this call, as when a script stands in for the real tool.
pub fn inside_a_call(host: &Host) -> bool {
    let pid = Guard::pid(host.env(GUARD)).filter(|pid| *pid != std::process::id());
    pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
        .is_some_and(|pid| test_kill_process(pid).is_ok())
}

/// Hands the process over to the real tool; returns only when there is none or it can't be executed.
pub fn pass_through(host: &Host) -> ExitCode {
    match find(host) {
        Ok(tool) => tool.exec(host),
        Err(missing) => {
            eprintln!("vcache: error: {missing}");
            ExitCode::from(missing.status())
        }
    }
}

/// The state of [`GUARD`].
#[derive(Clone, PartialEq, Eq, Debug)]
struct Guard {
    depth: u32,
    /// The shims that this process has been, or that started it.
    shims: Vec<FileId>,
}

impl Guard {
    /// Whoever set the guard counts only when it was this process before an exec, or its parent.
    fn read(value: Option<&OsStr>) -> Guard {
        let fresh = Guard { depth: 0, shims: Vec::new() };
        let Some(text) = value.and_then(|v| std::str::from_utf8(v.as_bytes()).ok()) else { return fresh };
        let mut words = text.split(' ');
        let Some(depth) = words.next().and_then(|w| w.parse().ok()) else { return fresh };
        let pid: u32 = words.next().and_then(|w| w.parse().ok()).unwrap_or(0);
        if pid != std::process::id() && pid != std::os::unix::process::parent_id() {
            return Guard { depth, ..fresh };
        }
        let shims = words.skip(1).filter_map(|w| {
            let (device, inode) = w.split_once(':')?;
            Some(FileId { device: device.parse().ok()?, inode: inode.parse().ok()? })
        });
        Guard { depth, shims: shims.collect() }
    }

    /// The process that set it.
    fn pid(value: Option<&OsStr>) -> Option<u32> {
        value?.to_str()?.split(' ').nth(1)?.parse().ok()
    }

    fn text(&self, what: &str, tool: &OsStr) -> String {
        let tool = tool.to_string_lossy().replace(' ', "");
        let mut text = format!("{} {} {what}:{tool}", self.depth + 1, std::process::id());
        for id in &self.shims {
            text.push_str(&format!(" {}:{}", id.device, id.inode));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn executable(path: &Path) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "#!/bin/sh\n").unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn host(argv0: &str, path: &str) -> Host {
        Host::new(vec![argv0.into()], [("PATH".into(), path.into())], "/".into())
    }

    #[test]
    fn the_first_executable_that_is_not_a_shim_wins() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a/wget"), dir.path().join("b/wget"));
        executable(&a);
        executable(&b);
        let is_a = |path: &Path| path == a;
        assert_eq!(candidate(&a, is_a), None);
        assert_eq!(candidate(&b, is_a), Some(b.clone()));
        let path = format!("{}/none:{}/b/", dir.path().display(), dir.path().display());
        assert_eq!(find(&host("wget", &path)).unwrap().path, b);
        assert_eq!(find(&host("curl", &path)), Err(NotFound::Absent("curl".into())));
    }

    #[test]
    fn a_diverted_tool_is_found_beside_its_shim() {
        let dir = tempfile::tempdir().unwrap();
        let (shim, real) = (dir.path().join("curl"), dir.path().join("curl.vcache-real"));
        executable(&shim);
        executable(&real);
        assert_eq!(candidate(&shim, |path| path == shim), Some(real.clone()));
        assert_eq!(find(&host(shim.to_str().unwrap(), "/nonexistent")).unwrap().path, real);
    }

    #[test]
    fn another_copy_of_the_shim_is_no_tool() {
        let dir = tempfile::tempdir().unwrap();
        let [shim, link, real] = ["a/vcache-shim", "a/podman", "b/podman"].map(|name| dir.path().join(name));
        executable(&shim);
        std::os::unix::fs::symlink("vcache-shim", &link).unwrap();
        let path = format!("{0}/a:{0}/b", dir.path().display());
        assert!(!is_there(&host("podman", &path)));
        executable(&aside(&link));
        assert!(is_there(&host("podman", &path)), "diverted");
        fs::remove_file(aside(&link)).unwrap();
        executable(&real);
        assert!(is_there(&host("podman", &path)));
    }

    #[test]
    fn the_guard_of_another_process_lends_only_its_depth() {
        let own = format!("3 {} exec:wget 7:8 9:10", std::process::id());
        let guard = Guard::read(Some(OsStr::new(&own)));
        assert_eq!((guard.depth, guard.shims.len()), (3, 2));
        let guard = Guard::read(Some(OsStr::new("3 0 exec:wget 7:8")));
        assert_eq!((guard.depth, guard.shims.len()), (3, 0));
        assert_eq!(Guard::read(Some(OsStr::new("garbage"))).depth, 0);
    }

    #[test]
    fn a_loop_ends() {
        let env = [(GUARD.into(), format!("{MAX_DEPTH} 0").into())];
        let host = Host::new(vec!["wget".into()], env, "/".into());
        assert_eq!(find(&host), Err(NotFound::Loop("wget".into())));
    }
}
