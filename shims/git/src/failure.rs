//! Why a repository can't be served.

use std::io;

use vcache_shim::pins::Commit;

use crate::bare::Trouble;
use crate::git::GitError;
use crate::reason::Code;
use crate::refusal::Refusal;

/// What has ended it.
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
