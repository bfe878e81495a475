//! The cache as one file that can be carried elsewhere: a `tar.zst` with a manifest, written and read with every content
//! checked, and the same in lines that survive a build log. Knows the store and nothing of tools or pins.
//!
//! Life of an export: [`Selection::of`] lists what is wanted as a [`Manifest`]; [`write`] packs it into a
//! [`Destination`], which has a name only when it is complete. Of an import: [`import`] stages all content, and publishes
//! when the whole archive has been read and is what its manifest says. In a log ([`log`]) each content is an archive of
//! its own, so that what arrived whole can be kept.
//!
//! Format: zstd, one frame with a checksum; in it a tar with `manifest.json` ([`Manifest`]), then `cas/<sha256>` for each
//! content in the manifest's order; headers without times, owners and names. The same selection gives the same bytes.
//!
//! Whoever imports an archive believes its maker about what URLs brought; what is pinned needs no such belief.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "archives are files outside the cache, and this crate writes them"
)]

mod destination;
mod error;
pub mod log;
mod manifest;
mod read;
mod select;
mod take;
mod write;

pub use crate::destination::Destination;
pub use crate::error::Error;
pub use crate::manifest::{Content, Entry, Manifest};
pub use crate::read::manifest_of;
pub use crate::select::Selection;
pub use crate::take::{Options, Report, import};
pub use crate::write::{Counted, write};

/// How far packing or unpacking is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Bytes of content that are done.
    pub done: u64,
    /// Bytes of content in all.
    pub total: u64,
}
