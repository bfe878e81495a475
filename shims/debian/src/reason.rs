//! Why a call is left to the real apt without the cache. Each reason is counted by its name.

vcache_shim::codes! {
    /// The reasons why the real tool does it by itself.
    OtherMethod, "apt-other-method", "the configuration names another acquire method for http or https";
    OtherRoot, "apt-other-root", "`RootDir` moves all paths of apt, also that of the acquire method";
    Trouble, "apt-trouble", "the call could not be prepared: no temporary file, or `apt-config` can't be run";
}
