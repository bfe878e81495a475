//! `versions-deb` and its siblings: one `PACKAGE==VERSION` a line, and the apt preferences that SONiC makes of them.
//!
//! Names are those of Debian Policy 5.6.1 (at least two of `a-z 0-9 + - .`, the first a letter or digit), perhaps with `:ARCH`; `dpkg-query` collects
//! them without. Versions are those of 5.6.12: `[EPOCH:]UPSTREAM[-REVISION]`. Nothing else becomes a pin, since a pin is copied into a
//! file that apt reads: no blank, line end, `*` or `/` gets there, by which apt would see another stanza, several packages, a glob or a regular
//! expression. `src:NAME` is all binary packages of a source to apt, and therefore no name here.
//!
//! A name without an architecture stands for the native one alone, as apt has it in its preferences: `libc6` says nothing of `libc6:arm64`.

use std::fmt::Write as _;

use crate::keyed::{self, Found, Kind, Pin};
use crate::web::{trimmed, with_line};
use crate::{Malformed, What};

/// What becomes of `+fips` at the end of a version: SONiC rebuilds such packages itself, and no archive has them under that version.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fips {
    /// The version is pinned as it stands, as `versions_manager.py generate` does.
    Kept,
    /// The archive's version is pinned, as the hooks do inside a container. Only at the very end: `1-1+fips+b1` stays.
    Stripped,
}

/// Looks one package up. The name is compared as it stands, `:ARCH` included.
pub fn find_deb(text: &[u8], package: &str) -> Found<String> {
    keyed::find::<Deb>(text, package)
}

/// Reads a whole file, in the order in which packages first occur. A line that is no pin costs only itself; a package with two versions has
/// no pin, and its later lines are problems.
pub fn parse_deb(text: &[u8]) -> (Vec<(String, Pin<String>)>, Vec<Malformed>) {
    keyed::parse::<Deb>(text)
}

/// The file with this pin in it, instead of others of the same package; `None` when nothing is to be written: the pin is there already, or
/// what is given is no package or no version. See [`insert`](crate::insert).
pub fn insert_deb(text: &[u8], package: &str, version: &str) -> Option<Vec<u8>> {
    if !is_package(package) || !is_version(version) {
        return None;
    }
    let is_ours = |line: &&[u8]| keyed::names(line, package);
    let pin = format!("{package}=={version}");
    let mut ours = trimmed(text).filter(is_ours);
    if ours.next().is_some_and(|line| line == pin.as_bytes()) && ours.next().is_none() {
        return None;
    }
    with_line(text, package, version, &is_ours)
}

/// The pins of a file as apt preferences, in the order of [`parse_deb`], byte for byte as SONiC writes its `01-versions-deb`; and the lines that are no
/// pins. Without pins it is empty.
///
/// Whatever the file holds, what comes out are stanzas of one package, one version and the priority 999 (a pinned version is preferred
/// to all others, but nothing is downgraded for it).
///
/// ```
/// use vcache_versions::{Fips, preferences};
/// let (text, _) = preferences(b"gdb==16.3-1\n", Fips::Stripped);
/// assert_eq!(text, "Package: gdb\nPin: version 16.3-1\nPin-Priority: 999\n\n\n");
/// ```
pub fn preferences(text: &[u8], fips: Fips) -> (String, Vec<Malformed>) {
    let (pins, problems) = parse_deb(text);
    let mut out = String::with_capacity(text.len() * 3);
    for (package, pin) in pins {
        let version = match fips {
            Fips::Kept => None,
            Fips::Stripped => pin.value.strip_suffix("+fips").filter(|version| is_version(version)),
        };
        let version = version.unwrap_or(&pin.value);
        // Two empty lines, as SONiC has them. Writing into a String does not fail.
        let _ = write!(out, "Package: {package}\nPin: version {version}\nPin-Priority: 999\n\n\n");
    }
    (out, problems)
}

/// Whether a text is the name of a package, perhaps with an architecture.
///
/// ```
/// assert!(vcache_versions::is_package("libc6:arm64"));
/// assert!(!vcache_versions::is_package("libc6*"));
/// ```
pub fn is_package(text: &str) -> bool {
    let (name, arch) = match text.split_once(':') {
        Some((name, arch)) => (name, Some(arch)),
        None => (text, None),
    };
    name.len() >= 2 && fits(name, b"+-.") && arch.is_none_or(|arch| name != "src" && is_architecture(arch))
}

/// Whether a text is the name of an architecture, as dpkg has them: `amd64`, `hurd-i386`. Which of them there are is not known here.
pub fn is_architecture(text: &str) -> bool {
    fits(text, b"-")
}

/// Of `a-z 0-9` and some others, which the first is none of.
fn fits(text: &str, others: &[u8]) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    text.bytes().next().is_some_and(is_plain) && text.bytes().all(|b| is_plain(b) || others.contains(&b))
}

/// Whether a text is a version.
pub fn is_version(text: &str) -> bool {
    let (epoch, rest) = text.split_once(':').unwrap_or(("0", text));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    let fits = |part: &str, others: &[u8]| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || others.contains(&b))
    };
    fits(epoch, b"")
        && epoch.bytes().all(|b| b.is_ascii_digit())
        && fits(upstream, b".+-~")
        && fits(revision, b".+~")
}

/// The grammar of `versions-deb`.
struct Deb;

impl Kind for Deb {
    type Value = String;
    const NO_NAME: What = What::Package;

    fn is_name(text: &str) -> bool {
        is_package(text)
    }

    fn value(text: &str) -> Result<String, What> {
        Some(text).filter(|text| is_version(text)).map(str::to_owned).ok_or(What::DebVersion)
    }
}

#[cfg(test)]
mod tests;
