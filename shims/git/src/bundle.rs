//! A repository as one file that can be carried elsewhere, as SONiC's design of its version cache has it: a tar, compressed by gzip, with the bundle
//! (git-bundle(1)) of a commit, and beside it the bundles of its submodules, theirs too.
//!
//! First comes `manifest.json` ([`Manifest`]), then each bundle in its order, `NAME-COMMIT.bundle`. A bundle has the commit under the name of the
//! branch that is checked out by default and as `HEAD`, and the tags that lead to it or before it; so `git clone NAME-COMMIT.bundle` does without us.
//! Headers have no times, owners or modes that differ from day to day, and git packs in one thread: the same state of the cache gives the
//! same bytes. It is taken in by `unbundle`.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::Arc;

use flate2::{Compression, GzBuilder};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use vcache_shim::{Host, Settings};
use vcache_store::{Sha256Id, Store};

use crate::address::public;
use crate::bare::Bare;
use crate::cached::Cached;
use crate::failure::Trouble;
use crate::fill::{Cause, FillError, find, walk};
use crate::git::Git;
use crate::state::{HEAD, State, is_peeled};

/// The format that is written, and the only one that is read.
pub(crate) const FORMAT: u32 = 1;
/// The name of the first member.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The longest name that a plain header of a tar has room for, less what tells names apart.
const LONGEST_NAME: usize = 96;
/// Bundles are compressed already.
const LEVEL: Compression = Compression::new(1);

/// What an archive holds.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Manifest {
    #[serde(rename = "vcache_git")]
    pub(crate) format: u32,
    /// The one that was named first.
    pub(crate) repositories: Vec<Bundle>,
}

/// A repository in an archive.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Bundle {
    /// Its URL without what is secret.
    pub url: String,
    /// The commit that it is there for.
    pub commit: String,
    /// Of a submodule: its path from the top of the repository that was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submodule: Option<String>,
    /// The branch that `HEAD` stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,
    /// What is in the bundle: object names by ref; behind `NAME^{}` what a tag's object stands for.
    pub refs: BTreeMap<String, String>,
    /// The name of the member.
    pub file: String,
    /// Bytes of the bundle.
    pub size: u64,
    /// The digest of the bundle.
    pub sha256: Sha256Id,
}

/// Bundles that wait to be written as an archive.
#[derive(Debug)]
pub struct Packed {
    /// The one that was named first.
    pub bundles: Vec<Bundle>,
    /// Submodules that no cache has: on this machine, or with a remote helper of their own.
    pub left: Vec<FillError>,
    folder: TempDir,
}

/// Makes bundles of what the cache has of a commit, or of what is checked out by default, and of its submodules. Nobody is asked.
///
/// # Errors
/// The cache has it not, or not all of it.
pub fn pack(
    host: &Host,
    settings: &Settings,
    store: &Arc<Store>,
    url: &str,
    commit: Option<&str>,
) -> Result<Packed, FillError> {
    let trouble = |why: String| FillError { url: public(url), submodule: None, is_left: false, why };
    let folder = tempfile::Builder::new().prefix("vcache-git-").tempdir();
    let folder = folder.map_err(|e| trouble(format!("no temporary folder: {e}")))?;
    let mut bundles: Vec<Bundle> = Vec::new();
    let mut filled = walk(host, url, commit, true, &mut |git, place| {
        let (repository, bare, state) =
            find(&Cached::in_store(host, settings, store, &place.url), git, place)?;
        let commit = repository.commit.clone().ok_or(Cause::Unborn)?;
        let file = member(&repository.url, &commit, &bundles);
        let path = folder.path().join(&file);
        let (head, refs) = create(git, &bare, &state, &commit, &path)?;
        let (size, sha256) = measure(&path).map_err(Trouble::at(&path))?;
        let (url, submodule) = (repository.url.clone(), repository.submodule.clone());
        bundles.push(Bundle { url, commit, submodule, head: Some(head), refs, file, size, sha256 });
        Ok((repository, bare))
    })?;
    match filled.failed.pop() {
        Some(error) => Err(error),
        None => Ok(Packed { bundles, left: filled.left, folder }),
    }
}

impl Packed {
    /// What the archive is called where nobody says otherwise: URL and commit, with `_` for what no file name should have.
    pub fn name(&self) -> String {
        let Bundle { url, commit, .. } = &self.bundles[0];
        format!("{}-{commit}.tgz", plain(url))
    }

    /// Writes the archive.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let manifest = Manifest { format: FORMAT, repositories: self.bundles.clone() };
        let mut text = serde_json::to_vec_pretty(&manifest)?;
        text.push(b'\n');
        // Neither a time nor a name.
        let mut tar = tar::Builder::new(GzBuilder::new().write(out, LEVEL));
        tar.append(&header(MANIFEST, text.len() as u64)?, &text[..])?;
        for bundle in &self.bundles {
            let file = File::open(self.folder.path().join(&bundle.file))?;
            tar.append(&header(&bundle.file, bundle.size)?, file.take(bundle.size))?;
        }
        tar.into_inner()?.finish()?.flush()
    }
}

fn header(name: &str, size: u64) -> io::Result<tar::Header> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    Ok(header)
}

