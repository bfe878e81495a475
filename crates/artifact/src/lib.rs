//! File trees, and single files, under a key: [`save`] makes them one blob of the store, [`restore`] puts them back with owners, modes,
//! times to the nanosecond, links, hard links, devices, FIFOs, holes and extended attributes. Knows no tool; who calls it
//! decides what goes into the key and what an output is.
//!
//! Promises:
//! - A destination has all of its tree or nothing. All is unpacked into a temporary folder beside (or within, where the
//!   destination is an empty folder, which may be a mount point) and moved when the blob was checked to its last byte.
//!   Who is killed leaves only a folder `.vcache-restoring-*`, which the next restore at that place removes.
//! - Nothing is made outside of that folder, whatever the content says: see `unpack`.
//! - What can't be put back exactly (owners, without root) is an error, never left out.
//!
//! Format: zstd; in it a POSIX tar with pax records (`format`), so that `tar --xattrs --xattrs-include='*' -x` unpacks it as
//! well. Each output is a member with its name at the top, and what is below it. The same files give the same bytes.
//!
//! Not kept: sockets and what is mounted within a tree (both are told), times of access, flags of `chattr`,
//! labels that a machine's own policy gives (SELinux, Smack, IMA, EVM), hard links between outputs.
//!
//! Files: `format` and `pax` (pure), `save` and `walk` (in), `restore`, `stream`, `unpack` and `staging` (out), `attributes`, `remove`.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "artifacts are files outside the cache, and this crate reads and writes them"
)]

mod attributes;
mod error;
mod format;
mod pax;
mod remove;
mod restore;
mod save;
mod sparse;
mod staging;
mod stream;
mod unpack;
mod walk;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use vcache_store::Sha256Id;

pub use crate::error::Error;
pub use crate::restore::restore;
pub use crate::save::save;

/// What is to be saved, and by which name it is an output of its artifact.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Source<'a> {
    /// One file name, such as `rootfs`: no `/`, and neither `.` nor `..`. The names of an artifact differ.
    pub name: &'a str,
    /// A folder with all that is in it, or a file of any kind. A symbolic link is saved as one.
    pub path: &'a Path,
}

/// Where an output is to be put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Destination<'a> {
    /// The output's name when it was saved.
    pub name: &'a str,
    /// What is to be made. Its parent must be there. An empty folder that is there is filled, and gets owner, mode and
    /// time of the one that was saved.
    pub path: &'a Path,
}

/// What was saved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Saved {
    /// The blob.
    pub id: Sha256Id,
    /// Its length in bytes.
    pub size: u64,
    /// Files of all kinds, folders too.
    pub entries: u64,
    /// Bytes of file content, without holes; of hard links once.
    pub bytes: u64,
    /// What is not in it.
    pub left_out: Vec<LeftOut>,
}

/// Something that can't be saved, and was passed by.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LeftOut {
    /// Its path.
    pub path: PathBuf,
    /// Why.
    pub reason: Reason,
}

/// Why something was left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Reason {
    /// It belongs to a process.
    Socket,
    /// Another file system is mounted here; the folder itself is saved, empty, as it shows.
    Mounted,
}

/// What was restored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Restored {
    /// The blob.
    pub id: Sha256Id,
    /// Its length in bytes.
    pub size: u64,
    /// Files of all kinds, folders too.
    pub entries: u64,
    /// Bytes of file content, without holes; of hard links once.
    pub bytes: u64,
    /// The second tier that it came from just now, if it did.
    pub tier: Option<String>,
}

/// Names of outputs are file names, each given once.
fn check_names<'a>(names: impl Iterator<Item = &'a str>) -> Result<(), Error> {
    let mut known = HashSet::new();
    for name in names {
        if matches!(name, "" | "." | "..") || name.contains(['/', '\0']) || !known.insert(name) {
            return Err(Error::Name { name: name.to_owned() });
        }
    }
    Ok(())
}
