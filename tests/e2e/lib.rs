//! The harness of the end-to-end tests: rows of calls, each run by the real tool, by the shim on an empty cache, and
//! by the shim on a warm cache with the origin stopped and with the network cut.
//!
//! A [`Row`] is one call with what it finds and what is expected of the shim. [`check`] runs rows and fails with
//! everything that differed. Rows are plain data, so that a new case is one line.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "tests own their files and processes"
)]

mod compare;
mod corpus;
pub mod debian;
pub mod git;
mod journal;
mod legs;
mod row;
mod served;
mod words;

pub use corpus::{corpus, version_tree};
pub use journal::{Entry, entries};
pub use legs::check;
pub use row::{Content, Expect, Row, Setup, any, cached, live, uncached, warm};
pub use served::Serve;
pub use words::split_words;
