//! curl: where content goes.

use std::path::PathBuf;

use vcache_testkit::LAST_MODIFIED;
use vcache_tests::{Content, Row, Setup, any, cached, live, uncached, warm};

pub(crate) fn rows() -> Vec<Row> {
    [stdout(), output(), remote_name(), several(), globs(), folders(), existing(), resumed()].concat()
}

fn stdout() -> Vec<Row> {
    vec![
        cached("curl {o}/pool/a"),
        cached("curl -s {o}/pool/a"),
        cached("curl -sL {o}/pool/a"),
        cached("curl -fsSL {o}/pool/a"),
        cached("curl -s {o}/s400000/a"),
        cached("curl -s -o - {o}/pool/a"),
        cached("curl -so- {o}/pool/a"),
        cached("curl --proto =http -sSf {o}/pool/a"),
        cached("curl -Lfks --retry 5 {o}/pool/a"),
        cached("curl -s {o}/empty/e"),
        cached("curl -s {o}/chunked/c"),
        cached("curl -s {o}/close/c"),
        warm("curl -s {o}/pool/a {o}/pool/b").fill("curl -s -o x {o}/pool/a -o y {o}/pool/b"),
        cached("curl -# {o}/pool/a"),
        cached("curl --no-progress-meter {o}/pool/a"),
        cached("curl -N -s {o}/pool/a"),
    ]
}

fn output() -> Vec<Row> {
    vec![
        cached("curl -o out {o}/pool/a.deb"),
        cached("curl {o}/pool/a.deb -o out"),
        cached("curl -oout {o}/pool/a.deb"),
        cached("curl --output out {o}/pool/a.deb"),
        cached("curl -L -f -o ./out {o}/pool/a.deb"),
        cached("curl -f -o {w}/out {o}/pool/a.deb"),
        cached("curl -fsSLo out {o}/pool/a.deb"),
        cached("curl -fsSLoout {o}/pool/a.deb"),
        cached("curl -fsSL -o out {o}/pool/a.deb"),
        cached("curl -o out -fsSL {o}/pool/a.deb"),
        cached("curl -fsSL {o}/pool/a.deb -o out"),
        cached("curl --fail --show-error --location -o out {o}/pool/a.deb"),
        cached("curl --fail --silent --show-error --location {o}/pool/a.deb --output out"),
        cached("curl -k -o redis-tools_6.0.6-1~bpo10+1_armhf.deb {o}/redis-tools_6.0.6-1_bpo10+1_armhf.deb"),
        cached("curl -f -L -R -o x.dsc {o}/pool/x.dsc"),
        cached("curl -R -o out {o}/nolm/x.dsc"),
        cached("curl --remote-time --output out {o}/pool/x"),
        cached("curl --retry-connrefused --retry 5 -L -f -o r0.iso {o}/efi/r0.iso").patient(),
        cached(
            "curl --retry 3 -C - --proto =http --tlsv1.2 --silent --show-error --fail --location {o}/x/rustup-init --output rustup-init",
        ),
        cached("curl --url {o}/pool/a -o out"),
        cached("curl --url={o}/pool/a -o out").alone(),
        cached("curl -s -o out {o}/s400000/a"),
        cached("curl -o out {o}/empty/e"),
        cached("curl -o out {o}/chunked/e"),
        uncached("discarded", "curl -o /dev/null {o}/pool/a"),
        cached("curl -o /dev/stdout -s {o}/pool/a"),
        cached("sh -c 'umask 027; exec curl -so out {o}/pool/a'"),
        cached("sh -c 'umask 077; exec curl -sO {o}/pool/a'"),
        cached("curl -s -o 'with blank' {o}/pool/a"),
        cached("curl {h}/pool/no-scheme -o out"),
        cached("curl -o out {o}/pool/x#fragment"),
    ]
}

fn remote_name() -> Vec<Row> {
    vec![
        cached("curl -O {o}/pool/a.deb"),
        cached("curl -LO {o}/pool/a.deb"),
        cached("curl -OL {o}/pool/a.deb"),
        cached("curl -sO {o}/pool/a.deb"),
        cached("curl {o}/pool/a.deb -O"),
        cached("curl --remote-name {o}/pool/a.deb"),
        cached("curl -O {o}/pool/a.deb?x=1"),
        cached("curl -O {o}/pool/a%2Bb.deb"),
        cached("curl --fail --show-error --location --retry 2 --retry-delay 1 -O {o}/v1/go.tgz"),
        cached("curl -RO {o}/pool/a.deb"),
        cached("curl -sOL {o}/redir/1/pool/a.deb"),
        cached("curl -OJ {o}/cd/given.deb/x").alone(),
        cached("curl -JO {o}/pool/plain.deb"),
        cached("curl -OJL {o}/redir/1/cd/given.deb/x").alone(),
        any("curl -OJ {o}/cd/given.deb/x").file("given.deb", "mine"),
        any("curl -sJ {o}/cd/given.deb/x -o out"),
        any("curl -O {o}/"),
        any("curl -O {o}/dir/"),
        any("curl -O {o}"),
    ]
}

