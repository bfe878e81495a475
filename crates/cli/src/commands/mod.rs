//! One file for each command: its options, the facts that it gathers, and how people see them.

pub(crate) mod bundles;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod flush;
pub(crate) mod gc;
pub(crate) mod generate;
pub(crate) mod hooks;
pub(crate) mod image;
pub(crate) mod import;
pub(crate) mod ls;
pub(crate) mod prefetch;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod stats;
mod trouble;
pub(crate) mod verify;
