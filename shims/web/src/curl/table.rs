//! The options of curl 7.64 to 8.x, and what each means for caching.
//!
//! A row that is missing costs a passthrough; a row with the wrong arity would make a file name out of a URL, so arity
//! follows curl's own tables of those versions: a boolean has a `--no-` form, `--name=value` is not understood (curl
//! before 8.16), and a long name must be typed in full (old ones accepted beginnings, new ones do not).

use vcache_argv::{Arity, Dialect, Opt, Table};

use crate::reason::Code;

/// What an option means for caching.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Meaning {
    /// It changes neither the content nor where it goes: transport, credentials, messages.
    Harmless,
    /// Version, help and the like.
    Info,
    /// Something a cache cannot give back, when it is switched on.
    Refuse(Code),
    /// Harmless, and the caller has ideas of its own about retries.
    Retries,
    /// `-o`.
    Output,
    /// `--output-dir`.
    OutputDir,
    /// `--out-null`: an output that is thrown away.
    OutNull,
    /// `-O`.
    RemoteName,
    /// `--remote-name-all`: `-O` for the URLs that follow.
    RemoteNameAll,
    /// `-J`.
    RemoteHeaderName,
    /// `-R`.
    RemoteTime,
    /// `--create-dirs`.
    CreateDirs,
    /// `--clobber` and `--no-clobber`.
    Clobber,
    /// `--skip-existing`.
    SkipExisting,
    /// `-L` and its kin.
    Location,
    /// `--max-redirs`.
    MaxRedirects,
    /// `-H`.
    Header,
    /// `--compressed`.
    Compressed,
    /// `--path-as-is`: matters for a path with dots.
    PathAsIs,
    /// `-X`.
    Request,
    /// `-C`.
    Continue,
    /// `--url`.
    Url,
    /// `-g`.
    Globoff,
    /// `-w`.
    WriteOut,
    /// `-K`.
    Config,
    /// `--next`.
    Next,
    /// `--proto`.
    Protocols,
    /// `--proto-default`.
    DefaultProtocol,
    /// `-Z`.
    Parallel,
    /// `--engine`: `list` prints a list.
    Engine,
}

use Meaning::*;

const NONE: u8 = 0;

const fn row(long: &'static str, letter: u8, arity: Arity, meaning: Meaning) -> Opt<Meaning> {
    Opt::new(long, if letter == NONE { None } else { Some(letter) }, arity, meaning)
}

const fn value(long: &'static str, letter: u8, meaning: Meaning) -> Opt<Meaning> {
    row(long, letter, Arity::Required, meaning)
}

/// A boolean, with its `--no-` form.
const fn flag(long: &'static str, letter: u8, meaning: Meaning) -> Opt<Meaning> {
    row(long, letter, Arity::Switch, meaning).negatable()
}

const fn switch(long: &'static str, letter: u8, meaning: Meaning) -> Opt<Meaning> {
    row(long, letter, Arity::Switch, meaning)
}

/// curl's options.
pub static TABLE: Table<Meaning> = Table {
    dialect: Dialect { abbreviations: false, equals: false, dash_is_positional: false },
    options: OPTIONS,
};

