//! Buckets of clouds as second tiers of the cache: Amazon S3 and what speaks its protocol, Azure Blob Storage, Google Cloud Storage.
//! For `vcache` alone: the client is as large as half a shim, and a shim reaches a bucket through `vcache serve --upstream`.
//!
//! A bucket holds what `vcache_remote::wire` says, as objects `<prefix>/cas/<hash>` and `<prefix>/ac/<hash>`. `client` makes a client of an address
//! and the environment, `connector` is the HTTP below it, `bucket` the tier, `stream` its bytes, `trouble` what it says.
//!
//! Nothing here checks that a tier goes on working; `vcache_remote::tiers` has that in front of each. Nothing is ever removed
//! from a bucket: a lifecycle rule of the bucket's owner does that.

mod bucket;
mod client;
mod connector;
mod stream;
mod trouble;

use vcache_remote::Address;
use vcache_store::Tier;

/// A variable of the environment, for a client's own settings and credentials: `AWS_…`, `AZURE_…`, `GOOGLE_…`.
pub type Variable = (String, String);

/// The tier at an address, which is that of a bucket. Nothing is asked and no credential looked for until it is used; then `variables` say
/// which, and what is wrong with them is said.
pub fn open(address: Address, variables: &[Variable]) -> Box<dyn Tier> {
    Box::new(bucket::Bucket::new(address, variables))
}
