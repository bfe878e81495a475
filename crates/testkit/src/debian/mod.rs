//! A Debian archive made of real parts, and a root for a real apt to work in. No container is needed, and no root user.
//!
//! - [`Package`], [`Source`] and [`Suite`] are data: what an archive holds, and how it is published (signed in which manner, with
//!   `by-hash` or without, with or without a date of expiry, flat or not).
//! - [`DebianMirror`] builds that with `dpkg-deb` and `gpg` and serves it by an [`crate::Origin`], which can stop, count and break things.
//! - [`AptRoot`] is a folder with everything that apt and dpkg read and write; [`Picture`] is what they left in it, to be compared.
//!
//! Two mirrors with the same data have the same bytes, but for the signatures: their key is made anew for each test process.
//!
//! Formats: <https://wiki.debian.org/DebianRepository/Format>, deb-control(5), dsc(5).

mod build;
mod diffs;
mod index;
mod key;
mod mirror;
mod package;
mod picture;
mod release;
mod root;
mod source;
mod sources;
mod suite;

pub use mirror::{DebianMirror, MOUNT};
pub use package::Package;
pub use picture::Picture;
pub use root::{AptRoot, SandboxUser};
pub use source::{Source, SourceFormat};
pub use sources::{Place, Sources, Trust};
pub use suite::{FIRST_DATE, Signing, Suite};

/// The architecture of this machine, as dpkg calls it.
pub fn native() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "armhf",
        other => other,
    }
}

/// An architecture that this machine is not.
pub fn foreign() -> &'static str {
    if native() == "arm64" { "armhf" } else { "arm64" }
}
