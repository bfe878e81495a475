//! ls-remote; and archive --remote, where the cache serves what a server would (`git upload-archive`), from all that it has of the repository.

use vcache_tests::git::{Row, cached, live, local, passed};

const WHOLE: &str = "git clone -q {h}/plain.git a";

pub(crate) fn rows() -> Vec<Row> {
    [anywhere(), within(), archives()].concat()
}

/// No object is needed to list refs.
fn list(line: &'static str) -> Row {
    cached(line).packs(&[])
}

fn anywhere() -> Vec<Row> {
    vec![
        list("git ls-remote {h}/plain.git"),
        list("git ls-remote {g}/plain"),
        list("git ls-remote --heads {h}/plain.git"),
        list("git ls-remote --tags {h}/plain.git"),
        list("git ls-remote -t --refs {h}/plain.git"),
        list("git ls-remote --symref {h}/plain.git HEAD"),
        list("git ls-remote --symref {h}/plain.git"),
        list("git ls-remote {h}/plain.git 'refs/heads/f*' v1.0"),
        list("git ls-remote {h}/plain.git main"),
        list("git ls-remote --sort=-version:refname --tags {h}/plain.git"),
        list("git ls-remote --exit-code {h}/plain.git nothing"),
        list("git ls-remote -q {h}/plain.git"),
        live("git ls-remote {h}/empty.git"),
        live("git ls-remote --symref {h}/unborn.git"),
        list("git -c protocol.version=0 ls-remote --symref {h}/plain.git"),
        passed("git-credentials", "git ls-remote http://user:pw@{H}/private/plain.git"),
        list("git ls-remote {h}/plain.git && git ls-remote --heads {h}/plain.git"),
        cached("git ls-remote {h}/plain.git && git clone {h}/plain.git a"),
        local("git ls-remote --get-url {h}/plain.git"),
    ]
}

fn within() -> Vec<Row> {
    vec![
        list("git -C a ls-remote").before(WHOLE),
        list("git -C a ls-remote origin").before(WHOLE),
        list("git -C a ls-remote --heads origin main").before(WHOLE),
        list("git -C a ls-remote . ").before(WHOLE),
    ]
}

/// The server makes no pack for an archive, the cache has one made once.
fn archive(line: &'static str) -> Row {
    cached(line).packs(&["plain.git"])
}

fn archives() -> Vec<Row> {
    vec![
        archive("git archive --remote={g}/plain.git v1.0"),
        archive("git archive --remote={g}/plain.git --format=zip -o x.zip main"),
        archive("git archive -o x.tar --remote={g}/plain.git release-1.0"),
        archive("git archive --remote={g}/plain.git --output=x.tgz main"),
        archive("git archive --remote {g}/plain.git --prefix=p/ --format=tar v1.0 dir"),
        archive("git archive --remote={g}/big.git -o x.tar main").packs(&["big.git"]),
        archive("git archive --remote={g}/plain.git v1.0 && git clone {g}/plain.git a"),
        archive("git -C a archive --remote=origin HEAD").before("git clone -q --depth 1 {g}/plain.git a"),
        passed("git-server-option", "git archive --remote={g}/plain.git --exec=git-upload-archive v1.0"),
        // Here one hears the server's own words, too.
        live("git archive --remote={g}/plain.git nothing").any_words(),
        local("git -C a archive HEAD").before(WHOLE),
    ]
}
