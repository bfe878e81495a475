//! An archive of bundles (`bundle`) into the cache. Strictly: exactly the members that the manifest lists, in its order, each of its size and digest, of the
//! plainest kind, and after them nothing. No name of a stranger's becomes a path.
//!
//! All bundles are unpacked and examined by git, each in a repository of its own, before anything is kept: they need nothing from elsewhere, hold
//! what the manifest says, and lack nothing. What is refused leaves the cache as it was. Then each becomes part of what is known of its
//! repository; refs only where none are known, since those of an archive have no date.
//!
//! Whoever imports an archive believes its maker about what branches and tags led to; a commit that is pinned needs no such belief.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use flate2::bufread::GzDecoder;
use vcache_shim::{Chain, Host, Settings};
use vcache_store::Store;

use crate::address::{key, public, shared};
use crate::bare::Bare;
use crate::bundle::{Bundle, FORMAT, MANIFEST, Manifest, Uncopied, copied, is_plain};
use crate::cached::Cached;
use crate::failure::Trouble;
use crate::git::{Git, GitError};
use crate::state::{Extent, HEAD, State, is_id, is_peeled, is_ref};
use crate::upkeep::{Fsck, fsck};

/// The most that is read as a manifest, in bytes.
const LARGEST_MANIFEST: u64 = 16 << 20;
/// More repositories than any superproject has.
const MOST_BUNDLES: usize = 1000;
/// Of a URL, a path or a ref, in bytes.
const LONGEST_TEXT: usize = 4096;
/// So many bytes may come of one that is compressed: bundles are compressed already.
const MOST_TIMES: u64 = 20;
/// And so many of any archive, whatever its size.
const ALLOWANCE: u64 = 16 << 20;
/// Bytes of empty blocks at the end: two, or as many as fill a record of a tape.
const LONGEST_END: u64 = 64 << 10;
/// How bundles begin; one that leaves objects out (`@filter`) has another third line.
const BEGINNINGS: [&[u8]; 2] = [b"# v2 git bundle\n", b"# v3 git bundle\n@object-format=sha"];

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    /// It can't be read, or is cut off.
    #[error("it can't be read")]
    Read(#[source] io::Error),
    /// It is not what `vcache export --git` writes.
    #[error("{0}")]
    Archive(String),
    /// Its manifest lists what no version of ours writes.
    #[error("its manifest: {0}")]
    Manifest(String),
    /// One of its bundles is wrong.
    #[error("{file}: {why}")]
    Bundle {
        /// The member.
        file: String,
        /// What git, or we, have found.
        why: String,
    },
    /// The cache can't be used.
    #[error("{0}")]
    Cache(String),
}

impl From<Trouble> for NotTaken {
    fn from(error: Trouble) -> NotTaken {
        NotTaken::Cache(Chain(&error).to_string())
    }
}

/// What is wrong with a manifest.
#[derive(Debug, thiserror::Error)]
enum Malformed {
    #[error("it has format {0}, and this vcache reads format {FORMAT}")]
    Format(u32),
    #[error("it lists {0} repositories")]
    Count(usize),
    #[error("the URL of {0:?} holds a secret")]
    Secret(String),
    #[error("{0:?} is no URL that a repository is fetched from")]
    Url(String),
    #[error("{0:?} is no name of a bundle")]
    File(String),
    #[error("the refs of {0:?} are none, or do not lead to its commit")]
    Refs(String),
    #[error("the path of {0:?} is none")]
    Submodule(String),
    #[error("{0:?} is there twice")]
    FileTwice(String),
    #[error("the same commit of {0:?} is there twice")]
    CommitTwice(String),
}

