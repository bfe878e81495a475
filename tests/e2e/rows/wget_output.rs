//! wget: where content goes.

use vcache_tests::{Row, any, cached, uncached};

pub(crate) fn rows() -> Vec<Row> {
    [named(), document(), prefix(), several(), logs(), harmless()].concat()
}

fn named() -> Vec<Row> {
    vec![
        cached("wget {o}/pool/a_1.0_amd64.deb"),
        cached("wget -q {o}/pool/quiet.deb"),
        cached("wget --quiet {o}/pool/quiet.deb"),
        cached("wget -nv {o}/pool/a.deb"),
        cached("wget --no-verbose {o}/pool/a.deb"),
        cached("wget -v {o}/pool/a.deb"),
        cached("wget --https-only {o}/pip/2.7/get-pip.py"),
        cached("wget {o}/s3000000/big.bin"),
        cached("wget {o}/s70000/medium.bin"),
        cached("wget {o}/s1/one-byte"),
        cached("wget {o}/empty/nothing"),
        cached("wget {o}/nolm/undated.tar.gz"),
        cached("wget {o}/chunked/c.bin"),
        cached("wget {o}/close/c.bin"),
        cached("wget {o}/cookie/c.bin"),
        cached("wget {o}/norange/c.bin"),
        cached("wget {o}/drip/5/slow.bin"),
        cached("wget --no-use-server-timestamps {o}/pool/now.deb"),
        cached("wget --use-server-timestamps {o}/pool/then.deb"),
    ]
}

fn document() -> Vec<Row> {
    vec![
        cached("wget -O out.deb {o}/pool/a.deb"),
        cached("wget {o}/pool/a.deb -O out.deb"),
        cached("wget -Oout.deb {o}/pool/a.deb"),
        cached("wget -qO out.deb {o}/pool/a.deb"),
        cached("wget -qOout.deb {o}/pool/a.deb"),
        cached("wget -nvO out.deb {o}/pool/a.deb"),
        cached("wget -q -O out.deb {o}/pool/a.deb"),
        cached("wget -v -O ./otelcol.deb {o}/v0.1/otelcol_0.1_linux_armv7.deb"),
        cached("wget {o}/pool/a.deb -O ./out.deb"),
        cached("wget --output-document=out.deb {o}/pool/a.deb"),
        cached("wget --output-document out.deb {o}/pool/a.deb"),
        cached("wget --output-d=out.deb {o}/pool/a.deb"),
        cached("wget --output-doc out.deb --quie {o}/pool/a.deb"),
        cached("wget -NO out.dsc {o}/pool/x.dsc"),
        cached("wget -N -O out.dsc {o}/pool/x.dsc"),
        cached("wget -O out.dsc -N {o}/pool/x.dsc"),
        cached("wget --no-verbose --tries=3 -O out.tgz {o}/v1/grype.tar.gz"),
        cached("wget --retry-connrefused -O 3.0.0-1.tar.gz {o}/archive/3.0.0-1.tar.gz").patient(),
        cached("wget --no-use-server-timestamps -O base.gz {o}/base.gz"),
        cached("wget -O first -O second {o}/pool/last-wins"),
        cached("wget -O {w}/absolute.deb {o}/pool/a.deb"),
        cached("wget -O 'with blank' {o}/pool/a.deb"),
        cached("wget -O empty {o}/empty/e"),
        cached("wget -O undated {o}/nolm/e"),
        cached("wget -O - {o}/pool/stdout"),
        cached("wget -O- {o}/pool/stdout"),
        cached("wget -qO- {o}/pool/stdout"),
        cached("wget -q -O - {o}/s400000/stdout"),
        cached("wget {o}/pool/stdout -qO -"),
        cached("wget --output-document=- {o}/pool/stdout"),
        cached("wget -c {o}/dpu/x.tar.gz -O -"),
        cached("wget -O /dev/stdout -q {o}/pool/stdout"),
        uncached("discarded", "wget -O /dev/null {o}/pool/nowhere"),
        cached("wget -- {o}/pool/after-dashes"),
        cached("wget -O out -- {o}/pool/after-dashes"),
    ]
}

