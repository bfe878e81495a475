//! The rows of apt: one file for each group of commands.

use vcache_tests::debian::Row;

pub(crate) mod archives;
pub(crate) mod fetch;
pub(crate) mod install;
pub(crate) mod trouble;

/// All of them, to count.
pub(crate) fn all() -> Vec<Row> {
    [archives::rows(), fetch::rows(), install::rows(), trouble::rows()].concat()
}