/// What is wrong with a bundle.
#[derive(Debug, thiserror::Error)]
enum Unsound {
    #[error("git bundle verify, in an empty repository: {0}")]
    Verify(#[source] GitError),
    #[error("it has not all that the manifest says")]
    Incomplete,
    #[error("{0} is no commit")]
    NoCommit(String),
    #[error("{0} stands for something else")]
    Peeled(String),
    #[error(transparent)]
    Git(#[from] GitError),
    #[error(transparent)]
    Trouble(#[from] Trouble),
    #[error(transparent)]
    Fsck(#[from] Fsck),
}

/// A repository that was taken in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Taken {
    /// As the archive has it.
    pub bundle: Bundle,
    /// All of it was there already.
    pub held: bool,
}

/// Whether a file that begins so may be an archive of bundles.
pub fn is_archive(begin: &[u8]) -> bool {
    begin.starts_with(&[0x1f, 0x8b])
}

/// Takes an archive in; with `dry_run` it is only examined.
///
/// # Errors
/// Whatever is wrong with it; the cache is then as it was. If the cache itself fails, repositories that came first may have been kept.
pub fn take(
    host: &Host,
    settings: &Settings,
    store: &Arc<Store>,
    input: &mut dyn Read,
    dry_run: bool,
) -> Result<Vec<Taken>, NotTaken> {
    let git = Git::of(host).map_err(|e| NotTaken::Cache(e.to_string()))?;
    let scratch = Bare::empty(Some(store))?;
    let bundles = unpack(input, scratch.path())?;
    let mut examined = Vec::new();
    for bundle in bundles {
        let bare = Bare::empty(Some(store))?;
        let path = scratch.path().join(&bundle.file);
        examine(&git, &bare, &bundle, &path)
            .map_err(|e| NotTaken::Bundle { file: bundle.file.clone(), why: Chain(&e).to_string() })?;
        // Its pack is in the repository now.
        let _ = std::fs::remove_file(&path);
        examined.push((bundle, bare));
    }
    let mut taken = Vec::new();
    for (bundle, bare) in examined {
        let cached = Cached::in_store(host, settings, store, &bundle.url);
        let held = match dry_run {
            true => is_held(&git, store, &cached, &bundle),
            false => keep(&git, store, &cached, &bundle, &bare)?,
        };
        taken.push(Taken { bundle, held });
    }
    Ok(taken)
}

/// Unpacks the bundles into a folder, by the names that the manifest has.
fn unpack(input: &mut dyn Read, folder: &Path) -> Result<Vec<Bundle>, NotTaken> {
    let counted = BufReader::with_capacity(256 << 10, Counted { input, bytes: 0 });
    let mut tar = tar::Archive::new(Bounded { decoder: GzDecoder::new(counted), bytes: 0 });
    let mut entries = tar.entries().map_err(NotTaken::Read)?.raw(true);
    let mut text = Vec::new();
    let mut entry = next(&mut entries, MANIFEST, None)?;
    if entry.size() > LARGEST_MANIFEST {
        return Err(NotTaken::Archive(format!("its manifest has {} bytes", entry.size())));
    }
    entry.read_to_end(&mut text).map_err(NotTaken::Read)?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|e| NotTaken::Archive(format!("its manifest is not what one should be: {e}")))?;
    check(&manifest).map_err(|e| NotTaken::Manifest(e.to_string()))?;
    for bundle in &manifest.repositories {
        let refuse = |why: &str| NotTaken::Bundle { file: bundle.file.clone(), why: why.to_owned() };
        let mut entry = next(&mut entries, &bundle.file, Some(bundle.size))?;
        let path = folder.join(&bundle.file);
        let mut file = File::create_new(&path).map_err(Trouble::at(&path))?;
        let mut begin = Vec::new();
        (&mut entry).take(64).read_to_end(&mut begin).map_err(NotTaken::Read)?;
        let is_filtered = begin.windows(8).any(|part| part == b"\n@filter");
        if is_filtered || !BEGINNINGS.iter().any(|known| begin.starts_with(known)) {
            return Err(refuse("it is no bundle, or not one of everything"));
        }
        let mut whole = io::Cursor::new(begin).chain(&mut entry);
        let (size, sha256) = copied(&mut whole, &mut file).map_err(|failed| match failed {
            Uncopied::Read(e) => NotTaken::Read(e),
            Uncopied::Written(e) => Trouble::at(&path)(e).into(),
        })?;
        if size != bundle.size || sha256 != bundle.sha256 {
            return Err(refuse("it is not the one that the manifest means: its digest is another one"));
        }
    }
    if let Some(entry) = entries.next() {
        let name = entry.map_err(NotTaken::Read)?.path_bytes().into_owned();
        return Err(NotTaken::Archive(format!(
            "{:?} follows its last bundle",
            String::from_utf8_lossy(&name)
        )));
    }
    end(tar.into_inner())?;
    Ok(manifest.repositories)
}

/// Nothing but empty blocks follows, then the sound end of the compression, and of the file.
fn end(mut rest: Bounded<'_>) -> Result<(), NotTaken> {
    let mut tail = Vec::new();
    (&mut rest).take(LONGEST_END + 1).read_to_end(&mut tail).map_err(NotTaken::Read)?;
    let mut file = rest.decoder.into_inner();
    let behind = file.read(&mut [0]).map_err(NotTaken::Read)?;
    if tail.len() as u64 > LONGEST_END || tail.iter().any(|byte| *byte != 0) || behind > 0 {
        return Err(NotTaken::Archive("something follows its end".to_owned()));
    }
    Ok(())
}

/// The next member, if it is a plain file of this name and size.
fn next<'a, R: Read>(
    entries: &mut tar::Entries<'a, R>,
    name: &str,
    size: Option<u64>,
) -> Result<tar::Entry<'a, R>, NotTaken> {
    let expected = size.map_or(String::new(), |size| format!(" of {size} bytes"));
    let Some(entry) = entries.next() else {
        return Err(NotTaken::Archive(format!("it ends where a plain file {name:?}{expected} should be")));
    };
    let entry = entry.map_err(NotTaken::Read)?;
    let is_plain = entry.header().entry_type() == tar::EntryType::Regular;
    if !is_plain || *entry.path_bytes() != *name.as_bytes() || size.is_some_and(|size| size != entry.size()) {
        let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = if is_plain { "a plain file" } else { "no plain file" };
        return Err(NotTaken::Archive(format!(
            "{found:?} ({kind} of {} bytes) is where a plain file {name:?}{expected} should be",
            entry.size()
        )));
    }
    Ok(entry)
}

