//! ls-remote; and archive --remote, which asks a service of the server that only the server has.

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

fn archives() -> Vec<Row> {
    vec![
        live("git archive --remote={g}/plain.git v1.0"),
        live("git archive --remote={g}/plain.git --format=zip -o x.zip main"),
        live("git archive --remote {g}/plain.git --prefix=p/ --format=tar v1.0 dir"),
        local("git -C a archive HEAD").before(WHOLE),
    ]
}
