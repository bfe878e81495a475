//! curl: its options, its configuration files, URL globs, `-w` formats, header dumps, and the reading of its argv.
//!
//! Checked against curl 7.88 and the option tables of 7.64 to 8.x; where versions differ, a call is left to the real
//! one.

mod config;
mod glob;
pub(crate) mod headers;
pub(crate) mod invocation;
mod operation;
pub(crate) mod table;
mod target;
pub(crate) mod write_out;
