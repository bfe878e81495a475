//! Submodules: by clone, by submodule, by pull; nested, shallow, by relative URL, at a commit that no ref leads to.

use vcache_tests::git::{Row, cached, local};

const DEEP: &str = "git clone -q {h}/deep.git a";
const LOST: [&str; 4] = ["deep.git", "sub.git", "sub.git", "subsub.git"];

pub(crate) fn rows() -> Vec<Row> {
    [clones(), updates(), additions()].concat()
}

fn clones() -> Vec<Row> {
    vec![
        cached("git clone --recurse-submodules {h}/deep.git a"),
        // What the absolute URL leads to comes over HTTP.
        cached("git clone --recursive {g}/deep.git a").packs(&[
            "deep.git",
            "sub.git",
            "sub.git",
            "subsub.git",
            "subsub.git",
        ]),
        cached("git clone --recurse-submodules -j 4 {h}/deep.git a"),
        cached("git clone --recurse-submodules=absolute {h}/deep.git a"),
        cached("git clone --recurse-submodules --shallow-submodules {h}/deep.git a").packs(&[
            "deep.git",
            "sub.git",
            "subsub.git",
            "subsub.git",
            "subsub.git",
        ]),
        cached("git clone --recurse-submodules --depth 1 {h}/deep.git a"),
        cached("git clone --recurse-submodules --remote-submodules {h}/deep.git a"),
        cached("git clone --recurse-submodules -b lost {h}/deep.git a").packs(&LOST).more_objects(),
        cached("git clone {h}/deep.git a").before("git config --global submodule.recurse true"),
        cached("git clone -q {h}/deep.git a && git -C a submodule update -q --init --recursive"),
        cached("git -C x clone --recurse-submodules {h}/sub.git 'a b'").before("mkdir x"),
    ]
}

fn updates() -> Vec<Row> {
    let deep = |line| cached(line).before(DEEP);
    vec![
        deep("git -C a submodule update --init"),
        deep("git -C a submodule update --init --recursive"),
        deep("git -C a submodule --quiet update --init --recursive --jobs 3"),
        deep("git -C a submodule update --init --depth 1 relative"),
        deep("git -C a submodule update --init -- 'dir with blank/sub'"),
        deep("git -C a submodule update --init --remote absolute"),
        deep("git -C a submodule update --init --recommend-shallow --single-branch"),
        deep("git -C a submodule update --init --filter=blob:none relative"),
        deep("git -C a submodule update").before("git -C a submodule init"),
        deep("git -C a submodule update --init --recursive --force")
            .before("git -C a checkout -q lost")
            .packs(&LOST[1..])
            .more_objects(),
        deep("git -C a submodule init && git -C a submodule sync --recursive && git -C a submodule update"),
        // Nothing is to be fetched.
        cached("git -C a submodule update --recursive")
            .before("git clone -q --recursive {h}/deep.git a")
            .packs(&[]),
        cached("git -C a fetch --recurse-submodules")
            .before("git clone -q --recursive {h}/deep.git a")
            .packs(&[])
            .more_objects(),
        cached("git -C a pull --recurse-submodules")
            .before("git clone -q --recursive {h}/deep.git a")
            .packs(&[])
            .more_objects(),
        deep("git -C a/absolute fetch origin {id:sub.git:refs/hidden/lost}")
            .before("git -C a submodule -q update --init")
            .packs(&["sub.git", "sub.git"]),
    ]
}

fn additions() -> Vec<Row> {
    let init = |line| cached(line).before("git init -q a");
    vec![
        init("git -C a submodule add {h}/sub.git"),
        init("git -C a submodule add -b main --name n {h}/plain.git 'x y/s'"),
        init("git -C a submodule add --depth 1 {g}/plain.git s"),
        init("git -C a submodule add -f ../sub.git s").before("git -C a remote add origin {h}/plain.git"),
        init("git -C a submodule add {h}/sub.git s && git -C a submodule update --init --recursive"),
        local("git -C a submodule status --recursive").before("git clone -q --recursive {h}/deep.git a"),
        local("git -C a submodule init").before(DEEP),
        local("git -C a submodule sync --recursive").before("git clone -q --recursive {h}/deep.git a"),
        local("git -C a submodule foreach --recursive 'git log --oneline'")
            .before("git clone -q --recursive {h}/deep.git a"),
        local("git -C a submodule deinit -f --all").before("git clone -q --recursive {h}/deep.git a"),
    ]
}
