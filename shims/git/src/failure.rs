//! What goes wrong.

use std::io;
use std::path::{Path, PathBuf};

use vcache_shim::pins::Commit;
use vcache_store::Error as StoreError;

use crate::git::GitError;
use crate::reason::Code;
use crate::refusal::Refusal;

/// Why a repository can't be served.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Git, on the way to the origin or in a repository.
    #[error(transparent)]
    Git(#[from] GitError),
    /// The real git has said why, or will when it does the call itself.
    #[error("git has said why")]
    Silent,
    /// What the origin has is not the same for everyone who asks.
    #[error("{}", .0.help())]
    Unshared(Code),
    /// The policy, or a version file.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What is pinned is not in the cache, and the way to the origin is barred.
    #[error("{url}: pinned to {} ({}), which the cache has not, and it can't be fetched", .pin.id, .pin.place)]
    PinUnfetched { url: String, pin: Commit, source: GitError },
    /// This machine.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The git that asks us does not listen.
    #[error("git does not listen")]
    Deaf(#[source] io::Error),
    /// It asks for what no version of it has asked for yet.
    #[error("git asks for `{0}`, which is not done here")]
    Strange(String),
}

impl Failure {
    /// Whether there was no room beside the cache; among the temporary files there may be.
    pub(crate) fn is_of_space(&self) -> bool {
        match self {
            Failure::Git(error) => error.is_of_space(),
            Failure::Trouble(Trouble::Io { source, .. }) => source.kind() == io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// What goes wrong on this machine: with the cache, or with a repository of ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// A blob is not there.
    #[error("pack-{name}.{kind} is not in the cache")]
    Missing {
        /// Of the pack.
        name: String,
        /// `pack` or `idx`.
        kind: &'static str,
    },
    /// The cache can't do it. A blob that is not what it should be has been put aside.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// An index is not that of its pack.
    #[error("the index of the pack {name} is not its own")]
    Index {
        /// Of the pack.
        name: String,
        /// What git has found.
        source: GitError,
    },
    /// A file can't be read or made.
    #[error("{}: can't be read or written", .at.display())]
    Io {
        /// Which file.
        at: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Trouble {
    pub(crate) fn at(path: &Path) -> impl FnOnce(io::Error) -> Trouble + use<> {
        let at = path.to_owned();
        move |source| Trouble::Io { at, source }
    }
}
