//! wget: its options, its configuration files, and the reading of its argv.
//!
//! Checked against wget 1.21; where versions from 1.20 to 1.25 differ, a call is left to the real one.

pub(crate) mod invocation;
mod name;
mod rc;
pub(crate) mod table;
