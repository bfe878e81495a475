//! Repositories into the cache without a clone, and whether they are there: for `vcache prefetch` and `vcache check`.
//!
//! A repository is brought in as a clone of it would: branches, tags, and the pinned commit, by its hash where no branch leads to it any more.
//! Then the submodules of that commit, and theirs. Each repository is asked for once for each commit; a loop of them ends there. A
//! submodule that fails does not keep the others away.

use std::collections::HashSet;
use std::sync::Arc;

use vcache_shim::{Chain, Host, Settings};
use vcache_store::Store;

use crate::address::{key, public, shared};
use crate::bare::Bare;
use crate::cached::{Cached, Seen};
use crate::failure::{Failure, Trouble};
use crate::git::{Git, GitError};
use crate::reason::Code;
use crate::run::Told;
use crate::serve::{Role, Server, Want};
use crate::state::{Extent, HEAD, State, is_general, is_peeled};
use crate::submodules::{Submodule, submodules};

/// How deep submodules in submodules are followed: deeper than anyone has them, and not for ever.
const DEEPEST: usize = 16;

/// A repository that is in the cache now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository {
    /// Its URL without what is secret.
    pub url: String,
    /// Of a submodule: its path from the top of the repository that was named.
    pub submodule: Option<String>,
    /// The commit that was asked for, or else what is checked out by default; none in an empty repository.
    pub commit: Option<String>,
    /// Something came from the origin.
    pub fetched: bool,
    /// Bytes that came.
    pub bytes: u64,
    /// Bytes that the cache has of it.
    pub size: u64,
}

/// What was found or brought in: the repository that was named, and its submodules.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filled {
    /// The named one first.
    pub repositories: Vec<Repository>,
    /// Submodules that are on this machine or have a remote helper of their own: nobody is asked for them.
    pub left: Vec<FillError>,
    /// Submodules that could not be had.
    pub failed: Vec<FillError>,
}

/// A repository that could not be had.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{url}: {why}")]
pub struct FillError {
    /// Its URL without what is secret.
    pub url: String,
    /// Of a submodule: its path from the top of the repository that was named.
    pub submodule: Option<String>,
    /// The cache never has it: it is a repository of this machine, or has a remote helper of its own.
    pub is_left: bool,
    /// What git, or the cache, said.
    pub why: String,
}

/// Brings a repository into the cache, with `commit`, and then the submodules that this one has. Without a commit its refs are brought up to
/// date.
///
/// # Errors
/// The repository can't be had. What becomes of submodules is in [`Filled`].
pub fn fill(
    host: &Host,
    settings: &Settings,
    store: &Arc<Store>,
    url: &str,
    commit: Option<&str>,
) -> Result<Filled, FillError> {
    walk(host, url, commit, true, &mut |git, place| {
        bring(Cached::in_store(host, settings, store, &place.url), git, place)
    })
}

/// Whether the cache has `commit` of a repository; with `deep` the submodules of it too. No origin is asked.
///
/// # Errors
/// It has not, or not whole.
pub fn held(
    host: &Host,
    settings: &Settings,
    store: &Arc<Store>,
    url: &str,
    commit: &str,
    deep: bool,
) -> Result<Filled, FillError> {
    walk(host, url, Some(commit), deep, &mut |git, place| {
        let (repository, bare, _) = find(&Cached::in_store(host, settings, store, &place.url), git, place)?;
        Ok((repository, bare))
    })
}

/// A repository that is to be visited.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) commit: Option<String>,
    /// Of a submodule: its path from the top of the one that was named.
    pub(crate) submodule: Option<String>,
    depth: usize,
}

impl Place {
    fn error(&self, cause: &Cause) -> FillError {
        FillError {
            url: public(&self.url),
            submodule: self.submodule.clone(),
            is_left: matches!(cause, Cause::NotShared(Code::Local | Code::Foreign)),
            why: Chain(cause).to_string(),
        }
    }
}

