//! Repositories into the cache without a clone, and whether they are there: for `vcache prefetch` and `vcache check`.
//!
//! A repository is brought in as a clone of it would: branches, tags, and the pinned commit, by its hash where no branch leads to it any more.
//! Then the submodules of that commit, and theirs. Each repository is asked for once for each commit; a loop of them ends there. A
//! submodule that fails does not keep the others away.

use std::collections::HashSet;

use vcache_shim::{Host, Settings};

use crate::address::{key, public, shared};
use crate::bare::Bare;
use crate::git::{Git, short};
use crate::mirror::Mirror;
use crate::reason::Code;
use crate::run::Told;
use crate::serve::{Failure, Server, Want};
use crate::state::{COMPLETE, HEAD, State};
use crate::submodules::submodules;
use crate::view::view;

/// How deep submodules in submodules are followed.
const DEEPEST: usize = 16;

/// A repository that is in the cache now.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repository {
    /// Its URL without what is secret.
    pub url: String,
    /// Of a submodule: its path from the top of the repository that was named.
    pub path: Option<String>,
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
    pub path: Option<String>,
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
pub fn fill(host: &Host, settings: &Settings, url: &str, commit: Option<&str>) -> Result<Filled, FillError> {
    walk(host, url, commit, true, &mut |git, place| bring(host, settings, git, place))
}

/// Whether the cache has `commit` of a repository; with `deep` the submodules of it too. No origin is asked.
///
/// # Errors
/// It has not, or not whole.
pub fn held(
    host: &Host,
    settings: &Settings,
    url: &str,
    commit: &str,
    deep: bool,
) -> Result<Filled, FillError> {
    walk(host, url, Some(commit), deep, &mut |git, place| look(host, settings, git, place))
}

/// A repository that is to be visited.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) commit: Option<String>,
    /// From the top of the one that was named.
    pub(crate) path: Option<String>,
    depth: usize,
}

