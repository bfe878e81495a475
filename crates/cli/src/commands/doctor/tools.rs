//! The shims: the executable that they lead to, and for each tool which of shim and real tool `PATH` meets first.

use std::path::{Path, PathBuf};

use rustix::fs::Access;
use vcache_shim::Chain;
use vcache_shim::host::FileId;
use vcache_shim::links::{self, EXECUTABLE};
use vcache_shim::real_tool::DIVERTED;

use super::Check;
use crate::commands::explain::is_configured;
use crate::context::Context;
use crate::shims::{self, Names};

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let host = &context.host;
    let names = shims::executable(host).and_then(|path| Ok((shims::names(&path, Names::All)?, path)));
    let (names, executable) = match names {
        Ok(found) => found,
        Err(error) => {
            let advice = "without it nothing is pinned or cached; run ./install.sh";
            return vec![Check::fail(EXECUTABLE, Chain(error.as_ref()).to_string(), advice)];
        }
    };
    let path: Vec<PathBuf> = host.path().into_iter().map(|dir| host.cwd().join(dir)).collect();
    let mut checks =
        vec![Check::ok(EXECUTABLE, format!("{} serves {}", executable.display(), names.join(", ")))];
    let own = FileId::of(&executable).ok();
    let found: Vec<_> = names.iter().map(|name| (name, Found::new(name, &path, own))).collect();
    let hooked = found.iter().any(|(_, found)| !found.shims.is_empty());
    if !hooked && is_configured(context) {
        checks.push(Check::warn(
            "hooks",
            "a cache is configured, but there are no shims in PATH, so only `vcache run` and `vcache image build` use it",
            format!("put {} ahead in PATH, or see ./install.sh --divert", parent(&executable).display()),
        ));
    } else if !hooked {
        checks.push(Check::ok("hooks", "no shims in PATH; `vcache run` puts them there for its command"));
    }
    checks.extend(found.iter().map(|(name, found)| found.judge(name, hooked)));
    checks
}

/// Where `PATH` leads for one name.
#[derive(PartialEq, Debug, Default)]
struct Found {
    /// Each shim with its place in `PATH`, every file once.
    shims: Vec<(usize, PathBuf, Option<FileId>)>,
    /// The first real tool with its place in `PATH`.
    real: Option<(usize, PathBuf)>,
}

impl Found {
    fn new(name: &str, path: &[PathBuf], own: Option<FileId>) -> Found {
        let mut found = Found::default();
        for (place, dir) in path.iter().enumerate() {
            let candidate = dir.join(name);
            if rustix::fs::access(&candidate, Access::EXEC_OK).is_err() || !candidate.is_file() {
                continue;
            }
            let id = FileId::of(&candidate).ok();
            if (own.is_some() && id == own) || links::is_shim(&candidate) {
                let aside = dir.join(format!("{name}{DIVERTED}"));
                if found.real.is_none() && aside.is_file() {
                    found.real = Some((place, aside));
                }
                if found.shims.iter().all(|(_, _, known)| *known != id) {
                    found.shims.push((place, candidate, id));
                }
            } else if found.real.is_none() {
                found.real = Some((place, candidate));
            }
        }
        found
    }

