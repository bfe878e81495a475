//! Small content that was asked for lately, in memory: a file of a kilobyte is opened, locked, looked up and read by a dozen system
//! calls, which cost more than all the rest of its answer. One is left: a look whether the file is still there, so that what
//! was evicted or put aside is no hit.
//!
//! Only what was compared with its name is taken in, so what comes from here is what its name says, whatever has become of the
//! file since. A file that is to be marked as used again (hourly, by the store) is answered by the store.

use std::collections::{HashMap, VecDeque};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use vcache_store::{Blob, Sha256Id};

/// The largest content that is kept.
pub(crate) const SMALL: u64 = 64 << 10;
/// Bytes that are kept, at most; what came first goes first.
const ROOM: usize = 32 << 20;
/// What an entry takes beside its content, about.
const BESIDE: usize = 512;
/// The store marks what is used once an hour. A little less, to leave that to it.
const MARKED: Duration = Duration::from_secs(3500);

/// Content with what its answer says of it.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    pub(crate) content: Bytes,
    pub(crate) blake3: Option<[u8; 32]>,
    path: PathBuf,
}

impl Kept {
    fn takes(&self) -> usize {
        self.content.len() + BESIDE
    }
}

/// What is kept.
#[derive(Debug, Default)]
pub(crate) struct Warm(RwLock<State>);

#[derive(Debug, Default)]
struct State {
    kept: HashMap<Sha256Id, Kept>,
    order: VecDeque<Sha256Id>,
    bytes: usize,
}

impl Warm {
    /// The content, if it is here, and its file still there.
    pub(crate) fn get(&self, id: &Sha256Id) -> Option<Kept> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner).kept.get(id).cloned()?;
        let file = kept.path.symlink_metadata().ok()?;
        let is_it = file.is_file() && file.size() == kept.content.len() as u64;
        let used = SystemTime::now().duration_since(file.modified().ok()?).is_ok_and(|age| age < MARKED);
        (is_it && used).then_some(kept)
    }

    /// Keeps the whole content of a small blob, if it is what its name says.
    pub(crate) fn keep(&self, blob: &Blob, content: &Bytes) {
        let id = blob.id();
        if content.len() as u64 > SMALL || Sha256Id::of(content) != id {
            return;
        }
        let kept = Kept { content: content.clone(), blake3: blob.blake3(), path: blob.path().to_owned() };
        let takes = kept.takes();
        let mut state = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match state.kept.insert(id, kept) {
            Some(old) => state.bytes -= old.takes(),
            None => state.order.push_back(id),
        }
        state.bytes += takes;
        while state.bytes > ROOM {
            let Some(first) = state.order.pop_front() else { break };
            if let Some(old) = state.kept.remove(&first) {
                state.bytes -= old.takes();
            }
        }
    }
}
