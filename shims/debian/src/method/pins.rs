//! The version files, as one apt meets them: which packages it may take, and which Release files it is to see.

use std::collections::BTreeMap;
use std::path::Path;

use vcache_shim::pins::{self, Found, Pins, Release, Version};
use vcache_shim::{Messages, OnMismatch};
use vcache_store::public_url;

use super::request::{Package, Request};
use super::session::Session;
use crate::notes::Note;
use crate::release_url::ReleaseUrl;

/// The pins in force.
#[derive(Debug, Default)]
pub(super) struct InForce {
    packages: BTreeMap<String, Version>,
    releases: Pins,
}

impl InForce {
    /// Reads the version files of a buildinfo folder. One that can't be read has no pins, with a warning; what is wrong with single lines the shim has said.
    pub(super) fn load(buildinfo: &Path, messages: &Messages) -> InForce {
        let load = |kind: &str| {
            Pins::load(buildinfo, kind).unwrap_or_else(|e| {
                let file = buildinfo.join("versions").join(format!("versions-{kind}"));
                messages.warn(format_args!("{}: {e}; no pins are in force", file.display()));
                Pins::default()
            })
        };
        InForce { packages: load("deb").packages().0, releases: load("mirror") }
    }

    /// What a version file says of the repository of a Release file.
    fn release(&self, url: &ReleaseUrl) -> Found<Release> {
        url.key().map(|key| self.releases.release(&key)).unwrap_or_default()
    }
}

impl Session {
    fn in_force(&self) -> Option<&InForce> {
        let load = || InForce::load(&self.buildinfo(), &self.messages);
        self.policy.versioned.then(|| self.pins.get_or_init(load))
    }

    fn buildinfo(&self) -> std::path::PathBuf {
        self.settings.buildinfo(&self.host)
    }

    /// The pin of the repository that a Release file belongs to.
    pub(super) fn pin_of(&self, url: &ReleaseUrl) -> Option<Release> {
        self.in_force()?.release(url).pin
    }

    /// Whether a package may be taken in this version. If not, apt has been told so.
    pub(super) fn may_be_taken(&self, request: &Request) -> bool {
        let (Some(pins), Some(package)) = (self.in_force(), request.package()) else { return true };
        let name = self.pinned_as(&package);
        let why = match pins.packages.get(&name) {
            _ if self.is_asked_for(&package) => None,
            Some(pin) if pin.is(&package.version) => None,
            Some(pin) => {
                let note = Note::Wanted {
                    name: package.name.clone(),
                    version: pin.text.clone(),
                    architecture: package.architecture.clone(),
                    place: pin.place.clone(),
                    instead: package.version.clone(),
                };
                Some((note, format!("{name} is pinned to {} ({})", pin.text, pin.place)))
            }
            None if self.policy.strict => {
                let note = Note::Unpinned { name: name.clone(), version: package.version.clone() };
                Some((note, format!("{name} is not pinned in versions-deb (VCACHE_STRICT=y)")))
            }
            None => None,
        };
        if let Some((note, why)) = why {
            if self.policy.on_mismatch == OnMismatch::Fail || matches!(note, Note::Unpinned { .. }) {
                self.note(&note);
                self.fail(request, &why);
                return false;
            }
            self.messages.warn(format_args!("{why}, and {} is taken", package.version));
        }
        self.used().insert(name, package.version);
        true
    }

    /// The name under which a package stands in version files and preferences: of a foreign architecture with that.
    fn pinned_as(&self, package: &Package) -> String {
        let architecture = package.architecture.as_str();
        let native = self.wishes().and_then(|wishes| wishes.text("APT::Architecture"));
        if architecture == "all" || native.is_none_or(|native| native == architecture) {
            return package.name.clone();
        }
        format!("{}:{architecture}", package.name)
    }

    /// The command line names this very version.
    fn is_asked_for(&self, package: &Package) -> bool {
        let Package { name, version, architecture } = package;
        self.wishes().is_some_and(|wishes| {
            wishes.asked().any(|asked| {
                let Some((typed, wanted)) = asked.split_once('=') else { return false };
                wanted == version && (typed == name || typed == format!("{name}:{architecture}"))
            })
        })
    }

    /// Writes down what was used.
    pub(super) fn write_down_packages(&self) {
        let used = std::mem::take(&mut *self.used());
        if used.is_empty() {
            return;
        }
        let folder = self.buildinfo();
        if let Err(e) = pins::record_debs(&folder, &used) {
            let file = folder.join("build-versions/versions-deb");
            self.messages.warn(format_args!("{}: {e}; packages are not recorded", file.display()));
        }
    }

    /// Writes down which Release file was used.
    pub(super) fn write_down_release(&self, url: &ReleaseUrl, date: &str, sha256: &str) {
        let Some(key) = url.key().filter(|_| self.policy.versioned) else { return };
        let folder = self.buildinfo();
        if let Err(e) = pins::record_release(&folder, &key, date, sha256) {
            let file = folder.join("build-versions/versions-mirror");
            self.messages.warn(format_args!(
                "{}: {e}; {} is not recorded",
                file.display(),
                public_url(url.base())
            ));
        }
    }
}
