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
use std::io::{self, BufReader, Read, Write};
use std::path::Path;

use flate2::bufread::GzDecoder;
use sha2::{Digest as _, Sha256};
use vcache_shim::{Chain, Host, Settings};
use vcache_store::{Sha256Id, Store};

use crate::address::{key, public, shared};
use crate::bare::{Bare, Unusable};
use crate::bundle::{Bundle, FORMAT, MANIFEST, Manifest, run};
use crate::git::Git;
use crate::mirror::Mirror;
use crate::state::{COMPLETE, HEAD, State, is_id, is_ref};
use crate::upkeep::fsck;

/// The most that is read as a manifest.
const LARGEST_MANIFEST: u64 = 16 << 20;
const MOST_BUNDLES: usize = 1000;
const LONGEST_TEXT: usize = 4096;
/// What gzip may make of its input: bundles are compressed already. And what is allowed to anyone.
const MOST_TIMES: u64 = 20;
const ALLOWANCE: u64 = 16 << 20;
/// Empty blocks at the end: two, or as many as fill a record of a tape.
const LONGEST_END: u64 = 64 << 10;
/// How bundles begin; one that leaves objects out (`@filter`) has another third line.
const BEGINNINGS: [&[u8]; 2] = [b"# v2 git bundle\n", b"# v3 git bundle\n@object-format=sha"];

