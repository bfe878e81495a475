//! git: the real one, the shim cold, and the shim warm without its origin and without a network, over tables of command lines.

mod rows_git;

use rows_git as rows;
use vcache_tests::git::check;

#[test]
fn clones_of_whatever_address_and_part() {
    check(rows::clone::rows());
}

#[test]
fn clones_to_whatever_place_and_in_whatever_manner() {
    check(rows::clone_more::rows());
}

#[test]
fn fetches() {
    check(rows::fetch::rows());
}

#[test]
fn pulls_and_remotes() {
    check(rows::pull::rows());
}

#[test]
fn lists_and_archives() {
    check(rows::look::rows());
}

#[test]
fn servers_that_are_not_as_most_are() {
    check(rows::servers::rows());
}

#[test]
fn submodules() {
    check(rows::submodule::rows());
}

#[test]
fn what_is_left_alone() {
    check(rows::left_alone::rows());
}

#[test]
fn calls_that_fail() {
    check(rows::trouble::rows());
}

#[test]
fn there_are_at_least_200_distinct_rows() {
    let mut lines: Vec<String> = rows::all().iter().map(|row| format!("{row:?}")).collect();
    lines.sort();
    let count = lines.len();
    lines.dedup();
    assert_eq!(lines.len(), count, "two rows are the same");
    assert!(count >= 200, "only {count} rows");
}
