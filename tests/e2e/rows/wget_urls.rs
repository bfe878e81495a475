//! wget: how URLs are typed, what servers answer, what is sent along.

use vcache_tests::{Row, any, cached, live};

pub(crate) fn rows() -> Vec<Row> {
    [spellings(), redirects(), refusals(), credentials(), headers(), configuration()].concat()
}

fn spellings() -> Vec<Row> {
    vec![
        cached("wget {o}/dl/?mode=json"),
        cached("wget {o}/get?a=1&b=2"),
        cached("wget {o}/pool/file.deb?token-free=1 -O out"),
        cached("wget {o}/releases//double//slash.deb"),
        cached("wget {o}/cmake_3.13.2-1_bpo9%2B1_arm64.deb -O cmake_3.13.2-1_bpo9+1_arm64.deb"),
        cached("wget {o}/pool/golang-1.19-go_1.19.8-2+fips_armhf.deb"),
        cached("wget {o}/pool/redis_5.0.3-3~bpo9+2.dsc"),
        cached("wget {o}/pool/percent%2Bplus.deb"),
        cached("wget {o}/pool/blank%20in%20name"),
        cached("wget {o}/repositories/home:/p4lang/x.dsc"),
        cached("wget {o}/pool/at@sign,comma;semi=colon"),
        cached("wget {o}/pool/v2.5.tar.gz#fragment"),
        cached("wget {o}/pool/"),
        cached("wget {o}/"),
        any("wget {o}").unpinned(),
        cached("wget {h}/pool/no-scheme.deb"),
        any("wget HTTP://{h}/pool/upper-scheme.deb").unpinned(),
        any("wget {o}/pool/../pool/dots.deb"),
        any("wget '{o}/pool/blank in url'"),
        any("wget {o}/pool/ünïcode.deb"),
        any("wget -q {o}/pool/%C3%BC.deb"),
        cached("wget {o}/pool/UPPER.DEB"),
        cached("wget '{o}/pool/brackets[1].deb'"),
        cached("wget '{o}/pool/star*.deb'"),
    ]
}

fn redirects() -> Vec<Row> {
    vec![
        cached("wget {o}/redir/1/pool/a.deb"),
        cached("wget -O out {o}/redir/1/pool/a.deb"),
        cached("wget -qO- {o}/redir/3/pool/a.deb"),
        cached("wget {o}/redir301/pool/a.deb"),
        cached("wget {o}/redirrel/pool/a.deb"),
        cached("wget --max-redirect=5 -O out {o}/redir/3/pool/a.deb"),
        live("wget --max-redirect=0 -O out {o}/redir/1/pool/a.deb").unpinned(),
        live("wget --max-redirect=2 -O out {o}/redir/3/pool/a.deb").unpinned(),
        live("wget -O out {o}/redir/1/status/404/a.deb"),
        any("wget --trust-server-names {o}/redir/1/pool/other-name.deb"),
        any("wget --content-disposition {o}/cd/given.deb/x"),
        any("wget {o}/cd/given.deb/x"),
    ]
}

fn refusals() -> Vec<Row> {
    vec![
        live("wget {o}/status/404/a.deb"),
        live("wget -O out {o}/status/404/a.deb"),
        live("wget -O out {o}/status/404/a.deb").file("out", "was here"),
        live("wget -qO- {o}/status/404/a.deb"),
        live("wget {o}/status/403/a.deb"),
        live("wget {o}/status/500/a.deb"),
        live("wget -t 1 {o}/status/503/a.deb"),
        live("wget {o}/status/410/a.deb -P sub"),
        live("wget {o}/auth/a.deb"),
        any("wget --content-on-error -O out {o}/status/404/a.deb"),
        live("wget -t 1 -O out {o}/reset/s9000/a.deb").unpinned(),
        live("wget -t 1 {o}/claim/99999/s9000/a.deb").unpinned(),
        live("wget -t 1 -T 1 -O out {o}/stall/s9000/a.deb").unpinned(),
    ]
}

fn credentials() -> Vec<Row> {
    vec![
        cached("wget http://user:pw@{h}/auth/a.deb").alone(),
        cached("wget --user=user --password=pw {o}/auth/a.deb").alone(),
        cached("wget --http-user=user --http-password=pw -O out {o}/auth/a.deb").alone(),
        cached("wget --auth-no-challenge --user=user --password=pw -O out {o}/auth/a.deb").alone(),
        cached("wget '--header=Authorization: Basic dXNlcjpwdw==' -O out {o}/auth/a.deb").alone(),
        live("wget --user=user --password=wrong {o}/auth/a.deb"),
        any("wget {o}/auth/a.deb")
            .file("../home/.netrc", "machine 127.0.0.1 login user password pw\n")
            .alone(),
    ]
}

fn headers() -> Vec<Row> {
    vec![
        cached("wget '--header=Accept: application/json' {o}/accept/a").alone(),
        cached("wget --header 'Accept: text/plain' -O out {o}/accept/a").alone(),
        any("wget '--header=X-Thing: 1' {o}/pool/a"),
        any("wget '--header=Accept-Encoding: gzip' {o}/gz/a").unpinned(),
        any("wget '--header=Range: bytes=0-9' {o}/pool/a").unpinned(),
        any("wget '--header=Cookie: a=b' {o}/pool/a"),
        any("wget --referer=http://elsewhere.example/ {o}/pool/a"),
        any("wget --compression=auto {o}/gz/a"),
        any("wget --compression=gzip -O out {o}/gz/a"),
        cached("wget {o}/gz/a"),
        any("wget --no-cache {o}/pool/a"),
        any("wget --no-http-keep-alive {o}/pool/a"),
        any("wget --ignore-length {o}/pool/a"),
    ]
}

fn configuration() -> Vec<Row> {
    vec![
        cached("wget {o}/pool/a.deb").file("../home/.wgetrc", "# nothing\n\nquiet = on\n"),
        any("wget {o}/pool/a.deb").file("../home/.wgetrc", "dir_prefix = sub\n"),
        any("wget {o}/pool/a.deb").file("../home/.wgetrc", "output_document = elsewhere\n"),
        any("wget {o}/pool/a.deb").file("../home/.wgetrc", "timestamping = on\n").file("a.deb", "old"),
        any("wget {o}/accept/a").file("../home/.wgetrc", "header = Accept: text/x-own\n"),
        any("wget {o}/pool/a.deb").file("../home/.wgetrc", "no such line\n"),
        any("wget --config=rc {o}/pool/a.deb").file("rc", "dir_prefix = sub\n"),
        any("wget {o}/pool/a.deb").file("rc", "dir_prefix = sub\n").env("WGETRC", "rc"),
        any("wget -e dir_prefix=sub {o}/pool/a.deb"),
        any("wget -e robots=off {o}/pool/a.deb"),
        any("wget {o}/pool/a.deb").env("http_proxy", "http://{h}/"),
        cached("wget {o}/pool/a.deb").env("https_proxy", ""),
        cached("wget {o}/pool/a.deb").env("no_proxy", "127.0.0.1").env("http_proxy", "http://127.0.0.1:9/"),
    ]
}
