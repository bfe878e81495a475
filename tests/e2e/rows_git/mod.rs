//! The rows of git: one file for each group of commands.

use vcache_tests::git::Row;

pub(crate) mod clone;
pub(crate) mod clone_more;
pub(crate) mod fetch;
pub(crate) mod left_alone;
pub(crate) mod look;
pub(crate) mod pull;
pub(crate) mod servers;
pub(crate) mod submodule;
pub(crate) mod trouble;

/// All of them, to count.
pub(crate) fn all() -> Vec<Row> {
    [
        clone::rows(),
        clone_more::rows(),
        fetch::rows(),
        left_alone::rows(),
        look::rows(),
        pull::rows(),
        servers::rows(),
        submodule::rows(),
        trouble::rows(),
    ]
    .concat()
}
