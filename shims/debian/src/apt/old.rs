//! Packages that no index offers any more, from the cache.
//!
//! apt is given them as files (`APT::Sources::With`). What such a package depends on was pinned with it, mostly, and often in that very version (`Depends: libx (= 1.0)`), without
//! which apt finds no solution and asks for nothing that could tell us more. So the pinned versions of its dependencies are given along, where the cache has them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use vcache_shim::{Chain, real_tool};
use vcache_store::{Blob, Error as StoreError, Key, Store};

use super::config::Folder;
use super::pins::Pinned;
use super::run::Running;

/// The fields of a package that name others which apt may install with it.
const DEPENDENCIES: [&str; 3] = ["Pre-Depends", "Depends", "Recommends"];

/// A package of the cache, under a name of its own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Old {
    /// The file that apt is given.
    pub(crate) file: PathBuf,
    /// As version files have it: with an architecture where that is not the native one.
    pub(crate) name: String,
    /// Of the package, so without SONiC's `+fips` where the archive's own was found.
    pub(crate) version: String,
    architecture: String,
}

/// Where old packages are looked for.
pub(super) struct Shelf<'a> {
    pub(super) running: &'a Running<'a>,
    pub(super) store: &'a Store,
    pub(super) pinned: &'a Pinned,
    pub(super) folder: &'a Folder,
    /// The native architecture, as apt has it.
    pub(super) native: &'a str,
}

impl Shelf<'_> {
    /// A package in the version of its pin, for an architecture or for all.
    pub(super) fn find(&self, name: &str, version: &str, architecture: &str) -> Option<Old> {
        let plain = version.strip_suffix("+fips").unwrap_or(version);
        let versions = if plain == version { vec![version] } else { vec![version, plain] };
        for version in versions {
            // A package may have become one for all architectures since, or have been one.
            for architecture in [architecture, "all"] {
                let Some(record) =
                    self.store.lookup(&Key::package(name, version, architecture)).ok().flatten()
                else {
                    continue;
                };
                let Some(blob) = self.store.find(&record.sha256.into()).ok().flatten() else { continue };
                let file_name = format!("{name}_{}_{architecture}.deb", version.replace(':', "%3a"));
                let file = self.folder.packages().join(file_name);
                match place(&blob, &file) {
                    Ok(()) => {
                        return Some(Old {
                            file,
                            name: self.pinned_as(name, architecture),
                            version: version.to_owned(),
                            architecture: architecture.to_owned(),
                        });
                    }
                    Err(e) => {
                        self.running
                            .messages
                            .warn(format_args!("{name} {version}: {e}; going on without it"));
                        if matches!(blob.verify(), Err(StoreError::Corrupt { .. })) {
                            let _ = self.store.quarantine(&blob);
                        }
                    }
                }
            }
        }
        None
    }

    /// Adds what packages depend on, as far as it is pinned, and what that depends on.
    pub(super) fn add_dependencies(&self, packages: &mut BTreeMap<PathBuf, Old>) {
        let mut left: Vec<Old> = packages.values().cloned().collect();
        while let Some(package) = left.pop() {
            let architecture =
                if package.architecture == "all" { self.native } else { &package.architecture };
            for name in self.dependencies(&package.file) {
                let pinned_as = self.pinned_as(&name, architecture);
                if packages.values().any(|known| known.name == pinned_as) {
                    continue;
                }
                let Some(pin) = self.pinned.version(&pinned_as) else { continue };
                if let Some(found) = self.find(&name, &pin.text, architecture) {
                    packages.insert(found.file.clone(), found.clone());
                    left.push(found);
                }
            }
        }
    }

    /// The names in a package's fields; none where they can't be read.
    fn dependencies(&self, file: &Path) -> Vec<String> {
        let dpkg = self.running.host.with_args(vec!["dpkg-deb".into()]);
        let mut words = vec!["-f".into(), file.as_os_str().to_owned()];
        words.extend(DEPENDENCIES.map(Into::into));
        let output = real_tool::find(&dpkg).ok().and_then(|tool| tool.command(&dpkg, &words).output().ok());
        output.map_or_else(Vec::new, |output| names(&String::from_utf8_lossy(&output.stdout)))
    }

    fn pinned_as(&self, name: &str, architecture: &str) -> String {
        match architecture == "all" || architecture == self.native {
            true => name.to_owned(),
            false => format!("{name}:{architecture}"),
        }
    }
}

/// The names of packages in fields that name others (Debian Policy 7.1), without architectures and versions.
fn names(fields: &str) -> Vec<String> {
    let of_field = |line: &str| line.split_once(": ").map_or(line, |(_, rest)| rest).to_owned();
    let name = |one: &str| one.trim().split([' ', '(', '[', '<', ':']).next().unwrap_or_default().to_owned();
    let lines = fields.lines().map(of_field);
    lines
        .flat_map(|line| line.split([',', '|']).map(name).collect::<Vec<_>>())
        .filter(|name| !name.is_empty())
        .collect()
}

/// Puts a blob under a name, without a copy where that can be; what is not what it should be is refused.
fn place(blob: &Blob, file: &Path) -> Result<(), String> {
    let told = |e: StoreError| Chain(&e).to_string();
    let _ = std::fs::remove_file(file);
    if blob.file().is_some() {
        blob.verify().map_err(told)?;
        if blob.link_to(file).map_err(told)? {
            return Ok(());
        }
    }
    let mut to = File::create_new(file).map_err(|e| e.to_string())?;
    blob.copy_to(&mut to).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn fields_that_name_packages() {
        let fields = "Pre-Depends: a (>= 1:2)\nDepends: b:any, c (= 1) | d,\n e [amd64], f\n";
        assert_eq!(names(fields), ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(names(""), Vec::<String>::new());
    }
}
