//! clone: addresses, branches, how much of the history.

use vcache_tests::git::{Row, cached, live, passed};

/// The tags of commits on the way come by themselves.
const TAGS_TOO: [&str; 2] = ["plain.git", "plain.git"];

/// Older ones do not look for tags in what a remote helper has fetched where no ref has moved ("transport-helper: re-examine object
/// dir after fetching").
const TAGS_AFTER_DEEPENING: u32 = 44;

pub(crate) fn rows() -> Vec<Row> {
    [addresses(), branches(), parts(), partial()].concat()
}

fn addresses() -> Vec<Row> {
    vec![
        cached("git clone {h}/plain.git"),
        cached("git clone {h}/plain.git a"),
        cached("git clone {h}/plain a"),
        cached("git clone {h}/plain/ a"),
        cached("git clone {h}/plain.git/ a"),
        cached("git clone {h}//plain.git a"),
        cached("git clone {g}/plain.git a"),
        cached("git clone {g}/plain"),
        cached("git clone {h}/other%20name.git"),
        cached("git clone '{g}/other name.git' a"),
        cached("git clone {h}/redirect/plain.git a").any_words(),
        passed("git-credentials", "git clone http://user:pw@{H}/private/plain.git a"),
        passed("git-credentials", "git clone http://user:pw@{H}/plain.git a"),
        live("git clone {h}/empty.git a"),
        live("git clone {h}/unborn.git a"),
        live("git clone -b there {h}/unborn.git a"),
        cached("git clone {h}/big.git a"),
        cached("git clone {g}/big.git a"),
        cached("git clone {h}/plain.git a && git clone {h}/plain b"),
        cached("git clone --depth 1 {h}/plain.git a && git clone {h}/plain.git b")
            .packs(&["plain.git", "plain.git"]),
        cached("git clone {h}/plain.git a && git clone --depth 2 -b feature/one {h}/plain.git b"),
        cached("git clone {h}/plain.git a && git -C a fetch"),
        cached("git clone {h}/plain.git a && git -C a fetch --all --prune --tags && git -C a status"),
        cached("git clone {h}/plain.git a && git clone a b"),
    ]
}

fn branches() -> Vec<Row> {
    vec![
        cached("git clone -b release-1.0 {h}/plain.git a"),
        cached("git clone -b feature/two/deep {h}/plain.git a"),
        cached("git clone --branch=grün {h}/plain.git a"),
        cached("git clone -b v1.0 {h}/plain.git a"),
        cached("git clone -b v1.1 {h}/plain.git a"),
        cached("git clone -b of-a-tag {h}/plain.git a"),
        cached("git clone -b aside {g}/plain.git a"),
        cached("git clone --single-branch {h}/plain.git a"),
        cached("git clone --single-branch -b feature/one {h}/plain.git a"),
        cached("git clone --single-branch --branch v1.0 {h}/plain.git a"),
        cached("git clone --no-single-branch {h}/plain.git a"),
        cached("git clone --no-tags {h}/plain.git a").more_objects(),
        cached("git clone --no-tags --single-branch -b release-1.0 {h}/plain.git a"),
    ]
}

fn parts() -> Vec<Row> {
    vec![
        cached("git clone --depth 1 {h}/plain.git a"),
        cached("git clone --depth=3 {h}/plain.git a").packs(&TAGS_TOO),
        cached("git clone --depth 1 {g}/plain.git a"),
        cached("git clone --depth 1 -b v1.0 {h}/plain.git a").packs(&TAGS_TOO),
        cached("git clone --depth 1 -b feature/one {h}/plain.git a"),
        cached("git clone --depth 1 --no-single-branch {h}/plain.git a"),
        cached("git clone --depth 100 {h}/plain.git a").packs(&TAGS_TOO),
        cached("git clone --depth 1 {h}/big.git a"),
        cached("git clone --shallow-since=2020-01-05 {h}/plain.git a"),
        cached("git clone --shallow-exclude=v1.0 {h}/plain.git a"),
        cached("git clone --shallow-exclude=v1.0 {g}/plain.git a"),
        cached("git clone --depth 1 {h}/plain.git a && git -C a fetch --unshallow")
            .packs(&["plain.git", "plain.git"])
            .since(TAGS_AFTER_DEEPENING),
        cached("git clone --depth 1 {h}/plain.git a && git -C a fetch --depth 3")
            .packs(&["plain.git", "plain.git", "plain.git"])
            .since(TAGS_AFTER_DEEPENING),
        cached("git clone --depth 1 {h}/plain.git a && git -C a fetch --deepen=1")
            .packs(&["plain.git", "plain.git"]),
        cached("git clone --reject-shallow {h}/plain.git a"),
    ]
}

fn partial() -> Vec<Row> {
    vec![
        cached("git clone --filter=blob:none {h}/plain.git a"),
        cached("git clone --filter=blob:none --no-checkout {h}/plain.git a"),
        cached("git clone --filter=blob:none {g}/plain.git a"),
        cached("git clone --filter=blob:limit=100 {h}/plain.git a"),
        cached("git clone --filter=tree:0 {h}/plain.git a"),
        cached("git clone --filter=blob:none --sparse {h}/plain.git a"),
        cached("git clone --filter=blob:none --depth 1 {h}/plain.git a").packs(&TAGS_TOO),
        cached("git clone --bare --filter=blob:none {h}/plain.git a"),
        cached("git clone --filter=blob:none --recurse-submodules --also-filter-submodules {h}/deep.git a"),
        // The second command gets its blobs without us.
        live("git clone --filter=blob:none -n {h}/plain.git a && git -C a checkout -q main"),
    ]
}
