//! Servers that are not as most are: plain files over HTTP, ssh, one that gives commits by their names to nobody.

use vcache_tests::git::{Row, cached, live, passed};

pub(crate) fn rows() -> Vec<Row> {
    [plain_files(), by_ssh(), tips_alone()].concat()
}

/// No `upload-pack` runs, so no pack is made.
fn plain_files() -> Vec<Row> {
    vec![
        cached("git clone {h}/dumb/plain.git a"),
        cached("git clone {h}/dumb/plain.git/ a"),
        cached("git clone {h}/dumb/big.git a"),
        cached("git clone --mirror {h}/dumb/plain.git a"),
        cached("git clone -b v1.0 {h}/dumb/plain.git a"),
        cached("git clone --recurse-submodules {h}/dumb/sub.git a"),
        live("git clone {h}/dumb/nothing.git a"),
        cached("git -C a fetch {h}/dumb/plain.git main").before("git init -q a"),
        cached("git -C a fetch")
            .before("git clone -q --no-tags --single-branch -b release-1.0 {h}/dumb/plain.git a")
            .before("git -C a config remote.origin.fetch +refs/heads/*:refs/remotes/origin/*"),
        cached("git -C a pull origin main").before("git clone -q -b release-1.0 {h}/dumb/plain.git a"),
        cached("git ls-remote {h}/dumb/plain.git"),
        cached("git ls-remote --tags {h}/dumb/plain.git"),
        cached("git ls-remote --symref {h}/dumb/plain.git HEAD"),
    ]
}

fn by_ssh() -> Vec<Row> {
    let rows = vec![
        cached("git clone git@h.example:plain.git"),
        cached("git clone git@h.example:{r}/plain.git a"),
        cached("git clone ssh://git@h.example{r}/plain.git a"),
        cached("git clone ssh://git@h.example{r}/plain a"),
        cached("git clone 'git@h.example:other name.git' a"),
        cached("git clone --depth 1 git@h.example:plain.git a"),
        cached("git clone --recurse-submodules git@h.example:sub.git a"),
        cached("git -C a fetch origin feature/one")
            .before("git clone -q --no-tags --single-branch -b release-1.0 git@h.example:plain.git a"),
        cached("git -C a fetch ssh://git@h.example{r}/plain.git main").before("git init -q a"),
        cached("git ls-remote --tags git@h.example:plain.git").packs(&[]),
        cached("git archive --remote=git@h.example:plain.git v1.0").packs(&["plain.git"]),
        live("git clone git@h.example:nothing.git a").last_line(),
        passed("git-ssh-user", "git clone alice@h.example:plain.git a"),
        passed("git-ssh-user", "git clone h.example:plain.git a"),
        passed("git-ssh-user", "git clone ssh://alice@h.example{r}/plain.git a"),
        passed("git-ssh-user", "git ls-remote ssh://h.example{r}/plain.git"),
        passed("git-ssh-user", "git -C a fetch").before("git clone -q alice@h.example:plain.git a"),
    ];
    rows.into_iter().map(Row::ssh).collect()
}

/// By protocol 2 git hands out whatever is asked for. By protocol 0 the real git gets less than from the cache (`pins_git.rs`).
fn tips_alone() -> Vec<Row> {
    let init = |line| cached(line).before("git init -q a");
    vec![
        cached("git -c protocol.version=0 clone {h}/tips.git a"),
        cached("git -c protocol.version=0 clone --depth 1 {g}/tips.git a"),
        cached("git -c protocol.version=2 clone --depth 1 {g}/tips.git a"),
        cached("git -c protocol.version=0 clone --recurse-submodules {h}/above.git a"),
        cached("git -c protocol.version=2 clone --recurse-submodules {h}/above.git a"),
        cached("git -c protocol.version=2 clone --recurse-submodules --shallow-submodules {h}/above.git a")
            .packs(&["above.git", "tips.git", "tips.git", "tips.git"]),
        init("git -c protocol.version=0 -C a fetch {h}/tips.git {id:tips.git:main}"),
        init("git -c protocol.version=2 -C a fetch {h}/tips.git {id:tips.git:main~2}"),
        init("git -c protocol.version=2 -C a fetch --depth 1 {h}/tips.git {id:tips.git:main~1}"),
    ]
}
