//! The options of docker, podman and buildah: those before the subcommand, and those of an image build, of all three and of buildx
//! together. Sources: `docker --help`, `docker build --help` (20.10 to 28, buildx 0.12 to 0.24), podman-build(1), buildah-build(1).
//!
//! pflag spells a switch `--pull` or `--pull=false`, never with a word behind it; so do buildah's `--pull=always` and the like.

use vcache_argv::{Arity, Dialect, NO_LETTER, Table, row, value};

/// What an option means here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// Nothing.
    Other,
    /// `--build-arg NAME[=VALUE]`.
    BuildArg,
    /// `--builder`: a builder of buildx, which may be anywhere.
    Builder,
    /// Another daemon than this machine's own.
    Elsewhere,
    /// The Dockerfile.
    File,
    /// Nothing is built.
    Help,
    /// The network of `RUN`.
    Network,
    /// Layers of earlier builds are not used.
    NoCache,
    /// For the image alone, not for what is built from its layers afterwards.
    ImageAlone,
    /// What comes out is another thing than an image with a name, or is told elsewhere.
    Result,
    /// The image's name.
    Tag,
    /// The last stage.
    Target,
}

/// No abbreviations; `-` is a context.
const PFLAG: Dialect = Dialect { abbreviations: false, equals: true, dash_is_positional: true };

/// Before the subcommand.
pub(crate) const GLOBAL: Table<Meaning> = Table {
    dialect: PFLAG,
    options: &[
        value("cgroup-manager", NO_LETTER, Meaning::Other),
        value("config", NO_LETTER, Meaning::Other),
        value("conmon", NO_LETTER, Meaning::Other),
        value("connection", NO_LETTER, Meaning::Elsewhere),
        value("context", b'c', Meaning::Elsewhere),
        row("debug", b'D', Arity::Optional, Meaning::Other),
        value("default-mounts-file", NO_LETTER, Meaning::Other),
        value("events-backend", NO_LETTER, Meaning::Other),
        row("help", b'h', Arity::Optional, Meaning::Other),
        value("hooks-dir", NO_LETTER, Meaning::Other),
        value("host", b'H', Meaning::Elsewhere),
        value("identity", NO_LETTER, Meaning::Other),
        value("imagestore", NO_LETTER, Meaning::Other),
        value("log-level", b'l', Meaning::Other),
        value("module", NO_LETTER, Meaning::Other),
        value("network-config-dir", NO_LETTER, Meaning::Other),
        row("noout", NO_LETTER, Arity::Optional, Meaning::Other),
        value("out", NO_LETTER, Meaning::Other),
        value("registries-conf", NO_LETTER, Meaning::Other),
        value("registries-conf-dir", NO_LETTER, Meaning::Other),
        row("remote", b'r', Arity::Optional, Meaning::Elsewhere),
        value("root", NO_LETTER, Meaning::Other),
        value("runroot", NO_LETTER, Meaning::Other),
        value("runtime", NO_LETTER, Meaning::Other),
        value("runtime-flag", NO_LETTER, Meaning::Other),
        value("short-name-alias-conf", NO_LETTER, Meaning::Other),
        value("ssh", NO_LETTER, Meaning::Other),
        value("storage-driver", NO_LETTER, Meaning::Other),
        value("storage-opt", NO_LETTER, Meaning::Other),
        row("syslog", NO_LETTER, Arity::Optional, Meaning::Other),
        row("tls", NO_LETTER, Arity::Optional, Meaning::Other),
        value("tlscacert", NO_LETTER, Meaning::Other),
        value("tlscert", NO_LETTER, Meaning::Other),
        value("tlskey", NO_LETTER, Meaning::Other),
        row("tlsverify", NO_LETTER, Arity::Optional, Meaning::Other),
        value("tmpdir", NO_LETTER, Meaning::Other),
        row("trace", NO_LETTER, Arity::Optional, Meaning::Other),
        row("transient-store", NO_LETTER, Arity::Optional, Meaning::Other),
        value("transient-store-dir", NO_LETTER, Meaning::Other),
        value("url", NO_LETTER, Meaning::Elsewhere),
        value("userns-gid-map", NO_LETTER, Meaning::Other),
        value("userns-uid-map", NO_LETTER, Meaning::Other),
        row("version", b'v', Arity::Optional, Meaning::Other),
        value("volumepath", NO_LETTER, Meaning::Other),
    ],
};

