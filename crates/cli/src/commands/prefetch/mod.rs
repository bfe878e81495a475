//! `vcache prefetch`: what version files pin into the cache, without a build.

mod facts;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::{Context as _, Result};
use vcache_debian::{Surroundings, Told, Wanted};
use vcache_git::{FillError, Filled};
use vcache_store::Store;

use crate::commands::flush;
use crate::context::Context;
use crate::pinned::{Chosen, Commit, Package, Pins};
use crate::progress::Progress;
use crate::{output, shims};

use facts::{Facts, render};

/// Bring what version files pin into the cache, without a build
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache prefetch vcache-versions\n         \
                  vcache prefetch --only git --jobs 8 files/build/versions\n         \
                  vcache prefetch --only deb --arch arm64 --apt-sources apt.arm64 versions\n\n\
                  Of versions-git: each repository with its branches, tags and pinned commit, and the\n\
                  submodules of that commit, by the real git, without a clone. What is there is not asked for\n\
                  again. One that fails stops no other.\n\n\
                  Of versions-deb: each package in the pinned version (without +fips at its end, which archives\n\
                  do not have), and the indexes of its repositories, by the real apt-get in a folder of its own\n\
                  below TMPDIR, with the sources and keys of this machine unless others are named. Nothing is\n\
                  installed.\n\n\
                  Exit status: 1 when something could not be had.")]
pub(crate) struct Prefetch {
    #[command(flatten)]
    chosen: Chosen,
    /// How many repositories are fetched at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Where packages come from, instead of this machine's sources: a file as sources.list or as *.sources, or a folder of them; may be given
    /// several times
    #[arg(long, value_name = "FILE|DIR")]
    apt_sources: Vec<PathBuf>,
    /// By which keys repositories are believed whose sources name none, instead of this machine's: a file, or a folder with *.gpg and *.asc; may
    /// be given several times
    #[arg(long, value_name = "FILE|DIR")]
    apt_keyring: Vec<PathBuf>,
    /// Only say what would be fetched
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Prefetch {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let pins = self.chosen.pins(context)?;
        let context = context.with("SONIC_VERSION_CACHE_METHOD", "cache");
        let mut facts = Facts::new(self.dry_run, &pins);
        if self.dry_run {
            let store = Arc::new(context.store_or_empty()?);
            for commit in &pins.commits {
                let (host, settings) = (&context.host, &context.settings);
                let found = vcache_git::held(host, settings, &store, &commit.url, &commit.id, true);
                facts.add(commit, found);
            }
            for package in &pins.packages {
                facts.add_held(package, vcache_debian::held(&store, &package.wanted));
            }
        } else {
            let store = Arc::new(context.store_to_fill()?);
            // Before anything is fetched.
            let method = method(&context, &store, &pins)?;
            let mut progress = Progress::new();
            self.fill(&context, &store, &pins.commits, &mut facts, &mut progress);
            self.fill_packages(&context, &store, method, &pins.packages, &mut facts, &mut progress)?;
            drop(progress);
            flush::note_waiting(&store);
        }
        output::facts(self.json, &facts, render)?;
        Ok(if facts.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// By a few threads, each of which takes the next one that nobody has.
    fn fill(
        &self,
        context: &Context,
        store: &Arc<Store>,
        commits: &[Commit],
        facts: &mut Facts,
        progress: &mut Progress,
    ) {
        let next = AtomicUsize::new(0);
        let (sender, results) = channel();
        let mut done: Vec<(usize, Result<Filled, FillError>)> = Vec::new();
        std::thread::scope(|scope| {
            for _ in 0..usize::from(self.jobs).min(commits.len()) {
                let (sender, next) = (sender.clone(), &next);
                scope.spawn(move || {
                    while let Some((at, commit)) =
                        Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|at| Some((at, commits.get(at)?)))
                    {
                        let (host, settings) = (&context.host, &context.settings);
                        let filled = vcache_git::fill(host, settings, store, &commit.url, Some(&commit.id));
                        if sender.send((at, filled)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(sender);
            loop {
                match results.recv_timeout(Duration::from_millis(100)) {
                    Ok(result) => done.push(result),
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => break,
                }
                progress.show(|| format!("prefetching: {} of {} pins", done.len(), commits.len()));
            }
        });
        done.sort_by_key(|(at, _)| *at);
        for (at, filled) in done {
            facts.add(&commits[at], filled);
        }
    }
    /// By apt-get; without a `method` for it all are there.
    fn fill_packages(
        &self,
        context: &Context,
        store: &Store,
        method: Option<PathBuf>,
        packages: &[Package],
        facts: &mut Facts,
        progress: &mut Progress,
    ) -> Result<()> {
        let Some(method) = method else {
            packages.iter().for_each(|package| {
                facts.add_held(package, vcache_debian::held(store, &package.wanted));
            });
            return Ok(());
        };
        let surroundings =
            Surroundings { method: &method, sources: &self.apt_sources, keyrings: &self.apt_keyring };
        let wanted: Vec<Wanted> = packages.iter().map(|package| package.wanted.clone()).collect();
        let mut tell = |told| match told {
            Told::Warning(line) => output::warn(line),
            Told::Done(done) => {
                progress.show(|| format!("prefetching: {done} of {} packages", packages.len()))
            }
        };
        let (host, settings) = (&context.host, &context.settings);
        let results = vcache_debian::fill(host, settings, store, &surroundings, &wanted, &mut tell)
            .context("apt-get can't be run in a folder of its own")?;
        for (package, result) in packages.iter().zip(results) {
            facts.add_package(package, result);
        }
        Ok(())
    }
}

/// What is to be apt's method; none where no package is missing.
fn method(context: &Context, store: &Store, pins: &Pins) -> Result<Option<PathBuf>> {
    let is_missing = |package: &&Package| vcache_debian::held(store, &package.wanted).is_none();
    let missing = pins.packages.iter().filter(is_missing).count();
    if missing == 0 {
        return Ok(None);
    }
    let only =
        "packages are fetched by apt-get; leave them out by --only git, or bring them by vcache import";
    vcache_debian::can_fill(&context.host).context(only)?;
    shims::executable(&context.host).map(Some)
}
