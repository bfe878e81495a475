//! Errors of artifacts. After any of them the destinations are as they were, and a record that was there still stands.
//!
//! For a caller that has a real tool behind it each of them means: warn, and run that. [`Error::Output`],
//! [`Error::InTheWay`], [`Error::NotEmpty`] and [`Error::Busy`] are the destination's fault, [`Error::Input`] and
//! [`Error::Changed`] the source's.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// Why an artifact could not be saved or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The cache's fault. Content that was corrupt ([`vcache_store::Error::Corrupt`]) is put aside already, so that the next
    /// restore is a miss.
    #[error(transparent)]
    Store(#[from] vcache_store::Error),
    /// The artifact can't be written into the cache, or not be compressed.
    #[error("cannot write {}", path.display())]
    Write {
        /// The blob in the making.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// The process may have no more threads.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
    /// What is to be saved can't be read.
    #[error("cannot {action} {}", path.display())]
    Input {
        /// What was tried, as words that follow "cannot".
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Someone else changes what is being saved.
    #[error("{} changed while it was saved; save it when it is finished", path.display())]
    Changed {
        /// What changed.
        path: PathBuf,
    },
    /// A name of an output that is none, or is given twice.
    #[error("`{name}` can't be the name of an output: one file name that no other output has is needed")]
    Name {
        /// The name.
        name: String,
    },
    /// The artifact has no such output.
    #[error("the artifact has no output `{name}`")]
    NoOutput {
        /// The name that was asked for.
        name: String,
    },
    /// The blob is what its name says, and no artifact that this program would have made.
    #[error("the artifact is refused: {what}")]
    Malformed {
        /// What is wrong, and where.
        what: String,
        /// Where reading it failed: the answer.
        source: Option<io::Error>,
    },
    /// The destination's file system said no: full, read-only, not permitted.
    #[error("cannot {action} {}", path.display())]
    Output {
        /// What was tried, as words that follow "cannot".
        action: String,
        /// On what, as it would have been named in the end.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Only root may put this back as it was.
    #[error("cannot {action} {}: that needs more rights; restore it as root", path.display())]
    Privilege {
        /// What was tried, as words that follow "cannot".
        action: String,
        /// On what, as it would have been named in the end.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// Something is there that is no empty folder, or a folder where a file is to be.
    #[error("{} is there already; remove it first", path.display())]
    InTheWay {
        /// The destination.
        path: PathBuf,
    },
    /// The folder that is to be filled is not empty.
    #[error("{} is not empty: it has {}; empty it first", path.display(), found.display())]
    NotEmpty {
        /// The destination.
        path: PathBuf,
        /// What is in it, among others.
        found: OsString,
    },
    /// Another process is filling the folder.
    #[error("{} is being filled by another process", path.display())]
    Busy {
        /// The destination.
        path: PathBuf,
    },
}

impl Error {
    /// For `map_err`: the failed action and its path.
    pub(crate) fn input<E: Into<io::Error>>(action: &'static str, path: &Path) -> impl FnOnce(E) -> Self {
        move |source| Self::Input { action, path: path.to_owned(), source: source.into() }
    }

    /// For `map_err`: the failed action and its path. What needs root is told from the rest.
    pub(crate) fn output<E: Into<io::Error>>(
        action: impl Into<String>,
        path: &Path,
    ) -> impl FnOnce(E) -> Self {
        move |source| {
            let (action, path, source) = (action.into(), path.to_owned(), source.into());
            match source.raw_os_error() == Some(rustix::io::Errno::PERM.raw_os_error()) {
                true => Self::Privilege { action, path, source },
                false => Self::Output { action, path, source },
            }
        }
    }

    pub(crate) fn malformed(what: impl Into<String>) -> Self {
        Self::Malformed { what: what.into(), source: None }
    }

    /// For `map_err`: the stream of members can't be read on.
    pub(crate) fn unreadable(source: io::Error) -> Self {
        Self::Malformed { what: "it is cut off or damaged".to_owned(), source: Some(source) }
    }
}
