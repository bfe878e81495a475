//! Sending what waits in a cache to its tiers: what a build has left to be done beside it or after it.

use std::collections::HashSet;
use std::time::Duration;

use vcache_store::{Error, LockWait, Store};

/// What was sent, and what was not.
#[derive(Debug, Default)]
pub struct Flushed {
    /// Records whose tiers have them now.
    pub sent: usize,
    /// Bytes of their content. What a tier had already counts as well.
    pub bytes: u64,
    /// Records that go on waiting.
    pub left: usize,
    /// Why.
    pub failed: Vec<Error>,
}

/// Sends all that waits, and what is added meanwhile. One process of a user does it at a time; another one waits for that up to
/// `patience`, and then leaves it to that one. `progress` is called before each record with the number of those that were sent and of those
/// that wait.
///
/// # Errors
/// [`Error::Io`]: the outbox cannot be read. Trouble with tiers is in [`Flushed::failed`].
pub fn flush(
    store: &Store,
    patience: Duration,
    waiting: &mut dyn FnMut(&LockWait),
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Flushed, Error> {
    let mut flushed = Flushed::default();
    let mut tried = HashSet::new();
    let mut left = store.waiting()?;
    while left.iter().any(|one| !tried.contains(one)) {
        let lock = store.lock(&lock_name(), patience, waiting);
        if matches!(lock, Ok(None)) {
            break;
        }
        // Without locks two may send the same, which does no harm.
        for one in store.waiting()? {
            if tried.insert(one.clone()) {
                progress(flushed.sent, left.len());
                match store.send_waiting(&one) {
                    Ok(bytes) => {
                        flushed.sent += 1;
                        flushed.bytes += bytes;
                    }
                    Err(error) => flushed.failed.push(error),
                }
            }
        }
        drop(lock);
        // Whoever found the lock taken has left his to us.
        left = store.waiting()?;
    }
    flushed.left = left.len();
    Ok(flushed)
}

/// Whether someone of this user is at it. Then what has just been put into the outbox is sent without our doing.
pub fn is_being_flushed(store: &Store) -> bool {
    matches!(store.lock(&lock_name(), Duration::ZERO, &mut |_| {}), Ok(None))
}

fn lock_name() -> String {
    format!("outbox {}", rustix::process::geteuid().as_raw())
}