/// Why a repository can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error("{}", .0.help())]
    NotShared(Code),
    #[error("no URL of a repository")]
    NoUrl,
    #[error("more than {DEEPEST} levels of submodules")]
    TooDeep,
    #[error("not in the cache")]
    Absent,
    #[error("the cache has the repository, and not this commit")]
    CommitAbsent,
    #[error("it has no commit")]
    Unborn,
    #[error("{0} is no commit")]
    NoCommit(String),
    #[error("the cache has only a part of its history; try: vcache prefetch")]
    Partial,
    #[error("fetched, and not kept")]
    NotKept,
    #[error("its submodules: {0}")]
    Submodules(#[source] GitError),
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<GitError> for Cause {
    fn from(error: GitError) -> Cause {
        Cause::Failure(error.into())
    }
}

impl From<Trouble> for Cause {
    fn from(trouble: Trouble) -> Cause {
        Cause::Failure(trouble.into())
    }
}

/// What a visit has: the repository, and its objects.
pub(crate) type Visited = (Repository, Bare);

/// Visits a repository, then the submodules of its commit, each once.
pub(crate) fn walk(
    host: &Host,
    url: &str,
    commit: Option<&str>,
    deep: bool,
    visit: &mut dyn FnMut(&Git, &Place) -> Result<Visited, Cause>,
) -> Result<Filled, FillError> {
    let named = Place { url: url.to_owned(), commit: commit.map(str::to_owned), submodule: None, depth: 0 };
    let git = Git::of(host).map_err(|e| FillError {
        url: public(url),
        submodule: None,
        is_left: false,
        why: Chain(&e).to_string(),
    })?;
    // Several of us at once can't share a terminal for questions.
    let git = git.with("GIT_TERMINAL_PROMPT", "0");
    let mut filled = Filled::default();
    let mut seen = HashSet::new();
    let mut waiting = vec![named];
    while let Some(place) = waiting.pop() {
        if !seen.insert((key(&place.url), place.commit.clone())) {
            continue;
        }
        // What submodules name is not the user's word (git(1), GIT_PROTOCOL_FROM_USER).
        let git = match place.submodule {
            None => git.clone(),
            Some(_) => git.clone().with("GIT_PROTOCOL_FROM_USER", "0"),
        };
        let visited = must_be_followed(&place).and_then(|()| visit(&git, &place));
        let visited = visited.and_then(|(repository, bare)| {
            if let Some(commit) = repository.commit.as_ref().filter(|id| bare.commit(&git, id).is_none()) {
                return Err(Cause::NoCommit(commit.clone()));
            }
            Ok((repository, bare))
        });
        match visited {
            Ok((repository, bare)) => {
                let commit = repository.commit.clone().filter(|_| deep);
                filled.repositories.push(repository);
                let below = commit.map_or(Ok(Vec::new()), |commit| below(&git, &bare, &place, &commit));
                match below {
                    Ok(below) => waiting.extend(below.into_iter().rev()),
                    Err(cause) => filled.failed.push(place.error(&cause)),
                }
            }
            Err(cause) => match place.error(&cause) {
                error if place.submodule.is_none() => return Err(error),
                error if error.is_left => filled.left.push(error),
                error => filled.failed.push(error),
            },
        }
    }
    Ok(filled)
}

/// The submodules of a commit.
fn below(git: &Git, bare: &Bare, place: &Place, commit: &str) -> Result<Vec<Place>, Cause> {
    let found = submodules(git, bare, &place.url, commit).map_err(Cause::Submodules)?;
    let inner = |Submodule { path, url, commit }| Place {
        url,
        commit: Some(commit),
        submodule: Some(match &place.submodule {
            Some(above) => format!("{above}/{path}"),
            None => path,
        }),
        depth: place.depth + 1,
    };
    Ok(found.into_iter().map(inner).collect())
}

/// Refuses what no build may get from the cache.
fn must_be_followed(place: &Place) -> Result<(), Cause> {
    if place.url.starts_with('-') || place.url.chars().any(char::is_control) {
        return Err(Cause::NoUrl);
    }
    if place.depth > DEEPEST {
        return Err(Cause::TooDeep);
    }
    shared(&place.url).map_err(Cause::NotShared)
}

/// The objects that a clone of everything wants, and a commit.
fn wants(state: &State, commit: Option<&str>) -> Vec<Want> {
    let is_cloned = |name: &str| name == HEAD || is_general(name);
    let (of_tags, listed): (Vec<_>, Vec<_>) =
        state.refs.iter().filter(|(name, _)| is_cloned(name)).partition(|(name, _)| is_peeled(name));
    let mut wants: Vec<Want> =
        listed.iter().map(|(name, id)| Want { id: (*id).clone(), name: (*name).clone() }).collect();
    let is_named = |commit: &&str| listed.iter().chain(&of_tags).any(|(_, id)| id == commit);
    if let Some(commit) = commit.filter(|commit| !is_named(commit)) {
        wants.push(Want { id: commit.to_owned(), name: commit.to_owned() });
    }
    wants
}

/// By fetching what is missing.
fn bring(cached: Cached<'_>, git: &Git, place: &Place) -> Result<Visited, Cause> {
    let before = cached.load(&Extent::Whole).map_or(0, |seen| seen.state.bytes());
    // As of a submodule: the commit is told, and no pin of a version file counts.
    let mut server = Server::new(git.clone(), cached, place.url.clone(), Told::default(), Role::Submodule);
    let fetched = server.complete(place.commit.as_deref())?;
    let size = server.state.bytes();
    let commit = place.commit.clone().or_else(|| server.state.commit(HEAD).map(str::to_owned));
    let repository = Repository {
        url: public(&place.url),
        submodule: place.submodule.clone(),
        commit,
        fetched,
        bytes: size.saturating_sub(before),
        size,
    };
    Ok((repository, server.bare.take().map_or_else(|| Bare::empty(None), Ok)?))
}

/// What the cache has of a repository with its commit: of its whole history, else of a part. Nobody is asked.
pub(crate) fn find(
    cached: &Cached<'_>,
    git: &Git,
    place: &Place,
) -> Result<(Repository, Bare, State), Cause> {
    let store = cached.store().ok_or(Cause::Absent)?;
    let mut why = Cause::Absent;
    // To find parts every record is looked at.
    let parts = std::iter::once_with(|| cached.parts()).flatten();
    let extents = std::iter::once(Extent::Whole).chain(parts);
    let states = extents.flat_map(|extent| {
        let known = cached.load(&extent);
        let beyond = std::iter::once_with(move || cached.load_beyond(&extent).collect::<Vec<_>>());
        known.into_iter().chain(beyond.flatten())
    });
    for Seen { state, .. } in states {
        let Some(commit) = place.commit.as_deref().or_else(|| state.commit(HEAD)) else { continue };
        let bare = match Bare::of(store, git, &state) {
            Ok(bare) => bare,
            Err(trouble) => {
                why = trouble.into();
                continue;
            }
        };
        if bare.present(git, &HashSet::from([commit]))?.is_empty() {
            why = Cause::CommitAbsent;
            continue;
        }
        let repository = Repository {
            url: public(&place.url),
            submodule: place.submodule.clone(),
            commit: Some(commit.to_owned()),
            fetched: false,
            bytes: 0,
            size: state.bytes(),
        };
        return Ok((repository, bare, state));
    }
    Err(why)
}

impl Server<'_> {
    /// Sees to it that the cache has all branches and tags, and a commit. Whether the origin had to give something.
    fn complete(&mut self, commit: Option<&str>) -> Result<bool, Cause> {
        let known = self.cached.load(&Extent::Whole);
        if let Some(seen) = &known
            && (commit.is_some() || self.cached.policy.offline)
        {
            self.state = seen.state.clone();
            if self.find_in(&Extent::Whole, &wants(&self.state, commit)) {
                return Ok(false);
            }
        }
        if self.cached.policy.offline {
            return Err(self.offline().into());
        }
        self.state = self.ask(known)?;
        self.show_pin(None);
        let wanted = wants(&self.state, commit);
        if wanted.is_empty() || self.find_in(&Extent::Whole, &wanted) {
            return Ok(false);
        }
        self.ensure(&wanted)?;
        // That it could not be kept was only worth a warning so far.
        if !self.find_in(&Extent::Whole, &wanted) {
            return Err(Cause::NotKept);
        }
        if let Some(seen) = self.cached.load(&Extent::Whole) {
            self.state = seen.state;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";
    const B: &str = "ffffffffffffffffffffffffffffffffffffffff";

    #[test]
    fn what_a_clone_wants_and_the_commit_once() {
        let state = State::listed(&format!(
            "ref: refs/heads/m\tHEAD\n{A}\tHEAD\n{A}\trefs/heads/m\n{B}\trefs/pull/1/head\n{A}\trefs/tags/v\n{A}\trefs/tags/v^{{}}\n"
        ));
        let names = |commit| wants(&state, commit).into_iter().map(|want| want.name).collect::<Vec<_>>();
        assert_eq!(names(None), ["HEAD", "refs/heads/m", "refs/tags/v"]);
        assert_eq!(names(Some(A)), ["HEAD", "refs/heads/m", "refs/tags/v"]);
        let other = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
        assert_eq!(names(Some(other)).last().map(String::as_str), Some(other));
        // Of a pull request: listed, and fetched by nobody who clones.
        assert_eq!(names(Some(B)).last().map(String::as_str), Some(B));
    }

    #[test]
    fn what_is_never_asked_for() {
        let host = Host::new(vec!["vcache".into()], [("PATH".into(), "/usr/bin:/bin".into())], "/".into());
        let of = |url: &str| {
            walk(&host, url, None, true, &mut |_, _| panic!("{url} is visited")).expect_err("refused")
        };
        for url in ["/srv/a", "file:///srv/a", "../a", "b.git", "", "ext::sh -c id", "fd::7", "ftp://h/a"] {
            assert!(of(url).is_left, "{url}");
        }
        for url in [
            "https://u:p@h/a",
            "https://h/a#b",
            "-u",
            "--upload-pack=x",
            "https://h/a\u{1b}",
            "https://h/a\nb",
        ] {
            let error = of(url);
            assert!(!error.is_left && !error.to_string().contains("u:p"), "{error}");
        }
    }
}
