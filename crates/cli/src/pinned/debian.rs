//! Packages, and states of their archives, as version files name them.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use anyhow::Result;
use vcache_debian::Wanted;
use vcache_store::{Digest, Store};
use vcache_versions::{MirrorState, is_architecture, parse_deb, parse_mirror};

use super::warn;
use crate::files;

/// A package that is pinned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Package {
    pub(crate) wanted: Wanted,
    /// `file:line`.
    pub(crate) place: String,
}

/// The architecture in a file's name: `versions-deb-DIST-ARCH`. The names of distributions have no `-`.
fn architecture_of(file: &Path) -> Option<&str> {
    let rest = file.file_name()?.to_str()?.strip_prefix("versions-deb-")?;
    rest.split_once('-').map(|(_, arch)| arch).filter(|arch| is_architecture(arch))
}

/// Name and architecture of what is pinned; none where the file or the machine decides, as apt's own words for that (apt_preferences(5)) have it, too.
fn qualified(package: &str) -> (&str, Option<&str>) {
    match package.split_once(':') {
        Some((name, "all" | "any" | "native")) => (name, None),
        Some((name, arch)) => (name, Some(arch)),
        None => (package, None),
    }
}

/// Whether a file is one for this architecture, where one was asked for.
pub(super) fn is_for(file: &Path, wanted: Option<&str>) -> bool {
    wanted.is_none() || architecture_of(file).is_none_or(|arch| Some(arch) == wanted)
}

/// The packages that a file pins. Those whose name has no architecture are for that of the file's name, else for `arch`, else for this machine's.
///
/// # Errors
/// It can't be read.
pub(super) fn packages(file: &Path, arch: Option<&str>) -> Result<Vec<Package>> {
    let native = architecture_of(file).or(arch).unwrap_or_else(|| machine());
    let (pins, problems) = parse_deb(&files::read(file)?);
    warn(file, &problems);
    let package = |(package, pin): (String, vcache_versions::Pin<String>)| {
        let (name, arch) = qualified(&package);
        let architecture = arch.unwrap_or(native).to_owned();
        let wanted = Wanted { name: name.to_owned(), version: pin.value, architecture };
        Package { wanted, place: format!("{}:{}", file.display(), pin.line) }
    };
    Ok(pins.into_iter().map(package).collect())
}

/// This machine's architecture, as dpkg calls it.
fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "arm" => "armhf",
        "x86" => "i386",
        "powerpc64" => "ppc64el",
        other => other,
    }
}

/// What version files name, whatever the machine.
#[derive(Debug, Default)]
pub(super) struct Named {
    /// The architectures of packages by name and version; none: any.
    packages: HashMap<(String, String), HashSet<Option<String>>>,
    releases: Vec<(String, MirrorState)>,
}

impl Named {
    /// Adds a `versions-deb` file.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn add_packages(&mut self, file: &Path) -> Result<()> {
        let (pins, problems) = parse_deb(&files::read(file)?);
        warn(file, &problems);
        for (package, pin) in pins {
            let (name, arch) = qualified(&package);
            let arch = arch.or_else(|| architecture_of(file));
            // Archives have a version without what SONiC's own builds add.
            for version in [pin.value.as_str(), pin.value.strip_suffix("+fips").unwrap_or(&pin.value)] {
                let of_it = self.packages.entry((name.to_owned(), version.to_owned())).or_default();
                of_it.insert(arch.map(str::to_owned));
            }
        }
        Ok(())
    }

    /// Adds a `versions-mirror` file.
    ///
    /// # Errors
    /// It can't be read.
    pub(super) fn add_releases(&mut self, file: &Path) -> Result<()> {
        let (pins, problems) = parse_mirror(&files::read(file)?);
        warn(file, &problems);
        self.releases.extend(pins.into_iter().map(|(key, pin)| (key, pin.value)));
        Ok(())
    }

    /// What the cache has of it, by names.
    pub(super) fn content(&self, store: &Store) -> Vec<(String, Digest)> {
        let is_meant = |name: &str, version: &str, arch: &str| {
            let of_it = self.packages.get(&(name.to_owned(), version.to_owned()));
            let fits = |wanted: &Option<String>| {
                arch == "all" || wanted.as_ref().is_none_or(|wanted| wanted == arch)
            };
            of_it.is_some_and(|archs| archs.iter().any(fits))
        };
        let mut content = Vec::new();
        if !self.packages.is_empty() {
            content.extend(vcache_debian::packages(store, is_meant));
        }
        if !self.releases.is_empty() {
            content.extend(vcache_debian::releases(store, &self.releases));
        }
        content
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_may_have_an_architecture() {
        for (package, expected) in [
            ("libc6", ("libc6", None)),
            ("libc6:arm64", ("libc6", Some("arm64"))),
            ("libc6:any", ("libc6", None)),
            ("libc6:native", ("libc6", None)),
            ("tzdata:all", ("tzdata", None)),
        ] {
            assert_eq!(qualified(package), expected, "{package}");
        }
    }

    #[test]
    fn architectures_are_in_the_names_of_files() {
        for (file, arch) in [
            ("/v/versions-deb-trixie-amd64", Some("amd64")),
            ("versions-deb-trixie-hurd-i386", Some("hurd-i386")),
            ("versions-deb-trixie", None),
            ("versions-deb", None),
            ("versions-deb-trixie-", None),
            ("versions-debug-x-y", None),
        ] {
            assert_eq!(architecture_of(Path::new(file)), arch, "{file}");
            assert!(
                is_for(Path::new(file), None) && is_for(Path::new(file), arch.or(Some("arm64"))),
                "{file}"
            );
            assert_eq!(is_for(Path::new(file), Some("s390x")), arch.is_none(), "{file}");
        }
    }
}
