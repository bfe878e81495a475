//! What stands in front of each tier: it counts what goes wrong, and drops a tier that does not work, so that a build is not slowed down
//! by a time-out for each of its requests.
//!
//! All processes that share a cache count together: in a file in its `tmp/` to which each failure adds a byte. From [`DROPPED_AFTER`] on the tier
//! is as good as empty for [`DROPPED_FOR`]; then it is tried again, and the next failure drops it anew. An answer that makes sense takes the file
//! away; that some content came is none yet, so failures that lie further apart are not counted together.
//! What a tier gave under a wrong name is noted there as well, so that it is put there anew.

use std::fs::{Metadata, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use vcache_store::{Blob, Incoming, Key, Kind, Record, Sha256Id, Tier, TierError};

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
pub(crate) struct Watched {
    tier: Box<dyn Tier>,
    watch: Watch,
    /// Of this process.
    failures: AtomicU64,
    /// Others have counted some before.
    found_failures: bool,
    /// [`DROPPED_FOR`].
    rest: Duration,
    /// As long as this process leaves it alone: it has dropped the tier, or found it dropped.
    dropped_until: Mutex<Option<Instant>>,
}

/// The tier is not asked any more, and this is said once.
#[derive(Debug, thiserror::Error)]
#[error("failed {DROPPED_AFTER} times and is not asked for the next {} minutes", DROPPED_FOR.as_secs() / 60)]
struct Dropped(#[source] TierError);

impl Watched {
    pub(crate) fn new(tier: Box<dyn Tier>, watch: Watch) -> Self {
        let (failures, dropped_until) = (AtomicU64::new(0), Mutex::default());
        let rest = DROPPED_FOR;
        let watched = Self { tier, watch, failures, found_failures: false, rest, dropped_until };
        let Ok(found) = watched.marker("failures").symlink_metadata() else { return watched };
        let left = watched.rest_left(&found).filter(|_| found.len() >= DROPPED_AFTER);
        let dropped_until = Mutex::new(left.map(|left| Instant::now() + left));
        Self { found_failures: true, dropped_until, ..watched }
    }

    fn marker(&self, what: &str) -> PathBuf {
        let name = Sha256Id::of(self.tier.name().as_bytes()).to_string();
        self.watch.markers.join(format!("tier-{}-{what}", &name[..16]))
    }

    /// Asks the tier, unless it is dropped.
    fn ask<A>(
        &self,
        nothing: A,
        what: impl FnOnce(&dyn Tier) -> Result<A, TierError>,
    ) -> Result<A, TierError> {
        if self.is_dropped() {
            return Ok(nothing);
        }
        match what(self.tier.as_ref()) {
            Err(error) if self.failed() >= DROPPED_AFTER => {
                *self.dropped_until() = Some(Instant::now() + self.rest);
                Err(Dropped(error).into())
            }
            other => other,
        }
    }

    /// What is left of the rest that began with the last failure.
    fn rest_left(&self, failures: &Metadata) -> Option<Duration> {
        let since = failures.modified().ok()?.elapsed().ok()?;
        self.rest.checked_sub(since).filter(|left| !left.is_zero())
    }

    fn is_dropped(&self) -> bool {
        let mut until = self.dropped_until();
        *until = until.filter(|&until| Instant::now() < until);
        until.is_some()
    }

    fn dropped_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.dropped_until.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn worked(&self) {
        if self.is_dropped() {
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
            let is_old = |found: Metadata| found.len() < DROPPED_AFTER && self.rest_left(&found).is_none();
            if path.symlink_metadata().is_ok_and(is_old) {
                std::fs::remove_file(&path)?;
            }
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

    fn record_named(&self, name: &str) -> Result<Option<(Kind, Record)>, TierError> {
        self.ask(None, |tier| tier.record_named(name)).inspect(|_| self.worked())
    }

    fn alias(&self, md5: &[u8; 16]) -> Result<Option<Sha256Id>, TierError> {
        self.ask(None, |tier| tier.alias(md5)).inspect(|_| self.worked())
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
        if !self.is_dropped() {
            self.tier.event(line);
        }
    }

    fn blame(&self, id: &Sha256Id) {
        let _ = std::fs::write(self.marker(&id.to_string()), b"");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::time::SystemTime;

    /// Knows nothing, or fails; and counts how often it is asked.
    #[derive(Clone, Debug, Default)]
    struct Scripted {
        fails: Arc<AtomicBool>,
        asked: Arc<AtomicU64>,
    }

    impl Scripted {
        fn answer<A>(&self, answer: A) -> Result<A, TierError> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.fails.load(Ordering::Relaxed) { Err("scripted".into()) } else { Ok(answer) }
        }
    }

    impl Tier for Scripted {
        fn name(&self) -> &str {
            "scripted"
        }
        fn is_trusted(&self) -> bool {
            false
        }
        fn is_written(&self) -> bool {
            false
        }
        fn record_named(&self, _: &str) -> Result<Option<(Kind, Record)>, TierError> {
            self.answer(None)
        }
        fn alias(&self, _: &[u8; 16]) -> Result<Option<Sha256Id>, TierError> {
            self.answer(None)
        }
        fn content(&self, _: &Sha256Id) -> Result<Option<Incoming>, TierError> {
            self.answer(None)
        }
        fn has_content(&self, _: &Sha256Id) -> Result<bool, TierError> {
            self.answer(false)
        }
        fn put_content(&self, _: &Blob) -> Result<(), TierError> {
            self.answer(())
        }
        fn put_alias(&self, _: &[u8; 16], _: &Sha256Id, _: u64) -> Result<(), TierError> {
            self.answer(())
        }
        fn put_record(&self, _: &Key, _: &Record) -> Result<(), TierError> {
            self.answer(())
        }
        fn event(&self, _: &str) {}
        fn blame(&self, _: &Sha256Id) {}
    }

    struct World {
        tier: Scripted,
        markers: tempfile::TempDir,
    }

    impl World {
        fn new() -> World {
            let tier = Scripted::default();
            tier.fails.store(true, Ordering::Relaxed);
            World { tier, markers: tempfile::tempdir().unwrap() }
        }

        fn process(&self, rest: Duration) -> Watched {
            let watch = Watch { markers: self.markers.path().to_owned(), counts: true };
            Watched { rest, ..Watched::new(Box::new(self.tier.clone()), watch) }
        }

        /// How many of so many questions reached the tier.
        fn asked(&self, watched: &Watched, times: usize) -> u64 {
            let before = self.tier.asked.load(Ordering::Relaxed);
            (0..times).for_each(|_| drop(watched.content(&Sha256Id::of(b""))));
            self.tier.asked.load(Ordering::Relaxed) - before
        }
    }

    #[test]
    fn a_tier_that_fails_is_left_alone_by_all_and_tried_again_later() {
        let world = World::new();
        let watched = world.process(Duration::from_secs(3600));
        assert_eq!(world.asked(&watched, 5), DROPPED_AFTER);
        assert_eq!(world.asked(&world.process(DROPPED_FOR), 1), 0, "another process has been told");
        let watched = world.process(Duration::ZERO);
        *watched.dropped_until() = None;
        assert_eq!(world.asked(&watched, 2), 2, "each of its rests is over at once");
        world.tier.fails.store(false, Ordering::Relaxed);
        watched.alias(&[0; 16]).unwrap();
        world.tier.fails.store(true, Ordering::Relaxed);
        assert_eq!(world.asked(&world.process(DROPPED_FOR), 9), DROPPED_AFTER, "it had worked");
    }

    #[test]
    fn failures_that_lie_far_apart_do_not_add_up() {
        let world = World::new();
        for _ in 0..2 * DROPPED_AFTER {
            assert_eq!(world.asked(&world.process(DROPPED_FOR), 1), 1);
            for marker in world.markers.path().read_dir().unwrap() {
                let file = File::options().append(true).open(marker.unwrap().path()).unwrap();
                file.set_modified(SystemTime::now() - 2 * DROPPED_FOR).unwrap();
            }
        }
    }
}