/// Has git make the bundle; the branch, and what is in it.
fn create(
    git: &Git,
    bare: &Bare,
    state: &State,
    commit: &str,
    file: &Path,
) -> Result<(String, BTreeMap<String, String>), Cause> {
    if !bare.shallow().is_empty() {
        return Err(Cause::Partial);
    }
    let branch = state.head.clone().filter(|head| head.starts_with("refs/heads/"));
    let branch = branch.unwrap_or_else(|| "refs/heads/vcache".to_owned());
    let is_tag = |name: &str| name.starts_with("refs/tags/") && !is_peeled(name);
    let mut refs = state.refs.clone();
    refs.retain(|name, _| is_tag(name));
    refs.insert(branch.clone(), commit.to_owned());
    let mut refs = bare.set_present_refs(git, refs)?;
    bare.set_head(Some(&branch))?;
    let merged =
        git.ask_text(bare, &["for-each-ref", "--format=%(refname)", "--merged", commit, "refs/tags"])?;
    let merged: HashSet<&str> = merged.lines().collect();
    refs.retain(|name, _| *name == branch || merged.contains(name.as_str()));
    bare.set_refs(&refs)?;
    git.ask(bare, &["-c", "pack.threads=1", "bundle", "create", &file.display().to_string(), "--all"])?;
    let peeled = state.refs.iter().filter(|(name, _)| {
        name.strip_suffix("^{}").is_some_and(|name| is_tag(name) && refs.contains_key(name))
    });
    let peeled: Vec<_> = peeled.map(|(name, id)| (name.clone(), id.clone())).collect();
    refs.extend(peeled);
    refs.insert(HEAD.to_owned(), commit.to_owned());
    Ok((branch, refs))
}

fn measure(path: &Path) -> io::Result<(u64, Sha256Id)> {
    let (Uncopied::Read(error) | Uncopied::Written(error)) =
        match copied(&mut File::open(path)?, &mut io::sink()) {
            Ok(measured) => return Ok(measured),
            Err(error) => error,
        };
    Err(error)
}

/// Which side has failed.
pub(crate) enum Uncopied {
    Read(io::Error),
    Written(io::Error),
}

/// Copies all of it; its size in bytes, and its digest.
pub(crate) fn copied(from: &mut dyn Read, to: &mut dyn Write) -> Result<(u64, Sha256Id), Uncopied> {
    let (mut hash, mut piece, mut size) = (Sha256::new(), vec![0; 256 << 10], 0);
    loop {
        let count = from.read(&mut piece).map_err(Uncopied::Read)?;
        if count == 0 {
            return Ok((size, Sha256Id::from_bytes(hash.finalize().into())));
        }
        hash.update(&piece[..count]);
        to.write_all(&piece[..count]).map_err(Uncopied::Written)?;
        size += count as u64;
    }
}

/// A name that no other bundle has.
fn member(url: &str, commit: &str, others: &[Bundle]) -> String {
    let url = vcache_versions::repository(url);
    let name = plain(url.rsplit(['/', ':']).next().unwrap_or_default());
    let name = name.trim_start_matches(['.', '-']);
    let name = if name.is_empty() { "repository" } else { name };
    let room = LONGEST_NAME - commit.len() - "--9.bundle".len();
    let begin = format!("{}-{commit}", &name[..name.len().min(room)]);
    let names = (1..).map(|number| match number {
        1 => format!("{begin}.bundle"),
        _ => format!("{begin}-{number}.bundle"),
    });
    names.into_iter().find(|name| others.iter().all(|other| other.file != *name)).unwrap_or_default()
}

/// Whether a letter is harmless anywhere in a file name.
pub(crate) fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "._+@~-".contains(letter)
}

/// With `_` for all that is not.
fn plain(text: &str) -> String {
    text.chars().map(|letter| if is_plain(letter) { letter } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";

    fn bundle(url: &str, file: &str) -> Bundle {
        Bundle {
            url: url.to_owned(),
            commit: A.to_owned(),
            submodule: None,
            head: None,
            refs: BTreeMap::new(),
            file: file.to_owned(),
            size: 0,
            sha256: Sha256Id::of(b""),
        }
    }

    #[test]
    fn names_are_those_of_the_design() {
        let folder = tempfile::tempdir().unwrap();
        let bundles = vec![bundle("https://h.example/o/libteam.git", "x")];
        let packed = Packed { bundles, left: Vec::new(), folder };
        assert_eq!(packed.name(), format!("https___h.example_o_libteam.git-{A}.tgz"));
    }

    #[test]
    fn members_have_names_of_their_own_that_fit() {
        let of = |url: &str, others: &[Bundle]| member(url, A, others);
        assert_eq!(of("https://h/o/a.git", &[]), format!("a-{A}.bundle"));
        assert_eq!(of("git@h:a b.git", &[]), format!("a_b-{A}.bundle"));
        assert_eq!(of("https://h/..", &[]), format!("repository-{A}.bundle"));
        let other = bundle("https://h/p/a", &of("https://h/o/a.git", &[]));
        assert_eq!(of("https://h/o/a.git", &[other]), format!("a-{A}-2.bundle"));
        let long = of(&format!("https://h/{}", "x".repeat(300)), &[]);
        assert!(long.len() <= LONGEST_NAME && header(&long, 0).is_ok(), "{long}");
        let sha256 = member(&format!("https://h/{}", "x".repeat(300)), &"a".repeat(64), &[]);
        assert!(header(&sha256, 0).is_ok());
    }
}
