//! Archives against real stores: there and back, hostile ones, and their form in a log.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod cache;
mod hostile;
mod logs;
mod roundtrip;
mod selections;
