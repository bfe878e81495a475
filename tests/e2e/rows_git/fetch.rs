//! fetch: into a repository that the real git has made.

use vcache_tests::git::{Row, cached, live};

/// One branch that is behind, and no tag.
const PART: &str = "git clone -q --no-tags --single-branch -b release-1.0 {h}/plain.git a";
const SHALLOW: &str = "git clone -q --depth 1 {h}/plain.git a";
const WHOLE: &str = "git clone -q {h}/plain.git a";
/// What a fetch gets is what any clone gets.
const ALL: &str = "git -C a config remote.origin.fetch +refs/heads/*:refs/remotes/origin/*";

/// Older ones do not look for tags in what a remote helper has fetched where no ref has moved.
const TAGS_AFTER_DEEPENING: u32 = 44;

pub(crate) fn rows() -> Vec<Row> {
    [what(), depth(), pruning(), manner(), sequences()].concat()
}

fn part(line: &'static str) -> Row {
    cached(line).before(PART)
}

fn what() -> Vec<Row> {
    vec![
        // Nothing is new: only the shim fetches, to have it.
        part("git -C a fetch").packs(&[]).more_objects(),
        part("git -C a fetch").before(ALL),
        part("git -C a fetch").before(ALL).before("git -C a config --unset remote.origin.tagOpt"),
        part("git -C a fetch origin main"),
        part("git -C a fetch origin main:refs/heads/x feature/one:y"),
        part("git -C a fetch origin +refs/heads/*:refs/remotes/all/*"),
        part("git -C a fetch origin +refs/heads/*:refs/remotes/all/* ^refs/heads/main"),
        part("git -C a fetch origin tag v1.1"),
        part("git -C a fetch origin v1.0"),
        part("git -C a fetch origin HEAD"),
        part("git -C a fetch --tags"),
        part("git -C a fetch -t origin main"),
        part("git -C a fetch origin {id:plain.git:main~1}"),
        part("git -C a fetch origin {id:plain.git:main}:refs/heads/by-id"),
        part("git -C a fetch --depth 1 origin {id:plain.git:v1.1}"),
        part("git -C a fetch {h}/plain.git"),
        part("git -C a fetch {h}/plain"),
        part("git -C a fetch {h}/plain.git main:x"),
        part("git -C a fetch {g}/plain.git main"),
        part("git -C a fetch {h}/sub.git main"),
        part("git -C a fetch --refmap= origin main"),
        cached("git -C a fetch {h}/sub.git {id:sub.git:refs/hidden/lost}")
            .before("git init -q a")
            .packs(&["sub.git", "sub.git"]),
        cached("git -C a fetch {h}/plain.git main").before("git init -q a"),
        cached("git -C a fetch --depth 1 {h}/plain.git v1.0")
            .before("git init -q a")
            .packs(&["plain.git", "plain.git"]),
        cached("git -C a fetch {h}/big.git").before("git init -q --bare a"),
        part("git -C a fetch --stdin origin").packs(&[]).more_objects(),
    ]
}

fn depth() -> Vec<Row> {
    let shallow = |line| cached(line).before(SHALLOW);
    vec![
        shallow("git -C a fetch --unshallow").since(TAGS_AFTER_DEEPENING),
        shallow("git -C a fetch --depth 2"),
        shallow("git -C a fetch --deepen 2").since(TAGS_AFTER_DEEPENING),
        shallow("git -C a fetch --shallow-since=2020-01-04"),
        shallow("git -C a fetch --shallow-exclude=v1.0").since(TAGS_AFTER_DEEPENING),
        shallow("git -C a fetch --depth 1 origin feature/one"),
        shallow("git -C a fetch origin release-1.0"),
        shallow("git -C a fetch --tags"),
        cached("git -C a fetch --unshallow")
            .before("git clone -q --depth 1 {g}/plain.git a")
            .since(TAGS_AFTER_DEEPENING),
        part("git -C a fetch --depth 1 origin main"),
    ]
}

fn pruning() -> Vec<Row> {
    let stale = |line| {
        cached(line)
            .before(WHOLE)
            .before("git -C a update-ref refs/remotes/origin/stale HEAD")
            .before("git -C a tag stale")
            .packs(&[])
    };
    vec![
        stale("git -C a fetch --prune"),
        stale("git -C a fetch -p --prune-tags origin"),
        stale("git -C a fetch --no-prune"),
        stale("git -C a fetch").before("git -C a config fetch.prune true"),
        stale("git -C a fetch --dry-run --prune"),
    ]
}

fn manner() -> Vec<Row> {
    vec![
        part("git -C a fetch --all").before(ALL),
        part("git -C a fetch --multiple origin other").before("git -C a remote add other {h}/sub.git"),
        part("git -C a fetch --all -j 2").before("git -C a remote add other {g}/sub.git"),
        part("git -C a fetch --dry-run origin main"),
        part("git -C a fetch -q origin main"),
        part("git -C a fetch -v origin main").last_line(),
        part("git -C a fetch --porcelain origin main:x"),
        part("git -C a fetch --atomic --force origin main:x"),
        part("git -C a fetch --append origin main").before("git -C a fetch -q origin release-1.0"),
        part("git -C a fetch --no-write-fetch-head origin main:x"),
        part("git -C a fetch --set-upstream origin release-1.0").packs(&[]).more_objects(),
        part("git -C a fetch --refetch origin").more_objects(),
        part("git -C a fetch -k origin main"),
        part("git -C a fetch -u origin main:release-1.0"),
        // It says that a helper can't have it.
        part("git -C a fetch --negotiation-tip=HEAD origin main").any_words(),
        part("git -C a fetch --filter=blob:none origin main"),
        part("git -C a/dir fetch origin main"),
        part("git --git-dir=a/.git fetch origin main"),
        part("git --git-dir a/.git --work-tree a fetch origin main"),
        part("git fetch origin main").env("GIT_DIR", "a/.git"),
        part("git -C a fetch other main").before("git -C a config remote.other.url {h}/plain.git"),
        part("git -C a fetch other")
            .before("git -C a config remotes.other 'origin more'")
            .before("git -C a remote add more {h}/sub.git"),
        live("git -C a fetch").before(PART).before("git -C a config branch.release-1.0.remote {h}/plain.git"),
        part("git -C a fetch 'with blank' main")
            .before("git -C a config 'remote.with blank.url' {h}/plain.git"),
    ]
}

fn sequences() -> Vec<Row> {
    vec![
        cached(
            "git init -q a && git -C a remote add origin {h}/plain.git && git -C a fetch && git -C a checkout -q main",
        ),
        cached("git init -q a && git -C a fetch {h}/plain.git main && git -C a merge -q FETCH_HEAD"),
        cached(
            "git init -q a && git -C a fetch --depth 1 {h}/plain.git {id:plain.git:v1.1} && git -C a checkout -q FETCH_HEAD",
        ),
        part("git -C a fetch origin main && git -C a fetch origin feature/two/deep && git -C a fetch --tags"),
    ]
}