fn several() -> Vec<Row> {
    vec![
        cached("curl -o a {o}/pool/a -o b {o}/pool/b"),
        cached("curl {o}/pool/a {o}/pool/b -o a -o b"),
        cached("curl -O {o}/pool/a -O {o}/pool/b"),
        cached("curl -OO {o}/pool/a {o}/pool/b"),
        cached("curl -s -O {o}/pool/a {o}/pool/b"),
        cached("curl -s -o a {o}/pool/a {o}/pool/b"),
        cached("curl --remote-name-all {o}/pool/a {o}/pool/b"),
        cached("curl -s -o a -O {o}/pool/a {o}/pool/b"),
        cached("curl -o a {o}/pool/a --next -o b {o}/pool/b"),
        cached("curl -s -o a {o}/pool/a --next -R -o b {o}/pool/b"),
        cached("curl -o a {o}/pool/a -: -fsSL {o}/redir/1/pool/b"),
        warm("curl -s -o both {o}/pool/a -o both {o}/pool/b").fill("curl -s -o x {o}/pool/a -o y {o}/pool/b"),
        any("curl -Z -o a {o}/pool/a -o b {o}/pool/b"),
        any("curl --parallel --parallel-max 2 -OO {o}/pool/a {o}/pool/b"),
        any("curl -o a -o spare {o}/pool/a"),
        any("curl -f -o a {o}/status/404/a -o b {o}/pool/b"),
        any("curl --fail-early -f -o a {o}/status/404/a -o b {o}/pool/b"),
        cached("curl -o a {o}/pool/a -o b {o}/pool/a"),
    ]
}

fn globs() -> Vec<Row> {
    vec![
        cached("curl -s -o '#1.txt' '{o}/pool/{one,two}'"),
        cached("curl -s -o 'f#1' '{o}/pool/n[1-3]'"),
        cached("curl -s -o '#1-#2' '{o}/pool/{a,b}[1-2]'"),
        cached("curl -s -O '{o}/pool/n[01-03].deb'"),
        warm("curl -s '{o}/pool/n[1-5:2]'").fill("curl -s -O '{o}/pool/n[1-5:2]'"),
        cached("curl -s -o '#1' '{o}/pool/[a-c]'"),
        any("curl -s -g -o out '{o}/pool/n[1-3]'"),
        any("curl -s --globoff -O '{o}/pool/{a,b}'"),
        any("curl -s -o out '{o}/pool/n[3-1]'"),
        any("curl -s -o out '{o}/pool/n[1-'"),
        any("curl -s -o 'x#1#3' '{o}/pool/{a,b}'"),
        any("curl -s '{o}/pool/\\[a\\]'"),
    ]
}

fn folders() -> Vec<Row> {
    vec![
        cached("curl --create-dirs -o sub/deep/out {o}/pool/a"),
        cached("curl --create-dirs --output-dir sub/deep -O {o}/pool/a"),
        cached("curl --output-dir sub -O {o}/pool/a").put(Setup::Folder("work/sub".into(), 0o755)),
        cached("curl --output-dir sub -o out {o}/pool/a").put(Setup::Folder("work/sub".into(), 0o755)),
        cached("curl --create-dirs -o {w}/abs/out {o}/pool/a"),
        any("curl --create-dirs --create-file-mode 0600 -o sub/out {o}/pool/a"),
        cached("sh -c 'umask 027; exec curl -s --create-dirs -o sub/out {o}/pool/a'"),
    ]
}

fn existing() -> Vec<Row> {
    let link = |path: &str, target: &str| Setup::Link(PathBuf::from(path), PathBuf::from(target));
    let with_mode = |mode| Setup::File("work/out".into(), Content::Text("x".into()), 1, mode);
    vec![
        cached("curl -o out {o}/pool/a").file("out", "mine"),
        cached("curl -o out {o}/s10/a").file("out", &"longer than what comes ".repeat(400)),
        cached("curl -O {o}/pool/a").file("a", "mine"),
        cached("curl -o out {o}/empty/e").file("out", "mine"),
        cached("curl -R -o out {o}/pool/a").file("out", "mine"),
        cached("curl -o out {o}/pool/a").put(with_mode(0o755)),
        cached("curl -o out {o}/pool/a").put(with_mode(0o400)),
        cached("curl -o out {o}/pool/a").file("target", "old").put(link("work/out", "target")),
        cached("curl -o out {o}/pool/a").put(link("work/out", "not-yet")),
        uncached("output-name", "curl -o out {o}/pool/a").put(link("work/out", "/dev/null")),
        cached("curl -o out {o}/pool/a")
            .file("first", "old")
            .put(Setup::Hard("work/out".into(), "work/first".into())),
        any("curl --no-clobber -o out {o}/pool/a").file("out", "mine"),
        any("curl --no-clobber -o out {o}/pool/a"),
        any("curl --remove-on-error -f -o out {o}/status/404/x").file("out", "mine"),
        live("curl -f -o out {o}/status/404/x").file("out", "mine"),
    ]
}

fn resumed() -> Vec<Row> {
    let path = "/s9000/a";
    let elsewhere = "curl -s -o elsewhere {o}/s9000/a";
    vec![
        cached("curl -C - -o out {o}/s9000/a"),
        cached("curl -C - -O {o}/s9000/a").copy_of("a", path, Some(4000), 1_000_000_000).fill(elsewhere),
        cached("curl -C - -o out {o}/s9000/a")
            .copy_of("out", path, Some(4000), 1_000_000_000)
            .fill(elsewhere),
        cached("curl -C- -R -o out {o}/s9000/a")
            .copy_of("out", path, Some(4000), 1_000_000_000)
            .fill("curl -s -o elsewhere {o}/s9000/a"),
        any("curl -C - -o out {o}/s9000/a").copy_of("out", path, None, LAST_MODIFIED),
        any("curl -C - -o out {o}/s9000/a").file("out", "not how it begins").unpinned(),
        any("curl -C - -o out {o}/norange/s9000/a").file("out", "not how it begins"),
        any("curl -C 100 -o out {o}/s9000/a").unpinned(),
    ]
}
