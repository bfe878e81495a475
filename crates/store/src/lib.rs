//! Content-addressed store: blobs under their SHA-256, an index from requests to blobs, locks for single flight,
//! eviction and verification. Knows no tool and no pin. Who calls it: the shims, by way of `vcache-shim`, and `vcache`.
//!
//! Promises, whoever is killed at whatever moment and however many share the directory:
//! - No reader ever sees part of a blob or of a record: all is written beside and renamed.
//! - Nothing goes out unchecked: [`Blob`] compares content with its digest on its way out.
//! - Readers take no lock, and a directory that is gone, full, read-only or not ours costs an error that the caller
//!   turns into a warning, never a wrong byte.
//!
//! ```no_run
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use vcache_store::{Config, Key, Store};
//! let store = Store::open(&Config { dir: "/vcache".into(), ..Config::default() })?;
//! let key = Key::web("https://example.org/a.tgz", "");
//! if let Some(record) = store.lookup(&key)?
//!     && let Some(blob) = store.find(&record.sha256.into())?
//! {
//!     blob.stream_to(&mut std::io::stdout())?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Files: `layout` (every path), `open`, `layer` (one directory, trust), `dirs` (permissions), `digest`, `key`, `secrets`,
//! `pump` (one pass, many hashes), `hashes` (a pass that stores nothing), `lower`, [`Tier`], `outbox`, `lock`, `events`, `listing`, `sweep`, `usage`, [`gc`], [`verify`].
//! `index` (records), `meta` (blake3, origin, md5 aliases), `writer`, `ingest` and `stage` (in), `blob` and `materialise` (out),

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the store is the owner of the cache's files"
)]

mod blob;
mod digest;
mod dirs;
mod error;
mod events;
pub mod gc;
mod hashes;
mod index;
mod ingest;
mod inventory;
mod key;
mod lane;
mod layer;
mod layout;
mod listing;
mod lock;
mod lower;
mod materialise;
mod meta;
mod open;
mod outbox;
mod pump;
mod secrets;
mod stage;
mod sweep;
pub mod tier;
mod usage;
pub mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock};

pub use crate::blob::Blob;
pub use crate::digest::{Digest, DigestError, Sha256Id};
pub use crate::error::{Error, OpenError};
pub use crate::hashes::Hashes;
pub use crate::index::{Mtime, Record};
pub use crate::key::{Key, Kind};
pub use crate::listing::{Listed, Listing};
pub use crate::lock::{KeyLock, LockWait, lock_file, lock_named};
pub use crate::open::{Config, Keeping};
pub use crate::outbox::Waiting;
pub use crate::secrets::public_url;
pub use crate::stage::{Filled, Filling, Publication, Stage, Staged, Workspace};
pub use crate::tier::{Incoming, Tier, TierError};
pub use crate::usage::Usage;
pub use crate::writer::{BlobWriter, Ingested};

use crate::layer::Layer;

/// An open cache. Cheap to open, and good for use from several threads.
#[derive(Debug)]
pub struct Store {
    own: Arc<Layer>,
    lower_dirs: Vec<PathBuf>,
    trusted_uids: Vec<u32>,
    keeping: Keeping,
    tiers: Vec<Arc<dyn Tier>>,
    /// What went wrong with tiers and was not told yet.
    troubles: Mutex<Vec<Error>>,
    /// Opened at the first miss in the own cache: a hit should not pay for them.
    lower_layers: OnceLock<(Vec<Layer>, Vec<OpenError>)>,
}

impl Store {
    fn of(own: Layer, config: &Config) -> Self {
        Self {
            own: Arc::new(own),
            lower_dirs: config.lower.clone(),
            trusted_uids: config.trusted_uids.clone(),
            keeping: config.keeping,
            tiers: config.tiers.clone(),
            troubles: Mutex::default(),
            lower_layers: OnceLock::new(),
        }
    }

    /// A folder of the own cache for temporary files, which the sweep clears after an hour.
    ///
    /// # Errors
    /// [`Error::Io`]: it is not there and can't be made.
    pub fn scratch_folder(&self) -> Result<PathBuf, Error> {
        self.own.tmp_folder()
    }

    /// The own cache directory, as configured.
    pub fn dir(&self) -> &Path {
        self.own.layout.root()
    }
}
