//! Version files: which content a name stood for when the build was recorded. Pure: text in, values and text out.
//!
//! Life cycle: a shim reads `versions-web` (or `versions-git`) once, asks [`find`] for each URL of its call, and, when it fetched something
//! unpinned, writes what [`insert`] gives back. `vcache` reads whole files with [`parse`].
//!
//! Invariants: a bad line never hides a good one; a look-up compares whole URLs and knows no patterns; [`insert`] loses
//! no line that it does not replace. Not handled here: files, locks, and the version files of other kinds of content.

mod git;
mod web;

pub use git::{GitLookup, GitPin, find_git, insert_git, is_commit, parse_git, repository};
pub use web::{Digestless, Lookup, Malformed, WebDigest, WebPin, What, find, find_by, insert, parse};
