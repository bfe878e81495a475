//! Eviction: what was not used for longest goes first, with the records, aliases and meta file that belong to it.
//!
//! Never removed: what `keep` names, what a running process has open as a [`crate::Blob`] (it holds a shared lock), what
//! was used since we looked, what waits for a second tier (for [`WAITING_STAYS`] at most). Where the file system has no locks, what was used in the last two hours counts as in use.
//!
//! A blob is of the kind of the records that lead to it; where those are of several kinds, it counts for the first of them in the order of [`Kind::ALL`], so
//! that it is an index of a repository only where nothing else leads to it. Without a record it is of no kind.
//!
//! Records go before their blob, so that no record stays without one. Whatever cannot be removed (another user's, in a
//! sticky folder) is reported and does not stop the rest. Old odds and ends go as well: events after 90 days, quarantine
//! after 30, lock files after a day, `tmp/` after an hour.

use std::collections::{HashMap, HashSet};
use std::fs::TryLockError;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::inventory::{BlobEntry, Inventory, RecordEntry};
use crate::key::Kind;
use crate::layer::{Layer, entries, open_regular, unix_now};
use crate::lock::has_name;
use crate::sweep::older;
use crate::{Digest, Error, Sha256Id, Store};

const DAY: Duration = Duration::from_secs(86_400);
const EVENTS_STAY: Duration = Duration::from_secs(90 * 86_400);
const QUARANTINE_STAYS: Duration = Duration::from_secs(30 * 86_400);
/// A tier that was not there for this long is not coming back.
const WAITING_STAYS: Duration = Duration::from_secs(7 * 86_400);
const IN_USE_WITHOUT_LOCKS: i64 = 2 * 3600;

/// What may go. With neither size nor age only dangling entries and odds and ends go.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Blobs and records together are brought down to this many bytes.
    pub max_size: Option<u64>,
    /// What was last used longer ago goes.
    pub older_than: Option<Duration>,
    /// Of indexes of repositories ([`Kind::DebIndex`]), what was last used longer ago than this goes, too: they are large and change daily.
    pub index_older_than: Option<Duration>,
    /// Only say what would go.
    pub dry_run: bool,
    /// What stays whatever its age, even if the size is exceeded.
    pub keep: Vec<Digest>,
}

/// A blob that went, or would go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Removed {
    /// Its name.
    pub id: Sha256Id,
    /// Its file.
    pub path: PathBuf,
    /// None without a record.
    pub kind: Option<Kind>,
    /// The keys of its records: the URLs it stood for.
    pub urls: Vec<String>,
    /// Its bytes and those of its records.
    pub bytes: u64,
    /// The last use of it or of one of its records, in seconds since 1970.
    pub last_use: u64,
}

/// How many blobs there are, and how large they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Their number.
    pub blobs: usize,
    /// Their bytes and those of their records.
    pub bytes: u64,
}

impl Amount {
    fn add(&mut self, bytes: u64) {
        self.blobs += 1;
        self.bytes += bytes;
    }
}

/// What an eviction did to the blobs of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OfKind {
    /// None: blobs without a record.
    pub kind: Option<Kind>,
    /// Those that went, or would go.
    pub removed: Amount,
    /// Those that remain.
    pub remaining: Amount,
}

/// What an eviction did, or would do.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Blobs that went, least recently used first.
    pub removed: Vec<Removed>,
    /// Records that went, with their blobs or since their blob was gone.
    pub records_removed: usize,
    /// Aliases and meta files that went.
    pub pointers_removed: usize,
    /// Blobs that stay since `keep` names them although they were due.
    pub kept: usize,
    /// Blobs that stay since no second tier has them yet although they were due.
    pub waiting: usize,
    /// Blobs that stay since they are in use although they were due.
    pub in_use: usize,
    /// Bytes of blobs, records and odds and ends that went.
    pub freed: u64,
    /// Bytes of blobs and records that remain.
    pub remaining: u64,
    /// The blobs by their kinds, in the order of [`Kind::ALL`], those without a kind last; only kinds of which there were any.
    pub kinds: Vec<OfKind>,
    /// What was due and could not be removed.
    pub failed: Vec<Error>,
}

