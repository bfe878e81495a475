//! What `prefetch` has done, for programs and for people.

use serde::Serialize;
use vcache_debian::{Brought, Held};
use vcache_git::{FillError, Filled};

use crate::commands::trouble::Trouble;
use crate::pinned::{self, Commit, Pins};
use crate::units;

#[derive(Serialize, Default)]
pub(super) struct Facts {
    dry_run: bool,
    /// What the cache has now, submodules too.
    repositories: Vec<Repository>,
    /// What the cache has now.
    packages: Vec<Package>,
    /// With --dry-run: what would be fetched.
    missing: Vec<Trouble>,
    /// What no cache has: repositories of this machine, and those with a remote helper of their own.
    left: Vec<Trouble>,
    pub(super) failed: Vec<Trouble>,
    /// Bytes that came.
    bytes: u64,
    /// What was asked for: repositories, packages.
    #[serde(skip)]
    kinds: [bool; 2],
    /// Repositories and packages that are `missing`.
    #[serde(skip)]
    wanting: [usize; 2],
}

#[derive(Serialize)]
struct Repository {
    url: String,
    commit: Option<String>,
    /// `file:line` of the pin.
    place: String,
    /// Of a submodule: its path in the repository that is pinned.
    submodule: Option<String>,
    fetched: bool,
    /// Bytes that came.
    bytes: u64,
    /// Bytes that the cache has of it.
    size: u64,
}

#[derive(Serialize)]
struct Package {
    package: String,
    /// As the pin has it.
    version: String,
    architecture: String,
    /// `file:line` of the pin.
    place: String,
    fetched: bool,
    /// Bytes that came.
    bytes: u64,
    /// Bytes that the cache has of it.
    size: u64,
}

impl Facts {
    pub(super) fn new(dry_run: bool, pins: &Pins) -> Facts {
        Facts { dry_run, kinds: [!pins.commits.is_empty(), !pins.packages.is_empty()], ..Facts::default() }
    }

    /// What became of a repository.
    pub(super) fn add(&mut self, commit: &Commit, found: Result<Filled, FillError>) {
        let filled = found.unwrap_or_else(|error| match error.is_left {
            true => Filled { left: vec![error], ..Filled::default() },
            false => Filled { failed: vec![error], ..Filled::default() },
        });
        self.bytes += filled.repositories.iter().map(|repository| repository.bytes).sum::<u64>();
        self.repositories.extend(filled.repositories.into_iter().map(|repository| Repository {
            url: vcache_store::public_url(&repository.url),
            commit: repository.commit,
            place: commit.place.clone(),
            submodule: repository.submodule,
            fetched: repository.fetched,
            bytes: repository.bytes,
            size: repository.size,
        }));
        let trouble = |error| Trouble::of(commit, error);
        self.left.extend(filled.left.into_iter().map(trouble));
        if self.dry_run {
            self.wanting[0] += filled.failed.len();
        }
        let failed = if self.dry_run { &mut self.missing } else { &mut self.failed };
        failed.extend(filled.failed.into_iter().map(trouble));
    }

    /// What became of a package.
    pub(super) fn add_package(
        &mut self,
        package: &pinned::Package,
        found: Result<Brought, vcache_debian::FillError>,
    ) {
        match found {
            Ok(Brought { fetched, size }) => {
                let wanted = package.wanted.clone();
                let bytes = if fetched { size } else { 0 };
                self.bytes += bytes;
                self.packages.push(Package {
                    package: wanted.name,
                    version: wanted.version,
                    architecture: wanted.architecture,
                    place: package.place.clone(),
                    fetched,
                    bytes,
                    size,
                });
            }
            Err(error) => self.failed.push(Trouble::of_package(package, &error.to_string())),
        }
    }

    /// A package that was only looked for.
    pub(super) fn add_held(&mut self, package: &pinned::Package, held: Option<Held>) {
        match held {
            Some(Held { size, .. }) => self.add_package(package, Ok(Brought { fetched: false, size })),
            None => {
                self.wanting[1] += 1;
                self.missing.push(Trouble::of_package(package, "not in the cache"));
            }
        }
    }

