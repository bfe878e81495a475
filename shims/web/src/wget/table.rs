//! The options of wget 1.20 to 1.25, and what each means for caching.
//!
//! A row that is missing costs a passthrough; a row with the wrong arity would make a file name out of a URL, so arity
//! follows wget's own table: a boolean takes an optional `=on` or `=off` and has a `--no-` form. wget accepts any
//! unambiguous beginning of a long name; the union of all versions is ambiguous wherever one version is.

use vcache_argv::{Arity, Dialect, NO_LETTER as NONE, Opt, Table, row, switch, value};

use crate::reason::Code;

/// What an option means for caching.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// It changes neither the content nor where it goes: transport, credentials, messages.
    Harmless,
    /// Version and help.
    Info,
    /// Something a cache cannot give back, when it is switched on.
    Refuse(Code),
    /// Harmless, and the caller has ideas of its own about retries.
    Retries,
    /// Harmless for the content, and to be sent to no other server.
    Credential,
    /// Servers choose contents by it.
    UserAgent,
    /// With `-N`: whether times alone are compared.
    IfModifiedSince,
    /// `-O`.
    OutputDocument,
    /// `-P`.
    Folder,
    /// `-o`.
    Log,
    /// `-a`.
    AppendLog,
    /// `-i`.
    InputFile,
    /// `-N`.
    Timestamping,
    /// `--no-clobber`, a name of its own in wget.
    NoClobber,
    /// `--clobber`, its opposite.
    Clobber,
    /// `--parent`: for recursion only, but its value is checked.
    Parent,
    /// `-c`.
    Continue,
    /// Whether files get the server's time.
    ServerTimes,
    /// `--header`.
    Header,
    /// `--compression`.
    Compression,
    /// `--max-redirect`.
    MaxRedirect,
    /// `--method`.
    Method,
    /// It changes names that come from URLs, so with `-O` it does nothing.
    Naming,
    /// `-x`, `-nd`: folders after the URL.
    Directories,
    /// `-nH`.
    HostFolder,
    /// `--protocol-directories`.
    ProtocolFolder,
    /// `--cut-dirs`.
    CutDirs,
    /// `-n` with its letters: `-nv`, `-nc`, `-nd`, `-nH`, `-np`.
    Letters,
    /// `-e`: a line of `.wgetrc`.
    Execute,
    /// `--config`.
    ConfigFile,
    /// `--no-config`.
    NoConfig,
    /// `-q`.
    Quiet,
    /// `-v`.
    Verbose,
    /// `-4`.
    Inet4,
    /// `-6`.
    Inet6,
    /// `-Q`: counts for lists of URLs.
    Quota,
}

use Meaning::*;

/// A boolean of wget's.
const fn flag(long: &'static str, letter: u8, meaning: Meaning) -> Opt<Meaning> {
    row(long, letter, Arity::Optional, meaning).negatable()
}

/// A boolean whose `--no-` form has a row of its own.
const fn choice(long: &'static str, letter: u8, meaning: Meaning) -> Opt<Meaning> {
    row(long, letter, Arity::Optional, meaning)
}

/// wget's options.
pub(crate) static TABLE: Table<Meaning> = Table { dialect: Dialect::GETOPT_LONG, options: OPTIONS };

