//! What `prefetch` and `check` say of a pin that the cache has not.

use serde::Serialize;
use vcache_debian::Wanted;
use vcache_git::FillError;

use crate::output;
use crate::pinned::{Commit, Package};

/// A pin that the cache has not, and why.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub(super) struct Trouble {
    #[serde(flatten)]
    what: What,
    /// `file:line` of the pin.
    place: String,
    why: String,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
#[serde(untagged)]
enum What {
    Repository {
        url: String,
        /// The one that is pinned.
        commit: String,
        /// Of a submodule: its path in the repository that is pinned.
        submodule: Option<String>,
    },
    Package {
        package: String,
        version: String,
        architecture: String,
    },
}

impl Trouble {
    /// Of a repository.
    pub(super) fn of(commit: &Commit, error: FillError) -> Trouble {
        let url = vcache_store::public_url(&error.url);
        let what = What::Repository { url, commit: commit.id.clone(), submodule: error.submodule };
        Trouble { what, place: commit.place.clone(), why: error.why }
    }

    /// Of a package.
    pub(super) fn of_package(package: &Package, why: &str) -> Trouble {
        let Wanted { name, version, architecture } = package.wanted.clone();
        let what = What::Package { package: name, version, architecture };
        Trouble { what, place: package.place.clone(), why: why.to_owned() }
    }

    /// For people.
    pub(super) fn line(&self, what: &str) -> String {
        let place = &self.place;
        let pin = match &self.what {
            What::Repository { url, submodule: Some(path), .. } => {
                format!("{url} (submodule `{path}` of the pin at {place})")
            }
            What::Repository { url, commit, .. } => format!("{url} ({commit}, {place})"),
            What::Package { package, version, architecture } => {
                format!("{package} {version} ({architecture}, {place})")
            }
        };
        let why = self.why.trim_end().replace('\n', "; ");
        output::printable(&format!("{what}: {pin}: {why}")) + "\n"
    }
}
