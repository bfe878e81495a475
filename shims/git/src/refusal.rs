//! What the policy or a version file forbids: each with an exit status of its own, and what to do about it.

use vcache_shim::exit;
use vcache_shim::pins::Commit;

use crate::reason::Reason;

/// Why a call is not carried out. URLs are without what is secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// Only the network could have it.
    #[error(
        "{0}: offline (VCACHE_OFFLINE=y) and not in the cache; run it once with the network, or `vcache prefetch`, or point VCACHE_DIR at a cache that has it"
    )]
    OfflineMiss(String),
    /// The real git would ask the network.
    #[error("{url}: offline (VCACHE_OFFLINE=y), and only the real git could do this: {reason}")]
    OfflineLeft { url: String, reason: Reason },
    /// No line of a version file.
    #[error("{0}: not pinned in versions-git, and VCACHE_STRICT allows nothing else; add `URL==COMMIT`")]
    Unpinned(String),
    /// Lines that contradict each other.
    #[error("{url}: pinned to more than one commit ({}); leave one of the lines", .problems.join("; "))]
    Contradictory { url: String, problems: Vec<String> },
    /// Nobody has the commit.
    #[error(
        "{url}: pinned to {} ({}), which neither the cache nor the origin has: {why}; correct the line, or remove it",
        .pin.id, .pin.place
    )]
    PinAbsent { url: String, pin: Commit, why: String },
    /// The real git would not hold to it.
    #[error("{url}: pinned to {} ({}), which can't be held to: {reason}; TMPDIR must be a folder that can be written to", .pin.id, .pin.place)]
    PinLeft { url: String, pin: Commit, reason: Reason },
    /// The object is a tree or a file.
    #[error("{url}: pinned to {} ({}), which is no commit; correct the line, or remove it", .pin.id, .pin.place)]
    PinNoCommit { url: String, pin: Commit },
}

impl Refusal {
    /// The exit status.
    pub(crate) fn status(&self) -> u8 {
        match self {
            Refusal::OfflineMiss(_) | Refusal::OfflineLeft { .. } => exit::OFFLINE_MISS,
            Refusal::Unpinned(_) => exit::STRICT_REFUSAL,
            Refusal::Contradictory { .. }
            | Refusal::PinAbsent { .. }
            | Refusal::PinLeft { .. }
            | Refusal::PinNoCommit { .. } => exit::PIN_VIOLATED,
        }
    }
}
