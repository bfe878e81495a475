//! apt: the real one, the shims cold, and the shims warm without their origin and without a network, over tables of command lines.

mod rows_debian;

use rows_debian as rows;
use vcache_tests::debian::check;

#[test]
fn what_changes_the_root() {
    check(rows::install::rows());
}

#[test]
fn what_only_fetches() {
    check(rows::fetch::rows());
}

#[test]
fn archives_of_all_kinds() {
    check(rows::archives::rows());
}

#[test]
fn calls_that_fail() {
    check(rows::trouble::rows());
}

#[test]
fn there_are_at_least_100_distinct_rows() {
    let mut lines: Vec<String> = rows::all().iter().map(|row| format!("{row:?}")).collect();
    lines.sort();
    let count = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), count, "two rows are the same");
    assert!(count >= 100, "only {count} rows");
}
