//! The size limit. What a client stores is paid for before it is written, in steps, so that neither one large body nor many
//! at once get past it; a body without an announced length pays the same way.
//!
//! `used` is what a walk over the store found, plus an upper bound of what came since: whole disk blocks, the meta file, and the
//! folders that a new name may need. `held` is what transfers hold that have not ended. When both together would pass the limit
//! the store is measured anew, and if that does not help, what was used least recently is evicted, down to [`ROOM`] below
//! the limit, so that a full store does not evict at every request. What is in use stays; if all is, the request is refused.
//!
//! Not handled: what other processes write into the same directory is seen at the next measuring only.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use vcache_store::gc::{self, Options};
use vcache_store::{Error, Store};

use crate::refusal::Refusal;

/// Transfers pay in steps of so many bytes.
const STEP: u64 = 1 << 20;
/// Files take whole blocks of this size on the file systems that we know.
const BLOCK: u64 = 4 << 10;
/// Beside its content: a blob's meta file and the two folders that it may be the first in.
const BESIDE_BLOB: u64 = 4 * BLOCK;
/// An eviction frees this share of the limit beyond what is needed.
const ROOM: u64 = 16;
/// After an eviction that did not make room: no other walk for so long.
const PAUSE: Duration = Duration::from_secs(5);

/// The limit and what is used of it.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: Option<u64>,
    store: Arc<Store>,
    state: Mutex<State>,
    /// One walk at a time.
    walking: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    used: u64,
    held: u64,
    /// All that was ever added to `used` by transfers: what came during a walk is counted on top of it.
    added: u64,
    failed: Option<Instant>,
}

impl Budget {
    /// Measures the store, and evicts what is beyond the limit.
    ///
    /// # Errors
    /// The store can't be walked.
    pub(crate) fn new(store: Arc<Store>, limit: Option<u64>) -> Result<Budget, Error> {
        let budget = Budget { limit, store, state: Mutex::default(), walking: Mutex::default() };
        if limit.is_some() {
            budget.make_room(0)?;
        }
        Ok(budget)
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    /// An empty hold, to grow as its transfer does.
    pub(crate) fn hold(&self) -> Hold<'_> {
        Hold { budget: self, held: 0 }
    }

    /// Pays at once for a small file.
    ///
    /// # Errors
    /// As [`Hold::grow_to`].
    pub(crate) fn pay(&self, bytes: u64) -> Result<(), Refusal> {
        let mut hold = self.hold();
        hold.take(blocks(bytes) + BESIDE_BLOB)?;
        hold.commit();
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `more` bytes of the limit, if they are there.
    fn try_take(&self, more: u64, limit: u64) -> bool {
        let mut state = self.state();
        let fits = state.used.saturating_add(state.held).saturating_add(more) <= limit;
        if fits {
            state.held += more;
        }
        fits
    }

    fn take(&self, more: u64) -> Result<(), Refusal> {
        let Some(limit) = self.limit else { return Ok(()) };
        if self.try_take(more, limit) {
            return Ok(());
        }
        let full = || Refusal::Full { limit };
        // Walks take long and wait for each other; the connection's thread is for others meanwhile.
        tokio::task::block_in_place(|| {
            let _walking = self.walking.lock().unwrap_or_else(PoisonError::into_inner);
            if self.try_take(more, limit) {
                return Ok(());
            }
            if self.state().failed.is_some_and(|when| when.elapsed() < PAUSE) {
                return Err(full());
            }
            self.make_room(more)?;
            if self.try_take(more, limit) {
                return Ok(());
            }
            self.state().failed = Some(Instant::now());
            Err(full())
        })
    }

    /// Measures, and evicts if `more` bytes do not fit.
    fn make_room(&self, more: u64) -> Result<(), Error> {
        let limit = self.limit.unwrap_or(u64::MAX);
        self.measure()?;
        let (used, held) = {
            let state = self.state();
            (state.used, state.held)
        };
        let over = used.saturating_add(held).saturating_add(more).saturating_sub(limit);
        if over == 0 {
            return Ok(());
        }
        // The eviction counts lengths, which is less than what they take on disk: it frees what it is told, or more.
        let looked = gc::run(&self.store, &Options { dry_run: true, ..Options::default() })?;
        let rest = looked.remaining.saturating_sub(over.saturating_add(limit / ROOM));
        gc::run(&self.store, &Options { max_size: Some(rest), ..Options::default() })?;
        self.measure()
    }

    fn measure(&self) -> Result<(), Error> {
        let before = self.state().added;
        let disk = self.store.usage()?.disk;
        let mut state = self.state();
        state.used = disk + (state.added - before);
        Ok(())
    }
}

/// What one transfer has of the limit; given back when it is dropped.
pub(crate) struct Hold<'a> {
    budget: &'a Budget,
    held: u64,
}

impl Hold<'_> {
    /// Pays for a blob of `bytes` so far.
    ///
    /// # Errors
    /// [`Refusal::Full`], or the store can't be walked.
    pub(crate) fn grow_to(&mut self, bytes: u64) -> Result<(), Refusal> {
        let wanted = blocks(bytes) + BESIDE_BLOB;
        if wanted <= self.held {
            return Ok(());
        }
        let more = wanted - self.held;
        // Small ones pay what they cost.
        let step = if bytes > STEP { more.max(STEP) } else { more };
        self.take(step).or_else(|refusal| if step > more { self.take(more) } else { Err(refusal) })
    }

    fn take(&mut self, more: u64) -> Result<(), Refusal> {
        self.budget.take(more)?;
        self.held += more;
        Ok(())
    }

    /// It is in the store now.
    pub(crate) fn commit(mut self) {
        let held = std::mem::take(&mut self.held);
        if self.budget.limit.is_some() {
            let mut state = self.budget.state();
            state.held -= held;
            state.used += held;
            state.added += held;
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        if self.budget.limit.is_some() {
            self.budget.state().held -= self.held;
        }
    }
}

fn blocks(bytes: u64) -> u64 {
    bytes.div_ceil(BLOCK).saturating_mul(BLOCK)
}