/// Refuses what no version of ours writes: all of it becomes file names, lines of files, keys and words for git.
fn check(manifest: &Manifest) -> Result<(), Malformed> {
    if manifest.format != FORMAT {
        return Err(Malformed::Format(manifest.format));
    }
    let bundles = &manifest.repositories;
    if bundles.is_empty() || bundles.len() > MOST_BUNDLES {
        return Err(Malformed::Count(bundles.len()));
    }
    let (mut files, mut commits) = (HashSet::new(), HashSet::new());
    for bundle in bundles {
        let Bundle { url, commit, submodule, head, refs, file, .. } = bundle;
        let is_text = |text: &str| text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control);
        if public(url) != *url {
            return Err(Malformed::Secret(public(url)));
        }
        if !is_text(url) || url.starts_with('-') || shared(url).is_err() {
            return Err(Malformed::Url(url.clone()));
        }
        let is_name = file.ends_with(".bundle") && !file.starts_with(['.', '-']) && file.len() < 256;
        if !is_name || !file.chars().all(is_plain) {
            return Err(Malformed::File(file.clone()));
        }
        let names = refs.keys().chain(head).all(|name| is_text(name) && is_ref(name));
        let ids = refs.values().chain([commit]).all(|id| is_id(id));
        let leads = refs.iter().any(|(name, id)| name.starts_with("refs/") && id == commit);
        if !names || !ids || !leads {
            return Err(Malformed::Refs(url.clone()));
        }
        if submodule.as_ref().is_some_and(|path| !is_text(path)) {
            return Err(Malformed::Submodule(url.clone()));
        }
        if !files.insert(file) {
            return Err(Malformed::FileTwice(file.clone()));
        }
        if !commits.insert((key(url), commit)) {
            return Err(Malformed::CommitTwice(url.clone()));
        }
    }
    Ok(())
}

