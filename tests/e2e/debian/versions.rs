//! Version files and what came of them: the pins in force, what was recorded, what is installed.

use std::path::{Path, PathBuf};

use vcache_testkit::debian::Picture;
use vcache_testkit::{Finished, Run};

use super::World;

impl World {
    /// A command with the shims ahead, with the cache and with version control of packages, in the root.
    pub fn versioned(&self, line: &str) -> Run {
        self.shim(line).env("SONIC_VERSION_CONTROL_COMPONENTS", "deb")
    }

    /// Runs commands as [`World::versioned`] makes them, each of which must succeed; the last one's.
    ///
    /// # Panics
    /// When one fails, with what it said.
    #[track_caller]
    pub fn build(&self, lines: &[&str]) -> Finished {
        let mut last = None;
        for line in lines {
            let finished = self.versioned(line).finish();
            finished.expect_code(0);
            last = Some(finished);
        }
        last.expect("at least one command")
    }

    /// Writes the pins in force of one kind: `buildinfo/versions/versions-KIND`.
    pub fn pin(&self, kind: &str, text: &str) {
        self.sandbox.write(format!("buildinfo/versions/versions-{kind}"), text.as_bytes());
    }

    /// What was recorded of one kind in `buildinfo/build-versions`; empty when there is nothing.
    pub fn recorded(&self, kind: &str) -> String {
        let file = self.sandbox.buildinfo().join(format!("build-versions/versions-{kind}"));
        std::fs::read_to_string(file).unwrap_or_default()
    }

    /// Makes what was recorded the pins in force, and records anew.
    pub fn adopt(&self) {
        for kind in ["deb", "mirror"] {
            self.pin(kind, &self.recorded(kind));
            std::fs::remove_file(self.sandbox.buildinfo().join(format!("build-versions/versions-{kind}")))
                .ok();
        }
    }

    /// What is installed: `NAME:ARCHITECTURE VERSION`, sorted.
    pub fn installed(&self) -> Vec<String> {
        let picture = Picture::of(&self.root);
        let lines = picture.section("packages").iter();
        let bare = |line: &String| line.strip_suffix(" auto").unwrap_or(line).to_owned();
        lines
            .filter_map(|line| line.strip_prefix("install ok installed: ").map(str::to_owned))
            .map(|line| bare(&line))
            .collect()
    }

    /// Takes all packages away again, as if there had never been any; indexes stay.
    pub fn empty(&self) {
        let root = self.root.dir();
        for folder in ["usr", "var/lib/dpkg/info", "var/cache/apt/archives/partial"] {
            std::fs::remove_dir_all(root.join(folder)).ok();
        }
        for folder in ["var/lib/dpkg/info", "var/cache/apt/archives/partial"] {
            std::fs::create_dir_all(root.join(folder)).expect("make a folder of apt's");
        }
        for file in files(&root.join("var/cache/apt/archives")) {
            std::fs::remove_file(file).expect("remove a package");
        }
        std::fs::remove_file(root.join("var/lib/apt/extended_states")).ok();
        self.root.write("var/lib/dpkg/status", "");
    }

    /// How often the origin was asked since its log was taken.
    pub fn asked(&self) -> usize {
        self.mirror.origin().counts().values().sum()
    }

    /// Every blob in the cache.
    pub fn blobs(&self) -> Vec<PathBuf> {
        files(&self.sandbox.cache().join("blobs"))
    }

    /// What calls have left in folders where they should leave nothing: temporary ones, the cache's room for what is being written, apt's for parts.
    pub fn litter(&self) -> Vec<PathBuf> {
        let root = self.root.dir();
        let folders = [
            self.sandbox.tmp(),
            root.join("tmp"),
            self.sandbox.cache().join("tmp"),
            root.join("var/lib/apt/lists/partial"),
            root.join("var/cache/apt/archives/partial"),
        ];
        let is_own = |path: &PathBuf| path.file_name().is_some_and(|name| name == ".swept");
        folders.iter().flat_map(|folder| files(folder)).filter(|path| !is_own(path)).collect()
    }
}

/// All files below a folder, sorted.
pub fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![folder.to_path_buf()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !path.is_symlink() { left.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}
