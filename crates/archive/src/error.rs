//! Errors of archives. Each says what was found where; the caller adds the archive's name. After any of them the cache
//! is as it was, and no destination has half an archive.

use std::io;

use vcache_store::Sha256Id;

/// Why an archive could not be written or taken in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cache's fault.
    #[error(transparent)]
    Store(#[from] vcache_store::Error),
    /// The archive can't be read, or is no zstd, or its compression is damaged or ends too early.
    #[error("the archive can't be read, or is cut off or damaged")]
    Read(#[source] io::Error),
    /// The archive can't be written.
    #[error("the archive can't be written")]
    Write(#[source] io::Error),
    /// The file in which a log's chunks wait can't be written or read.
    #[error("the file in which the chunks of the log wait can't be used")]
    Spool(#[source] io::Error),
    /// The manifest is not one, or contradicts itself.
    #[error("its manifest is refused: {0}")]
    Manifest(String),
    /// Something else than what the manifest announces.
    #[error("{found} where {expected} was expected")]
    Member {
        /// What there is.
        found: String,
        /// What the manifest announces.
        expected: String,
    },
    /// Content that is not what its name says.
    #[error("content {id} is corrupt: {found}")]
    Content {
        /// What it should be.
        id: Sha256Id,
        /// What it is.
        found: String,
    },
    /// A record means content that neither the archive nor the cache has.
    #[error(
        "`{key}` means content {id}, which is neither in the archive nor in the cache; import what it builds upon first"
    )]
    Missing {
        /// The record's key.
        key: String,
        /// The content.
        id: Sha256Id,
    },
    /// Content has left the cache since it was listed.
    #[error("content {id} has just left the cache; export again")]
    Gone {
        /// Its name.
        id: Sha256Id,
    },
    /// Too many entries for one manifest.
    #[error(
        "the manifest would have {bytes} bytes, more than the {limit} that are read; select less, for instance by --since"
    )]
    TooMany {
        /// Its length.
        bytes: u64,
        /// The most that is read.
        limit: u64,
    },
}
