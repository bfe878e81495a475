//! wget and curl: the real tool, the shim cold, and the shim warm without a network, over tables of calls.

mod rows;

use vcache_tests::check;

#[test]
fn wget_puts_content_where_it_is_told() {
    check(rows::wget_output::rows());
}

#[test]
fn wget_meets_files_that_exist() {
    check(rows::wget_existing::rows());
}

#[test]
fn wget_reads_urls_as_typed() {
    check(rows::wget_urls::rows());
}

#[test]
fn wget_calls_that_are_left_alone() {
    check(rows::wget_left_alone::rows());
}

#[test]
fn curl_puts_content_where_it_is_told() {
    check(rows::curl_output::rows());
}

#[test]
fn curl_options_that_a_cache_can_answer() {
    check(rows::curl_options::rows());
}

#[test]
fn curl_calls_that_are_left_alone() {
    check(rows::curl_left_alone::rows());
}

#[test]
fn shells_that_pipe_and_substitute() {
    check(rows::pipes::rows());
}

#[test]
fn destinations_that_cannot_be_written() {
    check(rows::trouble::rows());
}

#[test]
fn there_are_at_least_150_distinct_rows() {
    let mut lines: Vec<String> = rows::all().iter().map(|row| format!("{row:?}")).collect();
    lines.sort();
    let count = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), count, "two rows are the same");
    assert!(count >= 150, "only {count} rows");
}
