//! An archive in a folder, served on the loopback device.
//!
//! Life cycle: [`DebianMirror::start`] builds and serves it; [`DebianMirror::publish`] and [`DebianMirror::move_on`] replace all of it
//! by another state; [`DebianMirror::stop`] refuses connections until [`DebianMirror::resume`]. Dropping the value ends everything.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use super::key::Key;
use super::package::{changelog_folder, without_epoch};
use super::{Package, Suite, build, release};
use crate::sandbox::set_mode;
use crate::{Need, Origin, md5_hex};

/// Where the archive is below the origin's root.
pub const MOUNT: &str = "/debian";

/// An archive with its server.
#[derive(Debug)]
pub struct DebianMirror {
    dir: TempDir,
    origin: Origin,
    key: Arc<Key>,
    suites: Vec<Suite>,
}

impl DebianMirror {
    /// What it and an [`super::AptRoot`] stand on, for [`crate::missing`].
    pub const NEEDS: [Need<'static>; 6] = [
        Need::Tool("apt-get"),
        Need::Tool("dpkg-deb"),
        Need::Tool("dpkg-source"),
        Need::Tool("gpg"),
        Need::Tool("xz"),
        Need::Tool("diff"),
    ];

    /// Builds an archive of these suites and serves it.
    pub fn start(suites: Vec<Suite>) -> DebianMirror {
        let dir =
            tempfile::Builder::new().prefix("vcache-mirror-").tempdir().expect("make a temporary folder");
        // Another server may be given the folder, and its workers are another user's.
        set_mode(dir.path(), 0o755);
        let origin = Origin::start();
        origin.mount(MOUNT, &dir.path().join("archive"));
        let mut mirror = DebianMirror { dir, origin, key: Key::shared(), suites: Vec::new() };
        mirror.publish(suites);
        mirror
    }

    /// `http://HOST:PORT/debian`, without a slash at the end.
    pub fn url(&self) -> String {
        format!("{}{MOUNT}", self.origin.url())
    }

    /// What serves it: faults, log, redirects (`/redir/1/debian/…`), credentials (`/auth/debian/…`).
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    /// The public key as text, for `trusted.gpg.d/*.asc`.
    pub fn key(&self) -> &[u8] {
        self.key.public()
    }

    /// What is published.
    pub fn suites(&self) -> &[Suite] {
        &self.suites
    }

    /// For `Acquire::Changelogs::URI::Override::Origin::Test`.
    pub fn changelogs(&self) -> String {
        format!("{}/changelogs/@CHANGEPATH@_changelog", self.url())
    }

    /// Refuses connections from now on. Idempotent.
    pub fn stop(&mut self) {
        self.origin.stop();
    }

    /// Serves on the same port again. Idempotent.
    pub fn resume(&mut self) {
        self.origin.resume();
    }

    /// Replaces everything by these suites. Nothing happens where they are published already.
    pub fn publish(&mut self, suites: Vec<Suite>) {
        if self.suites != suites {
            self.put(suites, false);
        }
    }

    /// A day later: packages and sources have the version that comes next, and nothing of the old state is left, as on a real mirror
    /// after a while. Suites with [`Suite::diffs`] get a difference from the state before.
    pub fn move_on(&mut self) {
        let moved = self.suites.iter().map(Suite::moved_on).collect();
        self.put(moved, true);
    }

    /// The path of a package's deb below the origin's root, as it is asked for without escapes.
    pub fn deb_path(&self, name: &str) -> String {
        let of = |suite: &Suite| {
            let package = suite.packages.iter().find(|package| package.name == name)?;
            Some(match suite.flat {
                true => format!("{MOUNT}/{}/./{}", suite.name, package.file_name()),
                false => format!("{MOUNT}/{}", package.pool_path()),
            })
        };
        self.suites.iter().find_map(of).unwrap_or_else(|| panic!("no package {name} in the archive"))
    }

    /// Writes the deb of a package into `dir`, as somebody who has it already; its path.
    pub fn deb_into(&self, name: &str, dir: &Path) -> PathBuf {
        let mut packages = self.suites.iter().flat_map(|suite| &suite.packages);
        let package = packages.find(|package| package.name == name).expect("a package of the archive");
        let path = dir.join(package.file_name());
        std::fs::write(&path, &build::deb(package).bytes).expect("write a deb");
        path
    }

    /// The digest of all files by path: two mirrors with the same data have the same, but for signatures.
    pub fn digests(&self) -> BTreeMap<PathBuf, String> {
        let tree = crate::Tree::read(&self.folder(), SystemTime::UNIX_EPOCH + Duration::from_secs(2));
        let of = |path: &PathBuf| std::fs::read(self.folder().join(path)).ok().map(|bytes| md5_hex(&bytes));
        tree.0.keys().filter_map(|path| Some((path.clone(), of(path)?))).collect()
    }

    fn put(&mut self, suites: Vec<Suite>, is_next: bool) {
        let archive = self.folder();
        std::fs::remove_dir_all(&archive).ok();
        for suite in &suites {
            let before = self.suites.iter().find(|one| is_next && one.name == suite.name);
            let base = if suite.flat { suite.name.clone() } else { format!("dists/{}", suite.name) };
            for (path, bytes) in release::files(suite, before, &self.key) {
                write(&archive.join(&base).join(path), &bytes, suite.date);
            }
            for package in &suite.packages {
                let path =
                    if suite.flat { format!("{base}/{}", package.file_name()) } else { package.pool_path() };
                write(&archive.join(path), &build::deb(package).bytes, suite.date);
            }
            self.put_sources(suite, &base);
        }
        self.suites = suites;
    }

    fn put_sources(&self, suite: &Suite, base: &str) {
        let archive = self.folder();
        for source in &suite.sources {
            let folder = if suite.flat { base.to_owned() } else { source.folder() };
            for (name, bytes) in source.files() {
                write(&archive.join(&folder).join(name), &bytes, suite.date);
            }
        }
        for package in &suite.packages {
            let path = format!(
                "changelogs/{}/{}_{}_changelog",
                changelog_folder(&package.name),
                package.name,
                without_epoch(&package.version)
            );
            write(&archive.join(path), changelog(package).as_bytes(), suite.date);
        }
    }
}

fn changelog(package: &Package) -> String {
    super::Source::new(&package.name, &package.version).changelog()
}

fn write(path: &Path, bytes: &[u8], date: u64) {
    std::fs::create_dir_all(path.parent().expect("below the archive")).expect("make a folder");
    std::fs::write(path, bytes).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(date);
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("open to set its time");
    file.set_modified(time).expect("set a file's time");
}
