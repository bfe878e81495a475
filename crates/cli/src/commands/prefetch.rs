//! `vcache prefetch`: what version files pin into the cache, without a build.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;
use vcache_git::{FillError, Filled};
use vcache_store::Store;

use crate::commands::flush;
use crate::context::Context;
use crate::pinned::{Chosen, Commit};
use crate::progress::Progress;
use crate::{output, units};

/// Bring what version files pin into the cache, without a build
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache prefetch vcache-versions\n         \
                  vcache prefetch --only git --jobs 8 files/build/versions\n\n\
                  Of versions-git: each repository with its branches, tags and pinned commit, and the submodules of that\n\
                  commit, by the real git, without a clone. What is there is not asked for again. One that fails stops no other.\n\n\
                  Exit status: 1 when something could not be had.")]
pub(crate) struct Prefetch {
    #[command(flatten)]
    chosen: Chosen,
    /// How many repositories are fetched at a time
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: u16,
    /// Only say what would be fetched
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize, Default)]
struct Facts {
    dry_run: bool,
    /// What the cache has now, submodules too.
    repositories: Vec<Repository>,
    /// With --dry-run: what would be fetched.
    missing: Vec<Trouble>,
    /// What no cache has: repositories of this machine, and those with a remote helper of their own.
    left: Vec<Trouble>,
    failed: Vec<Trouble>,
    /// Bytes that came.
    bytes: u64,
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

/// A repository that the cache has not, and why.
#[derive(Serialize, Clone, PartialEq, Debug)]
pub(super) struct Trouble {
    pub(super) url: String,
    /// The one that is pinned.
    pub(super) commit: String,
    /// `file:line` of the pin.
    pub(super) place: String,
    /// Of a submodule: its path in the repository that is pinned.
    pub(super) submodule: Option<String>,
    pub(super) why: String,
}

impl Prefetch {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let commits = self.chosen.commits(context)?;
        let context = context.with("SONIC_VERSION_CACHE_METHOD", "cache");
        let mut facts = Facts { dry_run: self.dry_run, ..Facts::default() };
        if self.dry_run {
            let store = Arc::new(context.store_or_empty()?);
            for commit in &commits {
                let (host, settings) = (&context.host, &context.settings);
                let found = vcache_git::held(host, settings, &store, &commit.url, &commit.id, true);
                facts.add(commit, found);
            }
        } else {
            let store = Arc::new(context.store_to_fill()?);
            self.fill(&context, &store, &commits, &mut facts, &mut Progress::new());
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
}

impl Facts {
    fn add(&mut self, commit: &Commit, found: Result<Filled, FillError>) {
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
        let failed = if self.dry_run { &mut self.missing } else { &mut self.failed };
        failed.extend(filled.failed.into_iter().map(trouble));
    }
}

impl Trouble {
    pub(super) fn of(commit: &Commit, error: FillError) -> Trouble {
        Trouble {
            url: vcache_store::public_url(&error.url),
            commit: commit.id.clone(),
            place: commit.place.clone(),
            submodule: error.submodule,
            why: error.why,
        }
    }

    pub(super) fn line(&self, what: &str) -> String {
        let Trouble { url, commit, place, submodule, why } = self;
        let of = match submodule {
            Some(path) => format!("submodule `{path}` of the pin at {place}"),
            None => format!("{commit}, {place}"),
        };
        let why = why.trim_end().replace('\n', "; ");
        output::printable(&format!("{what}: {url} ({of}): {why}")) + "\n"
    }
}

fn render(facts: &Facts) -> String {
    let lines = |what: &str, troubles: &[Trouble]| -> String {
        troubles.iter().map(|trouble| trouble.line(what)).collect()
    };
    let mut text = lines("left alone", &facts.left)
        + &lines("would be fetched", &facts.missing)
        + &lines("failed", &facts.failed);
    let fetched = facts.repositories.iter().filter(|repository| repository.fetched).count();
    let held = facts.repositories.len() - fetched;
    text += &match facts.dry_run {
        true => format!("{} would be fetched", units::count(facts.missing.len() as u64, "repository")),
        false => {
            format!("{} fetched, {}", units::count(fetched as u64, "repository"), units::size(facts.bytes))
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
}
