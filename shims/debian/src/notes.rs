//! What the acquire method tells the shim that waits for apt: lines of JSON in a file of the call's own.
//!
//! apt's exit status says only that something failed. By these the shim knows that it was policy or a pin, and ends with the status that belongs to it.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

/// One thing that happened.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Note {
    /// Offline, and the cache has it not; the URL, without secrets.
    OfflineMiss(String),
    /// A package is pinned to a version that apt would not install.
    Wanted {
        /// Without an architecture.
        name: String,
        /// Of the pin, as the version file has it.
        version: String,
        /// Of what apt would install.
        architecture: String,
        /// `file:line` of the pin.
        place: String,
        /// The version that apt would install.
        instead: String,
    },
    /// A package without a pin, where policy allows none.
    Unpinned {
        /// As it would stand in `versions-deb`.
        name: String,
        /// Which apt would install.
        version: String,
    },
    /// A Release file is another one than its pin says; the whole message.
    Violated(String),
    /// A Release file that is no longer valid was given all the same; its label.
    Expired(String),
}

/// Adds a note, in one write, since several methods run side by side.
///
/// # Errors
/// The file is gone or can't be written to.
pub(crate) fn write(file: &Path, note: &Note) -> io::Result<()> {
    let line = serde_json::to_string(note)? + "\n";
    OpenOptions::new().append(true).open(file)?.write_all(line.as_bytes())
}

/// The notes of a file; what is no note is passed over.
pub(crate) fn read(file: &Path) -> Vec<Note> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}
