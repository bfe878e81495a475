//! pull, remote update, remote add -f.

use vcache_tests::git::{Row, cached, passed};

const PART: &str = "git clone -q --no-tags --single-branch -b release-1.0 {h}/plain.git a";
const RENAME: &str = "git -C a branch -m main";
const MERGE: &str = "git -C a config branch.main.merge refs/heads/main";
const ALL: &str = "git -C a config remote.origin.fetch +refs/heads/*:refs/remotes/origin/*";
const COMMIT: &str = "git -C a commit -q --allow-empty -m mine";

pub(crate) fn rows() -> Vec<Row> {
    [pulls(), updates(), additions()].concat()
}

/// In a clone whose branch `main` is behind.
fn behind(line: &'static str) -> Row {
    cached(line).before(PART).before(RENAME).before(MERGE).before(ALL)
}

fn pulls() -> Vec<Row> {
    vec![
        behind("git -C a pull"),
        behind("git -C a pull --ff-only -q"),
        behind("git -C a pull --tags"),
        behind("git -C a pull origin main"),
        behind("git -C a pull {h}/plain.git feature/one"),
        behind("git -C a pull {g}/plain.git main"),
        behind("git -C a pull --rebase").before(COMMIT),
        behind("git -C a pull --no-rebase --no-edit").before(COMMIT),
        behind("git -C a pull --ff-only").before(COMMIT),
        behind("git -C a pull").before("git -C a config pull.rebase true").before(COMMIT),
        behind("git -C a/dir pull --depth 2 origin main"),
        behind("git -C a pull --dry-run"),
        cached("git clone -b release-1.0 {h}/plain.git a && git -C a pull origin main"),
        cached("git -C a pull").before("git clone -q {h}/plain.git a").packs(&[]),
    ]
}

fn updates() -> Vec<Row> {
    let other = |line| behind(line).before("git -C a remote add other {h}/sub.git");
    vec![
        behind("git -C a remote update"),
        behind("git -C a remote -v update").any_words(),
        behind("git -C a remote update --prune").before("git -C a update-ref refs/remotes/origin/stale HEAD"),
        behind("git -C a remote update -p origin"),
        other("git -C a remote update"),
        other("git -C a remote update both").before("git -C a config remotes.both 'origin other'"),
        other("git -C a remote update").before("git -C a config remotes.default other"),
        other("git -C a remote update").before("git -C a config remote.origin.skipDefaultUpdate true"),
    ]
}

fn additions() -> Vec<Row> {
    let init = "git init -q a";
    vec![
        passed("git-remote-add", "git -C a remote add -f new {h}/plain.git").before(init),
        passed("git-remote-add", "git -C a remote add -f --tags -t main -m main new {h}/plain.git")
            .before(init),
        passed("git-remote-add", "git -C a remote add -f --mirror=fetch new {g}/sub.git").before(init),
        cached("git -C a remote show origin").before("git clone -q {h}/plain.git a").packs(&[]),
        cached("git -C a remote prune origin")
            .before("git clone -q {h}/plain.git a")
            .before("git -C a update-ref refs/remotes/origin/stale HEAD"),
        cached("git -C a remote set-head origin -a").before("git clone -q {h}/plain.git a").packs(&[]),
    ]
}