/// Why an archive is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It can't be read, or is cut off.
    #[error("it can't be read")]
    Read(#[source] io::Error),
    /// It is not what `vcache export --git` writes.
    #[error("{0}")]
    Archive(String),
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

impl From<Unusable> for Refused {
    fn from(error: Unusable) -> Refused {
        Refused::Cache(Chain(&error).to_string())
    }
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
    store: &Store,
    input: &mut dyn Read,
    dry_run: bool,
) -> Result<Vec<Taken>, Refused> {
    let git = Git::of(host).map_err(|e| Refused::Cache(e.to_string()))?;
    let scratch = Bare::empty(Some(store))?;
    let bundles = unpack(input, scratch.path())?;
    let mut examined = Vec::new();
    for bundle in bundles {
        let bare = Bare::empty(Some(store))?;
        let path = scratch.path().join(&bundle.file);
        examine(&git, &bare, &bundle, &path)
            .map_err(|why| Refused::Bundle { file: bundle.file.clone(), why })?;
        // Its pack is in the repository now.
        let _ = std::fs::remove_file(&path);
        examined.push((bundle, bare));
    }
    let mut taken = Vec::new();
    for (bundle, bare) in examined {
        let held = match dry_run {
            true => {
                let mirror = Mirror::only_looking(host, settings, &bundle.url);
                mirror.is_some_and(|mirror| is_held(&git, &mirror, &bundle))
            }
            false => keep(&git, &Mirror::open(host, settings, &bundle.url, &[]), &bundle, &bare)?,
        };
        taken.push(Taken { bundle, held });
    }
    Ok(taken)
}

/// Unpacks the bundles into a folder, by the names that the manifest has.
fn unpack(input: &mut dyn Read, folder: &Path) -> Result<Vec<Bundle>, Refused> {
    let counted = BufReader::with_capacity(256 << 10, Counted { input, bytes: 0 });
    let mut tar = tar::Archive::new(Bounded { decoder: GzDecoder::new(counted), bytes: 0 });
    let mut entries = tar.entries().map_err(Refused::Read)?.raw(true);
    let mut text = Vec::new();
    let mut entry = next(&mut entries, MANIFEST, None)?;
    if entry.size() > LARGEST_MANIFEST {
        return Err(Refused::Archive(format!("its manifest has {} bytes", entry.size())));
    }
    entry.read_to_end(&mut text).map_err(Refused::Read)?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .map_err(|e| Refused::Archive(format!("its manifest is not what one should be: {e}")))?;
    check(&manifest).map_err(|why| Refused::Archive(format!("its manifest: {why}")))?;
    for bundle in &manifest.repositories {
        let refuse = |why: &str| Refused::Bundle { file: bundle.file.clone(), why: why.to_owned() };
        let mut entry = next(&mut entries, &bundle.file, Some(bundle.size))?;
        let path = folder.join(&bundle.file);
        let mut file =
            File::create_new(&path).map_err(|e| Refused::Cache(format!("{}: {e}", path.display())))?;
        let mut begin = Vec::new();
        (&mut entry).take(64).read_to_end(&mut begin).map_err(Refused::Read)?;
        let is_filtered = begin.windows(8).any(|part| part == b"\n@filter");
        if is_filtered || !BEGINNINGS.iter().any(|known| begin.starts_with(known)) {
            return Err(refuse("it is no bundle, or not one of everything"));
        }
        let mut sha256 = Sha256::new();
        let mut whole = io::Cursor::new(begin).chain(&mut entry);
        let mut piece = vec![0; 256 << 10];
        let mut size = 0;
        loop {
            let count = whole.read(&mut piece).map_err(Refused::Read)?;
            if count == 0 {
                break;
            }
            sha256.update(&piece[..count]);
            size += count as u64;
            file.write_all(&piece[..count])
                .map_err(|e| Refused::Cache(format!("{}: {e}", path.display())))?;
        }
        if size != bundle.size || Sha256Id::from_bytes(sha256.finalize().into()) != bundle.sha256 {
            return Err(refuse("it is not the one that the manifest means: its digest is another one"));
        }
    }
    if let Some(entry) = entries.next() {
        let name = entry.map_err(Refused::Read)?.path_bytes().into_owned();
        return Err(Refused::Archive(format!(
            "{:?} follows its last bundle",
            String::from_utf8_lossy(&name)
        )));
    }
    end(tar.into_inner())?;
    Ok(manifest.repositories)
}

/// Nothing but empty blocks follows, then the sound end of the compression, and of the file.
fn end(mut rest: Bounded<'_>) -> Result<(), Refused> {
    let mut tail = Vec::new();
    (&mut rest).take(LONGEST_END + 1).read_to_end(&mut tail).map_err(Refused::Read)?;
    let mut file = rest.decoder.into_inner();
    let behind = file.read(&mut [0]).map_err(Refused::Read)?;
    if tail.len() as u64 > LONGEST_END || tail.iter().any(|byte| *byte != 0) || behind > 0 {
        return Err(Refused::Archive("something follows its end".to_owned()));
    }
    Ok(())
}

/// The next member, if it is a plain file of this name and size.
fn next<'a, R: Read>(
    entries: &mut tar::Entries<'a, R>,
    name: &str,
    size: Option<u64>,
) -> Result<tar::Entry<'a, R>, Refused> {
    let expected = size.map_or(String::new(), |size| format!(" of {size} bytes"));
    let Some(entry) = entries.next() else {
        return Err(Refused::Archive(format!("it ends where a plain file {name:?}{expected} should be")));
    };
    let entry = entry.map_err(Refused::Read)?;
    let is_plain = entry.header().entry_type() == tar::EntryType::Regular;
    if !is_plain || *entry.path_bytes() != *name.as_bytes() || size.is_some_and(|size| size != entry.size()) {
        let found = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let kind = if is_plain { "a plain file" } else { "no plain file" };
        return Err(Refused::Archive(format!(
            "{found:?} ({kind} of {} bytes) is where a plain file {name:?}{expected} should be",
            entry.size()
        )));
    }
    Ok(entry)
}

/// Refuses what no version of ours writes: all of it becomes file names, lines of files, keys and words for git.
fn check(manifest: &Manifest) -> Result<(), String> {
    if manifest.format != FORMAT {
        return Err(format!("it has format {}, and this vcache reads format {FORMAT}", manifest.format));
    }
    let bundles = &manifest.repositories;
    if bundles.is_empty() || bundles.len() > MOST_BUNDLES {
        return Err(format!("it lists {} repositories", bundles.len()));
    }
    let (mut files, mut commits) = (HashSet::new(), HashSet::new());
    for bundle in bundles {
        let Bundle { url, commit, submodule, head, refs, file, .. } = bundle;
        let is_text = |text: &str| text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control);
        if public(url) != *url {
            return Err(format!("the URL of {:?} holds a secret", public(url)));
        }
        if !is_text(url) || url.starts_with('-') || shared(url).is_err() {
            return Err(format!("{url:?} is no URL that a repository is fetched from"));
        }
        let letter = |c: char| c.is_ascii_alphanumeric() || "._+@~-".contains(c);
        let is_plain = file.ends_with(".bundle") && !file.starts_with(['.', '-']) && file.len() < 256;
        if !is_plain || !file.chars().all(letter) {
            return Err(format!("{file:?} is no name of a bundle"));
        }
        let names = refs.keys().chain(head).all(|name| is_text(name) && is_ref(name));
        let ids = refs.values().chain([commit]).all(|id| is_id(id));
        let leads = refs.iter().any(|(name, id)| name.starts_with("refs/") && id == commit);
        if !names || !ids || !leads {
            return Err(format!("the refs of {url:?} are none, or do not lead to its commit"));
        }
        if submodule.as_ref().is_some_and(|path| !is_text(path)) {
            return Err(format!("the path of {url:?} is none"));
        }
        if !files.insert(file) || !commits.insert((key(url), commit)) {
            return Err(format!("{file:?} is there twice"));
        }
    }
    Ok(())
}

