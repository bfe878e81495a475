//! Why a call is left to the real tool: a closed list of codes, each counted in `vcache stats`.
//!
//! The README's table of reasons is generated from [`Code::ALL`].

/// Why a call is passed through, with the option, name or URL that made it so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reason {
    /// The counted code.
    pub(crate) code: Code,
    /// What exactly: the option as typed, the header's name, …; never a secret, may be empty.
    pub(crate) detail: String,
}

impl Reason {
    /// A reason with its detail, freed of what could be a secret: the value of an option, credentials in a URL.
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        let detail = match detail.strip_prefix("--") {
            Some(_) => detail.split('=').next().unwrap_or_default().to_owned(),
            None if code == Code::UnknownOption => detail.chars().take(3).collect(),
            None => vcache_store::public_url(&detail),
        };
        Reason { code, detail }
    }
}

vcache_shim::codes! {
    /// The reasons why the real tool does a call by itself.
    NoUrl, "no-url", "no URL is asked for (`--version`, `--help`, a usage error)";
    UnknownOption, "unknown-option", "an option that the table does not know, so later words can't be trusted";
    MissingValue, "missing-value", "an option without its value: the real tool reports it";
    BadValue, "bad-value", "a value that the real tool will refuse, or that can't be read as text";
    Method, "method", "another method than GET, or a request body";
    Upload, "upload", "content is sent, not fetched";
    HeadersOnly, "headers-only", "`-I`, `--head`, `--spider`: no content is fetched";
    HeadersShown, "headers-shown", "the answer's headers or framing are asked for (`-i`, `-D`, `-S`, `--save-headers`, `--raw`)";
    Range, "range", "a part of the content is asked for";
    Conditional, "conditional", "the request depends on a time or an ETag (`-z`, `--etag-compare`)";
    Recursion, "recursion", "`-r`, `-m`, `-p`: what is fetched depends on content";
    Cookies, "cookies", "cookies are sent or kept";
    SideEffect, "side-effect", "a file beside the content is written (`--trace`, `--warc-file`, `--libcurl`, …)";
    WriteOut, "write-out", "a `-w` variable that a cached answer cannot give";
    Scheme, "scheme", "another scheme than http and https";
    Connection, "connection", "the connection goes elsewhere (`--unix-socket`, `--connect-to`, `--resolve`, …)";
    OutputName, "output-name", "the file's name can't be predicted";
    Discarded, "discarded", "the content is thrown away, so it is the server that is asked about (`-o /dev/null`)";
    SharedOutput, "shared-output", "several URLs go into one output";
    InputFile, "input-file", "a list of URLs or a configuration that can't be read beforehand";
    Terminal, "terminal", "content goes to a terminal";
    Configured, "configured", "a configuration file of the tool sets something that changes the answer";
    Encoding, "encoding", "the URL, or a needed value, is not UTF-8";
    Kept, "kept", "the file is there already and is to stay (`-nc`, `--skip-existing`)";
    Resume, "resume", "a partial file that is not the beginning of the known content is continued";
    Status, "status", "not kept: the origin answered with another status than 200";
    Unclear, "unclear", "it can't be told whether the content is whole, or whose it is (`--ignore-length`; one of several)";
    Unchanged, "unchanged", "nothing came that could be kept: the file was current already (`-N`, `-c`), or stdout was closed";
    CacheTrouble, "cache-trouble", "not kept: the cache can't be written; the warning says why";
}