static OPTIONS: &[Opt<Meaning>] = &[
    value("accept", b'A', Refuse(Code::Recursion)),
    value("accept-regex", NONE, Refuse(Code::Recursion)),
    flag("adjust-extension", b'E', Refuse(Code::OutputName)),
    value("append-output", b'a', AppendLog),
    flag("ask-password", NONE, Refuse(Code::SideEffect)),
    flag("auth-no-challenge", NONE, Harmless),
    flag("background", b'b', Refuse(Code::SideEffect)),
    flag("backup-converted", b'K', Refuse(Code::OutputName)),
    flag("backups", NONE, Refuse(Code::SideEffect)),
    value("base", b'B', Refuse(Code::InputFile)),
    value("bind-address", NONE, Harmless),
    value("bind-dns-address", NONE, Harmless),
    value("body-data", NONE, Refuse(Code::Method)),
    value("body-file", NONE, Refuse(Code::Method)),
    value("ca-certificate", NONE, Harmless),
    value("ca-directory", NONE, Harmless),
    flag("cache", NONE, Harmless),
    value("certificate", NONE, Harmless),
    value("certificate-type", NONE, Harmless),
    flag("check-certificate", NONE, Harmless),
    value("ciphers", NONE, Harmless),
    choice("clobber", NONE, Clobber),
    value("compression", NONE, Compression),
    value("config", NONE, ConfigFile),
    value("connect-timeout", NONE, Harmless),
    flag("content-disposition", NONE, Naming),
    flag("content-on-error", NONE, Harmless),
    flag("continue", b'c', Continue),
    flag("convert-file-only", NONE, Refuse(Code::OutputName)),
    flag("convert-links", b'k', Refuse(Code::OutputName)),
    flag("cookies", NONE, Harmless),
    value("crl-file", NONE, Harmless),
    value("cut-dirs", NONE, CutDirs),
    flag("debug", b'd', Harmless),
    value("default-page", NONE, Naming),
    flag("delete-after", NONE, Refuse(Code::SideEffect)),
    flag("directories", NONE, Directories),
    value("directory-prefix", b'P', Folder),
    flag("dns-cache", NONE, Harmless),
    value("dns-servers", NONE, Harmless),
    value("dns-timeout", NONE, Harmless),
    value("domains", b'D', Refuse(Code::Recursion)),
    switch("dont-remove-listing", NONE, Harmless),
    value("dot-style", NONE, Harmless),
    value("egd-file", NONE, Harmless),
    value("exclude-directories", b'X', Refuse(Code::Recursion)),
    value("exclude-domains", NONE, Refuse(Code::Recursion)),
    value("execute", b'e', Execute),
    flag("follow-ftp", NONE, Refuse(Code::Recursion)),
    value("follow-tags", NONE, Refuse(Code::Recursion)),
    flag("force-directories", b'x', Directories),
    flag("force-html", b'F', Refuse(Code::InputFile)),
    value("ftp-password", NONE, Harmless),
    value("ftp-user", NONE, Harmless),
    flag("ftps-clear-data-connection", NONE, Harmless),
    flag("ftps-fallback-to-ftp", NONE, Harmless),
    flag("ftps-implicit", NONE, Harmless),
    flag("ftps-resume-ssl", NONE, Harmless),
    flag("glob", NONE, Harmless),
    value("header", NONE, Header),
    switch("help", b'h', Info),
    flag("host-directories", NONE, HostFolder),
    flag("hsts", NONE, Harmless),
    value("hsts-file", NONE, Harmless),
    flag("html-extension", NONE, Refuse(Code::OutputName)),
    flag("htmlify", NONE, Refuse(Code::SideEffect)),
    flag("http-keep-alive", NONE, Harmless),
    value("http-passwd", NONE, Credential),
    value("http-password", NONE, Credential),
    value("http-user", NONE, Credential),
    flag("https-only", NONE, Harmless),
    flag("if-modified-since", NONE, IfModifiedSince),
    flag("ignore-case", NONE, Harmless),
    flag("ignore-length", NONE, Refuse(Code::Unclear)),
    value("ignore-tags", NONE, Refuse(Code::Recursion)),
    value("include-directories", b'I', Refuse(Code::Recursion)),
    flag("inet4-only", b'4', Inet4),
    flag("inet6-only", b'6', Inet6),
    value("input-file", b'i', InputFile),
    value("input-metalink", NONE, Refuse(Code::InputFile)),
    flag("iri", NONE, Harmless),
    flag("keep-badhash", NONE, Harmless),
    flag("keep-session-cookies", NONE, Harmless),
    value("level", b'l', Refuse(Code::Recursion)),
    value("limit-rate", NONE, Harmless),
    value("load-cookies", NONE, Refuse(Code::Cookies)),
    value("local-encoding", NONE, Harmless),
    value("max-redirect", NONE, MaxRedirect),
    value("metalink-index", NONE, Refuse(Code::InputFile)),
    flag("metalink-over-http", NONE, Refuse(Code::InputFile)),
    value("method", NONE, Method),
    flag("mirror", b'm', Refuse(Code::Recursion)),
    flag("netrc", NONE, Harmless),
    value("no", b'n', Letters),
    flag("no-clobber", NONE, NoClobber),
    flag("no-config", NONE, NoConfig),
    flag("no-parent", NONE, Harmless),
    value("output-document", b'O', OutputDocument),
    value("output-file", b'o', Log),
    flag("page-requisites", b'p', Refuse(Code::Recursion)),
    choice("parent", NONE, Parent),
    flag("passive-ftp", NONE, Harmless),
    value("password", NONE, Credential),
    value("pinnedpubkey", NONE, Harmless),
    value("post-data", NONE, Refuse(Code::Method)),
    value("post-file", NONE, Refuse(Code::Method)),
    value("prefer-family", NONE, Harmless),
    value("preferred-location", NONE, Harmless),
    flag("preserve-permissions", NONE, Harmless),
    value("private-key", NONE, Harmless),
    value("private-key-type", NONE, Harmless),
    value("progress", NONE, Harmless),
    flag("protocol-directories", NONE, ProtocolFolder),
    flag("proxy", NONE, Harmless),
    value("proxy-passwd", NONE, Harmless),
    value("proxy-password", NONE, Harmless),
    value("proxy-user", NONE, Harmless),
    value("proxy__compat", b'Y', Harmless),
    flag("quiet", b'q', Quiet),
    value("quota", b'Q', Quota),
    value("random-file", NONE, Harmless),
    flag("random-wait", NONE, Harmless),
    value("read-timeout", NONE, Harmless),
    flag("recursive", b'r', Refuse(Code::Recursion)),
    value("referer", NONE, Credential),
    value("regex-type", NONE, Harmless),
    value("reject", b'R', Refuse(Code::Recursion)),
    value("reject-regex", NONE, Refuse(Code::Recursion)),
    value("rejected-log", NONE, Refuse(Code::SideEffect)),
    flag("relative", b'L', Refuse(Code::Recursion)),
    value("remote-encoding", NONE, Harmless),
    flag("remove-listing", NONE, Harmless),
    flag("report-speed", NONE, Harmless),
    flag("restrict-file-names", NONE, Naming),
    flag("retr-symlinks", NONE, Harmless),
    flag("retry-connrefused", NONE, Retries),
    flag("retry-on-host-error", NONE, Retries),
    value("retry-on-http-error", NONE, Retries),
    value("save-cookies", NONE, Refuse(Code::Cookies)),
    flag("save-headers", NONE, Refuse(Code::HeadersShown)),
    value("secure-protocol", NONE, Harmless),
    flag("server-response", b'S', Refuse(Code::HeadersShown)),
    flag("show-progress", NONE, Harmless),
    flag("span-hosts", b'H', Refuse(Code::Recursion)),
    flag("spider", NONE, Refuse(Code::HeadersOnly)),
    value("start-pos", NONE, Refuse(Code::Range)),
    flag("strict-comments", NONE, Harmless),
    value("timeout", b'T', Harmless),
    flag("timestamping", b'N', Timestamping),
    value("tries", b't', Retries),
    flag("trust-server-names", NONE, Naming),
    flag("unlink", NONE, Refuse(Code::SideEffect)),
    value("use-askpass", NONE, Refuse(Code::SideEffect)),
    flag("use-server-timestamps", NONE, ServerTimes),
    value("user", NONE, Credential),
    value("user-agent", b'U', UserAgent),
    flag("verbose", b'v', Verbose),
    switch("version", b'V', Info),
    value("wait", b'w', Harmless),
    value("waitretry", NONE, Retries),
    flag("warc-cdx", NONE, Refuse(Code::SideEffect)),
    flag("warc-compression", NONE, Refuse(Code::SideEffect)),
    value("warc-dedup", NONE, Refuse(Code::SideEffect)),
    flag("warc-digests", NONE, Refuse(Code::SideEffect)),
    value("warc-file", NONE, Refuse(Code::SideEffect)),
    value("warc-header", NONE, Refuse(Code::SideEffect)),
    flag("warc-keep-log", NONE, Refuse(Code::SideEffect)),
    value("warc-max-size", NONE, Refuse(Code::SideEffect)),
    value("warc-tempdir", NONE, Refuse(Code::SideEffect)),
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