static OPTIONS: &[Opt<Meaning>] = &[
    value("abstract-unix-socket", NONE, Refuse(Code::Connection)),
    flag("alpn", NONE, Harmless),
    value("alt-svc", NONE, Refuse(Code::SideEffect)),
    switch("anyauth", NONE, Harmless),
    flag("append", b'a', Harmless),
    value("aws-sigv4", NONE, Harmless),
    flag("basic", NONE, Harmless),
    flag("buffer", b'N', Harmless),
    flag("ca-native", NONE, Harmless),
    value("cacert", NONE, Harmless),
    value("capath", NONE, Harmless),
    value("cert", b'E', Harmless),
    flag("cert-status", NONE, Harmless),
    value("cert-type", NONE, Harmless),
    value("ciphers", NONE, Harmless),
    flag("clobber", NONE, Clobber),
    flag("compressed", NONE, Compressed),
    flag("compressed-ssh", NONE, Harmless),
    value("config", b'K', Config),
    value("connect-timeout", NONE, Harmless),
    value("connect-to", NONE, Refuse(Code::Connection)),
    value("continue-at", b'C', Continue),
    value("cookie", b'b', Refuse(Code::Cookies)),
    value("cookie-jar", b'c', Refuse(Code::Cookies)),
    flag("create-dirs", NONE, CreateDirs),
    value("create-file-mode", NONE, Harmless),
    flag("crlf", NONE, Harmless),
    value("crlfile", NONE, Harmless),
    value("curves", NONE, Harmless),
    value("data", b'd', Refuse(Code::Method)),
    value("data-ascii", NONE, Refuse(Code::Method)),
    value("data-binary", NONE, Refuse(Code::Method)),
    value("data-raw", NONE, Refuse(Code::Method)),
    value("data-urlencode", NONE, Refuse(Code::Method)),
    value("delegation", NONE, Harmless),
    flag("digest", NONE, Harmless),
    flag("disable", b'q', Harmless),
    flag("disable-eprt", NONE, Harmless),
    flag("disable-epsv", NONE, Harmless),
    flag("disallow-username-in-url", NONE, Harmless),
    value("dns-interface", NONE, Harmless),
    value("dns-ipv4-addr", NONE, Harmless),
    value("dns-ipv6-addr", NONE, Harmless),
    value("dns-servers", NONE, Harmless),
    flag("doh-cert-status", NONE, Harmless),
    flag("doh-insecure", NONE, Harmless),
    value("doh-url", NONE, Refuse(Code::Connection)),
    switch("dump-ca-embed", NONE, Info),
    value("dump-header", b'D', Refuse(Code::HeadersShown)),
    value("ech", NONE, Harmless),
    value("egd-file", NONE, Harmless),
    value("engine", NONE, Engine),
    flag("eprt", NONE, Harmless),
    flag("epsv", NONE, Harmless),
    value("etag-compare", NONE, Refuse(Code::Conditional)),
    value("etag-save", NONE, Refuse(Code::Conditional)),
    value("expect100-timeout", NONE, Harmless),
    flag("fail", b'f', Harmless),
    flag("fail-early", NONE, Harmless),
    flag("fail-with-body", NONE, Harmless),
    flag("false-start", NONE, Harmless),
    flag("follow", NONE, Location),
    value("form", b'F', Refuse(Code::Method)),
    flag("form-escape", NONE, Harmless),
    value("form-string", NONE, Refuse(Code::Method)),
    value("ftp-account", NONE, Harmless),
    value("ftp-alternative-to-user", NONE, Harmless),
    flag("ftp-create-dirs", NONE, Harmless),
    value("ftp-method", NONE, Harmless),
    switch("ftp-pasv", NONE, Harmless),
    value("ftp-port", b'P', Harmless),
    flag("ftp-pret", NONE, Harmless),
    flag("ftp-skip-pasv-ip", NONE, Harmless),
    flag("ftp-ssl", NONE, Harmless),
    flag("ftp-ssl-ccc", NONE, Harmless),
    value("ftp-ssl-ccc-mode", NONE, Harmless),
    flag("ftp-ssl-control", NONE, Harmless),
    flag("ftp-ssl-reqd", NONE, Harmless),
    flag("get", b'G', Harmless),
    flag("globoff", b'g', Globoff),
    value("happy-eyeballs-timeout-ms", NONE, Harmless),
    value("haproxy-clientip", NONE, Harmless),
    flag("haproxy-protocol", NONE, Harmless),
    flag("head", b'I', Refuse(Code::HeadersOnly)),
    value("header", b'H', Header),
    switch("help", b'h', Info),
    value("hostpubmd5", NONE, Harmless),
    value("hostpubsha256", NONE, Harmless),
    value("hsts", NONE, Refuse(Code::SideEffect)),
    flag("http0.9", NONE, Harmless),
    switch("http1.0", b'0', Harmless),
    switch("http1.1", NONE, Harmless),
    switch("http2", NONE, Harmless),
    switch("http2-prior-knowledge", NONE, Harmless),
    switch("http3", NONE, Harmless),
    switch("http3-only", NONE, Harmless),
    value("httpsig-algo", NONE, Harmless),
    value("httpsig-headers", NONE, Harmless),
    value("httpsig-key", NONE, Harmless),
    value("httpsig-keyid", NONE, Harmless),
    flag("ignore-content-length", NONE, Harmless),
    flag("include", NONE, Refuse(Code::HeadersShown)),
    flag("insecure", b'k', Harmless),
    value("interface", NONE, Harmless),
    value("ip-tos", NONE, Harmless),
    value("ipfs-gateway", NONE, Harmless),
    switch("ipv4", b'4', Harmless),
    switch("ipv6", b'6', Harmless),
    value("json", NONE, Refuse(Code::Method)),
    flag("junk-session-cookies", b'j', Harmless),
    flag("keepalive", NONE, Harmless),
    value("keepalive-cnt", NONE, Harmless),
    value("keepalive-time", NONE, Harmless),
    value("key", NONE, Harmless),
    value("key-type", NONE, Harmless),
    value("knownhosts", NONE, Harmless),
    value("krb", NONE, Harmless),
    value("krb4", NONE, Harmless),
    value("libcurl", NONE, Refuse(Code::SideEffect)),
    value("limit-rate", NONE, Harmless),
    flag("list-only", b'l', Harmless),
    value("local-port", NONE, Harmless),
    flag("location", b'L', Location),
    flag("location-trusted", NONE, Location),
    value("login-options", NONE, Harmless),
    value("mail-auth", NONE, Harmless),
    value("mail-from", NONE, Harmless),
    value("mail-rcpt", NONE, Harmless),
    flag("mail-rcpt-allowfails", NONE, Harmless),
    flag("manual", b'M', Info),
    value("max-filesize", NONE, Refuse(Code::Conditional)),
    value("max-redirs", NONE, MaxRedirects),
    value("max-time", b'm', Harmless),
    flag("metalink", NONE, Refuse(Code::OutputName)),
    flag("mptcp", NONE, Harmless),
    flag("negotiate", NONE, Harmless),
    flag("netrc", b'n', Harmless),
    value("netrc-file", NONE, Harmless),
    flag("netrc-optional", NONE, Harmless),
    switch("next", b':', Next),
    value("noproxy", NONE, Harmless),
    flag("npn", NONE, Harmless),
    flag("ntlm", NONE, Harmless),
    flag("ntlm-wb", NONE, Harmless),
    value("oauth2-bearer", NONE, Harmless),
    flag("out-null", NONE, OutNull),
    value("output", b'o', Output),
    value("output-dir", NONE, OutputDir),
    flag("parallel", b'Z', Parallel),
    flag("parallel-immediate", NONE, Harmless),
    value("parallel-max", NONE, Harmless),
    value("parallel-max-host", NONE, Harmless),
    value("pass", NONE, Harmless),
    flag("path-as-is", NONE, PathAsIs),
    value("pinnedpubkey", NONE, Harmless),
    flag("post301", NONE, Harmless),
    flag("post302", NONE, Harmless),
    flag("post303", NONE, Harmless),
    value("preproxy", NONE, Harmless),
    flag("progress-bar", b'#', Harmless),
    flag("progress-meter", NONE, Harmless),
    value("proto", NONE, Protocols),
    value("proto-default", NONE, DefaultProtocol),
    value("proto-redir", NONE, Harmless),
    value("proxy", b'x', Harmless),
    flag("proxy-anyauth", NONE, Harmless),
    flag("proxy-basic", NONE, Harmless),
    flag("proxy-ca-native", NONE, Harmless),
    value("proxy-cacert", NONE, Harmless),
    value("proxy-capath", NONE, Harmless),
    value("proxy-cert", NONE, Harmless),
    value("proxy-cert-type", NONE, Harmless),
    value("proxy-ciphers", NONE, Harmless),
    value("proxy-crlfile", NONE, Harmless),
    flag("proxy-digest", NONE, Harmless),
    value("proxy-header", NONE, Harmless),
    flag("proxy-http2", NONE, Harmless),
    flag("proxy-http3", NONE, Harmless),
    flag("proxy-insecure", NONE, Harmless),
    value("proxy-key", NONE, Harmless),
    value("proxy-key-type", NONE, Harmless),
    flag("proxy-negotiate", NONE, Harmless),
    flag("proxy-ntlm", NONE, Harmless),
    value("proxy-pass", NONE, Harmless),
    value("proxy-pinnedpubkey", NONE, Harmless),
    value("proxy-service-name", NONE, Harmless),
    flag("proxy-ssl-allow-beast", NONE, Harmless),
    flag("proxy-ssl-auto-client-cert", NONE, Harmless),
    value("proxy-tls13-ciphers", NONE, Harmless),
    value("proxy-tlsauthtype", NONE, Harmless),
    value("proxy-tlspassword", NONE, Harmless),
    value("proxy-tlsuser", NONE, Harmless),
    switch("proxy-tlsv1", NONE, Harmless),
    value("proxy-user", b'U', Harmless),
    value("proxy1.0", NONE, Harmless),
    flag("proxytunnel", b'p', Harmless),
    value("pubkey", NONE, Harmless),
    value("quote", b'Q', Harmless),
    value("random-file", NONE, Harmless),
    value("range", b'r', Refuse(Code::Range)),
    value("rate", NONE, Harmless),
    flag("raw", NONE, Refuse(Code::HeadersShown)),
    value("referer", b'e', Harmless),
    flag("remote-header-name", b'J', RemoteHeaderName),
    flag("remote-name", b'O', RemoteName),
    flag("remote-name-all", NONE, RemoteNameAll),
    flag("remote-time", b'R', RemoteTime),
    flag("remove-on-error", NONE, Harmless),
    value("request", b'X', Request),
    value("request-target", NONE, Refuse(Code::Connection)),
    value("resolve", NONE, Refuse(Code::Connection)),
    value("retry", NONE, Retries),
    flag("retry-all-errors", NONE, Retries),
    flag("retry-connrefused", NONE, Retries),
    value("retry-delay", NONE, Retries),
    value("retry-max-time", NONE, Retries),
    value("sasl-authzid", NONE, Harmless),
    flag("sasl-ir", NONE, Harmless),
    value("service-name", NONE, Harmless),
    flag("sessionid", NONE, Harmless),
    flag("show-error", b'S', Harmless),
    flag("show-headers", b'i', Refuse(Code::HeadersShown)),
    value("sigalgs", NONE, Harmless),
    flag("silent", b's', Harmless),
    flag("skip-existing", NONE, SkipExisting),
    value("socks4", NONE, Harmless),
    value("socks4a", NONE, Harmless),
    value("socks5", NONE, Harmless),
    flag("socks5-basic", NONE, Harmless),
    flag("socks5-gssapi", NONE, Harmless),
    flag("socks5-gssapi-nec", NONE, Harmless),
    value("socks5-gssapi-service", NONE, Harmless),
    value("socks5-hostname", NONE, Harmless),
    value("speed-limit", b'Y', Harmless),
    value("speed-time", b'y', Harmless),
    flag("ssl", NONE, Harmless),
    flag("ssl-allow-beast", NONE, Harmless),
    flag("ssl-auto-client-cert", NONE, Harmless),
    flag("ssl-no-revoke", NONE, Harmless),
    flag("ssl-reqd", NONE, Harmless),
    flag("ssl-revoke-best-effort", NONE, Harmless),
    value("ssl-sessions", NONE, Refuse(Code::SideEffect)),
    switch("sslv2", b'2', Harmless),
    switch("sslv3", b'3', Harmless),
    value("stderr", NONE, Refuse(Code::SideEffect)),
    flag("styled-output", NONE, Harmless),
    flag("suppress-connect-headers", NONE, Harmless),
    flag("tcp-fastopen", NONE, Harmless),
    flag("tcp-nodelay", NONE, Harmless),
    value("telnet-option", b't', Harmless),
    value("tftp-blksize", NONE, Harmless),
    flag("tftp-no-options", NONE, Harmless),
    value("time-cond", b'z', Refuse(Code::Conditional)),
    flag("tls-earlydata", NONE, Harmless),
    value("tls-max", NONE, Harmless),
    value("tls13-ciphers", NONE, Harmless),
    value("tlsauthtype", NONE, Harmless),
    value("tlspassword", NONE, Harmless),
    value("tlsuser", NONE, Harmless),
    switch("tlsv1", b'1', Harmless),
    switch("tlsv1.0", NONE, Harmless),
    switch("tlsv1.1", NONE, Harmless),
    switch("tlsv1.2", NONE, Harmless),
    switch("tlsv1.3", NONE, Harmless),
    flag("tr-encoding", NONE, Harmless),
    value("trace", NONE, Refuse(Code::SideEffect)),
    value("trace-ascii", NONE, Refuse(Code::SideEffect)),
    value("trace-config", NONE, Harmless),
    flag("trace-ids", NONE, Harmless),
    flag("trace-time", NONE, Harmless),
    value("unix-socket", NONE, Refuse(Code::Connection)),
    value("upload-file", b'T', Refuse(Code::Upload)),
    value("upload-flags", NONE, Harmless),
    value("url", NONE, Url),
    value("url-query", NONE, Refuse(Code::OutputName)),
    flag("use-ascii", b'B', Harmless),
    value("user", b'u', Harmless),
    value("user-agent", b'A', Harmless),
    value("variable", NONE, Refuse(Code::OutputName)),
    flag("verbose", b'v', Harmless),
    flag("version", b'V', Info),
    value("vlan-priority", NONE, Harmless),
    value("write-out", b'w', WriteOut),
    flag("xattr", NONE, Refuse(Code::SideEffect)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_good() {
        assert_eq!(TABLE.problems(), Vec::<String>::new());
    }
}
