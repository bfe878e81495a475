//! Version files: which content a name stood for when the build was recorded. Pure: text in, values and text out.
//!
//! Life cycle: a shim reads `versions-web` (or `versions-git`, `versions-deb`, `versions-mirror`) once, asks [`find`] for each URL of its call, and, when it fetched something
//! unpinned, writes what [`insert`] gives back. `vcache` reads whole files with [`parse`].
//!
//! Invariants: a bad line never hides a good one; a look-up compares whole URLs and knows no patterns; [`insert`] loses
//! no line that it does not replace. Not handled here: files, locks, and the version files of other kinds of content.

mod deb;
mod git;
mod keyed;
mod mirror;
mod web;

pub use deb::{Fips, find_deb, insert_deb, is_architecture, is_package, is_version, parse_deb, preferences};
pub use git::{GitLookup, GitPin, find_git, insert_git, is_commit, parse_git, repository};
pub use keyed::{Found, Pin};
pub use mirror::{
    MirrorState, Stateless, find_mirror, insert_mirror, list_name, mirror_key, parse_date, parse_mirror,
    release_date, release_digests,
};
pub use web::{Digestless, Lookup, Malformed, WebDigest, WebPin, What, find, find_by, insert, parse};
