//! A suite of an archive, as data: what is in it, and how it is published.

use super::{Package, Source};

/// 2020-01-01, in seconds since the epoch: the date of debs, and of an archive before it has moved on.
pub const FIRST_DATE: u64 = 1_577_836_800;

/// How a suite is signed.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Signing {
    /// By `InRelease`; `Release` and `Release.gpg` are there too, as Debian has them.
    InRelease,
    /// By `Release.gpg` alone.
    ReleaseGpg,
    /// Not at all: there is only `Release`.
    Unsigned,
}

/// One suite. Built by [`Suite::new`] or [`Suite::flat`], then refined.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suite {
    pub(super) name: String,
    pub(super) flat: bool,
    pub(super) packages: Vec<Package>,
    pub(super) sources: Vec<Source>,
    pub(super) signing: Signing,
    pub(super) by_hash: bool,
    pub(super) diffs: bool,
    pub(super) date: u64,
    pub(super) valid_until: Option<u64>,
    pub(super) fields: Vec<(String, String)>,
}

impl Suite {
    /// A suite below `dists/`, signed by `InRelease`, with `by-hash`, and without an end of its validity.
    pub fn new(name: &str) -> Suite {
        Suite {
            name: name.to_owned(),
            flat: false,
            packages: Vec::new(),
            sources: Vec::new(),
            signing: Signing::InRelease,
            by_hash: true,
            diffs: false,
            date: FIRST_DATE,
            valid_until: None,
            fields: Vec::new(),
        }
    }

    /// A flat repository: indexes and packages in the folder `name` below the archive's root (`deb URL/NAME ./`). It has no `by-hash`.
    pub fn flat(name: &str) -> Suite {
        Suite { flat: true, by_hash: false, ..Suite::new(name) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Is it a flat repository?
    pub fn is_flat(&self) -> bool {
        self.flat
    }

    /// Adds packages.
    pub fn packages(mut self, packages: impl IntoIterator<Item = Package>) -> Suite {
        self.packages.extend(packages);
        self
    }

    /// Adds source packages.
    pub fn sources(mut self, sources: impl IntoIterator<Item = Source>) -> Suite {
        self.sources.extend(sources);
        self
    }

    /// Sets how it is signed.
    pub fn signing(mut self, signing: Signing) -> Suite {
        self.signing = signing;
        self
    }

    /// Sets whether indexes are there by their digests too, and `Acquire-By-Hash: yes` says so.
    pub fn by_hash(mut self, by_hash: bool) -> Suite {
        self.by_hash = by_hash;
        self
    }

    /// Sets whether there are differences to the state before (`Packages.diff`).
    pub fn diffs(mut self, diffs: bool) -> Suite {
        self.diffs = diffs;
        self
    }

    /// Sets `Date`, in seconds since the epoch. It is also the time of its files.
    pub fn date(mut self, seconds: u64) -> Suite {
        self.date = seconds;
        self
    }

    /// Sets `Valid-Until`, in seconds since the epoch.
    pub fn valid_until(mut self, seconds: u64) -> Suite {
        self.valid_until = Some(seconds);
        self
    }

    /// Adds a field of `Release` (`NotAutomatic`, `Changelogs`), or sets its `Label`, which is `Test` else.
    pub fn field(mut self, name: &str, value: &str) -> Suite {
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A day later: packages and sources have the version that comes next.
    pub(super) fn moved_on(&self) -> Suite {
        Suite {
            packages: self.packages.iter().map(Package::moved_on).collect(),
            sources: self.sources.iter().map(Source::moved_on).collect(),
            date: self.date + 86_400,
            ..self.clone()
        }
    }

    /// The architectures of its packages beside `all`, and this machine's in any case.
    pub(super) fn architectures(&self) -> Vec<String> {
        let mut names: Vec<String> = self.packages.iter().map(|one| one.architecture.clone()).collect();
        names.push(super::native().to_owned());
        names.retain(|name| name != "all");
        names.sort();
        names.dedup();
        names
    }
}
