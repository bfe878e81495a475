//! What the tests of every shim stand on: a sandbox to run tools in, a web server that can misbehave, and stand-ins
//! for tools.
//!
//! - [`Sandbox`]: a temporary root with its own home, cache, version files and shims; commands run there with a
//!   cleared environment and a time limit.
//! - [`Tree`]: what a command left behind, for comparison.
//! - [`Origin`]: an HTTP/1.1 server on the loopback device. It is written on `std::net` alone, since half of its use
//!   is to break the protocol on purpose (short bodies, stalls, resets), which a server library forbids.
//! - [`Nginx`]: a real web server to be written to; [`TlsFolder`]: one that serves a folder over HTTPS.
//! - [`GitOrigin`]: git repositories, served over HTTP and by a `git daemon`.
//! - [`debian`]: a Debian archive that is served by an [`Origin`], and a root for a real apt to work in.
//! - [`tools`]: a tool that echoes what it was given, and one that must not be called.
//! - [`Need`]: parts of the machine that some tests stand on. A missing part is a loud skip, and a failure when `CI`
//!   is `true`.
//!
//! Everything here panics on trouble: a test that cannot be set up has failed. A dev-dependency only.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "tests own their files and processes"
)]

mod bins;
pub mod debian;
mod digest;
mod git;
mod need;
mod nginx;
mod origin;
mod process;
mod sandbox;
pub mod tools;
mod tree;

pub use bins::{bin_dir, workspace};
pub use digest::{md5_hex, sha256_hex};
pub use git::GitOrigin;
pub use need::{Need, have, missing, say_skipped};
pub use nginx::{Nginx, TlsFolder};
pub use origin::{
    Fault, LAST_MODIFIED, LAST_MODIFIED_TEXT, Origin, Request, content, gzip, tar_of, tar_of_all,
};
pub use process::{Finished, Run, TIME_LIMIT, kill_group};
pub use sandbox::{SETUP_TIME, Sandbox};
pub use tree::{Entry, Kind, Stamp, Tree};
