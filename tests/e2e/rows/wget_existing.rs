//! wget: files that are there already.

use std::path::PathBuf;

use vcache_testkit::LAST_MODIFIED;
use vcache_tests::{Row, Setup, any, cached, uncached};

/// Later than everything that the origin has.
const LATER: u64 = LAST_MODIFIED + 86_400;

pub(crate) fn rows() -> Vec<Row> {
    [plain(), timestamping(), no_clobber(), resumed(), links()].concat()
}

fn plain() -> Vec<Row> {
    vec![
        cached("wget {o}/pool/a.deb").file("a.deb", "mine"),
        cached("wget {o}/pool/a.deb").file("a.deb", "mine").file("a.deb.1", "mine too"),
        cached("wget {o}/pool/a.deb").file("a.deb.1", "only the first copy"),
        cached("wget {o}/pool/a.deb {o}/pool/a.deb").file("a.deb", "mine"),
        cached("wget -P sub {o}/pool/a.deb").file("sub/a.deb", "mine"),
        cached("wget -O out {o}/pool/a.deb").file("out", "short"),
        cached("wget -O out {o}/s10/a.deb").file("out", &"longer than what comes ".repeat(400)),
        cached("wget -O out {o}/pool/a.deb").put(Setup::File(
            "work/out".into(),
            vcache_tests::Content::Text("x".into()),
            1,
            0o755,
        )),
        cached("wget -O out {o}/pool/a.deb").put(Setup::File(
            "work/out".into(),
            vcache_tests::Content::Text("x".into()),
            1,
            0o400,
        )),
        any("wget {o}/pool/a.deb").put(Setup::Folder("work/a.deb".into(), 0o755)),
        any("wget --backups=2 {o}/pool/a.deb").file("a.deb", "mine"),
        any("wget --unlink -O out {o}/pool/a.deb").file("out", "mine"),
    ]
}

fn timestamping() -> Vec<Row> {
    let elsewhere = "wget -q -O elsewhere {o}/pool/a.deb";
    vec![
        cached("wget -N {o}/pool/a.deb"),
        cached("wget --timestamping {o}/pool/a.deb"),
        cached("wget -N {o}/nolm/a.deb"),
        cached("wget -N -P sub {o}/pool/a.deb"),
        cached("wget -N {o}/pool/a.deb").file("a.deb", "older, of another size").fill(elsewhere),
        cached("wget -N {o}/pool/a.deb").copy_of("a.deb", "/pool/a.deb", None, 1_000_000_000).fill(elsewhere),
        cached("wget -N {o}/pool/a.deb").copy_of("a.deb", "/pool/a.deb", None, LAST_MODIFIED).fill(elsewhere),
        cached("wget -N {o}/pool/a.deb").copy_of("a.deb", "/pool/a.deb", None, LATER).fill(elsewhere),
        cached("wget -qN {o}/pool/a.deb").copy_of("a.deb", "/pool/a.deb", None, LATER).fill(elsewhere),
        cached("wget -N -O out {o}/pool/a.deb").copy_of("out", "/pool/a.deb", None, LATER).fill(elsewhere),
        // With a pin this is an error of ours (attack_web.rs).
        any("wget -N {o}/pool/a.deb").file_at("a.deb", "newer, of another size", LATER).unpinned(),
        any("wget -N --no-if-modified-since {o}/pool/a.deb").file("a.deb", "older"),
        any("wget -N {o}/pool/a.deb {o}/pool/b.deb").copy_of("a.deb", "/pool/a.deb", None, LATER),
    ]
}

fn no_clobber() -> Vec<Row> {
    let elsewhere = "wget -q -O elsewhere {o}/pool/a.deb";
    vec![
        cached("wget -nc {o}/source/T/Tenjin/Tenjin-1.1.1.tar.gz"),
        cached("wget --no-clobber {o}/pool/a.deb"),
        uncached("kept", "wget -nc {o}/pool/a.deb").file("a.deb", "mine").pin("/pool/a.deb").fill(elsewhere),
        uncached("kept", "wget -nc -P sub {o}/pool/a.deb")
            .file("sub/a.deb", "mine")
            .pin("/pool/a.deb")
            .fill(elsewhere),
        uncached("kept", "wget -nc -O out {o}/pool/a.deb")
            .file("out", "mine")
            .pin("/pool/a.deb")
            .fill(elsewhere),
        cached("wget -nc -O out {o}/pool/a.deb"),
        cached("wget -nc {o}/pool/a.deb {o}/pool/b.deb").file("a.deb", "mine"),
        cached("wget -q -nc {o}/pool/a.deb").file("a.deb.1", "not the name"),
    ]
}

fn resumed() -> Vec<Row> {
    let path = "/s9000/a.deb";
    let elsewhere = "wget -q -O elsewhere {o}/s9000/a.deb";
    vec![
        cached("wget -c {o}/s9000/a.deb"),
        cached("wget -c -O out {o}/s9000/a.deb"),
        cached("wget -c {o}/s9000/a.deb").copy_of("a.deb", path, Some(4000), 1_000_000_000).fill(elsewhere),
        cached("wget -qc {o}/s9000/a.deb").copy_of("a.deb", path, Some(8999), 1_000_000_000).fill(elsewhere),
        cached("wget -c {o}/s9000/a.deb").copy_of("a.deb", path, None, 1_000_000_000).fill(elsewhere),
        cached("wget -c -O out {o}/s9000/a.deb")
            .copy_of("out", path, Some(4000), 1_000_000_000)
            .fill(elsewhere),
        cached("wget --continue {o}/s9000/a.deb")
            .copy_of("a.deb", path, Some(0), 1_000_000_000)
            .fill(elsewhere),
        any("wget -c {o}/s9000/a.deb").file("a.deb", "not how it begins").unpinned(),
        any("wget -c {o}/s10/a.deb").file("a.deb", "longer than the whole content").unpinned(),
        any("wget -c {o}/norange/s9000/a.deb").copy_of("a.deb", "/norange/s9000/a.deb", Some(4000), 1),
        any("wget -c -O- {o}/s9000/a.deb"),
        any("wget -c -N {o}/s9000/a.deb").copy_of("a.deb", path, Some(4000), LATER),
    ]
}

fn links() -> Vec<Row> {
    let link = |path: &str, target: &str| Setup::Link(PathBuf::from(path), PathBuf::from(target));
    let hard = |path: &str, target: &str| Setup::Hard(PathBuf::from(path), PathBuf::from(target));
    vec![
        cached("wget -O out {o}/pool/a.deb").file("target", "old").put(link("work/out", "target")),
        cached("wget -O out {o}/pool/a.deb").put(link("work/out", "not-yet")),
        cached("wget -O out {o}/pool/a.deb").file("first", "old").put(hard("work/out", "work/first")),
        cached("wget {o}/pool/a.deb").file("target", "old").put(link("work/a.deb", "target")),
        cached("wget {o}/pool/a.deb").put(link("work/a.deb", "dangling")),
        cached("wget -P sub {o}/pool/a.deb")
            .put(Setup::Folder("work/real".into(), 0o755))
            .put(link("work/sub", "real")),
        any("wget -N {o}/pool/a.deb").file("first", "old").put(hard("work/a.deb", "work/first")),
        any("wget -N {o}/pool/a.deb").file("target", "old").put(link("work/a.deb", "target")),
        uncached("output-name", "wget -O out {o}/pool/a.deb").put(link("work/out", "/dev/null")),
    ]
}
