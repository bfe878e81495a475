//! Calls that fail: with the same status and the same last words.

use vcache_tests::git::{Row, cached, live, local};

const WHOLE: &str = "git clone -q {h}/plain.git a";

pub(crate) fn rows() -> Vec<Row> {
    [not_there(), refused(), mistaken(), dangerous()].concat()
}

fn not_there() -> Vec<Row> {
    vec![
        live("git clone {h}/nothing.git a"),
        live("git clone {g}/nothing.git a").last_line(),
        live("git clone http://127.0.0.1:1/nothing.git a"),
        live("git clone git://127.0.0.1:1/nothing.git a").last_line(),
        live("git ls-remote {h}/nothing.git"),
        live("git -C a fetch {h}/nothing.git").before("git init -q a"),
        live("git -C a fetch origin")
            .before("git init -q a")
            .before("git -C a remote add origin {g}/nothing.git")
            .last_line(),
        live("git -C a submodule add {h}/nothing.git s").before("git init -q a"),
        live("git archive --remote={g}/nothing.git HEAD").last_line(),
        live("git clone nothing a"),
        live("git clone file:///nothing a"),
        live("git -C a fetch {h}/plain.git 1111111111111111111111111111111111111111").before("git init -q a"),
    ]
}

fn refused() -> Vec<Row> {
    vec![
        live("git clone {h}/private/plain.git a"),
        live("git clone http://user:wrong@{H}/private/plain.git a"),
        live("git clone {h}/private/plain.git a").env("GIT_ASKPASS", "false"),
        live("git -c protocol.http.allow=never clone {h}/plain.git a"),
        live("git clone {h}/plain.git a").env("GIT_ALLOW_PROTOCOL", "git:file").last_line(),
        live("git -c http.followRedirects=false clone {h}/redirect/plain.git a"),
        live("git archive --remote={h}/plain.git HEAD").last_line(),
    ]
}

fn mistaken() -> Vec<Row> {
    vec![
        cached("git clone -b nothing {h}/plain.git a").packs(&[]),
        live("git clone -b main {h}/empty.git a"),
        cached("git -C a fetch origin nothing").before(WHOLE).packs(&[]),
        cached("git -C a pull origin nothing").before(WHOLE).packs(&[]),
        live("git clone --shallow-exclude=nothing {h}/plain.git a").last_line(),
        local("git clone {h}/plain.git a").before("git init -q a"),
        local("git clone {h}/plain.git a").before("touch a"),
        local("git clone --nothing {h}/plain.git a"),
        local("git clone --depth 0 {h}/plain.git a"),
        local("git clone --depth x {h}/plain.git a"),
        local("git clone --bare -o x --separate-git-dir=y {h}/plain.git a"),
        local("git clone {h}/plain.git a b"),
        local("git clone --filter=nothing {h}/plain.git a"),
        local("git -C a fetch nowhere").before("git init -q a"),
        local("git -C a fetch --unshallow").before(WHOLE),
        local("git fetch"),
        local("git -C a pull").before("git init -q a"),
        local("git clone --reference nowhere {h}/plain.git a"),
        local("git clone nothing://x/y a"),
        local("git clone ''"),
        local("git -C a remote add -f origin {h}/sub.git").before(WHOLE),
        local("git -C a submodule add {h}/sub.git dir").before(WHOLE),
    ]
}

fn dangerous() -> Vec<Row> {
    vec![
        local("git clone 'ext::sh -c touch% pwned' a"),
        local("git clone --upload-pack='touch pwned' ./nothing a"),
        local("git clone -u 'touch pwned' -- --upload-pack=x a"),
        local("git clone vcache::{h}/plain.git a").last_line(),
        local("git clone vcache://{H}/plain.git a").last_line(),
    ]
}
