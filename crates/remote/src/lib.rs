//! Second tiers of the cache: what lies behind the cache directory and is shared by machines.
//!
//! A tier speaks the HTTP protocol of Bazel's remote cache (bazel.build/remote/caching, "HTTP caching protocol"):
//! `/cas/<sha256>` has content, `/ac/<64 hex>` has records. [`wire`] says what stands in them, and is shared with
//! `vcache serve`. A folder (`file:`) has the same names, and the two levels of Bazel's `--disk_cache`.
//!
//! Clouds are tiers as well, with the same names in a bucket; what speaks to them is in a crate of its own, and is given to [`tiers`].
//!
//! [`tiers`] makes them of the text of `VCACHE_REMOTE`: `address` reads it, `http` and `folder` are the two sorts, `health` stands
//! in front of each and drops one that does not work. [`flush`] sends what waits in the cache.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "a tier that is a directory owns the files in it"
)]

mod address;
pub mod client;
mod credentials;
mod flush;
mod folder;
mod health;
mod http;
pub mod wire;

use std::sync::Arc;

use vcache_store::Tier;

pub use crate::address::{Address, AddressError, Cloud, Location};
pub use crate::credentials::Credentials;
pub use crate::flush::{Flushed, flush, is_being_flushed};
pub use crate::health::Watch;

/// Makes a tier of a bucket. The client that this needs is large, so `vcache` has one, and a shim has not.
pub type Clouds<'a> = &'a dyn Fn(Address) -> Box<dyn Tier>;

/// The tiers of `VCACHE_REMOTE`, and a line for each that makes no sense. `clouds`: for whoever speaks to clouds.
pub fn tiers(
    addresses: &str,
    credentials: &Credentials,
    watch: &Watch,
    clouds: Option<Clouds<'_>>,
) -> (Vec<Arc<dyn Tier>>, Vec<AddressError>) {
    let (mut tiers, mut wrong) = (Vec::<Arc<dyn Tier>>::new(), Vec::new());
    for text in addresses.split_ascii_whitespace() {
        match text.parse().and_then(|address| tier(address, credentials, clouds)) {
            Ok(tier) => tiers.push(Arc::new(health::Watched::new(tier, watch.clone()))),
            Err(error) => wrong.push(error),
        }
    }
    (tiers, wrong)
}

fn tier(
    address: Address,
    credentials: &Credentials,
    clouds: Option<Clouds<'_>>,
) -> Result<Box<dyn Tier>, AddressError> {
    Ok(match &address.location {
        Location::Folder(dir) => {
            let dir = dir.clone();
            Box::new(folder::Folder::new(address, dir))
        }
        Location::Http { .. } | Location::Socket(_) => Box::new(http::Http::new(address, credentials)),
        Location::Bucket { .. } => {
            let problem = "a shim does not speak to clouds; run vcache serve --upstream with it";
            clouds.ok_or(AddressError { address: address.name.clone(), problem })?(address)
        }
    })
}