    /// Whether a call of `name` is well served; `hooked`: other tools have shims ahead of them.
    fn judge(&self, name: &str, hooked: bool) -> Check {
        let tool = format!("tool {name}");
        if name == vcache_git::HELPER {
            // Ours alone.
            return match self.shims.first() {
                Some((_, shim, _)) => {
                    Check::ok(tool, format!("{}, by which git reaches the cache", shim.display()))
                }
                None if hooked => Check::warn(
                    tool,
                    "is not there, so git never reaches the cache",
                    "run `vcache hooks enable`",
                ),
                None => Check::ok(tool, "not installed"),
            };
        }
        match (self.shims.as_slice(), &self.real) {
            // It has come since the links were made.
            ([], Some((_, real))) if hooked => Check::warn(
                tool,
                format!("{} has no shim ahead of it, though other tools have", real.display()),
                "run `vcache hooks enable`, or ./install.sh --divert where the shims are in the tools' own places",
            ),
            ([], Some((_, real))) => Check::ok(tool, real.display().to_string()),
            ([], None) => Check::ok(tool, "not installed"),
            ([(_, shim, _), ..], None) => Check::warn(
                tool,
                format!("{} has no real tool behind it: a call ends with exit status 127", shim.display()),
                format!("install {name}, or remove {}", shim.display()),
            ),
            ([(at, shim, _), ..], Some((real_at, real))) if real_at < at => Check::warn(
                tool,
                format!("{} comes before the shim {}, so it is never asked", real.display(), shim.display()),
                format!("put {} further ahead in PATH", parent(shim).display()),
            ),
            ([(_, shim, _)], Some((_, real))) => {
                Check::ok(tool, format!("{} before {}", shim.display(), real.display()))
            }
            ([(_, shim, _), (_, other, _), ..], Some(_)) => Check::warn(
                tool,
                format!(
                    "{} and {} are two copies of the shim, and a call goes through both",
                    shim.display(),
                    other.display()
                ),
                format!("remove {}", other.display()),
            ),
        }
    }
}

fn parent(path: &Path) -> &Path {
    path.parent().unwrap_or(path)
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "tests make the files that are looked at")]
mod tests {
    use super::super::Status;
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    /// Folders `a`, `b`, … each with what the specification says: `r` a real tool, `s` a shim, `d` a diverted one,
    /// `c` another copy of the shim.
    fn judged(specification: &[&str], hooked: bool) -> (Check, String) {
        let dir = tempfile::tempdir().unwrap();
        let make = |path: &Path| {
            fs::write(path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        let executable = dir.path().join(EXECUTABLE);
        make(&executable);
        let mut path = Vec::new();
        for (index, kinds) in specification.iter().enumerate() {
            let folder = dir.path().join(index.to_string());
            fs::create_dir(&folder).unwrap();
            for kind in kinds.chars() {
                match kind {
                    'r' => make(&folder.join("wget")),
                    's' => symlink(&executable, folder.join("wget")).unwrap(),
                    'd' => make(&folder.join("wget.vcache-real")),
                    _ => {
                        make(&folder.join(EXECUTABLE));
                        symlink(EXECUTABLE, folder.join("wget")).unwrap();
                    }
                }
            }
            path.push(folder);
        }
        let check = Found::new("wget", &path, FileId::of(&executable).ok()).judge("wget", hooked);
        let text = check.detail.replace(&format!("{}/", dir.path().display()), "");
        (check, text)
    }

    #[test]
    fn path_is_judged() {
        for (specification, status, detail) in [
            (&["s", "r"][..], Status::Ok, "0/wget before 1/wget"),
            (&["", "r"], Status::Ok, "1/wget"),
            (&["", ""], Status::Ok, "not installed"),
            (&["s", ""], Status::Warn, "0/wget has no real tool behind it: a call ends with exit status 127"),
            (&["r", "s"], Status::Warn, "0/wget comes before the shim 1/wget, so it is never asked"),
            (&["sd"], Status::Ok, "0/wget before 0/wget.vcache-real"),
            (&["s", "s", "r"], Status::Ok, "0/wget before 2/wget"),
            (
                &["s", "c", "r"],
                Status::Warn,
                "0/wget and 1/wget are two copies of the shim, and a call goes through both",
            ),
        ] {
            let (check, text) = judged(specification, false);
            assert_eq!((check.status, text.as_str()), (status, detail), "{specification:?}");
            assert_eq!(check.advice.is_some(), status != Status::Ok, "{specification:?}");
        }
        let (check, text) = judged(&["r"], true);
        assert_eq!(
            (check.status, &*text),
            (Status::Warn, "0/wget has no shim ahead of it, though other tools have")
        );
        assert_eq!(judged(&[""], true).0.status, Status::Ok);
    }
}
