//! Why a call is left to the real apt or debootstrap, without the cache. Each reason is counted by its name.

vcache_shim::codes! {
    /// The reasons why the real tool does it by itself.
    NoIndex, "debootstrap-no-index", "the mirror's `InRelease` can be had neither from it nor from the cache";
    NotRoot, "debootstrap-not-root", "without root, or in fakeroot, owners and devices are not what they seem";
    OtherBootstrap, "debootstrap-other", "a call that makes something else than a tree or a tarball from a mirror, into an empty target";
    OtherMirror, "debootstrap-other-mirror", "no mirror is named, or one that is not http or https, or has credentials";
    OtherMethod, "apt-other-method", "the configuration names another acquire method for http or https";
    OtherRoot, "apt-other-root", "`RootDir` moves all paths of apt, also that of the acquire method";
    Trouble, "apt-trouble", "the call could not be prepared: no temporary file, or `apt-config` can't be run";
}
