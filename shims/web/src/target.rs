//! Where a request's content goes on this machine: the planned destination met with the files that are there.
//!
//! Targets are fixed before anything is fetched, as the tools do it, so that a hit, a miss and a fallback after a failed
//! download all mean the same file.

use std::collections::HashSet;
use std::fs::{self, Metadata, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::request::{Destination, Existing, Transfer};
use crate::undo::remove_written;

/// A destination on this machine.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Target {
    /// The file; none for standard output.
    pub(crate) path: Option<PathBuf>,
    /// What was there before anything was done.
    pub(crate) before: Before,
}

/// What stood at a path.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Before {
    /// Nothing.
    Absent,
    /// A regular file.
    File(Stamp),
    /// A device, a pipe, a folder.
    Special,
}

/// Tells whether a file was written since: any write changes one of these.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Stamp {
    inode: u64,
    /// In bytes.
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) mtime: i64,
    mtime_nanos: i64,
    ctime: (i64, i64),
}

impl Stamp {
    fn of(m: &Metadata) -> Stamp {
        Stamp {
            inode: m.ino(),
            size: m.len(),
            mtime: m.mtime(),
            mtime_nanos: m.mtime_nsec(),
            ctime: (m.ctime(), m.ctime_nsec()),
        }
    }
}

impl Before {
    pub(crate) fn of(path: &Path) -> Before {
        match fs::metadata(path) {
            Err(_) => Before::Absent,
            Ok(m) if m.is_file() => Before::File(Stamp::of(&m)),
            Ok(_) => Before::Special,
        }
    }

    /// The size of the file that was there; 0 where there was none.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Before::File(stamp) => stamp.size,
            _ => 0,
        }
    }
}

/// Gives the targets of one call, in its order; wget's numbering needs to know those that came before.
pub(crate) struct Targets {
    cwd: PathBuf,
    taken: HashSet<PathBuf>,
}

impl Targets {
    /// For a call made in `cwd`.
    pub(crate) fn new(cwd: &Path) -> Targets {
        Targets { cwd: cwd.to_owned(), taken: HashSet::new() }
    }

    /// The target of `transfer`; `header_name` is the name that the answer's Content-Disposition gives.
    pub(crate) fn next(&mut self, transfer: &Transfer, header_name: Option<&str>) -> Target {
        let path = match &transfer.destination {
            Destination::Stdout => return Target { path: None, before: Before::Absent },
            Destination::Path(path) => self.cwd.join(path),
            Destination::Named { folder, name, from_header } => {
                let name = header_name.filter(|_| *from_header).unwrap_or(name);
                let path = self.cwd.join(folder).join(name);
                if transfer.existing == Existing::Number { self.unused(path) } else { path }
            }
        };
        let before = Before::of(&path);
        self.taken.insert(path.clone());
        Target { path: Some(path), before }
    }

    /// `path`, or the first of `path.1`, `path.2`, … that is not there: wget's way of not overwriting.
    fn unused(&self, path: PathBuf) -> PathBuf {
        // Over a folder wget trips; it does not count past it.
        let free = |p: &PathBuf| !self.taken.contains(p) && (!p.exists() || p.is_dir());
        if free(&path) {
            return path;
        }
        let numbered = |n: u32| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{n}"));
            PathBuf::from(name)
        };
        (1..u32::MAX).map(numbered).find(free).unwrap_or(path)
    }
}

impl Target {
    /// True when a regular file stands there that was not there, or not so, before.
    pub(crate) fn was_written(&self) -> bool {
        match self.path.as_deref().map(Before::of) {
            Some(now @ Before::File(_)) => now != self.before,
            _ => false,
        }
    }

    /// True when something other than a regular file stands there, which can't be read back after a download.
    pub(crate) fn is_special(&self) -> bool {
        self.before == Before::Special
    }

    /// Takes away what a run has left where nothing was, and what it has appended to a file that was to be continued.
    pub(crate) fn put_back(&self, existing: Existing) {
        let Some(path) = &self.path else { return };
        match &self.before {
            Before::Absent => remove_written(path),
            Before::File(stamp) if existing == Existing::Continue => {
                let _ = OpenOptions::new().write(true).open(path).and_then(|file| file.set_len(stamp.size));
            }
            Before::File(_) | Before::Special => {}
        }
    }

    /// For messages.
    pub(crate) fn display(&self) -> String {
        self.path.as_ref().map_or_else(|| "-".to_owned(), |p| p.display().to_string())
    }
}
