//! `vcache check`: whether all that version files pin is in the cache, so that a build needs no network for it.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use serde::Serialize;

use crate::commands::trouble::Trouble;
use crate::context::Context;
use crate::pinned::Chosen;
use crate::progress::Progress;
use crate::{output, units};

/// Prove that what version files pin is in the cache
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache check vcache-versions\n         \
                  vcache check --only git --submodules files/build/versions\n         \
                  vcache check --only deb --arch arm64 files/build/versions\n\n\
                  Of versions-git: the pinned commit is in the packs of the repository, and the packs are what\n\
                  their digests say.\n\n\
                  Of versions-deb: the package is there in the pinned version, for the architecture of the\n\
                  file's name (versions-deb-DIST-ARCH), else of --arch, else of this machine; with +fips at the\n\
                  end of the version, that one or the one without it. Its bytes are not looked at; that is\n\
                  what vcache verify does.\n\n\
                  No network is touched; second tiers are not asked.\n\n\
                  Exit status: 1 when something is missing.")]
pub(crate) struct Check {
    #[command(flatten)]
    chosen: Chosen,
    /// The submodules of pinned commits must be there, too
    #[arg(long)]
    submodules: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Default)]
struct Facts {
    pins: usize,
    /// Pins whose commit or package is there.
    held: usize,
    missing: Vec<Trouble>,
    /// What no cache has: repositories of this machine, and those with a remote helper of their own.
    left: Vec<Trouble>,
}

impl Check {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let pins = self.chosen.pins(context)?;
        // A blank is an address of none.
        let context = context.with("SONIC_VERSION_CACHE_METHOD", "cache").with("VCACHE_REMOTE", " ");
        let store = Arc::new(context.store_or_empty()?);
        let mut facts = Facts { pins: pins.len(), ..Facts::default() };
        let mut progress = Progress::new();
        for (at, commit) in pins.commits.iter().enumerate() {
            progress.show(|| format!("checking: {at} of {} pins", pins.len()));
            let (host, settings) = (&context.host, &context.settings);
            let trouble = |error| Trouble::of(commit, error);
            match vcache_git::held(host, settings, &store, &commit.url, &commit.id, self.submodules) {
                Ok(filled) => {
                    facts.held += 1;
                    facts.missing.extend(filled.failed.into_iter().map(trouble));
                    facts.left.extend(filled.left.into_iter().map(trouble));
                }
                Err(error) if error.is_left => facts.left.push(trouble(error)),
                Err(error) => facts.missing.push(trouble(error)),
            }
        }
        for (at, package) in pins.packages.iter().enumerate() {
            progress.show(|| format!("checking: {} of {} pins", pins.commits.len() + at, pins.len()));
            match vcache_debian::held(&store, &package.wanted) {
                Some(_) => facts.held += 1,
                None => facts.missing.push(Trouble::of_package(package, "not in the cache")),
            }
        }
        drop(progress);
        output::facts(self.json, &facts, render)?;
        Ok(if facts.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

fn render(facts: &Facts) -> String {
    let lines = |what: &str, troubles: &[Trouble]| -> String {
        troubles.iter().map(|trouble| trouble.line(what)).collect()
    };
    let text = lines("left alone", &facts.left) + &lines("missing", &facts.missing);
    let end = match facts.missing.len() {
        0 => "nothing is missing".to_owned(),
        missing => format!("{missing} missing; to fetch what is: vcache prefetch"),
    };
    format!("{text}{}, {} there: {end}\n", units::count(facts.pins as u64, "pin"), facts.held)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pinned::{Commit, Package};

    #[test]
    fn the_last_line_says_what_to_do() {
        let mut facts = Facts { pins: 2, held: 2, ..Facts::default() };
        assert_eq!(render(&facts), "2 pins, 2 there: nothing is missing\n");
        let commit = Commit { url: "https://h/a".into(), id: "ab".into(), place: "f:1".into() };
        let error = vcache_git::FillError {
            url: commit.url.clone(),
            submodule: None,
            is_left: false,
            why: "not in the cache".into(),
        };
        facts.missing.push(Trouble::of(&commit, error));
        let wanted = vcache_debian::Wanted {
            name: "gdb".into(),
            version: "16.3-1".into(),
            architecture: "arm64".into(),
        };
        let package = Package { wanted, place: "g:2".into() };
        facts.missing.push(Trouble::of_package(&package, "not in the cache"));
        facts.held = 0;
        assert_eq!(
            render(&facts),
            "missing: https://h/a (ab, f:1): not in the cache\n\
             missing: gdb 16.3-1 (arm64, g:2): not in the cache\n\
             2 pins, 0 there: 2 missing; to fetch what is: vcache prefetch\n"
        );
    }
}
