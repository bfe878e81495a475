//! What stands in front of each tier: it counts what goes wrong, and drops a tier that does not work, so that a build is not slowed down
//! by a time-out for each of its requests.
//!
//! All processes that share a cache count together: in a file in its `tmp/` to which each failure adds a byte. From [`DROPPED_AFTER`] on the tier
//! is as good as empty, until [`DROPPED_FOR`] after the last failure one process tries again. A success takes the file away.
//! What a tier gave under a wrong name is noted there as well, so that it is put there anew.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use vcache_store::{Blob, Incoming, Key, Record, Sha256Id, Tier, TierError};

/// This many failures in a row.
const DROPPED_AFTER: u64 = 3;
/// The rest of a build, as far as anyone can tell; then it is tried once more.
const DROPPED_FOR: Duration = Duration::from_secs(600);

/// A tier with its record of failures.
#[derive(Debug)]
pub(crate) struct Watched {
    tier: Box<dyn Tier>,
    markers: Option<PathBuf>,
    /// By this process, where there is no folder to count in.
    failures: AtomicU64,
    /// This process has said that the tier is dropped, or found it so.
    given_up: AtomicBool,
}

/// The tier is not asked any more, and this is said once.
#[derive(Debug, thiserror::Error)]
#[error("failed {DROPPED_AFTER} times and is not asked for the next {} minutes", DROPPED_FOR.as_secs() / 60)]
struct Dropped(#[source] TierError);

impl Watched {
    pub(crate) fn new(tier: Box<dyn Tier>, markers: Option<&Path>) -> Self {
        let watched = Self {
            tier,
            markers: markers.map(Path::to_owned),
            failures: AtomicU64::new(0),
            given_up: AtomicBool::new(false),
        };
        watched.given_up.store(watched.is_dropped(), Ordering::Relaxed);
        watched
    }

    fn marker(&self, what: &str) -> Option<PathBuf> {
        let name = Sha256Id::of(self.tier.name().as_bytes()).to_string();
        Some(self.markers.as_ref()?.join(format!("tier-{}-{what}", &name[..16])))
    }

    fn is_dropped(&self) -> bool {
        let Some(marker) = self.marker("failures").and_then(|path| path.symlink_metadata().ok()) else {
            return false;
        };
        let recent =
            || marker.modified().is_ok_and(|then| then.elapsed().is_ok_and(|since| since < DROPPED_FOR));
        marker.len() >= DROPPED_AFTER && recent()
    }

    /// Asks the tier, unless it is dropped.
    fn ask<A>(
        &self,
        nothing: A,
        what: impl FnOnce(&dyn Tier) -> Result<A, TierError>,
    ) -> Result<A, TierError> {
        if self.given_up.load(Ordering::Relaxed) {
            return Ok(nothing);
        }
        match what(self.tier.as_ref()) {
            Ok(answer) => {
                self.worked();
                Ok(answer)
            }
            Err(error) if self.failed() >= DROPPED_AFTER => {
                self.given_up.store(true, Ordering::Relaxed);
                Err(Dropped(error).into())
            }
            Err(error) => Err(error),
        }
    }

    fn worked(&self) {
        if self.failures.swap(0, Ordering::Relaxed) > 0
            && let Some(marker) = self.marker("failures")
        {
            let _ = std::fs::remove_file(marker);
        }
    }

    /// How many failures that makes.
    fn failed(&self) -> u64 {
        let own = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        let append = || {
            let mut file =
                OpenOptions::new().append(true).create(true).open(self.marker("failures")?).ok()?;
            file.write_all(b".").ok()?;
            Some(file.metadata().ok()?.len())
        };
        append().unwrap_or(own)
    }
}

/// A tier that is not asked takes nothing: what waits goes on waiting.
#[derive(Debug, thiserror::Error)]
#[error("is not asked at present, since it failed too often")]
struct NotAsked;

impl Tier for Watched {
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
        self.ask(None, |tier| tier.record(key))
    }

    fn alias(&self, md5: &[u8; 16]) -> Result<Option<Sha256Id>, TierError> {
        self.ask(None, |tier| tier.alias(md5))
    }

    fn content(&self, id: &Sha256Id) -> Result<Option<Incoming>, TierError> {
        self.ask(None, |tier| tier.content(id))
    }

    fn has_content(&self, id: &Sha256Id) -> Result<bool, TierError> {
        if self.marker(&id.to_string()).is_some_and(|marker| marker.exists()) {
            return Ok(false);
        }
        self.ask(false, |tier| tier.has_content(id))
    }

    fn put_content(&self, blob: &Blob) -> Result<(), TierError> {
        self.ask(Err(NotAsked), |tier| tier.put_content(blob).map(Ok))??;
        if let Some(marker) = self.marker(&blob.id().to_string()) {
            let _ = std::fs::remove_file(marker);
        }
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
        if let Some(marker) = self.marker(&id.to_string()) {
            let _ = std::fs::write(marker, b"");
        }
        self.failed();
    }
}
