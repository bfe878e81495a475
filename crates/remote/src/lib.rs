//! Second tiers of the cache: what lies behind the cache directory and is shared by machines.
//!
//! A tier speaks the HTTP protocol of Bazel's remote cache (bazel.build/remote/caching, "HTTP caching protocol"):
//! `/cas/<sha256>` has content, `/ac/<64 hex>` has records. [`wire`] says what stands in them, and is shared with
//! `vcache serve`.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tier that is a directory owns the files in it"
)]

pub mod wire;
