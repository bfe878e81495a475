//! Calls of apt and apt-get: apt is told to fetch by our acquire method, and waited for.

mod call;
mod config;
mod old;
mod outcome;
mod pins;
mod removal;
mod run;
mod table;

pub(crate) use config::item;
pub(crate) use run::{explain, run};
