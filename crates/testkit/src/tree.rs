//! What a command left behind: names, kinds, modes, content, times.

use std::collections::BTreeMap;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A folder's content by path relative to it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Tree(pub BTreeMap<PathBuf, Entry>);

/// One file, folder or link.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// What it is, with content.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// The modification time; [`Stamp::Any`] for what is not a regular file.
    pub stamp: Stamp,
    /// The number of hard links; 1 for what is not a regular file.
    pub links: u64,
}

/// What an entry is.
#[derive(Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file with its content.
    File(Vec<u8>),
    /// A folder.
    Folder,
    /// A symbolic link with its target.
    Link(PathBuf),
    /// A device, pipe or socket.
    Special,
}

/// A modification time, as far as two runs at different times can agree on it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamp {
    /// During the run.
    Now,
    /// This moment, in seconds since the epoch.
    At(i64),
    /// Not compared.
    Any,
}

impl Tree {
    /// Reads what is below `root`. Files changed at or after `since` count as [`Stamp::Now`].
    ///
    /// # Panics
    /// When something cannot be read.
    pub fn read(root: &Path, since: SystemTime) -> Tree {
        let mut tree = Tree::default();
        // File systems stamp with the time of the last tick, which may lie a little before the run.
        let seconds = since.duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs();
        let since = i64::try_from(seconds).expect("time fits") - 2;
        tree.walk(root, Path::new(""), since);
        tree
    }

    /// The paths, one a line.
    pub fn paths(&self) -> Vec<String> {
        self.0.keys().map(|path| path.to_string_lossy().into_owned()).collect()
    }

    /// The content of a regular file.
    pub fn file(&self, path: &str) -> Option<&[u8]> {
        match &self.0.get(Path::new(path))?.kind {
            Kind::File(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// Forgets content and time of what differs from run to run (a log with times in it).
    pub fn blur(&mut self, path: &str) {
        if let Some(entry) = self.0.get_mut(Path::new(path)) {
            entry.kind = Kind::File(b"(not compared)".to_vec());
            entry.stamp = Stamp::Any;
        }
    }

    fn walk(&mut self, root: &Path, below: &Path, since: i64) {
        let here = root.join(below);
        let listing =
            std::fs::read_dir(&here).unwrap_or_else(|error| panic!("read {}: {error}", here.display()));
        for item in listing {
            let name = below.join(item.expect("a folder can be listed").file_name());
            let path = root.join(&name);
            let meta =
                path.symlink_metadata().unwrap_or_else(|error| panic!("stat {}: {error}", path.display()));
            let entry = if meta.is_symlink() {
                Entry {
                    kind: Kind::Link(path.read_link().expect("a link")),
                    mode: 0,
                    stamp: Stamp::Any,
                    links: 1,
                }
            } else if meta.is_dir() {
                self.walk(root, &name, since);
                Entry { kind: Kind::Folder, mode: meta.mode() & 0o7777, stamp: Stamp::Any, links: 1 }
            } else if meta.is_file() {
                let bytes =
                    std::fs::read(&path).unwrap_or_else(|error| panic!("read {}: {error}", path.display()));
                let stamp = if meta.mtime() >= since { Stamp::Now } else { Stamp::At(meta.mtime()) };
                Entry { kind: Kind::File(bytes), mode: meta.mode() & 0o7777, stamp, links: meta.nlink() }
            } else {
                Entry { kind: Kind::Special, mode: meta.mode() & 0o7777, stamp: Stamp::Any, links: 1 }
            };
            self.0.insert(name, entry);
        }
    }
}

impl fmt::Display for Tree {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (path, entry) in &self.0 {
            writeln!(
                out,
                "    {} {:04o} {:?} links={} {:?}",
                path.display(),
                entry.mode,
                entry.stamp,
                entry.links,
                entry.kind
            )?;
        }
        Ok(())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Kind::File(bytes) if bytes.len() <= 80 => {
                write!(out, "{} bytes {:?}", bytes.len(), String::from_utf8_lossy(bytes))
            }
            Kind::File(bytes) => write!(out, "{} bytes md5={}", bytes.len(), crate::md5_hex(bytes)),
            Kind::Folder => write!(out, "folder"),
            Kind::Link(target) => write!(out, "-> {}", target.display()),
            Kind::Special => write!(out, "special"),
        }
    }
}
