//! Looking after what the cache has of repositories: for `vcache verify` and `vcache gc`.
//!
//! The store checks each blob and each record; here a state is looked at as a whole: its packs are there, and the repository that is put together
//! from them lacks nothing (git-fsck(1)). A damaged state is taken out, and what it stood for is fetched again by whoever needs it. Nothing
//! counts as used by being looked at. Where there are second tiers, what is not here may be there, and is no fault.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use vcache_shim::{Chain, Host};
use vcache_store::{Blob, Digest, Key, Record, Sha256Id, Store};

use crate::address::key;
use crate::bare::Bare;
use crate::git::{Git, not_started};
use crate::state::{Pack, State, is_lane};

/// What an examination has found.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Examined {
    /// States that were looked at.
    pub states: usize,
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
    let mut examined = Examined { states: states.len(), ..Examined::default() };
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
        if let Err(why) = found {
            let repaired = repair && take_out(store, path, record);
            let url = record.url().to_owned();
            examined.faults.push(Fault { url, record: path.clone(), why, repaired });
        }
    }
    examined
}

/// Takes out the states whose packs have gone; how many there were.
pub fn forget_incomplete(store: &Store) -> usize {
    let incomplete = records(store).into_iter().filter(|(_, record)| packs(store, record).is_err());
    incomplete.filter(|(path, record)| take_out(store, path, record)).count()
}

/// All content that the cache has of a repository, so that it can be kept.
pub fn content(store: &Store, url: &str) -> Vec<Digest> {
    let url = key(url);
    let records = store.records().filter_map(|(_, record)| record.ok());
    let ours = records.filter(|record| Key::git_of(&record.key).is_some_and(|(of, _)| of == url));
    ours.map(|record| record.sha256.into()).collect()
}

/// The records of states.
fn records(store: &Store) -> Vec<(PathBuf, Record)> {
    let is_state = |record: &Record| Key::git_of(&record.key).is_some_and(|(_, part)| is_lane(part));
    let records = store.records().filter_map(|(path, record)| Some((path, record.ok()?)));
    records.filter(|(_, record)| is_state(record)).collect()
}

/// The state, if all its packs are here; nothing where they may be elsewhere.
fn packs(store: &Store, record: &Record) -> Result<Option<State>, String> {
    let elsewhere = |why: String| if store.tiers().is_empty() { Err(why) } else { Ok(None) };
    let blob = match store.peek(&record.sha256) {
        Ok(Some(blob)) => blob,
        // That the record leads nowhere is the store's to say.
        Ok(None) => return Ok(None),
        Err(e) => return Err(Chain(&e).to_string()),
    };
    let mut text = Vec::new();
    blob.stream_to(&mut text).map_err(|e| Chain(&e).to_string())?;
    let state = State::read(&text).ok_or("it is no state of a repository")?;
    for Pack { name, pack, pack_size, idx, idx_size } in &state.packs {
        if !store.holds(pack, *pack_size) || !store.holds(idx, *idx_size) {
            return elsewhere(format!("its pack {name} is not there"));
        }
    }
    Ok(Some(state))
}

/// Puts the repository together, and has git look for what is missing.
fn whole(store: &Store, git: &Git, state: &State) -> Result<(), String> {
    if state.packs.is_empty() {
        return Ok(());
    }
    let bare = Bare::empty(Some(store)).map_err(|e| Chain(&e).to_string())?;
    let failed = |e: std::io::Error| format!("{}: {e}", bare.path().display());
    let mut blobs = Vec::new();
    for pack in &state.packs {
        for (id, kind) in [(&pack.pack, "pack"), (&pack.idx, "idx")] {
            let blob = at_hand(store, id)?;
            let link = bare.path().join("objects/pack").join(format!("pack-{}.{kind}", pack.name));
            symlink(blob.path(), link).map_err(failed)?;
            blobs.push(blob);
        }
    }
    if !state.shallow.is_empty() {
        std::fs::write(bare.path().join("shallow"), state.shallow.join("\n") + "\n").map_err(failed)?;
    }
    // What was listed need not have been fetched.
    bare.set_present_refs(git, state.refs.clone()).map_err(failed)?;
    fsck(git, &bare)
}

/// Has git look whether all is there that the refs of a repository lead to.
pub(crate) fn fsck(git: &Git, bare: &Bare) -> Result<(), String> {
    let args = ["fsck", "--connectivity-only", "--no-dangling", "--no-progress"];
    let output = git.at(bare, args).output().map_err(|e| not_started(&e))?;
    if output.status.success() {
        return Ok(());
    }
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let mut lines = text.lines().filter(|line| !line.starts_with("notice: ")).peekable();
    let first = lines.peek().copied().unwrap_or("git fsck failed without a word").to_owned();
    Err(match lines.count() {
        0 | 1 => first,
        lines => format!("{first} (and {} lines more)", lines - 1),
    })
}

fn at_hand(store: &Store, id: &Sha256Id) -> Result<Blob, String> {
    let own = store.peek(id).map_err(|e| Chain(&e).to_string())?;
    let found = match own {
        Some(blob) => Some(blob),
        None => store.find(&(*id).into()).map_err(|e| Chain(&e).to_string())?,
    };
    found.ok_or_else(|| format!("sha256:{id} is not there"))
}

/// Unless a build has replaced it meanwhile.
fn take_out(store: &Store, path: &Path, record: &Record) -> bool {
    let is_same = |(other, now): &(PathBuf, Record)| other == path && now.sha256 == record.sha256;
    records(store).iter().any(is_same) && std::fs::remove_file(path).is_ok()
}
