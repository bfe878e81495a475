//! curl: options beside the destination, and what servers answer.

use vcache_tests::{Row, any, cached, live, uncached, warm};

pub(crate) fn rows() -> Vec<Row> {
    [spellings(), redirects(), refusals(), credentials(), headers(), write_out(), configuration(), harmless()]
        .concat()
}

fn spellings() -> Vec<Row> {
    vec![
        cached("curl -s {o}/dl/?mode=json"),
        cached("curl -s -o out {o}/releases//double//slash.deb"),
        cached("curl -s -O {o}/pool/net-snmp_5.9.3+dfsg-2+deb12u1.dsc"),
        cached("curl -s -O {o}/pool/x~bpo9+2.dsc"),
        cached("curl -s -O {o}/home:/p4lang/x.dsc"),
        cached("curl -s {o}/pool/a%20b"),
        any("curl -s {o}").unpinned(),
        cached("curl -s {o}/"),
        any("curl -s HTTP://{h}/pool/a").unpinned(),
        any("curl -s {o}/pool/../pool/dots"),
        any("curl -s --path-as-is {o}/pool/../pool/dots"),
        any("curl -s '{o}/pool/blank in url' -o out"),
        any("curl -s {o}/pool/ünïcode -O"),
        any("curl -s -o out -- {o}/pool/a"),
    ]
}

fn redirects() -> Vec<Row> {
    vec![
        cached("curl -sL {o}/redir/1/pool/a"),
        cached("curl -L -o out {o}/redir/3/pool/a"),
        cached("curl -sL -o out {o}/redir301/pool/a"),
        cached("curl -sL -o out {o}/redirrel/pool/a"),
        cached("curl -sLR -o out {o}/redir/2/pool/a"),
        cached("curl -sL --max-redirs 5 -o out {o}/redir/2/pool/a"),
        live("curl -s {o}/redir/1/pool/a").unpinned(),
        live("curl -sf -o out {o}/redir/1/pool/a").unpinned(),
        live("curl -sO {o}/redir/1/pool/a").unpinned(),
        live("curl -sL --max-redirs 1 -o out {o}/redir/3/pool/a").unpinned(),
        live("curl -sLf -o out {o}/redir/1/status/404/a"),
        any("curl -s --location-trusted -u user:pw -o out {o}/redir/1/auth/a").alone(),
    ]
}

fn refusals() -> Vec<Row> {
    vec![
        live("curl -s {o}/status/404/a"),
        live("curl -f -s {o}/status/404/a"),
        live("curl -s -o out {o}/status/404/a"),
        live("curl -fsSL -o out {o}/status/404/a"),
        live("curl -f -o out {o}/status/403/a"),
        live("curl -f -o out {o}/status/500/a"),
        live("curl -sO {o}/status/503/a"),
        live("curl -s --fail-with-body -o out {o}/status/404/a"),
        live("curl -s {o}/auth/a"),
        live("curl -s -o out {o}/reset/s9000/a").unpinned(),
        live("curl -s {o}/reset/s9000/a").unpinned(),
        live("curl -s -o out {o}/claim/99999/s9000/a").unpinned(),
        live("curl -s -m 1 -o out {o}/stall/s9000/a").unpinned(),
        live("curl -s -y 1 -Y 1000 -m 2 -o out {o}/stall/s9000/a").unpinned(),
        live("curl -s --max-filesize 100 -o out {o}/s9000/a").unpinned(),
    ]
}

fn credentials() -> Vec<Row> {
    vec![
        cached("curl -s http://user:pw@{h}/auth/a").alone(),
        cached("curl -s -u user:pw -o out {o}/auth/a").alone(),
        cached("curl -suuser:pw -o out {o}/auth/a").alone(),
        cached("curl -s --user user:pw {o}/auth/a -O").alone(),
        cached("curl -s -L -f -H 'Authorization: Basic dXNlcjpwdw==' {o}/auth/a").alone(),
        cached("curl -s -H 'Authorization: token abc' {o}/pool/a").alone(),
        live("curl -s -u user:wrong {o}/auth/a"),
        any("curl -s -n {o}/auth/a")
            .file("../home/.netrc", "machine 127.0.0.1 login user password pw\n")
            .alone(),
        any("curl -s --anyauth -u user:pw {o}/auth/a").alone(),
        any("curl -s --oauth2-bearer secret {o}/pool/a").alone(),
    ]
}

fn headers() -> Vec<Row> {
    vec![
        cached("curl -s -H 'Accept: application/json' {o}/accept/a").alone(),
        cached("curl -s -H 'Accept: text/plain' -o out {o}/accept/a").alone(),
        cached("curl -s --header 'Accept: text/html' {o}/accept/a").alone(),
        cached("curl -s --compressed -o out {o}/gz/a").alone(),
        cached("curl -s --compressed {o}/gz/s70000/a").alone(),
        cached("curl -s --compressed -o out {o}/pool/a").alone(),
        cached("curl -s -o out {o}/gz/a"),
        any("curl -s -H 'Accept-Encoding: gzip' -o out {o}/gz/a").unpinned(),
        any("curl -s -H 'Range: bytes=0-9' {o}/pool/a").unpinned(),
        any("curl -s -H 'If-None-Match: \"x\"' {o}/pool/a"),
        any("curl -s -H 'X-Thing: 1' {o}/pool/a"),
        any("curl -s -H 'Accept:' {o}/accept/a"),
        any("curl -s -H @headers {o}/accept/a").file("headers", "Accept: text/x-file\n"),
        cached("curl -s -A agent/1.0 {o}/pool/a"),
        any("curl -s -e http://elsewhere.example/ {o}/pool/a"),
        any("curl -s -X GET {o}/pool/a"),
        any("curl -s -G -d a=b {o}/pool/a").unpinned(),
        any("curl -s -G --data-urlencode 'a=b c' -o out {o}/pool/a").unpinned(),
    ]
}