/// Of an image build.
pub(crate) const BUILD: Table<Meaning> = Table {
    dialect: PFLAG,
    options: &[
        value("add-host", NO_LETTER, Meaning::Other),
        row("all-platforms", NO_LETTER, Arity::Optional, Meaning::Result),
        value("allow", NO_LETTER, Meaning::Other),
        value("annotation", NO_LETTER, Meaning::ImageAlone),
        value("arch", NO_LETTER, Meaning::Other),
        value("attest", NO_LETTER, Meaning::ImageAlone),
        value("authfile", NO_LETTER, Meaning::Other),
        value("build-arg", NO_LETTER, Meaning::BuildArg),
        value("build-context", NO_LETTER, Meaning::Other),
        value("builder", NO_LETTER, Meaning::Builder),
        value("cache-from", NO_LETTER, Meaning::Other),
        value("cache-to", NO_LETTER, Meaning::Result),
        value("cache-ttl", NO_LETTER, Meaning::Other),
        value("call", NO_LETTER, Meaning::Result),
        value("cap-add", NO_LETTER, Meaning::Other),
        value("cap-drop", NO_LETTER, Meaning::Other),
        value("cert-dir", NO_LETTER, Meaning::Other),
        value("cgroup-parent", NO_LETTER, Meaning::Other),
        value("cgroupns", NO_LETTER, Meaning::Other),
        row("check", NO_LETTER, Arity::Optional, Meaning::Result),
        row("compress", NO_LETTER, Arity::Optional, Meaning::Other),
        value("cpp-flag", NO_LETTER, Meaning::Other),
        value("cpu-period", NO_LETTER, Meaning::Other),
        value("cpu-quota", NO_LETTER, Meaning::Other),
        value("cpu-shares", b'c', Meaning::Other),
        value("cpuset-cpus", NO_LETTER, Meaning::Other),
        value("cpuset-mems", NO_LETTER, Meaning::Other),
        value("creds", NO_LETTER, Meaning::Other),
        row("debug", b'D', Arity::Optional, Meaning::Other),
        value("decryption-key", NO_LETTER, Meaning::Other),
        value("device", NO_LETTER, Meaning::Other),
        row("disable-compression", NO_LETTER, Arity::Optional, Meaning::Other),
        row("disable-content-trust", NO_LETTER, Arity::Optional, Meaning::Other),
        value("dns", NO_LETTER, Meaning::Other),
        value("dns-option", NO_LETTER, Meaning::Other),
        value("dns-search", NO_LETTER, Meaning::Other),
        value("env", NO_LETTER, Meaning::Other),
        value("file", b'f', Meaning::File),
        row("force-rm", NO_LETTER, Arity::Optional, Meaning::Other),
        value("format", NO_LETTER, Meaning::Other),
        value("from", NO_LETTER, Meaning::Other),
        value("group-add", NO_LETTER, Meaning::Other),
        row("help", NO_LETTER, Arity::Optional, Meaning::Help),
        value("hooks-dir", NO_LETTER, Meaning::Other),
        row("http-proxy", NO_LETTER, Arity::Optional, Meaning::Other),
        row("identity-label", NO_LETTER, Arity::Optional, Meaning::Other),
        value("ignorefile", NO_LETTER, Meaning::Other),
        value("iidfile", NO_LETTER, Meaning::Result),
        value("ipc", NO_LETTER, Meaning::Other),
        value("isolation", NO_LETTER, Meaning::Other),
        value("jobs", NO_LETTER, Meaning::Other),
        value("label", NO_LETTER, Meaning::ImageAlone),
        row("layers", NO_LETTER, Arity::Optional, Meaning::Other),
        row("load", NO_LETTER, Arity::Optional, Meaning::ImageAlone),
        value("logfile", NO_LETTER, Meaning::Other),
        value("manifest", NO_LETTER, Meaning::Result),
        value("memory", b'm', Meaning::Other),
        value("memory-swap", NO_LETTER, Meaning::Other),
        value("metadata-file", NO_LETTER, Meaning::Result),
        value("net", NO_LETTER, Meaning::Network),
        value("network", NO_LETTER, Meaning::Network),
        row("no-cache", NO_LETTER, Arity::Optional, Meaning::NoCache),
        value("no-cache-filter", NO_LETTER, Meaning::ImageAlone),
        row("no-hostname", NO_LETTER, Arity::Optional, Meaning::Other),
        row("no-hosts", NO_LETTER, Arity::Optional, Meaning::Other),
        row("omit-history", NO_LETTER, Arity::Optional, Meaning::Other),
        value("os", NO_LETTER, Meaning::Other),
        value("os-feature", NO_LETTER, Meaning::Other),
        value("os-version", NO_LETTER, Meaning::Other),
        value("output", b'o', Meaning::Result),
        value("pid", NO_LETTER, Meaning::Other),
        value("platform", NO_LETTER, Meaning::Result),
        value("progress", NO_LETTER, Meaning::ImageAlone),
        row("provenance", NO_LETTER, Arity::Optional, Meaning::ImageAlone),
        row("pull", NO_LETTER, Arity::Optional, Meaning::ImageAlone),
        row("pull-always", NO_LETTER, Arity::Optional, Meaning::ImageAlone),
        row("pull-never", NO_LETTER, Arity::Optional, Meaning::Other),
        row("push", NO_LETTER, Arity::Optional, Meaning::Result),
        row("quiet", b'q', Arity::Optional, Meaning::Result),
        value("retry", NO_LETTER, Meaning::Other),
        value("retry-delay", NO_LETTER, Meaning::Other),
        row("rm", NO_LETTER, Arity::Optional, Meaning::Other),
        value("runtime", NO_LETTER, Meaning::Other),
        value("runtime-flag", NO_LETTER, Meaning::Other),
        row("sbom", NO_LETTER, Arity::Optional, Meaning::ImageAlone),
        value("secret", NO_LETTER, Meaning::Other),
        value("security-opt", NO_LETTER, Meaning::Other),
        value("shm-size", NO_LETTER, Meaning::Other),
        value("sign-by", NO_LETTER, Meaning::Other),
        value("signature-policy", NO_LETTER, Meaning::Other),
        row("skip-unused-stages", NO_LETTER, Arity::Optional, Meaning::Other),
        row("squash", NO_LETTER, Arity::Optional, Meaning::ImageAlone),
        row("squash-all", NO_LETTER, Arity::Optional, Meaning::ImageAlone),
        value("ssh", NO_LETTER, Meaning::Other),
        row("stdin", NO_LETTER, Arity::Optional, Meaning::Other),
        row("stream", NO_LETTER, Arity::Optional, Meaning::Result),
        value("tag", b't', Meaning::Tag),
        value("target", NO_LETTER, Meaning::Target),
        value("timestamp", NO_LETTER, Meaning::Other),
        row("tls-verify", NO_LETTER, Arity::Optional, Meaning::Other),
        value("ulimit", NO_LETTER, Meaning::Other),
        value("unsetenv", NO_LETTER, Meaning::Other),
        value("unsetlabel", NO_LETTER, Meaning::Other),
        value("userns", NO_LETTER, Meaning::Other),
        value("userns-gid-map", NO_LETTER, Meaning::Other),
        value("userns-gid-map-group", NO_LETTER, Meaning::Other),
        value("userns-uid-map", NO_LETTER, Meaning::Other),
        value("userns-uid-map-user", NO_LETTER, Meaning::Other),
        value("uts", NO_LETTER, Meaning::Other),
        value("variant", NO_LETTER, Meaning::Other),
        value("volume", b'v', Meaning::Other),
    ],
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sound() {
        assert_eq!(GLOBAL.problems(), Vec::<String>::new());
        assert_eq!(BUILD.problems(), Vec::<String>::new());
    }
}
