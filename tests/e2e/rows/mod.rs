//! The rows: one file for each group of calls.

use vcache_tests::Row;

pub(crate) mod curl_left_alone;
pub(crate) mod curl_options;
pub(crate) mod curl_output;
pub(crate) mod pipes;
pub(crate) mod trouble;
pub(crate) mod wget_existing;
pub(crate) mod wget_left_alone;
pub(crate) mod wget_output;
pub(crate) mod wget_urls;

/// All of them, to count.
pub(crate) fn all() -> Vec<Row> {
    [
        curl_left_alone::rows(),
        curl_options::rows(),
        curl_output::rows(),
        pipes::rows(),
        trouble::rows(),
        wget_existing::rows(),
        wget_left_alone::rows(),
        wget_output::rows(),
        wget_urls::rows(),
    ]
    .concat()
}
