//! What the version files say of packages and repositories, for one call of apt.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use vcache_shim::Level;
use vcache_shim::pins::{self, Pins, Release as ReleasePin, Version};
use vcache_store::Sha256Id;
use vcache_versions::MirrorState;

use super::old::Old;
use super::run::Running;
use crate::release::Release;

/// The pins in force; none without version control.
#[derive(Debug, Default)]
pub(super) struct Pinned {
    packages: BTreeMap<String, Version>,
    /// The same as apt preferences.
    pub(super) preferences: String,
    releases: Vec<ReleasePin>,
    problems: Vec<String>,
}

impl Pinned {
    pub(super) fn load(running: &Running<'_>) -> Pinned {
        if !running.policy.versioned {
            return Pinned::default();
        }
        let folder = buildinfo(running);
        let load = |kind: &str| Pins::load(&folder, kind).unwrap_or_default();
        let (deb, mirror) = (load("deb"), load("mirror"));
        let (packages, mut problems) = deb.packages();
        let (releases, wrong) = mirror.releases();
        problems.extend(wrong);
        Pinned { packages, preferences: deb.preferences(), releases, problems }
    }

    /// The version to which a package is pinned; its name as version files have it.
    pub(super) fn version(&self, name: &str) -> Option<&Version> {
        self.packages.get(name)
    }

    /// Says which lines are no pins, and of which packages the version is left open, as SONiC's hooks say it.
    pub(super) fn warn(&self, running: &Running<'_>) {
        self.problems.iter().for_each(|line| running.messages.warn(line));
        let is_loud = Level::parse(running.settings.get("VCACHE_LOG")).unwrap_or_default() >= Level::Warn;
        if !running.policy.versioned || !is_loud || running.call.command != "install" {
            return;
        }
        // Files, and what is to be removed or comes from a certain suite, are no such packages.
        let is_open = |word: &&String| {
            !word.contains(['=', '/']) && !word.ends_with('-') && !self.packages.contains_key(*word)
        };
        for package in running.call.words.iter().filter(is_open) {
            let line = format!("Warning: the version of the package {package} is not specified.\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }

    /// The labels of pinned Release files that are no longer valid by themselves.
    pub(super) fn expired_labels(&self, running: &Running<'_>) -> BTreeSet<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let label = |pin: &ReleasePin| {
            let MirrorState::Release { sha256: Some(digits), .. } = &pin.state else { return None };
            let blob = running.store.as_ref()?.find(&digits.parse::<Sha256Id>().ok()?.into()).ok()??;
            let mut text = Vec::new();
            blob.stream_to(&mut text).ok()?;
            let release = Release::read(&text);
            release.label.clone().filter(|_| release.is_expired(now))
        };
        self.releases.iter().filter_map(label).collect()
    }
}

/// Writes down packages that apt was given without a download, which our method does not see.
pub(super) fn record(running: &Running<'_>, packages: &BTreeMap<PathBuf, Old>) {
    let used = packages.values().map(|old| (old.name.clone(), old.version.clone())).collect();
    let folder = buildinfo(running);
    if let Err(e) = pins::record_debs(&folder, &used) {
        let file = folder.join("build-versions/versions-deb");
        running.messages.warn(format_args!("{}: {e}; packages are not recorded", file.display()));
    }
}

/// SONiC's folder.
pub(super) fn buildinfo(running: &Running<'_>) -> PathBuf {
    running.settings.buildinfo(running.host)
}
