//! Looking at everything: each blob against its name, each record and alias for its blob, and whatever lies about that
//! is not ours. Reports; with `repair` it also puts corrupt blobs into quarantine and removes what dangles. Foreign
//! files are never touched.
//!
//! A blob is also compared with the blake3 in its meta file and the md5 in its alias, since hits rely on those: a
//! wrong one is a dangling pointer.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::inventory::{BlobEntry, Inventory};
use crate::pump::{FromStart, hashing, pump};
use crate::{Error, Sha256Id, Store};

/// How far a verification is. Given before each blob, and once at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes looked at.
    pub done_bytes: u64,
    /// Bytes to look at in all.
    pub total_bytes: u64,
    /// The blob that is looked at now; empty at the end.
    pub current: PathBuf,
}

/// A blob that is not what its name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Corrupt {
    /// Its file.
    pub path: PathBuf,
    /// What it should be.
    pub id: Sha256Id,
    /// What it is.
    pub found: Sha256Id,
}

/// What a verification found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Blobs looked at.
    pub blobs: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Blobs that are not what their name says.
    pub corrupt: Vec<Corrupt>,
    /// Records without their blob, or that make no sense.
    pub dangling_records: Vec<PathBuf>,
    /// Aliases and meta files without their blob, or that say something wrong about it.
    pub dangling_pointers: Vec<PathBuf>,
    /// Files in our folders that are none of ours.
    pub foreign: Vec<PathBuf>,
    /// What could not be looked at or repaired.
    pub failed: Vec<Error>,
    /// How much was put right.
    pub repaired: usize,
}

impl Report {
    /// Whether nothing is wrong. Foreign files are no fault.
    pub fn is_clean(&self) -> bool {
        self.corrupt.is_empty()
            && self.dangling_records.is_empty()
            && self.dangling_pointers.is_empty()
            && self.failed.is_empty()
    }
}

/// Looks at everything in the own cache.
///
/// # Errors
/// [`Error::Io`] when the cache cannot be walked; what cannot be read or repaired is in [`Report::failed`].
pub fn run(store: &Store, repair: bool, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
    let inventory = Inventory::take(&store.own)?;
    let total_bytes = inventory.blobs.iter().map(|blob| blob.size).sum();
    let mut report = Report { blobs: inventory.blobs.len(), ..Report::default() };
    let mut sums = HashMap::new();
    for blob in &inventory.blobs {
        progress(Progress { done_bytes: report.bytes, total_bytes, current: blob.path.clone() });
        report.bytes += blob.size;
        match measure(&blob.path, blob.size) {
            Ok(None) => {}
            Ok(Some(found)) if found.id == blob.id => {
                sums.insert(blob.id, found);
            }
            Ok(Some(found)) => {
                corrupt(store, blob, found.id, repair, &mut report);
            }
            Err(error) => {
                // Unread is not missing: what points at it stays.
                report.failed.push(error);
            }
        }
    }
    progress(Progress { done_bytes: report.bytes, total_bytes, current: PathBuf::new() });
    pointers(store, &inventory, &sums, &mut report);
    report.foreign = inventory.foreign;
    if repair {
        repair_pointers(store, &sums, &mut report)?;
    }
    Ok(report)
}

/// Removes what dangles, after another look: a build may have written it anew meanwhile.
fn repair_pointers(store: &Store, sums: &HashMap<Sha256Id, Sums>, report: &mut Report) -> Result<(), Error> {
    let mut again = Report { corrupt: report.corrupt.clone(), ..Report::default() };
    pointers(store, &Inventory::take(&store.own)?, sums, &mut again);
    for path in report.dangling_records.iter().chain(&report.dangling_pointers) {
        if !again.dangling_records.contains(path) && !again.dangling_pointers.contains(path) {
            continue;
        }
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                report.failed.push(Error::io("remove", path)(e));
            }
            _ => report.repaired += 1,
        }
    }
    Ok(())
}

fn corrupt(store: &Store, blob: &BlobEntry, found: Sha256Id, repair: bool, report: &mut Report) {
    report.corrupt.push(Corrupt { path: blob.path.clone(), id: blob.id, found });
    if !repair {
        return;
    }
    // Opening it may already put it aside: its size contradicts the meta file.
    match store
        .own
        .open_blob(&blob.id)
        .and_then(|open| open.map_or(Ok(false), |open| store.quarantine(&open)))
    {
        Ok(_) if blob.path.symlink_metadata().is_err() => report.repaired += 1,
        Ok(_) => {}
        Err(error) => report.failed.push(error),
    }
}

/// Records, aliases and meta files that say what is not so. What they mean may also be in a lower layer.
fn pointers(store: &Store, inventory: &Inventory, sums: &HashMap<Sha256Id, Sums>, report: &mut Report) {
    let corrupt: Vec<Sha256Id> = report.corrupt.iter().map(|corrupt| corrupt.id).collect();
    let there = |id: &Sha256Id| {
        let own = store.own.layout.blob(id).is_file() && !corrupt.contains(id);
        own || store.lower().iter().any(|layer| layer.layout.blob(id).is_file())
    };
    for entry in &inventory.records {
        let sound = entry.record.as_ref().is_some_and(|record| there(&record.sha256));
        if !sound && entry.path.exists() {
            report.dangling_records.push(entry.path.clone());
        }
    }
    for alias in &inventory.aliases {
        let sound = alias
            .means
            .is_some_and(|(md5, id)| there(&id) && sums.get(&id).is_none_or(|sums| sums.md5 == md5));
        if !sound && alias.path.exists() {
            report.dangling_pointers.push(alias.path.clone());
        }
    }
    for (path, id) in &inventory.metas {
        let told = store.own.meta_at(path, id).and_then(|meta| meta.blake3);
        let wrong = sums.get(id).zip(told).is_some_and(|(sums, told)| sums.blake3 != told);
        if (wrong || !there(id)) && path.exists() {
            report.dangling_pointers.push(path.clone());
        }
    }
}

struct Sums {
    id: Sha256Id,
    blake3: [u8; 32],
    md5: [u8; 16],
}

/// `None`: it has just gone.
fn measure(path: &Path, size: u64) -> Result<Option<Sums>, Error> {
    let Some(file) = crate::layer::open_regular(path)? else { return Ok(None) };
    let (mut sha256, mut blake3, mut md5) = (Sha256::new(), blake3::Hasher::new(), Md5::new());
    let mut third = |piece: &[u8]| {
        blake3.update(piece);
        Ok(())
    };
    let failed = |e| Error::io("read", path)(e);
    pump(
        &mut FromStart::of(&file),
        size,
        &failed,
        &mut [&mut hashing(&mut sha256), &mut hashing(&mut md5), &mut third],
    )?;
    Ok(Some(Sums {
        id: Sha256Id::from_bytes(sha256.finalize().into()),
        blake3: *blake3.finalize().as_bytes(),
        md5: md5.finalize().into(),
    }))
}
