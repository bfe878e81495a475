//! Why a build is not given the cache: a closed list of codes, each counted in `vcache stats`.

use std::fmt;

/// Why, with what exactly made it so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Reason {
    pub(crate) code: Code,
    /// The option, the network, the file; may be empty.
    pub(crate) detail: String,
}

impl Reason {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Reason { code, detail: detail.into() }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.help())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " ({})", self.detail) }
    }
}

vcache_shim::codes! {
    /// The reasons why a build runs without the cache.
    UnknownOption, "build-option", "image build: an option that the table does not know, so later words can't be trusted";
    Transport, "build-transport", "image build: `VCACHE_TRANSPORT` names none of `serve`, `stage`, `log`";
    NoNetwork, "build-network", "image build: its network can't reach a server here (`--network none`, one that can't be inspected, another one than the container's that starts the build)";
    Elsewhere, "build-elsewhere", "image build: on another machine (`-H`, `DOCKER_HOST`, a context); name a server with `VCACHE_SERVE_ADDRESS`";
    Declared, "build-declared", "image build: the Dockerfile names NO_PROXY and no_proxy (`ARG`, `ENV`, ...), so the token would show in the image";
    Unread, "build-unread", "image build: the Dockerfile can't be read beforehand (it is missing, or comes from standard input or a URL)";
    NoServer, "build-no-server", "image build: `vcache serve` can't be started";
    ServeOnly, "build-serve-only", "image build: only by `serve`, since `stage` and `log` need docker, a context with `shims`, `COPY shims FOLDER` and an image with a name (no `-o`, `--push`, `-q`, `--iidfile`, ...)";
    NotCarried, "build-not-carried", "image build: its context can't be filled, or its image not be freed of the cache";
}
