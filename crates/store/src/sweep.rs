//! Clearing `tmp/` of what killed processes left: everything older than an hour, looked at most once an hour by
//! whoever is about to write (a hit never pays for it). No download is an hour between two writes, and a writer
//! whose file is swept all the same merely fails to publish.

use std::fs::TryLockError;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_NOW};

use crate::layer::{Layer, entries, open_regular};

const HOUR: Duration = Duration::from_secs(3600);

impl Layer {
    /// Sweeps if the last sweep is an hour ago. Best effort.
    pub(crate) fn sweep_tmp_hourly(&self) {
        let stamp = self.layout.sweep_stamp();
        let due = stamp.symlink_metadata().map_or(true, |metadata| older(metadata.modified().ok(), HOUR));
        if due {
            // First the stamp, so that of many who start at once few sweep.
            self.stamp();
            self.sweep_tmp(false);
        }
    }

    /// Removes what is old; returns how much that is (or would be).
    pub(crate) fn sweep_tmp(&self, dry_run: bool) -> u64 {
        let stamp = self.layout.sweep_stamp();
        let mut freed = 0;
        for path in entries(&self.layout.tmp()).unwrap_or_default() {
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if path == stamp || !older(metadata.modified().ok(), HOUR) {
                continue;
            }
            let gone = match (dry_run, metadata.is_dir()) {
                (true, _) => true,
                (false, true) => is_abandoned(&path) && std::fs::remove_dir_all(&path).is_ok(),
                (false, false) => std::fs::remove_file(&path).is_ok(),
            };
            if gone && metadata.is_file() {
                freed += metadata.len();
            }
        }
        freed
    }

    fn stamp(&self) {
        let flags = OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = self.layout.sweep_stamp();
        let mode = Mode::from_raw_mode(0o666);
        let opened = rustix::fs::open(&path, flags, Mode::empty())
            .or_else(|_| rustix::fs::open(&path, flags | OFlags::CREATE | OFlags::EXCL, mode));
        if let Ok(fd) = opened {
            let _ = rustix::fs::fchmod(&fd, mode);
            let now = Timespec { tv_sec: 0, tv_nsec: UTIME_NOW };
            let _ = rustix::fs::futimens(&fd, &Timestamps { last_access: now, last_modification: now });
        }
    }
}

/// Whether nobody holds a folder any more: a [`crate::Stage`] locks its own for as long as it lives.
fn is_abandoned(dir: &Path) -> bool {
    let Ok(Some(file)) = open_regular(dir) else { return false };
    !matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Whether a time is longer ago than `age`. A time in the future is not.
pub(crate) fn older(time: Option<SystemTime>, age: Duration) -> bool {
    time.and_then(|time| SystemTime::now().duration_since(time).ok()).is_some_and(|since| since > age)
}