/// Evicts.
///
/// # Errors
/// [`Error::Io`] when the cache cannot be walked; what cannot be removed is in [`Report::failed`].
pub fn run(store: &Store, options: &Options) -> Result<Report, Error> {
    let layer = &store.own;
    let mut inventory = Inventory::take(layer)?;
    let keep = kept_ids(&inventory, &options.keep);
    let waiting = store.waiting_content(WAITING_STAYS);
    let mut sweep = Sweep { store, dry_run: options.dry_run, report: Report::default() };
    let records = std::mem::take(&mut inventory.records);
    sweep.report.remaining = inventory.blobs.iter().map(|blob| blob.size).sum::<u64>();
    sweep.report.remaining += records.iter().map(|record| record.size).sum::<u64>();

    let mut records_of: HashMap<Sha256Id, Vec<RecordEntry>> = HashMap::new();
    for entry in records {
        if let Some(record) = &entry.record {
            records_of.entry(record.sha256).or_default().push(entry);
        }
    }
    let mut candidates: Vec<Candidate> = std::mem::take(&mut inventory.blobs)
        .into_iter()
        .map(|blob| Candidate::new(blob, &mut records_of))
        .collect();
    sweep.dangling_records(records_of.into_values().flatten().collect());
    candidates.sort_by_key(|candidate| (candidate.last_use, candidate.blob.id));
    let now = i64::try_from(unix_now()).unwrap_or(i64::MAX);
    let oldest = |age: Option<Duration>| age.map(|age| now.saturating_sub_unsigned(age.as_secs()));
    let (oldest, oldest_index) = (oldest(options.older_than), oldest(options.index_older_than));

    let mut there: HashSet<Sha256Id> = HashSet::new();
    let mut kinds: HashMap<Option<Kind>, OfKind> = HashMap::new();
    for candidate in candidates {
        let (kind, bytes) = (candidate.kind(), candidate.bytes());
        let oldest = if kind == Some(Kind::DebIndex) { oldest.max(oldest_index) } else { oldest };
        let too_old = oldest.is_some_and(|oldest| candidate.last_use < oldest);
        let too_much = options.max_size.is_some_and(|max| sweep.report.remaining > max);
        let id = candidate.blob.id;
        let gone = if !too_old && !too_much {
            false
        } else if keep.contains(&id) {
            sweep.report.kept += 1;
            false
        } else if waiting.contains(&id) {
            sweep.report.waiting += 1;
            false
        } else {
            sweep.evict(candidate)
        };
        let of_kind = kinds.entry(kind).or_insert(OfKind {
            kind,
            removed: Amount::default(),
            remaining: Amount::default(),
        });
        if gone {
            of_kind.removed.add(bytes);
        } else {
            of_kind.remaining.add(bytes);
            there.insert(id);
        }
    }
    let in_order = Kind::ALL.into_iter().map(Some).chain([None]);
    sweep.report.kinds = in_order.filter_map(|kind| kinds.remove(&kind)).collect();
    sweep.dangling_pointers(&inventory, &there);
    sweep.odds_and_ends(layer);
    Ok(sweep.report)
}

/// Every blob that any alias gives for an md5 to keep: one that lies must not unprotect the right one.
fn kept_ids(inventory: &Inventory, keep: &[Digest]) -> HashSet<Sha256Id> {
    let keep: HashSet<&Digest> = keep.iter().collect();
    let plain = keep.iter().filter_map(|digest| match digest {
        Digest::Sha256(id) => Some(*id),
        Digest::Md5(_) => None,
    });
    let means = inventory.aliases.iter().filter_map(|alias| alias.means);
    plain.chain(means.filter(|(md5, _)| keep.contains(&Digest::Md5(*md5))).map(|(_, id)| id)).collect()
}

struct Candidate {
    blob: BlobEntry,
    records: Vec<RecordEntry>,
    last_use: i64,
}

impl Candidate {
    fn new(blob: BlobEntry, records_of: &mut HashMap<Sha256Id, Vec<RecordEntry>>) -> Self {
        let records = records_of.remove(&blob.id).unwrap_or_default();
        let last_use = records.iter().map(|record| record.mtime).fold(blob.mtime, i64::max);
        Self { blob, records, last_use }
    }

    fn kind(&self) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| self.records.iter().any(|record| record.kind == *kind))
    }

    fn bytes(&self) -> u64 {
        self.blob.size + self.records.iter().map(|record| record.size).sum::<u64>()
    }
}

struct Sweep<'a> {
    store: &'a Store,
    dry_run: bool,
    report: Report,
}