impl Place {
    fn error(&self, is_left: bool, why: impl Into<String>) -> FillError {
        FillError { url: public(&self.url), path: self.path.clone(), is_left, why: why.into() }
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
    visit: &mut dyn FnMut(&Git, &Place) -> Result<Visited, String>,
) -> Result<Filled, FillError> {
    let named = Place { url: url.to_owned(), commit: commit.map(str::to_owned), path: None, depth: 0 };
    // Several of us at once can't share a terminal for questions.
    let git = Git::of(host).map_err(|e| named.error(false, e.to_string()))?.with("GIT_TERMINAL_PROMPT", "0");
    let mut filled = Filled::default();
    let mut seen = HashSet::new();
    let mut waiting = vec![named];
    while let Some(place) = waiting.pop() {
        if !seen.insert((key(&place.url), place.commit.clone())) {
            continue;
        }
        // What submodules name is not the user's word (git(1), GIT_PROTOCOL_FROM_USER).
        let git = match place.path {
            None => git.clone(),
            Some(_) => git.clone().with("GIT_PROTOCOL_FROM_USER", "0"),
        };
        match must_be_shared(&place).and_then(|()| visit(&git, &place).map_err(|why| place.error(false, why)))
        {
            Ok((repository, bare)) => {
                let commit = repository.commit.clone();
                filled.repositories.push(repository);
                if let Some(commit) = commit.filter(|_| deep) {
                    below(&git, &bare, &place, &commit, &mut filled, &mut waiting);
                }
            }
            Err(error) if place.path.is_none() => return Err(error),
            Err(error) if error.is_left => filled.left.push(error),
            Err(error) => filled.failed.push(error),
        }
    }
    Ok(filled)
}

/// Puts the submodules of a commit on the list, the first one last.
fn below(git: &Git, bare: &Bare, place: &Place, commit: &str, filled: &mut Filled, waiting: &mut Vec<Place>) {
    let found = match submodules(git, bare, &place.url, commit) {
        Ok(found) => found,
        Err(said) => {
            filled.failed.push(place.error(false, format!("its submodules: {}", short(&said))));
            return;
        }
    };
    for submodule in found.into_iter().rev() {
        let path = match &place.path {
            Some(above) => format!("{above}/{}", submodule.path),
            None => submodule.path,
        };
        let mut inner = Place {
            url: String::new(),
            commit: Some(submodule.commit),
            path: Some(path),
            depth: place.depth + 1,
        };
        match submodule.url {
            Ok(url) => inner.url = url,
            Err(why) => {
                inner.url.clone_from(&place.url);
                filled.left.push(inner.error(true, why));
                continue;
            }
        }
        match inner.depth > DEEPEST {
            true => {
                filled.failed.push(inner.error(false, format!("more than {DEEPEST} levels of submodules")))
            }
            false => waiting.push(inner),
        }
    }
}

/// Refuses what no build may get from the cache.
fn must_be_shared(place: &Place) -> Result<(), FillError> {
    if place.url.starts_with('-') || place.url.chars().any(char::is_control) {
        return Err(place.error(false, "no URL of a repository"));
    }
    let is_left = |code| matches!(code, Code::Local | Code::Foreign);
    shared(&place.url).map_err(|code| place.error(is_left(code), code.help()))
}

/// The objects that a clone of everything wants, and a commit.
fn wants(state: &State, commit: Option<&str>) -> Vec<Want> {
    let is_cloned =
        |name: &str| name == HEAD || name.starts_with("refs/heads/") || name.starts_with("refs/tags/");
    let (of_tags, listed): (Vec<_>, Vec<_>) =
        state.refs.iter().filter(|(name, _)| is_cloned(name)).partition(|(name, _)| name.ends_with("^{}"));
    let mut wants: Vec<Want> =
        listed.iter().map(|(name, id)| Want { id: (*id).clone(), name: (*name).clone() }).collect();
    let is_named = |commit: &&str| listed.iter().chain(&of_tags).any(|(_, id)| id == commit);
    if let Some(commit) = commit.filter(|commit| !is_named(commit)) {
        wants.push(Want { id: commit.to_owned(), name: commit.to_owned() });
    }
    wants
}

/// By fetching what is missing.
fn bring(host: &Host, settings: &Settings, git: &Git, place: &Place) -> Result<Visited, String> {
    let mirror = Mirror::open(host, settings, &place.url, &[]);
    if mirror.store().is_none() {
        return Err("there is no cache to bring it into".to_owned());
    }
    let before = mirror.load(COMPLETE).map_or(0, |seen| seen.state.bytes());
    let mut server = Server::new(git.clone(), mirror, place.url.clone(), Told::default(), false);
    let fetched = server.bring(place.commit.as_deref()).map_err(|failure| said(&failure))?;
    let size = server.state.bytes();
    let commit = place.commit.clone().or_else(|| server.state.commit(HEAD).map(str::to_owned));
    let repository = Repository {
        url: public(&place.url),
        path: place.path.clone(),
        commit,
        fetched,
        bytes: size.saturating_sub(before),
        size,
    };
    let bare = server.bare.take().map_or_else(|| Bare::empty(None), Ok).map_err(|e| e.to_string())?;
    Ok((repository, bare))
}

/// Without asking anybody.
fn look(host: &Host, settings: &Settings, git: &Git, place: &Place) -> Result<Visited, String> {
    find(host, settings, git, place).map(|(repository, bare, _)| (repository, bare))
}

/// What the cache has of a repository with its commit: of its whole history, else of a part.
pub(crate) fn find(
    host: &Host,
    settings: &Settings,
    git: &Git,
    place: &Place,
) -> Result<(Repository, Bare, State), String> {
    let missing = || "not in the cache".to_owned();
    let mirror = Mirror::only_looking(host, settings, &place.url).ok_or_else(missing)?;
    let store = mirror.store().ok_or_else(missing)?;
    let mut why = missing();
    // To find the others every record is looked at.
    let others = std::iter::once_with(|| mirror.lanes()).flatten().filter(|lane| lane != COMPLETE);
    for lane in std::iter::once(COMPLETE.to_owned()).chain(others) {
        let Some(seen) = mirror.load(&lane) else { continue };
        let Some(commit) = place.commit.as_deref().or_else(|| seen.state.commit(HEAD)) else { continue };
        let bare = match Bare::of(store, &seen.state) {
            Ok(bare) => bare,
            Err(e) => {
                why = vcache_shim::Chain(&e).to_string();
                continue;
            }
        };
        let present = bare.present(git, &HashSet::from([commit])).map_err(|e| e.to_string())?;
        if present.is_empty() {
            why = "the cache has the repository, and not this commit".to_owned();
            continue;
        }
        let repository = Repository {
            url: public(&place.url),
            path: place.path.clone(),
            commit: Some(commit.to_owned()),
            fetched: false,
            bytes: 0,
            size: seen.state.bytes(),
        };
        return Ok((repository, bare, seen.state));
    }
    Err(why)
}

/// What went wrong, in a line.
fn said(failure: &Failure) -> String {
    match failure {
        Failure::Origin(words) => short(words).to_owned(),
        Failure::Refused(_, words) | Failure::Trouble(words) => words.clone(),
    }
}

impl Server<'_> {
    /// Sees to it that the cache has all branches and tags, and a commit. Whether the origin had to give something.
    fn bring(&mut self, commit: Option<&str>) -> Result<bool, Failure> {
        let known = self.mirror.load(COMPLETE);
        if let Some(seen) = &known
            && (commit.is_some() || self.mirror.policy.offline)
        {
            self.state = seen.state.clone();
            if self.has(COMPLETE, &wants(&self.state, commit)) {
                return Ok(false);
            }
        }
        if self.mirror.policy.offline {
            return Err(self.offline());
        }
        self.state = self.ask(known)?;
        self.view = view(&self.state, None, None);
        let wanted = wants(&self.state, commit);
        if wanted.is_empty() || self.has(COMPLETE, &wanted) {
            return Ok(false);
        }
        self.ensure(&wanted)?;
        // That it could not be kept was only worth a warning so far.
        if !self.has(COMPLETE, &wanted) {
            return Err(Failure::Trouble(format!("{}: fetched, and not kept", self.mirror.key)));
        }
        if let Some(seen) = self.mirror.load(COMPLETE) {
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
        for url in ["/srv/a", "file:///srv/a", "../a", "ext::sh -c id", "ftp://h/a"] {
            assert!(of(url).is_left, "{url}");
        }
        for url in ["https://u:p@h/a", "-u", "https://h/a\u{1b}"] {
            let error = of(url);
            assert!(!error.is_left && !error.to_string().contains("u:p"), "{error}");
        }
    }
}
