//! The cache directory: there, ours to write, of a known format, on a file system that can do what is needed.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::Check;
use crate::context::{self, CacheDir, Context};
use crate::{files, units};

/// Below this a build may fill the disk.
const LITTLE_SPACE: u64 = 1 << 30;
/// After this what is left in `tmp/` belongs to nobody.
const LEFTOVER: Duration = Duration::from_secs(3600);

pub(super) fn checks(context: &Context) -> Vec<Check> {
    let Some(dir) = context.cache_dir() else {
        return vec![Check::fail(
            "cache",
            "no setting names a directory",
            "give --cache DIR, or set VCACHE_DIR or HOME",
        )];
    };
    let mut checks = vec![directory(&dir)];
    let nearest = dir.path.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/")).to_owned();
    checks.push(space(&nearest));
    if context::is_cache(&dir.path) {
        checks.push(format(context));
        let tmp = dir.path.join("tmp");
        let place = if tmp.is_dir() { &tmp } else { &dir.path };
        if let Ok(probe) = files::probe(place) {
            checks.push(locks(probe.path(), probe.as_file()));
            checks.push(reflink(place, probe.as_file()));
        }
        checks.push(leftovers(&tmp));
        checks.extend(quarantine(&dir.path.join("quarantine")));
    }
    let lower = context.settings.get("VCACHE_LOWER").to_owned();
    checks.extend(lower.split(':').filter(|path| !path.is_empty()).map(|path| layer(Path::new(path))));
    checks
}

fn directory(dir: &CacheDir) -> Check {
    let CacheDir { path, why } = dir;
    let shown = format!("{} ({why})", path.display());
    if !path.exists() {
        let nearest = path.ancestors().find(|p| p.exists()).unwrap_or(Path::new("/"));
        if nearest.is_dir() && can_write(nearest) {
            return Check::ok("cache", format!("{shown} is made by the first build"));
        }
        let detail = format!("{shown} is not there, and {} can't be written", nearest.display());
        return Check::fail("cache", detail, "make the directory, or name another one with VCACHE_DIR");
    }
    if !path.is_dir() {
        return Check::fail(
            "cache",
            format!("{shown} is not a directory"),
            "move it away, or set VCACHE_DIR",
        );
    }
    if let Err(error) = files::probe(path) {
        let detail = format!("{shown} can't be written: {error}");
        return Check::warn(
            "cache",
            detail,
            "answers still come from it, but nothing new is kept; check its owner and mode",
        );
    }
    Check::ok("cache", shown)
}

fn can_write(path: &Path) -> bool {
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_ok()
}

fn space(path: &Path) -> Check {
    let Ok(disk) = rustix::fs::statvfs(path) else {
        return Check::warn("free space", format!("{}: can't be asked", path.display()), "look with df");
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let detail = format!("{} free", units::size(free));
    let advice = "make room: vcache gc --max-size 20G";
    // Some file systems count no inodes: then both numbers are 0.
    if disk.f_files > 0 && disk.f_favail == 0 {
        return Check::fail("free space", format!("{detail}, but no inodes"), advice);
    }
    match free {
        0 => Check::fail("free space", detail, advice),
        1..LITTLE_SPACE => Check::warn("free space", detail, advice),
        _ => Check::ok("free space", detail),
    }
}

fn format(context: &Context) -> Check {
    match context.store() {
        Ok(_) => Check::ok("format", "known"),
        Err(error) => {
            let advice =
                "builds go on without it; use a newer vcache, or name another directory with VCACHE_DIR";
            Check::fail("format", format!("{:#}", error.root_cause()), advice)
        }
    }
}

/// `file` is open on `path`.
#[allow(clippy::disallowed_types, reason = "a probe file, opened by crate::files")]
fn locks(path: &Path, file: &std::fs::File) -> Check {
    let advice = "builds work, but two of them may fetch the same file at once; a local disk helps";
    if let Err(error) = file.try_lock() {
        return Check::warn("locks", format!("flock: {error}"), advice);
    }
    match files::reopen(path).map(|second| second.try_lock()) {
        Ok(Err(std::fs::TryLockError::WouldBlock)) => Check::ok("locks", "flock works"),
        Ok(_) => Check::warn("locks", "flock does not keep a second process out", advice),
        Err(error) => Check::warn("locks", format!("a lock file can't be opened twice: {error}"), advice),
    }
}

#[allow(clippy::disallowed_types, reason = "a probe file, opened by crate::files")]
fn reflink(folder: &Path, mut from: &std::fs::File) -> Check {
    let works = from.write_all(b"probe").is_ok()
        && files::probe(folder).is_ok_and(|to| rustix::fs::ioctl_ficlone(to.as_file(), from).is_ok());
    let no = "not here: content is copied (btrfs and XFS can share it when build and cache are on one file system)";
    Check::ok("reflink", if works { "works: content is shared, not copied" } else { no })
}

fn leftovers(tmp: &Path) -> Check {
    let now = SystemTime::now();
    let old = |modified: std::io::Result<SystemTime>| {
        modified.is_ok_and(|time| now.duration_since(time).is_ok_and(|age| age > LEFTOVER))
    };
    let hidden = |path: &Path| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let found: Vec<u64> = files::entries(tmp)
        .into_iter()
        .filter(|(path, data)| data.is_file() && !hidden(path) && old(data.modified()))
        .map(|(_, data)| data.len())
        .collect();
    if found.is_empty() {
        return Check::ok("leftovers", "none");
    }
    let files = units::count(found.len() as u64, "file");
    let detail = format!("{files} of processes that died, {}", units::size(found.iter().sum()));
    Check::warn("leftovers", detail, "the next build that writes to the cache removes them")
}

fn quarantine(folder: &Path) -> Option<Check> {
    let found = files::entries(folder);
    let size = found.iter().map(|(_, data)| data.len()).sum();
    let detail = format!(
        "{}, {}, in {}",
        units::count(found.len() as u64, "blob"),
        units::size(size),
        folder.display()
    );
    let advice = "content was damaged on the disk and fetched again: check the disk, then remove these files";
    (!found.is_empty()).then(|| Check::warn("quarantine", detail, advice))
}

fn layer(path: &Path) -> Check {
    if context::is_cache(path) {
        return Check::ok("lower cache", path.display().to_string());
    }
    let detail = format!("{} is not a cache, or can't be read", path.display());
    Check::warn("lower cache", detail, "correct VCACHE_LOWER")
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn a_directory_is_judged() {
        let dir = tempfile::tempdir().unwrap();
        let judge = |path: &Path| directory(&CacheDir { path: path.to_owned(), why: "test".into() });
        assert_eq!(judge(dir.path()).status, Status::Ok);
        assert_eq!(judge(&dir.path().join("a/b")).status, Status::Ok);
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(judge(file.path()).status, Status::Fail);
        assert_eq!(judge(&file.path().join("below")).status, Status::Fail);
    }

    #[test]
    fn the_file_system_is_asked_and_probes_leave_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let probe = files::probe(dir.path()).unwrap();
        assert_eq!(locks(probe.path(), probe.as_file()), Check::ok("locks", "flock works"));
        assert_eq!(reflink(dir.path(), probe.as_file()).status, Status::Ok);
        drop(probe);
        assert!(files::entries(dir.path()).is_empty());
        assert_eq!(leftovers(dir.path()).status, Status::Ok);
        assert_eq!(quarantine(dir.path()), None);
        assert_eq!(layer(dir.path()).status, Status::Warn);
    }
}
