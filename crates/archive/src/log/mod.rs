//! An export as lines of a build log, for builds of which nothing else comes out.
//!
//! Each content travels with its records as an archive of its own, cut into chunks; what the export holds in all travels
//! as a manifest, so that what is missing can be named:
//!
//! ```text
//! VCSTART <id> <chunks> <bytes> <sha256> <what> <export> <check>
//! VC <id> <number from 0> <check> <base64 of up to 3 KiB>
//! VCEND <id> <chunks> <bytes> <sha256> <what> <export> <check>
//! ```
//!
//! `id`: the first 16 hex digits of the parcel's sha256. `what`: `manifest`, `records` (whose content is elsewhere) or the
//! content's sha256. `export`: the id of the manifest. `check`: the first 16 hex digits of the sha256 of the words before
//! it, and for a chunk of its bytes, so that a line proves itself wherever it stands. VCEND repeats VCSTART: one of the two is
//! enough. Lines stay below 5 KiB: docker's log files cut longer ones at 16 KiB.
//!
//! Other words may stand before and behind on the same line; chunks may come twice and in any order, and exports mixed.

mod line;
mod read;
mod take;
mod write;

pub use take::{Loss, Report, import};
pub use write::write;

/// Bytes in a chunk.
const CHUNK: usize = 3 << 10;

/// BuildKit keeps this much of the output of a step, unless it is told otherwise.
pub const BUILDKIT_KEEPS: u64 = 2 << 20;
