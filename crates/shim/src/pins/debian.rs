//! Pins of Debian packages, and of the states of their repositories.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use vcache_versions::{
    Fips, MirrorState, find_mirror, insert_deb, insert_mirror, parse_deb, parse_mirror, preferences,
};

use super::{Found, Pins, record};

/// A version to which a package is pinned, and where that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Version {
    /// As the file has it.
    pub text: String,
    /// `file:line`, for messages.
    pub place: String,
}

impl Version {
    /// Whether a version is this one; `+fips` at the end of a pin is SONiC's own build of that version.
    pub fn is(&self, version: &str) -> bool {
        self.text == version || self.archive() == version
    }

    /// The version that an archive has of it.
    pub fn archive(&self) -> &str {
        self.text.strip_suffix("+fips").unwrap_or(&self.text)
    }
}

/// A state to which a repository is pinned, and where that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Release {
    /// What the line says.
    pub state: MirrorState,
    /// `file:line`, for messages.
    pub place: String,
}

impl Pins {
    /// The pins of packages by their names, and what is wrong with the other lines.
    pub fn packages(&self) -> (BTreeMap<String, Version>, Vec<String>) {
        let (pins, problems) = parse_deb(&self.text);
        let version = |(name, pin): (String, vcache_versions::Pin<String>)| {
            (name, Version { text: pin.value, place: self.place(pin.line) })
        };
        (pins.into_iter().map(version).collect(), self.told(&problems))
    }

    /// The same as apt preferences (apt_preferences(5)); empty without pins.
    pub fn preferences(&self) -> String {
        preferences(&self.text, Fips::Stripped).0
    }

    /// The pins of all repositories, and what is wrong with the other lines.
    pub fn releases(&self) -> (Vec<Release>, Vec<String>) {
        let (pins, problems) = parse_mirror(&self.text);
        let release = |(_, pin): (String, vcache_versions::Pin<MirrorState>)| Release {
            state: pin.value,
            place: self.place(pin.line),
        };
        (pins.into_iter().map(release).collect(), self.told(&problems))
    }

    /// What the file says about a repository; `key` is that of [`vcache_versions::mirror_key`].
    pub fn release(&self, key: &str) -> Found<Release> {
        let found = find_mirror(&self.text, key);
        let contradictory = found.conflict().is_some();
        let problems = self.told(&found.problems);
        let pin = found.pin.map(|pin| Release { state: pin.value, place: self.place(pin.line) });
        Found { pin, problems, contradictory }
    }
}

/// Records in `<buildinfo>/build-versions/versions-deb` that packages were used in these versions.
///
/// # Errors
/// As [`super::record_web`].
pub fn record_debs(buildinfo: &Path, packages: &BTreeMap<String, String>) -> io::Result<()> {
    record(buildinfo, "deb", &|text| {
        let mut changed: Option<Vec<u8>> = None;
        for (name, version) in packages {
            let now = changed.as_deref().unwrap_or(text);
            if let Some(next) = insert_deb(now, name, version) {
                changed = Some(next);
            }
        }
        changed
    })
}

/// Records in `<buildinfo>/build-versions/versions-mirror` which Release file of a repository was used.
///
/// # Errors
/// As [`super::record_web`].
pub fn record_release(buildinfo: &Path, key: &str, date: &str, sha256: &str) -> io::Result<()> {
    record(buildinfo, "mirror", &|text| insert_mirror(text, key, date, Some(sha256)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_are_recorded_at_once_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let used = [("b", "1:2~x-1+fips"), ("a+", "3")].map(|(n, v)| (n.to_owned(), v.to_owned()));
        // One letter is no name; it costs only itself.
        let used: BTreeMap<_, _> =
            used.into_iter().chain([("bb".to_owned(), "1:2~x-1+fips".to_owned())]).collect();
        record_debs(dir.path(), &used).unwrap();
        std::fs::rename(dir.path().join("build-versions"), dir.path().join("versions")).unwrap();
        let pins = Pins::load(dir.path(), "deb").unwrap();
        let (found, problems) = pins.packages();
        assert_eq!((found.len(), problems.len()), (2, 0));
        let version = &found["bb"];
        assert!(version.is("1:2~x-1") && version.is("1:2~x-1+fips") && !version.is("1:2~x"));
        assert!(version.place.ends_with("versions/versions-deb:2"), "{}", version.place);
        assert!(pins.preferences().contains("Package: bb\nPin: version 1:2~x-1\n"));
    }

    #[test]
    fn releases_are_recorded_with_their_digest() {
        let dir = tempfile::tempdir().unwrap();
        let (key, date, digest) = ("h.example_debian_dists_trixie", "2026-07-11T09:02:23Z", "ab".repeat(32));
        record_release(dir.path(), key, date, &digest).unwrap();
        std::fs::rename(dir.path().join("build-versions"), dir.path().join("versions")).unwrap();
        let found = Pins::load(dir.path(), "mirror").unwrap().release(key);
        let state = MirrorState::Release { date: date.into(), sha256: Some(digest) };
        assert_eq!(found.pin.map(|pin| pin.state), Some(state));
    }
}
