//! debootstrap: the finished tree as an artifact.
//!
//! What a bootstrap makes follows from its command line, its programs, the version files and the Release files of its mirror (`key.rs`). Where the cache has an artifact of all that, it is put
//! where the target is, with owners, modes, devices, links and times, and what debootstrap said is said again; else the real debootstrap runs, and what it has made is kept.
//!
//! `SKIP_BUILD_HOOK=y`, with which SONiC calls debootstrap, is meant for the wget that it runs, and left for that one.
//!
//! Not handled: a second stage, downloads and lists only, mirrors other than http and https, client certificates, fakeroot, targets that are not empty; these are the real debootstrap's.

mod call;
mod index;
mod key;
mod run;
mod table;

pub(crate) use run::{explain, run};