fn write_out() -> Vec<Row> {
    vec![
        cached("curl -s -o out -w '%{http_code}' {o}/pool/a"),
        cached("curl -s -o out -w '%{http_code}\\n' {o}/pool/a"),
        cached("curl -s -o out -w '%{response_code} %{size_download}\\n' {o}/pool/a"),
        warm("curl -s -w '%{http_code}' {o}/pool/a").fill("curl -s -o x {o}/pool/a"),
        uncached("discarded", "curl -s -o /dev/null -w '%{http_code}' {o}/pool/a"),
        cached("curl -s -o out -w 'done\\t%%\\n' {o}/pool/a"),
        uncached("write-out", "curl -sL -o out -w '%{url_effective} %{num_redirects}' {o}/pool/a"),
        cached("curl -s -O -w '%{filename_effective}' {o}/pool/a"),
        cached("curl -s --write-out '%{http_code}\\n' -o a {o}/pool/a -o b {o}/pool/b"),
        live("curl -s -o out -w '%{http_code}' {o}/status/404/a"),
        any("curl -s -o out -w '%{content_type}|%{exitcode}|%{errormsg}|%{method}|%{scheme}' {o}/pool/a"),
        any("curl -sL -o out -w '%{url_effective} %{num_redirects} %{redirect_url}' {o}/redir/2/pool/a"),
        any("curl -s -o out -w '%{nosuchvariable}' {o}/pool/a"),
        any("curl -s -o out -w '%{stderr}e%{stdout}o' {o}/pool/a"),
        any("curl -s -o out -w @format {o}/pool/a").file("format", "code %{http_code}\n"),
    ]
}

fn configuration() -> Vec<Row> {
    vec![
        cached("curl -K config").file("config", "url = \"{o}/pool/a\"\noutput = out\nsilent\n"),
        cached("curl -s --config config -o out").file("config", "# a comment\nurl={o}/pool/a\n-L\n"),
        warm("curl -sKconfig {o}/pool/b")
            .fill("curl -s -o x {o}/pool/a")
            .fill("curl -s -o x {o}/pool/b")
            .file("config", "url = \"{o}/pool/a\"\n"),
        cached("curl -s {o}/redir/1/pool/a").file("../home/.curlrc", "location\n"),
        cached("curl {o}/pool/a -o out").file("../home/.curlrc", "# nothing\n\nsilent\n"),
        cached("curl -q -s {o}/pool/a").file("../home/.curlrc", "output = elsewhere\n"),
        any("curl {o}/pool/a").file("../home/.curlrc", "output = elsewhere\n"),
        any("curl -s {o}/accept/a").file("../home/.curlrc", "header = \"Accept: text/x-own\"\n"),
        any("curl -s {o}/pool/a").file("../home/.curlrc", "no-such-option\n"),
        any("curl -s {o}/pool/a").file("../home/.config/curlrc", "output = elsewhere\n"),
        any("curl -s {o}/pool/a")
            .file("curlhome/.curlrc", "output = elsewhere\n")
            .env("CURL_HOME", "{w}/curlhome"),
        any("curl -s -K missing-config {o}/pool/a"),
        any("curl -s -K - -o out").stdin("url = {o}/pool/a\n"),
        any("curl -s {o}/pool/a").env("http_proxy", "http://{h}/"),
        cached("curl -s {o}/pool/a").env("https_proxy", ""),
        cached("curl -s {o}/pool/a").env("no_proxy", "127.0.0.1").env("http_proxy", "http://127.0.0.1:9/"),
    ]
}

fn harmless() -> Vec<Row> {
    let options = [
        "-m 20",
        "--max-time 20 --connect-timeout 5",
        "--retry 2",
        "--retry 2 --retry-delay 1 --retry-max-time 4",
        "--limit-rate 10m",
        "-k",
        "--insecure",
        "-4",
        "--ipv4",
        "--http1.1",
        "--tcp-nodelay",
        "--keepalive-time 10",
        "--cacert /etc/ssl/certs/ca-certificates.crt",
        "--ciphers ECDHE-RSA-AES128-GCM-SHA256 --tlsv1.2",
        "--speed-limit 1 --speed-time 10",
        "--no-keepalive",
        "--no-buffer",
        "--proto-default http",
        "--user-agent agent",
        "--tr-encoding",
        "-fsS",
        "--no-location",
        "--compressed-ssh",
        "--ssl-reqd",
        "--noproxy '*'",
    ];
    let quiet = |options: &&str| cached(&format!("curl -s {options} -o out {{o}}/pool/harmless"));
    let mut rows: Vec<Row> = options.iter().map(quiet).collect();
    rows.push(any("curl -s --expect100-timeout 2 --false-start -o out {o}/pool/harmless"));
    rows
}