/// Unpacks a bundle into an empty repository, and has git look whether it is whole.
fn examine(git: &Git, bare: &Bare, bundle: &Bundle, path: &Path) -> Result<(), Unsound> {
    let file = path.display().to_string();
    git.ask(bare, &["bundle", "verify", &file]).map_err(Unsound::Verify)?;
    git.ask(bare, &["bundle", "unbundle", &file])?;
    let ids: HashSet<&str> = bundle.refs.values().map(String::as_str).collect();
    if bare.present(git, &ids)?.len() != ids.len() {
        return Err(Unsound::Incomplete);
    }
    if git.ask_text(bare, &["cat-file", "-t", &bundle.commit])?.trim() != "commit" {
        return Err(Unsound::NoCommit(bundle.commit.clone()));
    }
    bare.set_refs(&bundle.refs)?;
    // That what a tag stands for is told rightly.
    for (name, id) in bundle.refs.iter().filter(|(name, _)| is_peeled(name)) {
        if git.ask_text(bare, &["rev-parse", "--verify", name])?.trim() != id {
            return Err(Unsound::Peeled(name.clone()));
        }
    }
    Ok(fsck(git, bare)?)
}

/// Whether all of it is there.
fn is_held(git: &Git, store: &Store, cached: &Cached<'_>, bundle: &Bundle) -> bool {
    let Some(seen) = cached.load(&Extent::Whole) else { return false };
    let ids: HashSet<&str> = bundle.refs.values().map(String::as_str).collect();
    let whole = Bare::of(store, git, &seen.state).ok().filter(|_| !seen.state.packs.is_empty());
    whole.and_then(|whole| whole.present(git, &ids).ok()).is_some_and(|present| present.len() == ids.len())
}

/// Makes it part of what is known of its repository. Whether all of it was there.
fn keep(
    git: &Git,
    store: &Store,
    cached: &Cached<'_>,
    bundle: &Bundle,
    bare: &Bare,
) -> Result<bool, NotTaken> {
    let _lock = cached.lock();
    if is_held(git, store, cached, bundle) {
        return Ok(true);
    }
    let mut state = cached.load(&Extent::Whole).map(|seen| seen.state).unwrap_or_default();
    if Bare::of(store, git, &state).is_err() {
        // What is damaged is of no use to anyone.
        state.packs.clear();
    }
    if state.refs.is_empty() {
        state = State { packs: state.packs, ..state_of(bundle) };
    }
    let new = bare.new_packs()?;
    state.packs.retain(|pack| !new.contains(&pack.name));
    cached.keep(&Extent::Whole, &mut state, Some(bare));
    let kept = cached.load(&Extent::Whole).map(|seen| seen.state.packs).unwrap_or_default();
    match new.iter().all(|name| kept.iter().any(|pack| pack.name == *name)) {
        true => Ok(false),
        false => Err(NotTaken::Cache(format!("{}: it could not be kept", cached.key))),
    }
}

fn state_of(bundle: &Bundle) -> State {
    let mut refs: BTreeMap<String, String> = bundle.refs.clone();
    refs.insert(HEAD.to_owned(), bundle.commit.clone());
    State { head: bundle.head.clone(), refs, packs: Vec::new(), shallow: Vec::new() }
}

/// Knows how much was read.
struct Counted<'a> {
    input: &'a mut dyn Read,
    bytes: u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes += count as u64;
        Ok(count)
    }
}

/// Ends where little becomes far too much.
struct Bounded<'a> {
    decoder: GzDecoder<BufReader<Counted<'a>>>,
    bytes: u64,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.decoder.read(buffer)?;
        self.bytes += count as u64;
        let read = self.decoder.get_ref().get_ref().bytes;
        if self.bytes > ALLOWANCE + read.saturating_mul(MOST_TIMES) {
            return Err(io::Error::other("it unpacks to far more than bundles do"));
        }
        Ok(count)
    }
}
