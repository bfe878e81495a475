//! Parts of the machine that a test stands on, and what happens when one is not there.

use std::io::Write;
use std::process::{Command, Stdio};

/// A part that not every machine has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Need<'a> {
    /// An executable of this name in `PATH`.
    Tool(&'a str),
    /// A network namespace can be made (`unshare -n`, or `-rn` for a user other than root).
    NetworkNamespace,
    /// A mount namespace with mounts of our own can be made, which takes root.
    Mounts,
    /// The test runs as root, to become other users.
    Root,
    /// The loopback device speaks IPv6.
    Ipv6,
    /// This path exists.
    File(&'a str),
}

/// Is there an executable of this name in `PATH`?
pub fn have(tool: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|dir| dir.join(tool).is_file())
}

/// True when a part is missing, so that the test returns at once; the skip is printed.
///
/// ```no_run
/// # use vcache_testkit::{Need, missing};
/// if missing("read_only_cache", &[Need::Root, Need::Mounts]) {
///     return;
/// }
/// ```
///
/// # Panics
/// When a part is missing and `CI` is `true`: the machine that decides has all of them.
pub fn missing(test: &str, needs: &[Need]) -> bool {
    let Some(why) = needs.iter().find_map(|need| absent(*need)) else { return false };
    assert!(
        std::env::var("CI").as_deref() != Ok("true"),
        "SKIPPED: {test}: {why} (not allowed with CI=true)"
    );
    say_skipped(test, &why);
    true
}

/// Says that a test, or a part of one, is skipped. Written past the test runner, which keeps what a test that passes
/// prints by `eprintln!` to itself.
pub fn say_skipped(test: &str, why: &str) {
    let line = format!("SKIPPED: {test}: {why}\n");
    std::io::stderr().write_all(line.as_bytes()).ok();
}

fn absent(need: Need) -> Option<String> {
    match need {
        Need::Tool(name) => (!have(name)).then(|| format!("no {name} in PATH")),
        Need::NetworkNamespace => {
            let flags = if is_root() { "-n" } else { "-rn" };
            (!succeeds("unshare", &[flags, "true"])).then(|| format!("`unshare {flags}` does not work here"))
        }
        Need::Mounts => {
            let works = is_root() && succeeds("unshare", &["-m", "mount", "-t", "tmpfs", "none", "/mnt"]);
            (!works).then(|| "mounts in `unshare -m` do not work here".to_owned())
        }
        Need::Root => (!is_root()).then(|| "not root".to_owned()),
        Need::Ipv6 => {
            std::net::TcpListener::bind("[::1]:0").err().map(|error| format!("no IPv6 loopback: {error}"))
        }
        Need::File(path) => (!std::path::Path::new(path).exists()).then(|| format!("no {path}")),
    }
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn succeeds(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
