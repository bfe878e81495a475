//! Where everything lies below a cache directory. No other module joins path names, so this page is the format:
//!
//! ```text
//! vcache.version                  "1\n"; covers everything that has no version of its own in its name
//! CACHEDIR.TAG                    backup programs pass the cache by
//! blobs/sha256/ab/<64 hex>        content
//! meta/ab/<64 hex>                JSON: size, blake3, origin of the blob of that name
//! alias/md5/ab/<32 hex>           "<32 hex> <64 hex>\n": md5 and the blob it means
//! index/<kind>-v1/ab/<64 hex>     JSON: one record; kinds are web, image, git, deb, deb-index, artifact
//! locks/<64 hex>                  single flight, by key
//! tmp/                            what is being written; swept after an hour
//! quarantine/<64 hex>.<seconds>-N what turned out corrupt
//! outbox/<64 hex>                  empty: this record waits for the tiers
//! events/<uid>-<YYYY-MM-DD>.jsonl what happened
//! ```
//!
//! A small file (meta, alias, index) of a user who may not replace another's lies beside it, as `<name>.<uid>`.

use std::path::{Path, PathBuf};

use crate::Sha256Id;
use crate::key::Kind;

/// The format that this program writes.
pub(crate) const FORMAT: u32 = 1;

/// A cache directory: the only thing that makes paths inside it.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn version(&self) -> PathBuf {
        self.root.join("vcache.version")
    }

    pub(crate) fn tag(&self) -> PathBuf {
        self.root.join("CACHEDIR.TAG")
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.root.join("blobs/sha256")
    }

    pub(crate) fn blob(&self, id: &Sha256Id) -> PathBuf {
        sharded(self.blobs(), &id.to_string())
    }

    pub(crate) fn metas(&self) -> PathBuf {
        self.root.join("meta")
    }

    pub(crate) fn meta(&self, id: &Sha256Id) -> PathBuf {
        sharded(self.metas(), &id.to_string())
    }

    pub(crate) fn aliases(&self) -> PathBuf {
        self.root.join("alias/md5")
    }

    pub(crate) fn alias(&self, md5: &[u8; 16]) -> PathBuf {
        sharded(self.aliases(), &hex::encode(md5))
    }

    pub(crate) fn index(&self, kind: Kind) -> PathBuf {
        self.root.join("index").join(kind.bucket())
    }

    /// `name`: of a key.
    pub(crate) fn record(&self, kind: Kind, name: &str) -> PathBuf {
        sharded(self.index(kind), name)
    }

    pub(crate) fn locks(&self) -> PathBuf {
        self.root.join("locks")
    }

    pub(crate) fn lock(&self, what: &str) -> PathBuf {
        self.locks().join(Sha256Id::of(what.as_bytes()).to_string())
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    /// Its mtime is the time of the last sweep.
    pub(crate) fn sweep_stamp(&self) -> PathBuf {
        self.root.join("tmp/.swept")
    }

    pub(crate) fn quarantine(&self) -> PathBuf {
        self.root.join("quarantine")
    }

    pub(crate) fn quarantined(&self, id: &Sha256Id, seconds: u64, attempt: u32) -> PathBuf {
        self.quarantine().join(format!("{id}.{seconds}-{attempt}"))
    }

    pub(crate) fn outbox(&self) -> PathBuf {
        self.root.join("outbox")
    }

    pub(crate) fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    pub(crate) fn event_file(&self, uid: u32, date: &str) -> PathBuf {
        self.events().join(format!("{uid}-{date}.jsonl"))
    }
}

/// Where a user's own version of a small file lies, whose name another user has taken.
pub(crate) fn beside(path: &Path, uid: u32) -> PathBuf {
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{uid}"));
    beside.into()
}

/// Whether a file that was found is the one that belongs at `place`, or someone's own version of it.
pub(crate) fn belongs(found: &Path, place: &Path) -> bool {
    let is_uid =
        || found.extension().is_some_and(|uid| uid.as_encoded_bytes().iter().all(u8::is_ascii_digit));
    found == place || (found.with_extension("") == place && is_uid())
}

/// Two hex digits of fan-out: 256 folders keep a million entries at 4,000 a folder.
fn sharded(bucket: PathBuf, name: &str) -> PathBuf {
    let mut path = bucket;
    path.push(&name[..2]);
    path.push(name);
    path
}