/// Unpacks a bundle into an empty repository, and has git look whether it is whole.
fn examine(git: &Git, bare: &Bare, bundle: &Bundle, path: &Path) -> Result<(), String> {
    let file = path.display().to_string();
    run(git, bare, &["bundle", "verify", &file])
        .map_err(|said| format!("git bundle verify, in an empty repository: {}", said.trim()))?;
    run(git, bare, &["bundle", "unbundle", &file])?;
    let failed = |e: io::Error| format!("{}: {e}", bare.path().display());
    let ids: HashSet<&str> = bundle.refs.values().map(String::as_str).collect();
    if bare.present(git, &ids).map_err(failed)?.len() != ids.len() {
        return Err("it has not all that the manifest says".to_owned());
    }
    if run(git, bare, &["cat-file", "-t", &bundle.commit])?.trim() != "commit" {
        return Err(format!("{} is no commit", bundle.commit));
    }
    bare.set_refs(&bundle.refs).map_err(failed)?;
    // That what a tag stands for is told rightly.
    for (name, id) in bundle.refs.iter().filter_map(|(name, id)| Some((name.strip_suffix("^{}")?, id))) {
        let peeled = run(git, bare, &["rev-parse", "--verify", &format!("{name}^{{}}")])?;
        if peeled.trim() != id {
            return Err(format!("{name} stands for something else"));
        }
    }
    fsck(git, bare)
}

/// Whether all of it is there.
fn is_held(git: &Git, mirror: &Mirror<'_>, bundle: &Bundle) -> bool {
    let Some((store, seen)) = mirror.store().zip(mirror.load(COMPLETE)) else { return false };
    let ids: HashSet<&str> = bundle.refs.values().map(String::as_str).collect();
    let whole = Bare::of(store, &seen.state).ok().filter(|_| !seen.state.packs.is_empty());
    whole.and_then(|whole| whole.present(git, &ids).ok()).is_some_and(|present| present.len() == ids.len())
}

/// Makes it part of what is known of its repository. Whether all of it was there.
fn keep(git: &Git, mirror: &Mirror<'_>, bundle: &Bundle, bare: &Bare) -> Result<bool, Refused> {
    let trouble = |why: &str| Refused::Cache(format!("{}: {why}", mirror.key));
    let Some(store) = mirror.store() else { return Err(trouble("there is no cache to keep it in")) };
    let _lock = mirror.lock();
    if is_held(git, mirror, bundle) {
        return Ok(true);
    }
    let mut state = mirror.load(COMPLETE).map(|seen| seen.state).unwrap_or_default();
    if Bare::of(store, &state).is_err() {
        // What is damaged is of no use to anyone.
        state.packs.clear();
    }
    if state.refs.is_empty() {
        state = State { packs: state.packs, ..state_of(bundle) };
    }
    let new: Vec<String> =
        bare.new_packs().map_err(|e| trouble(&e.to_string()))?.into_iter().map(|(name, ..)| name).collect();
    state.packs.retain(|pack| !new.contains(&pack.name));
    mirror.keep(COMPLETE, &mut state, Some(bare));
    let kept = mirror.load(COMPLETE).map(|seen| seen.state.packs).unwrap_or_default();
    match new.iter().all(|name| kept.iter().any(|pack| pack.name == *name)) {
        true => Ok(false),
        false => Err(trouble("it could not be kept")),
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
