//! What a cache has to do with an image before its build and after it.
//!
//! Before: the [`key`] of what the image is made of, by which the content is found that its last build asked for. After:
//! [`strip`], which takes the folder with the build's cache out of the layers, where deleting it in one more layer would leave
//! its bytes in those below.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the files of a source tree and temporary files are read here"
)]

pub mod key;
mod layer;
mod strip;

pub use strip::{Error, Stripped, strip};
