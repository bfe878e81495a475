//! clone: where to, with what configuration, and how git itself is told.

use vcache_tests::git::{Row, cached, passed};

pub(crate) fn rows() -> Vec<Row> {
    [targets(), settings(), references(), global(), aliases()].concat()
}

fn targets() -> Vec<Row> {
    vec![
        cached("git clone {h}/plain.git 'a b'"),
        cached("git clone {h}/plain.git x/y/z"),
        cached("git clone {h}/plain.git {w}/a/"),
        cached("git clone {h}/plain.git ."),
        cached("git clone {h}/plain.git a").before("mkdir a"),
        cached("git clone -- {h}/plain.git a"),
        cached("git clone --bare {h}/plain.git"),
        cached("git clone --bare --depth 1 {h}/plain.git a.git"),
        cached("git clone --mirror {h}/plain.git a.git"),
        cached("git clone --mirror {g}/plain.git"),
        cached("git clone --separate-git-dir=gd {h}/plain.git a"),
        cached("git clone --sparse {h}/plain.git a"),
        cached("git clone -n {h}/plain.git a"),
        cached("git clone --no-checkout -b v1.0 {h}/plain.git a"),
    ]
}

fn settings() -> Vec<Row> {
    vec![
        cached("git clone -o upstream {h}/plain.git a"),
        cached("git clone --origin=up/stream {h}/plain.git a"),
        cached("git clone -o upstream --depth 1 {h}/plain.git a"),
        cached("git clone {h}/plain.git a").before("git config --global clone.defaultRemoteName other"),
        cached("git clone --template={w}/t {h}/plain.git a")
            .before("mkdir -p t/hooks")
            .before("touch t/hooks/mine"),
        cached("git clone --template= {h}/plain.git a"),
        cached("git clone -c core.autocrlf=true -c user.name='a b' {h}/plain.git a"),
        cached("git clone --config remote.origin.fetch=+refs/tags/*:refs/other/* {h}/plain.git a"),
        cached("git clone -q {h}/plain.git a"),
        cached("git clone -v {h}/plain.git a").any_words(),
        cached("git clone --progress {h}/plain.git a").any_words(),
        cached("git clone -j 4 --ipv4 --no-hardlinks --no-local {h}/plain.git a"),
        passed("git-server-option", "git clone --server-option=x {h}/plain.git a"),
        passed("git-server-option", "git clone --upload-pack=/nowhere {h}/plain.git a"),
        cached("git clone --dep 1 --single {h}/plain.git a"),
        cached("git clone -qnb v1.0 {h}/plain.git a"),
        cached("git clone {h}/plain.git a").env("GIT_PROTOCOL_FROM_USER", "0"),
        cached("git clone {h}/plain.git a").env("GIT_TEMPLATE_DIR", "/nowhere"),
        cached("git clone {h}/plain.git a").env("GIT_DEFAULT_HASH", "sha1"),
    ]
}

fn references() -> Vec<Row> {
    let mirror = "git clone -q --mirror {h}/plain.git ref.git";
    let part = "git clone -q --bare --single-branch -b release-1.0 {h}/plain.git ref.git";
    vec![
        cached("git clone --reference ref.git {h}/plain.git a").before(mirror).packs(&["plain.git"]),
        cached("git clone --reference ref.git --dissociate {h}/plain.git a")
            .before(mirror)
            .packs(&["plain.git"]),
        cached("git clone --reference ref.git --dissociate {h}/plain.git a").before(part),
        cached("git clone --reference-if-able nowhere {h}/plain.git a"),
        cached("git clone --reference ref.git --recurse-submodules {h}/deep.git a").before(part),
    ]
}

fn global() -> Vec<Row> {
    vec![
        cached("git -C sub clone {h}/plain.git a").before("mkdir sub"),
        cached("git -C sub -C .. clone {h}/plain.git a").before("mkdir sub"),
        cached("git -c core.autocrlf=input -c clone.rejectShallow=true clone {h}/plain.git a"),
        cached("git -c protocol.version=0 clone {h}/plain.git a"),
        cached("git -c protocol.version=1 clone --depth 1 {g}/plain.git a"),
        passed(
            "git-protocol",
            "git -c protocol.allow=never -c protocol.http.allow=always clone {h}/plain.git a",
        ),
        cached("git -c transfer.fsckObjects=true clone {h}/plain.git a"),
        cached("git -c fetch.unpackLimit=1 clone {h}/plain.git a"),
        cached("git --git-dir=gd clone {h}/plain.git a"),
        cached("git --no-pager --literal-pathspecs clone {h}/plain.git a"),
        cached("git --work-tree={w}/tree clone {h}/plain.git a").ignore(".git"),
        cached("git clone {h}/plain.git a").env("GIT_WORK_TREE", "tree"),
        cached("git clone {h}/plain.git a")
            .env("GIT_CONFIG_COUNT", "1")
            .env("GIT_CONFIG_KEY_0", "core.autocrlf")
            .env("GIT_CONFIG_VALUE_0", "true"),
        cached("git clone {h}/plain.git a").env("GIT_CONFIG_PARAMETERS", "'core.eol'='lf'"),
        cached("git clone http://far/plain.git a")
            .before("git config --global url.{h}/.insteadOf http://far/"),
        cached("git clone far:plain.git a").before("git config --global url.{h}/.insteadOf far:"),
        cached("git clone {h}/plain.git a").before("git config --global protocol.version 0"),
    ]
}

fn aliases() -> Vec<Row> {
    vec![
        cached("git cl {h}/plain.git a").before("git config --global alias.cl clone"),
        cached("git cl {h}/plain.git a")
            .before("git config --global alias.cl '-c core.autocrlf=true clone -q'"),
        cached("git cl a").before("git config --global alias.cl 'clone --depth 1 {h}/plain.git'"),
        passed("git-shell-alias", "git cl {h}/plain.git a")
            .before("git config --global alias.cl '!git clone --depth 1'"),
        cached("git two {h}/plain.git a")
            .before("git config --global alias.one 'clone -q'")
            .before("git config --global alias.two 'one -n'"),
        cached("git -C a up")
            .before("git clone -q --no-tags --single-branch -b release-1.0 {h}/plain.git a")
            .before("git config --global alias.up 'fetch --tags'"),
    ]
}
