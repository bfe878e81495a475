//! Second tiers of the cache: what lies behind the cache directory and is shared by machines.
//!
//! A tier speaks the HTTP protocol of Bazel's remote cache (bazel.build/remote/caching, "HTTP caching protocol"):
//! `/cas/<sha256>` has content, `/ac/<64 hex>` has records. [`wire`] says what stands in them, and is shared with
//! `vcache serve`. A folder (`file:`) has the same names, and the two levels of Bazel's `--disk_cache`.
//!
//! [`tiers`] makes them of the text of `VCACHE_REMOTE`: `address` reads it, `http` and `folder` are the two sorts, `health` stands
//! in front of each and drops one that does not work. [`flush`] sends what waits in the cache.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tier that is a directory owns the files in it"
)]

mod address;
mod credentials;
mod flush;
mod folder;
mod health;
mod http;
pub mod wire;

use std::sync::Arc;

use vcache_store::Tier;

pub use crate::address::{Address, AddressError, Location};
pub use crate::credentials::Credentials;
pub use crate::flush::{Flushed, flush, is_being_flushed};
pub use crate::health::Watch;

/// The tiers of `VCACHE_REMOTE`, and a line for each that makes no sense.
pub fn tiers(
    addresses: &str,
    credentials: &Credentials,
    watch: &Watch,
) -> (Vec<Arc<dyn Tier>>, Vec<AddressError>) {
    let (mut tiers, mut wrong) = (Vec::<Arc<dyn Tier>>::new(), Vec::new());
    for text in addresses.split_ascii_whitespace() {
        match text.parse::<Address>() {
            Ok(address) => tiers.push(tier(address, credentials, watch)),
            Err(error) => wrong.push(error),
        }
    }
    (tiers, wrong)
}

fn tier(address: Address, credentials: &Credentials, watch: &Watch) -> Arc<dyn Tier> {
    match &address.location {
        Location::Folder(dir) => {
            let dir = dir.clone();
            Arc::new(health::Watched::new(folder::Folder::new(address, dir), watch.clone()))
        }
        Location::Http { .. } | Location::Socket(_) => {
            Arc::new(health::Watched::new(http::Http::new(address, credentials), watch.clone()))
        }
    }
}
