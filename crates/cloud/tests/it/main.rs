//! Tiers in buckets: against a real implementation of S3 in this process (`s3s-fs`, signatures checked), and for Azure and Google, of which there is
//! none to be had here, against a server that notes what it was asked.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests look into the buckets' files")]

mod cycle;
mod protocol;
mod server;
mod shape;
