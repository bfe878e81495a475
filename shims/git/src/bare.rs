//! A bare repository for one call, put together from packs of the cache. It is ours alone and goes with the value; it lies on the cache's file system where things
//! are kept there (what a kill leaves is swept), else among the temporary files.
//!
//! Packs are linked where the cache is a folder of this machine, and copied where they come from a tier. Each is compared with its digest first.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use vcache_store::{Blob, Error as StoreError, Sha256Id, Store, Workspace};

use crate::git::{Git, fed};
use crate::state::{Pack, State};

/// What is asked of it is ours to allow: nobody else reaches it.
const CONFIG: &str = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\
[uploadpack]\n\tallowAnySHA1InWant = true\n\tallowFilter = true\n[gc]\n\tauto = 0\n";

/// The repository.
#[derive(Debug)]
pub(crate) struct Bare {
    folder: Folder,
    /// The packs of the cache that are in it, in use for as long.
    packs: Vec<(Pack, Blob, Blob)>,
}

#[derive(Debug)]
enum Folder {
    OfCache(Workspace),
    Temporary(TempDir),
}

/// Why packs can't be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    /// A blob is not there.
    #[error("the pack {0} is not in the cache")]
    Missing(String),
    /// A blob is not what it should be; it has been put aside.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The repository could not be made.
    #[error("{}: {source}", .at.display())]
    Io {
        /// Which file.
        at: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

impl Unusable {
    fn at(path: &Path) -> impl FnOnce(io::Error) -> Unusable {
        let at = path.to_owned();
        move |source| Unusable::Io { at, source }
    }
}

impl Bare {
    /// A repository with nothing in it.
    pub(crate) fn empty(store: Option<&Store>) -> Result<Bare, Unusable> {
        let of_cache = store.filter(|store| store.keeps_here()).and_then(|store| store.workspace().ok());
        let folder = match of_cache {
            Some(folder) => Folder::OfCache(folder),
            None => {
                let made = tempfile::Builder::new().prefix("vcache-git-").tempdir();
                Folder::Temporary(made.map_err(Unusable::at(&std::env::temp_dir()))?)
            }
        };
        let bare = Bare { folder, packs: Vec::new() };
        let path = bare.path();
        for name in ["objects/pack", "objects/info", "refs/heads"] {
            fs::create_dir_all(path.join(name)).map_err(Unusable::at(path))?;
        }
        for (name, text) in [("HEAD", "ref: refs/heads/vcache\n"), ("config", CONFIG)] {
            fs::write(path.join(name), text).map_err(Unusable::at(path))?;
        }
        Ok(bare)
    }

    /// A repository with the objects of a state; without any ref.
    pub(crate) fn of(store: &Store, state: &State) -> Result<Bare, Unusable> {
        let mut bare = Bare::empty(Some(store))?;
        // All of them are looked at: each that is corrupt goes, so that the next fetch brings it anew.
        let mut failure = None;
        for pack in &state.packs {
            let content = bare.place(store, pack, &pack.pack, "pack");
            match (content, bare.place(store, pack, &pack.idx, "idx")) {
                (Ok(content), Ok(idx)) => bare.packs.push((pack.clone(), content, idx)),
                (Err(e), _) | (_, Err(e)) => failure = failure.or(Some(e)),
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        bare.set_shallow(&state.shallow)?;
        Ok(bare)
    }

    fn place(&self, store: &Store, pack: &Pack, id: &Sha256Id, kind: &str) -> Result<Blob, Unusable> {
        let path = self.pack_path(&pack.name, kind);
        let blob = store.find(&(*id).into())?.ok_or_else(|| Unusable::Missing(pack.name.clone()))?;
        let placed = if blob.file().is_some() {
            blob.verify().map(|()| std::os::unix::fs::symlink(blob.path(), &path))
        } else {
            let mut file = File::create_new(&path).map_err(Unusable::at(&path))?;
            blob.copy_to(&mut file).map(Ok)
        };
        match placed {
            Ok(made) => made.map_err(Unusable::at(&path))?,
            Err(e) => {
                if matches!(e, StoreError::Corrupt { .. }) {
                    let _ = store.quarantine(&blob);
                }
                return Err(e.into());
            }
        }
        Ok(blob)
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.folder {
            Folder::OfCache(folder) => folder.path(),
            Folder::Temporary(folder) => folder.path(),
        }
    }

    fn pack_path(&self, name: &str, kind: &str) -> PathBuf {
        self.path().join("objects/pack").join(format!("pack-{name}.{kind}"))
    }

    fn set_shallow(&self, commits: &[String]) -> Result<(), Unusable> {
        if commits.is_empty() {
            return Ok(());
        }
        let path = self.path().join("shallow");
        let text: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
        fs::write(&path, text).map_err(Unusable::at(&path))
    }

    /// The commits whose parents are not there, after a fetch.
    pub(crate) fn shallow(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("shallow")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Those of these objects that are here.
    pub(crate) fn present(&self, git: &Git, ids: &HashSet<&str>) -> io::Result<HashSet<String>> {
        let asked: String = ids.iter().map(|id| format!("{id}\n")).collect();
        let mut command = git.at(self, ["cat-file", "--batch-check=%(objectname)", "--buffer"]);
        let output = fed(command.stderr(Stdio::null()), asked)?;
        // A missing one is followed by a word.
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(lines.lines().filter(|line| ids.contains(line)).map(str::to_owned).collect())
    }

    /// Replaces all refs by these.
    pub(crate) fn set_refs(&self, refs: &BTreeMap<String, String>) -> io::Result<()> {
        fs::remove_dir_all(self.path().join("refs"))?;
        fs::create_dir_all(self.path().join("refs/heads"))?;
        let line = |(name, id): (&String, &String)| format!("{id} {name}\n");
        let real = refs.iter().filter(|(name, _)| name.starts_with("refs/") && !name.ends_with("^{}"));
        fs::write(self.path().join("packed-refs"), real.map(line).collect::<String>())
    }

    /// Replaces all refs by those of these whose objects are here; which these are.
    pub(crate) fn set_present_refs(
        &self,
        git: &Git,
        mut refs: BTreeMap<String, String>,
    ) -> io::Result<BTreeMap<String, String>> {
        let present = self.present(git, &refs.values().map(String::as_str).collect())?;
        refs.retain(|_, id| present.contains(id));
        self.set_refs(&refs).map(|()| refs)
    }

    /// What it checks out by default.
    pub(crate) fn set_head(&self, name: Option<&str>) -> Result<(), Unusable> {
        let Some(name) = name else { return Ok(()) };
        let path = self.path().join("HEAD");
        fs::write(&path, format!("ref: {name}\n")).map_err(Unusable::at(&path))
    }

    /// The packs that have come since: name, pack, index.
    pub(crate) fn new_packs(&self) -> io::Result<Vec<(String, PathBuf, PathBuf)>> {
        let mut found = Vec::new();
        for entry in fs::read_dir(self.path().join("objects/pack"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let name = name.strip_prefix("pack-").and_then(|name| name.strip_suffix(".idx"));
            let Some(name) = name.filter(|name| !self.packs.iter().any(|(pack, ..)| pack.name == *name))
            else {
                continue;
            };
            found.push((name.to_owned(), self.pack_path(name, "pack"), self.pack_path(name, "idx")));
        }
        found.sort();
        Ok(found)
    }

    /// Copies all packs into a folder of packs, compared with their digests once more where they are the cache's.
    pub(crate) fn give(&self, folder: &Path) -> Result<(), Unusable> {
        for (pack, content, idx) in &self.packs {
            // The index last: with it the pack is one.
            for (blob, kind) in [(content, "pack"), (idx, "idx")] {
                let path = folder.join(format!("pack-{}.{kind}", pack.name));
                let in_place =
                    if blob.file().is_some() { None } else { Some(self.pack_path(&pack.name, kind)) };
                put(&path, |file| match in_place {
                    None => blob.copy_to(file).map_err(Unusable::from),
                    Some(from) => copy(&from, file),
                })?;
            }
        }
        for (name, pack, idx) in self.new_packs().map_err(Unusable::at(self.path()))? {
            for (from, kind) in [(pack, "pack"), (idx, "idx")] {
                put(&folder.join(format!("pack-{name}.{kind}")), |file| copy(&from, file))?;
            }
        }
        Ok(())
    }
}

fn copy(from: &Path, to: &mut File) -> Result<(), Unusable> {
    let mut from_file = File::open(from).map_err(Unusable::at(from))?;
    io::copy(&mut from_file, to).map(drop).map_err(Unusable::at(from))
}

/// A file that nobody sees before it is whole; of the mode that git gives its packs.
fn put(path: &Path, fill: impl FnOnce(&mut File) -> Result<(), Unusable>) -> Result<(), Unusable> {
    let folder = path.parent().unwrap_or(path);
    let mut new =
        tempfile::Builder::new().prefix("tmp_pack_").tempfile_in(folder).map_err(Unusable::at(folder))?;
    fill(new.as_file_mut())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    new.as_file().set_permissions(mode).map_err(Unusable::at(path))?;
    new.persist(path).map(drop).map_err(|e| Unusable::at(path)(e.error))
}
