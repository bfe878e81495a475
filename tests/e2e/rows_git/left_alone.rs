//! What is none of the cache's business: local repositories, and commands that ask nobody.

use vcache_tests::git::{Row, cached, local};

const WHOLE: &str = "git clone -q {h}/plain.git a";

pub(crate) fn rows() -> Vec<Row> {
    [local_repositories(), quiet_commands(), no_command()].concat()
}

fn local_repositories() -> Vec<Row> {
    vec![
        local("git clone {r}/plain.git a"),
        local("git clone {r}/plain a"),
        local("git clone -l -s {r}/plain.git a"),
        local("git clone --no-hardlinks {r}/plain.git a"),
        local("git clone file://{r}/plain.git a"),
        local("git clone --depth 1 file://{r}/plain.git a"),
        local("git clone {r}/../repos/plain.git a"),
        local("git clone b a").before("git clone -q {h}/plain.git b"),
        local("git clone ./b:c a").before("git clone -q {h}/plain.git b:c"),
        local("git clone x.bundle a")
            .before(WHOLE)
            .before("git -C a bundle create -q ../x.bundle --all")
            .before("rm -r a"),
        local("git -C a fetch ../b main").before(WHOLE).before("git clone -q --bare {h}/plain.git b"),
        local("git -C a pull ../b feature/one").before(WHOLE).before("git clone -q --bare {h}/plain.git b"),
        local("git -C a push ../b HEAD:pushed").before(WHOLE).before("git init -q --bare b"),
        local("git ls-remote {r}/plain.git"),
        local("git -C a -c protocol.file.allow=always submodule add {r}/sub.git s").before("git init -q a"),
        local("git archive --remote={r}/plain.git v1.0"),
        local("git clone --recurse-submodules {r}/sub.git a")
            .before("git config --global protocol.file.allow never"),
    ]
}

fn quiet_commands() -> Vec<Row> {
    let within = |line| local(line).before(WHOLE);
    vec![
        within("git -C a status"),
        within("git -C a log --oneline --grep clone"),
        within("git -C a log --grep=fetch --all --format=%H"),
        within("git -C a commit -q --allow-empty -m clone"),
        within("git -C a commit -q --allow-empty -m 'git clone {h}/plain.git b'"),
        within("git -C a branch clone"),
        within("git -C a tag fetch"),
        within("git -C a checkout -q -b pull"),
        within("git -C a grep clone"),
        within("git -C a remote -v"),
        within("git -C a remote add clone {h}/plain.git"),
        within("git -C a remote rename origin fetch"),
        within("git -C a config alias.x clone"),
        within("git -C a gc -q"),
        within("git -C a stash list"),
        within("git -C a rev-parse HEAD origin/main"),
        within("git -C a cat-file -p HEAD"),
        within("git -C a for-each-ref"),
        within("git -C a bundle create -q ../x.bundle HEAD").ignore("x.bundle"),
        within("git -C a worktree add ../clone"),
        within("git -C a diff --stat HEAD~1"),
        within("git -C a describe --tags"),
        local("git init clone"),
        local("git hash-object --stdin"),
        local("git config --global clone.defaultRemoteName x"),
    ]
}

fn no_command() -> Vec<Row> {
    vec![
        local("git"),
        local("git --version"),
        local("git --exec-path"),
        local("git version --build-options"),
        local("git clone -h"),
        local("git fetch -h"),
        local("git --list-cmds=main"),
        local("git clone"),
        local("git nothing"),
        local("git -c"),
        local("git -C nowhere clone {h}/plain.git a"),
        local("git --nothing clone {h}/plain.git a"),
        // A link of its own kind: the second word of the shell is not ours.
        cached("sh -c 'git clone -q {h}/plain.git a; git -C a log --oneline | head -n 2'"),
        cached("env GIT_TRACE=0 git clone {h}/plain.git a"),
    ]
}
