//! What the readers of an argv may ask about the world: environment variables and whole small files.
//!
//! Both come in as functions, so that the readers stay pure and their tests need no files. Made by whoever runs a call,
//! for one call; nothing is kept.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

/// The environment and the files as one call sees them.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    /// An environment variable.
    pub(crate) env: &'a dyn Fn(&str) -> Option<OsString>,
    /// The content of a file; relative paths are taken from the working directory.
    pub(crate) read: &'a dyn Fn(&Path) -> io::Result<Vec<u8>>,
}

impl Surroundings<'_> {
    /// A variable that is set and not empty, as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        (self.env)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }
}
