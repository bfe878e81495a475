//! What stands in front of each tier: it counts what goes wrong, and drops a tier that does not work, so that a build is not slowed down
//! by a time-out for each of its requests.
//!
//! All processes that share a cache count together: in a file in its `tmp/` to which each failure adds a byte. From [`DROPPED_AFTER`] on the tier
//! is as good as empty, until [`DROPPED_FOR`] after the last failure one process tries again. An answer that makes sense takes the file
//! away; that some content came is none yet.
//! What a tier gave under a wrong name is noted there as well, so that it is put there anew.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use vcache_store::{Blob, Incoming, Key, Record, Sha256Id, Tier, TierError};

/// This many failures in a row.
const DROPPED_AFTER: u64 = 3;
/// The rest of a build, as far as anyone can tell; then it is tried once more.
const DROPPED_FOR: Duration = Duration::from_secs(600);

/// How processes tell each other of tiers that do not work.
#[derive(Clone, Debug)]
pub struct Watch {
    /// A folder for small files. Where it is not there or can't be written each process counts for itself.
    pub markers: PathBuf,
    /// Whether the failures of this process count for others.
    pub counts: bool,
}

/// A tier with its record of failures.
#[derive(Debug)]
pub(crate) struct Watched<T> {
    tier: T,
    watch: Watch,
    /// Of this process.
    failures: AtomicU64,
    /// Others have counted some before.
    found_failures: bool,
    /// This process has said that the tier is dropped, or found it so.
    given_up: AtomicBool,
}

/// The tier is not asked any more, and this is said once.
#[derive(Debug, thiserror::Error)]
#[error("failed {DROPPED_AFTER} times and is not asked for the next {} minutes", DROPPED_FOR.as_secs() / 60)]
struct Dropped(#[source] TierError);

impl<T: Tier> Watched<T> {
    pub(crate) fn new(tier: T, watch: Watch) -> Self {
        let (failures, given_up) = (AtomicU64::new(0), AtomicBool::new(false));
        let watched = Self { tier, watch, failures, found_failures: false, given_up };
        let Ok(found) = watched.marker("failures").symlink_metadata() else { return watched };
        let recent =
            || found.modified().is_ok_and(|then| then.elapsed().is_ok_and(|since| since < DROPPED_FOR));
        let given_up = AtomicBool::new(found.len() >= DROPPED_AFTER && recent());
        Self { found_failures: true, given_up, ..watched }
    }

    fn marker(&self, what: &str) -> PathBuf {
        let name = Sha256Id::of(self.tier.name().as_bytes()).to_string();
        self.watch.markers.join(format!("tier-{}-{what}", &name[..16]))
    }

    /// Asks the tier, unless it is dropped.
    fn ask<A>(&self, nothing: A, what: impl FnOnce(&T) -> Result<A, TierError>) -> Result<A, TierError> {
        if self.given_up.load(Ordering::Relaxed) {
            return Ok(nothing);
        }
        match what(&self.tier) {
            Err(error) if self.failed() >= DROPPED_AFTER => {
                self.given_up.store(true, Ordering::Relaxed);
                Err(Dropped(error).into())
            }
            other => other,
        }
    }

    fn worked(&self) {
        if self.given_up.load(Ordering::Relaxed) {
            return;
        }
        let in_a_row = self.failures.swap(0, Ordering::Relaxed) > 0 || self.found_failures;
        if in_a_row && self.watch.counts {
            let _ = std::fs::remove_file(self.marker("failures"));
        }
    }

    /// How many failures that makes.
    fn failed(&self) -> u64 {
        let own = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.watch.counts {
            return own;
        }
        let append = || {
            let path = self.marker("failures");
            let mut file = OpenOptions::new().append(true).create(true).open(path)?;
            file.write_all(b".")?;
            std::io::Result::Ok(file.metadata()?.len())
        };
        append().unwrap_or(own)
    }
}

/// A tier that is not asked takes nothing: what waits goes on waiting.
#[derive(Debug, thiserror::Error)]
#[error("is not asked at present, since it failed too often")]
struct NotAsked;

impl<T: Tier> Tier for Watched<T> {
    fn name(&self) -> &str {
        self.tier.name()
    }

    fn is_trusted(&self) -> bool {
        self.tier.is_trusted()
    }

    fn is_written(&self) -> bool {
        self.tier.is_written()
    }

    fn record(&self, key: &Key) -> Result<Option<Record>, TierError> {
        self.ask(None, |tier| tier.record(key)).inspect(|_| self.worked())
    }

    fn alias(&self, md5: &[u8; 16]) -> Result<Option<Sha256Id>, TierError> {
        self.ask(None, |tier| tier.alias(md5))
    }

    fn content(&self, id: &Sha256Id) -> Result<Option<Incoming>, TierError> {
        self.ask(None, |tier| tier.content(id))
    }

    fn has_content(&self, id: &Sha256Id) -> Result<bool, TierError> {
        if self.marker(&id.to_string()).exists() {
            return Ok(false);
        }
        self.ask(false, |tier| tier.has_content(id)).inspect(|_| self.worked())
    }

    fn put_content(&self, blob: &Blob) -> Result<(), TierError> {
        self.ask(Err(NotAsked), |tier| tier.put_content(blob).map(Ok))??;
        let _ = std::fs::remove_file(self.marker(&blob.id().to_string()));
        Ok(())
    }

    fn put_alias(&self, md5: &[u8; 16], id: &Sha256Id, size: u64) -> Result<(), TierError> {
        Ok(self.ask(Err(NotAsked), |tier| tier.put_alias(md5, id, size).map(Ok))??)
    }

    fn put_record(&self, key: &Key, record: &Record) -> Result<(), TierError> {
        Ok(self.ask(Err(NotAsked), |tier| tier.put_record(key, record).map(Ok))??)
    }

    fn event(&self, line: &str) {
        if !self.given_up.load(Ordering::Relaxed) {
            self.tier.event(line);
        }
    }

    fn blame(&self, id: &Sha256Id) {
        let _ = std::fs::write(self.marker(&id.to_string()), b"");
    }
}
