//! Looking after what the cache has of repositories: for `vcache verify` and `vcache gc`.
//!
//! The store checks each blob and each record; here a state is looked at as a whole: its packs are there, and the repository that is put together
//! from them lacks nothing (git-fsck(1)). A damaged state is taken out, and what it stood for is fetched again by whoever needs it. Nothing
//! counts as used by being looked at. Where there are second tiers, what is not here may be there, and is no fault.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

use vcache_shim::{Chain, Host};
use vcache_store::{Digest, Key, Kind, Record, Store};

use crate::address::key;
use crate::bare::Bare;
use crate::failure::{Failure, Trouble};
use crate::git::{Git, GitError};
use crate::state::{Extent, Pack, State};

/// What an examination has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Examined {
    /// Repositories that were looked at.
    pub repositories: usize,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// Why repositories were not put together: there is no git.
    pub skipped: Option<String>,
}

/// A state that does not lead to a whole repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The repository, as the cache knows it.
    pub url: String,
    /// Its record.
    pub record: PathBuf,
    /// What is wrong.
    pub why: String,
    /// It has been taken out.
    pub repaired: bool,
}

/// Looks at every state. `progress` is told how many are done, of how many.
pub fn examine(host: &Host, store: &Store, repair: bool, progress: &mut dyn FnMut(usize, usize)) -> Examined {
    let states = records(store);
    let repositories: HashSet<&str> = states.iter().map(|(_, record)| record.url()).collect();
    let mut examined = Examined { repositories: repositories.len(), ..Examined::default() };
    let git = Git::of(host);
    if let Err(missing) = &git
        && !states.is_empty()
    {
        examined.skipped = Some(missing.to_string());
    }
    for (at, (path, record)) in states.iter().enumerate() {
        progress(at, states.len());
        let found = packs(store, record).and_then(|state| match (state, &git) {
            (Some(state), Ok(git)) => whole(store, git, &state),
            _ => Ok(()),
        });
        if let Err(damage) = found {
            let why = Chain(&damage).to_string();
            let repaired = repair && store.take_out(path, record);
            let url = record.url().to_owned();
            examined.faults.push(Fault { url, record: path.clone(), why, repaired });
        }
    }
    examined
}

/// Takes out the states whose packs have gone; how many there were.
pub fn forget_incomplete(store: &Store) -> usize {
    let incomplete = records(store).into_iter().filter(|(_, record)| packs(store, record).is_err());
    incomplete.filter(|(path, record)| store.take_out(path, record)).count()
}

/// All content that the cache has of these repositories, so that it can be kept.
pub fn content(store: &Store, urls: &[String]) -> HashMap<String, BTreeSet<Digest>> {
    let mut found: HashMap<String, BTreeSet<Digest>> = HashMap::new();
    let keys: HashMap<String, &String> = urls.iter().map(|url| (key(url), url)).collect();
    for record in store.records_of(Kind::Git).filter_map(|(_, record)| record.ok()) {
        let Some(url) = Key::git_of(&record.key).and_then(|(url, _)| keys.get(url)) else { continue };
        // Packs that came from a tier have no record here.
        let packs = if is_state(&record) { packs(store, &record).ok().flatten() } else { None };
        let packs = packs.into_iter().flat_map(|state| state.packs);
        let ids = packs.flat_map(|pack| [pack.pack, pack.idx]).chain([record.sha256]);
        found.entry((*url).clone()).or_default().extend(ids.map(Digest::from));
    }
    found
}

/// The records of states.
fn records(store: &Store) -> Vec<(PathBuf, Record)> {
    let records = store.records_of(Kind::Git).filter_map(|(path, record)| Some((path, record.ok()?)));
    records.filter(|(_, record)| is_state(record)).collect()
}

fn is_state(record: &Record) -> bool {
    Key::git_of(&record.key).and_then(|(_, name)| Extent::of_name(name)).is_some()
}

/// What is wrong with a state.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error("it is no state of a repository")]
    NoState,
    #[error("its pack {0} is not there")]
    Pack(String),
    #[error(transparent)]
    Failure(#[from] Failure),
    #[error(transparent)]
    Fsck(#[from] Fsck),
}

impl From<vcache_store::Error> for Damage {
    fn from(error: vcache_store::Error) -> Damage {
        Damage::Failure(Trouble::from(error).into())
    }
}

impl From<Trouble> for Damage {
    fn from(trouble: Trouble) -> Damage {
        Damage::Failure(trouble.into())
    }
}

/// The state, if all its packs are here; nothing where they may be elsewhere.
fn packs(store: &Store, record: &Record) -> Result<Option<State>, Damage> {
    // That the record leads nowhere is the store's to say.
    let Some(blob) = store.peek(&record.sha256)? else { return Ok(None) };
    let mut text = Vec::new();
    blob.stream_to(&mut text)?;
    let state = State::read(&text).ok_or(Damage::NoState)?;
    let is_here =
        |pack: &&Pack| store.holds(&pack.pack, pack.pack_size) && store.holds(&pack.idx, pack.idx_size);
    match state.packs.iter().find(|pack| !is_here(pack)) {
        None => Ok(Some(state)),
        Some(_) if !store.tiers().is_empty() => Ok(None),
        Some(pack) => Err(Damage::Pack(pack.name.clone())),
    }
}

/// Puts the repository together, and has git look for what is missing.
fn whole(store: &Store, git: &Git, state: &State) -> Result<(), Damage> {
    if state.packs.is_empty() {
        return Ok(());
    }
    let bare = Bare::looked_at(store, git, state)?;
    // What was listed need not have been fetched.
    bare.set_present_refs(git, state.refs.clone())?;
    Ok(fsck(git, &bare)?)
}

/// What git has found.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fsck {
    /// Its first complaint, and how many more there are.
    #[error("{first}{}", if *more > 0 { format!(" (and {more} lines more)") } else { String::new() })]
    Found { first: String, more: usize },
    #[error(transparent)]
    Git(#[from] GitError),
}

/// Has git look whether all is there that the refs of a repository lead to.
pub(crate) fn fsck(git: &Git, bare: &Bare) -> Result<(), Fsck> {
    let args = ["fsck", "--connectivity-only", "--no-dangling", "--no-progress"];
    let output = git.at(bare, args).output().map_err(GitError::NotRun)?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines().filter(|line| !line.starts_with("notice: "));
    let first = lines.next().unwrap_or("git fsck failed without a word").to_owned();
    Err(Fsck::Found { first, more: lines.count() })
}
