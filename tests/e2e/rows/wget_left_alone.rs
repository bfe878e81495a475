//! wget: calls that no cache can answer, each with its counted reason.

use vcache_tests::{Row, any, uncached};

pub(crate) fn rows() -> Vec<Row> {
    let calls = [
        ("no-url", "wget --version"),
        ("no-url", "wget -V"),
        ("no-url", "wget --help"),
        ("no-url", "wget -h"),
        ("no-url", "wget"),
        ("no-url", "wget -q"),
        ("no-url", "wget --vers"),
        ("unknown-option", "wget --no-such-option {o}/pool/a.deb"),
        ("unknown-option", "wget -Z {o}/pool/a.deb"),
        ("unknown-option", "wget --no {o}/pool/a.deb"),
        ("missing-value", "wget {o}/pool/a.deb -O"),
        ("missing-value", "wget {o}/pool/a.deb --output-document"),
        ("headers-only", "wget --spider {o}/pool/a.deb"),
        ("headers-only", "wget -q --spider {o}/status/404/a.deb"),
        ("headers-shown", "wget -S {o}/pool/a.deb"),
        ("headers-shown", "wget --server-response -O out {o}/pool/a.deb"),
        ("headers-shown", "wget --save-headers -O out {o}/pool/a.deb"),
        ("recursion", "wget -r {o}/html/index.html"),
        ("recursion", "wget -r -l1 -np {o}/html/index.html"),
        ("recursion", "wget -m {o}/html/index.html"),
        ("recursion", "wget --mirror -q {o}/html/index.html"),
        ("recursion", "wget -p {o}/html/index.html"),
        ("recursion", "wget -rO out {o}/html/index.html"),
        ("method", "wget --post-data=a=b -O out {o}/echo/x"),
        ("method", "wget --method=POST --body-data=x -O out {o}/echo/x"),
        ("method", "wget --method=DELETE -O out {o}/echo/x"),
        ("method|headers-only", "wget --method=HEAD {o}/pool/a.deb"),
        ("cookies", "wget --load-cookies=jar {o}/pool/a.deb"),
        ("cookies", "wget --save-cookies=/dev/null --keep-session-cookies {o}/cookie/a.deb"),
        ("range", "wget --start-pos=100 -O out {o}/pool/a.deb"),
        ("scheme", "wget ftp://127.0.0.1:9/pool/a.deb"),
        ("scheme", "wget file:///etc/hostname"),
        ("side-effect|*", "wget --rejected-log=rejected {o}/pool/a.deb"),
    ];
    let mut rows: Vec<Row> = calls.iter().map(|(reasons, line)| uncached(reasons, line)).collect();
    rows.extend([
        uncached("method", "wget --post-file=body -O out {o}/echo/x").file("body", "of a letter"),
        uncached("side-effect", "wget --warc-file=w --no-warc-compression -O out {o}/pool/a.deb")
            .blur("w.warc"),
        any("wget --method=GET -O out {o}/pool/a.deb"),
        any("wget --delete-after {o}/pool/a.deb"),
        any("wget -k {o}/html/index.html"),
        any("wget --bind-address=127.0.0.1 {o}/pool/a.deb"),
        any("wget -d -O out {o}/pool/a.deb"),
        any("wget -Q 100 {o}/pool/a.deb {o}/pool/b.deb"),
        any("wget -R deb {o}/pool/a.deb"),
        any("wget --xattr -O out {o}/pool/a.deb"),
    ]);
    rows
}