fn prefix() -> Vec<Row> {
    vec![
        cached("wget -P sub {o}/pool/a.deb"),
        cached("wget -Psub {o}/pool/a.deb"),
        cached("wget -q {o}/keys/microsoft.asc -P tmp/etc/trusted.gpg.d/"),
        cached("wget --directory-prefix=sub/deep {o}/pool/a.deb"),
        cached("wget --directory-prefix sub {o}/pool/a.deb"),
        cached("wget --directory-p=sub {o}/pool/a.deb"),
        cached("wget -P {w}/sub {o}/pool/a.deb"),
        cached("wget -P . {o}/pool/a.deb"),
        cached("wget -P sub -O out {o}/pool/a.deb"),
        cached("wget -P sub {o}/pool/a.deb {o}/pool/b.deb"),
        cached("sh -c 'umask 027; exec wget -P sub {o}/pool/a.deb'"),
        cached("sh -c 'umask 077; exec wget -O out {o}/pool/a.deb'"),
        any("wget -x {o}/pool/deep/a.deb"),
        any("wget -x -nH --cut-dirs=1 {o}/pool/deep/a.deb"),
        any("wget -nd {o}/pool/deep/a.deb"),
        any("wget --default-page=home.html {o}/pool/"),
        any("wget --restrict-file-names=lowercase {o}/pool/Upper.deb"),
        any("wget -E {o}/html/page"),
    ]
}

fn several() -> Vec<Row> {
    vec![
        cached("wget {o}/pool/a.deb {o}/pool/b.deb"),
        cached("wget -q {o}/one/1.0.0.tar.gz {o}/two/1.0.0.tar.gz"),
        cached("wget {o}/pool/a.deb {o}/pool/a.deb"),
        uncached("shared-output", "wget -O both {o}/pool/a.deb {o}/pool/b.deb"),
        any("wget -qO- {o}/pool/a.deb {o}/pool/b.deb"),
        any("wget {o}/pool/a.deb {o}/status/404/x {o}/pool/b.deb"),
        cached("wget -i list").file("list", "{o}/pool/a.deb\n{o}/pool/b.deb\n"),
        cached("wget -q -i list -P sub").file("list", "{o}/pool/a.deb\n\n{o}/pool/b.deb\n"),
        cached("wget --input-file=list {o}/pool/c.deb").file("list", "{o}/pool/a.deb\n"),
        cached("wget -ilist").file("list", "{o}/pool/a.deb"),
        any("wget -i list").file("list", "  {o}/pool/a.deb  \nnot a url\n"),
        any("wget -i empty-list").file("empty-list", ""),
        any("wget -i list -B {o}/pool/ --force-html").file("list", "<a href=\"x.deb\">x</a>"),
        uncached("input-file", "wget -i -").stdin("{o}/pool/a.deb\n"),
        uncached("input-file|no-url", "wget -i missing-list"),
        uncached("input-file|*", "wget -i {o}/pool/list"),
    ]
}

fn logs() -> Vec<Row> {
    vec![
        cached("wget -o log {o}/pool/a.deb").blur("log"),
        cached("wget -olog -O out {o}/pool/a.deb").blur("log"),
        cached("wget --output-file=log {o}/pool/a.deb").blur("log"),
        cached("wget -a log {o}/pool/a.deb").file("log", "before\n").blur("log"),
        cached("wget -o /dev/null {o}/pool/a.deb"),
        cached("wget -q -o log {o}/pool/a.deb").blur("log"),
        cached("wget -nv -o log -O - {o}/pool/a.deb").blur("log"),
    ]
}

fn harmless() -> Vec<Row> {
    let options = [
        "-t 3",
        "-T 5",
        "-t1 -T5",
        "--timeout=10 --tries=2",
        "--progress=dot:giga",
        "--show-progress -q",
        "--no-check-certificate",
        "--no-hsts",
        "-4",
        "--no-proxy",
        "--no-dns-cache",
        "--limit-rate=10m",
        "--waitretry=1",
        "--connect-timeout=5 --read-timeout=5",
        "--no-cookies",
        "--auth-no-challenge",
        "--ca-certificate=/etc/ssl/certs/ca-certificates.crt",
        "--secure-protocol=auto",
        "--user-agent=Mozilla/5.0",
        "-U agent",
        "--no-config",
    ];
    options.iter().map(|options| cached(&format!("wget {options} {{o}}/pool/harmless.deb"))).collect()
}