    /// `3 repositories and 1 package`, of what was asked for.
    fn count(&self, numbers: [usize; 2]) -> String {
        // Where nothing was asked for, repositories are the ones that there are none of.
        let is_shown = [self.kinds[0] || !self.kinds[1], self.kinds[1]];
        let counts = ["repository", "package"].into_iter().zip(numbers).zip(is_shown);
        let shown = counts.filter(|(_, is_shown)| *is_shown);
        let texts = shown.map(|((one, number), _)| units::count(number as u64, one));
        texts.collect::<Vec<_>>().join(" and ")
    }
}

pub(super) fn render(facts: &Facts) -> String {
    let lines = |what: &str, troubles: &[Trouble]| -> String {
        troubles.iter().map(|trouble| trouble.line(what)).collect()
    };
    let mut text = lines("left alone", &facts.left)
        + &lines("would be fetched", &facts.missing)
        + &lines("failed", &facts.failed);
    let repositories = facts.repositories.iter().filter(|repository| repository.fetched).count();
    let packages = facts.packages.iter().filter(|package| package.fetched).count();
    let held = facts.repositories.len() + facts.packages.len() - repositories - packages;
    text += &match facts.dry_run {
        true => format!("{} would be fetched", facts.count(facts.wanting)),
        false => {
            format!("{} fetched, {}", facts.count([repositories, packages]), units::size(facts.bytes))
        }
    };
    text += &format!("; {held} there already");
    if !facts.failed.is_empty() {
        text += &format!("; {} failed", facts.failed.len());
    }
    text + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package() -> pinned::Package {
        let wanted = vcache_debian::Wanted {
            name: "gdb".into(),
            version: "16.3-1+fips".into(),
            architecture: "amd64".into(),
        };
        pinned::Package { wanted, place: "v/versions-deb:1".into() }
    }

    #[test]
    fn what_failed_is_named_with_its_pin() {
        let commit = Commit { url: "https://h/a".into(), id: "ab".into(), place: "v/versions-git:3".into() };
        let error = |path: Option<&str>, is_left| FillError {
            url: "https://h/b".into(),
            submodule: path.map(str::to_owned),
            is_left,
            why: "repository not found\n\u{1b}[2J".into(),
        };
        let mut facts = Facts::default();
        facts.add(&commit, Err(error(None, false)));
        facts.add(&commit, Err(error(None, true)));
        facts.add(&commit, Ok(Filled { failed: vec![error(Some("x/y"), false)], ..Filled::default() }));
        assert_eq!(
            render(&facts),
            "left alone: https://h/b (ab, v/versions-git:3): repository not found; \\u{1b}[2J\n\
             failed: https://h/b (ab, v/versions-git:3): repository not found; \\u{1b}[2J\n\
             failed: https://h/b (submodule `x/y` of the pin at v/versions-git:3): repository not found; \\u{1b}[2J\n\
             0 repositories fetched, 0 B; 0 there already; 2 failed\n"
        );
    }

    #[test]
    fn packages_are_counted_where_they_were_asked_for() {
        let pins = Pins { packages: vec![package()], ..Pins::default() };
        let mut facts = Facts::new(false, &pins);
        facts.add_package(&package(), Ok(Brought { fetched: true, size: 2048 }));
        facts.add_package(&package(), Ok(Brought { fetched: false, size: 1 }));
        facts.add_package(&package(), Err(vcache_debian::FillError::NotOffered));
        assert_eq!(
            render(&facts),
            "failed: gdb 16.3-1+fips (amd64, v/versions-deb:1): no index of the apt sources offers it\n\
             1 package fetched, 2.0 KiB; 1 there already; 1 failed\n"
        );
        let mut facts = Facts::new(true, &pins);
        facts.add_held(&package(), None);
        assert_eq!(
            render(&facts),
            "would be fetched: gdb 16.3-1+fips (amd64, v/versions-deb:1): not in the cache\n\
             1 package would be fetched; 0 there already\n"
        );
        facts.kinds[0] = true;
        assert!(
            render(&facts).ends_with("\n0 repositories and 1 package would be fetched; 0 there already\n")
        );
    }
}
