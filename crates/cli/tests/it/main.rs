//! The built `vcache`, run as a user runs it: own HOME, own PATH, own cache, made-up shims.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests make files and start the command"
)]

mod bundles;
mod exchange;
mod facts;
mod git;
mod images;
mod run;
mod sandbox;
mod tiers;
mod upkeep;