impl Sweep<'_> {
    /// Whether the blob went.
    fn evict(&mut self, candidate: Candidate) -> bool {
        let kind = candidate.kind();
        let Candidate { blob, records, last_use } = candidate;
        let Ok(Some(file)) = open_regular(&blob.path) else { return false };
        let locked = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => {
                self.report.in_use += 1;
                return false;
            }
            Err(TryLockError::Error(_)) => false,
        };
        let recent = i64::try_from(unix_now()).unwrap_or(i64::MAX) - IN_USE_WITHOUT_LOCKS;
        let used_since = file.metadata().is_ok_and(|now| now.mtime() > blob.mtime);
        if used_since || !has_name(&file, &blob.path) || (!locked && last_use > recent) {
            self.report.in_use += 1;
            return false;
        }
        let (mut bytes, mut urls) = (blob.size, Vec::new());
        for entry in records {
            let Some(record) = entry.record else { continue };
            if !self.remove_record(&entry.path, &blob.id) {
                return false;
            }
            self.count(entry.size);
            bytes += entry.size;
            urls.push(record.key);
        }
        if !self.remove(&blob.path) {
            return false;
        }
        self.count(blob.size);
        let last_use = u64::try_from(last_use).unwrap_or(0);
        self.report.removed.push(Removed { id: blob.id, path: blob.path, kind, urls, bytes, last_use });
        true
    }

    /// Records whose blob was not seen, and still is neither here nor in a lower layer.
    fn dangling_records(&mut self, records: Vec<RecordEntry>) {
        for entry in records {
            let Some(record) = &entry.record else { continue };
            let id = record.sha256;
            let here = self.store.own.layout.blob(&id).is_file();
            if !here && !self.in_lower(&id) && self.remove_record(&entry.path, &id) {
                self.count(entry.size);
            }
        }
    }

    /// Aliases and meta files of blobs that went or never were.
    fn dangling_pointers(&mut self, inventory: &Inventory, there: &HashSet<Sha256Id>) {
        let aliases = inventory.aliases.iter().filter_map(|alias| Some((&alias.path, alias.means?.1)));
        let metas = inventory.metas.iter().map(|(path, id)| (path, *id));
        for (path, id) in aliases.chain(metas) {
            // It may have come since we looked. In a dry run, what would go is still here.
            let here = there.contains(&id) || (!self.dry_run && self.store.own.layout.blob(&id).is_file());
            if !here && !self.in_lower(&id) && self.remove(path) {
                self.report.pointers_removed += 1;
            }
        }
    }

    fn in_lower(&self, id: &Sha256Id) -> bool {
        self.store.lower().iter().any(|layer| layer.layout.blob(id).is_file())
    }

    fn odds_and_ends(&mut self, layer: &Layer) {
        for (dir, age) in [
            (layer.layout.events(), EVENTS_STAY),
            (layer.layout.quarantine(), QUARANTINE_STAYS),
            (layer.layout.outbox(), WAITING_STAYS),
        ] {
            for path in entries(&dir).unwrap_or_default() {
                let Ok(metadata) = path.symlink_metadata() else { continue };
                if metadata.is_file() && older(metadata.modified().ok(), age) && self.remove(&path) {
                    self.report.freed += metadata.len();
                }
            }
        }
        for path in entries(&layer.layout.locks()).unwrap_or_default() {
            let Ok(Some(file)) = open_regular(&path) else { continue };
            let old = file.metadata().is_ok_and(|now| now.is_file() && older(now.modified().ok(), DAY));
            // Held while it goes: who waits for it finds that the name is another's, and starts again.
            if old && file.try_lock().is_ok() && has_name(&file, &path) {
                self.remove(&path);
            }
        }
        self.report.freed += layer.sweep_tmp(self.dry_run);
    }

    /// Removes a record if it still means that blob. Whether it is gone.
    fn remove_record(&mut self, path: &Path, id: &Sha256Id) -> bool {
        match self.store.own.parse_record(path) {
            Ok(Some(record)) if record.sha256 != *id => true,
            _ if self.remove(path) => {
                self.report.records_removed += 1;
                true
            }
            _ => false,
        }
    }

    fn remove(&mut self, path: &Path) -> bool {
        if self.dry_run {
            return true;
        }
        match std::fs::remove_file(path) {
            Ok(()) => true,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => true,
            Err(e) => {
                self.report.failed.push(Error::io("remove", path)(e));
                false
            }
        }
    }

    fn count(&mut self, bytes: u64) {
        self.report.freed += bytes;
        self.report.remaining = self.report.remaining.saturating_sub(bytes);
    }
}
