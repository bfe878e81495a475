//! Errors of the store. Each says what was tried, on which path, and what the system answered.
//!
//! Callers tell three fates apart: [`Error::Corrupt`] (quarantine the blob, fetch again), [`Error::Output`] (the
//! destination's fault: the real tool would fail as well) and the rest (the cache's fault: warn, run the real tool).

use std::io;
use std::path::{Path, PathBuf};

use crate::Sha256Id;

/// Why an action on the store failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cache's own file system said no: full, read-only, not permitted, broken.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as words that follow "cannot".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Writing the content to where the caller wanted it failed; the cache is fine.
    #[error("cannot write the content to its destination")]
    Output {
        /// The system's answer.
        source: io::Error,
    },
    /// Reading the file that was to be stored failed; the cache is fine.
    #[error("cannot read the content to be stored")]
    Input {
        /// The system's answer.
        source: io::Error,
    },
    /// The blob's bytes are not what its name says.
    #[error("{} is corrupt: {found}", path.display())]
    Corrupt {
        /// The blob's file.
        path: PathBuf,
        /// What it should be.
        id: Sha256Id,
        /// What it is instead.
        found: String,
    },
    /// A second tier could not be asked, or gave what is wrong. Always a miss, never an end.
    #[error("the second tier {tier}")]
    Tier {
        /// Its address without secrets.
        tier: String,
        /// Its own words.
        source: crate::tier::TierError,
    },
    /// The file system has no working `flock`; go on without single flight.
    #[error("cannot lock {}: the file system does not support it", path.display())]
    LockUnsupported {
        /// The lock file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err`: the failed action and its path.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { action, path: path.to_owned(), source }
    }
}

/// Why a cache directory cannot be used at all. Each means: go on without a cache, after a warning.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The path, or one of its parents, is something other than a directory.
    #[error("{} is not a directory", path.display())]
    NotADirectory {
        /// The cache directory as configured.
        path: PathBuf,
    },
    /// A newer program made this cache; it is left alone.
    #[error("{} has format {found}, and this program knows formats up to {known}", path.display())]
    NewerFormat {
        /// The cache directory.
        path: PathBuf,
        /// The format found there.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// The system said no.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried, as words that follow "cannot".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}
