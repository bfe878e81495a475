//! Destinations that cannot be written, and other calls that fail before or after the transfer.

use vcache_tests::{Row, Setup, any, live};

pub(crate) fn rows() -> Vec<Row> {
    let wget = "wget -q -O elsewhere {o}/pool/a";
    let folder = || Setup::Folder("work/dir".into(), 0o755);
    vec![
        any("wget -O missing/out {o}/pool/a").pin("/pool/a").fill(wget),
        any("wget -O dir {o}/pool/a").put(folder()).pin("/pool/a").fill(wget),
        any("wget -O dir/ {o}/pool/a").put(folder()).pin("/pool/a").fill(wget),
        any("wget -O /proc/nothing {o}/pool/a").pin("/pool/a").fill(wget),
        any("wget -O file/out {o}/pool/a").file("file", "").pin("/pool/a").fill(wget),
        any("wget -P file {o}/pool/a").file("file", ""),
        any("wget -P /proc/nothing {o}/pool/a"),
        any("wget -q -O /dev/full {o}/pool/a"),
        any("wget -o missing/log {o}/pool/a"),
        any("curl -s -o missing/out {o}/pool/a"),
        any("curl -s -o dir {o}/pool/a").put(folder()),
        any("curl -s -o dir/ {o}/pool/a").put(folder()),
        any("curl -s -o /proc/nothing {o}/pool/a"),
        any("curl -s -o file/out {o}/pool/a").file("file", ""),
        any("curl -s -o /dev/full {o}/s70000/a"),
        any("curl -s --create-dirs -o file/out {o}/pool/a").file("file", ""),
        any("curl -s --output-dir missing -O {o}/pool/a"),
        any("curl -sS -o missing/out {o}/pool/a -o there {o}/pool/b")
            .fill("curl -s -o elsewhere {o}/pool/a")
            .fill("curl -s -o x {o}/pool/b"),
        any("wget --quiet=yes {o}/pool/a"),
        any("wget --tries=many {o}/pool/a"),
        any("wget -T soon {o}/pool/a"),
        any("wget --progress=circle {o}/pool/a"),
        any("curl --retry many {o}/pool/a"),
        any("curl -m soon {o}/pool/a"),
        live("wget -q -t 1 http://127.0.0.1:9/closed-port"),
        live("curl -s http://127.0.0.1:9/closed-port"),
        live("curl -s -o out http://127.0.0.1:9/closed-port"),
        live("wget -q -O out http://127.0.0.1:9/closed-port").file("out", "was here"),
        any("wget -q http://nowhere.invalid/x"),
        any("wget -q 'http://[::1'"),
        any("curl -s 'http://127.0.0.1:99999/x'"),
        any("wget -q http://127.0.0.1:99999/x"),
        any("curl -s ''"),
        any("wget ''"),
    ]
}
