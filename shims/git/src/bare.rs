//! A bare repository for one call, put together from packs of the cache. It is ours alone and goes with the value; it lies on the cache's file system where things
//! are kept there (what a kill leaves is swept), else among the temporary files.
//!
//! Packs are linked where they are files of ours, and copied where they come from a tier or belong to another user. Each is compared with its digest.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tempfile::TempDir;
use vcache_store::{Blob, Error as StoreError, Sha256Id, Store, Workspace};

use crate::failure::{Failure, Trouble};
use crate::git::{Git, GitError, fed, present};
use crate::state::{Pack, State, is_id, is_peeled};

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

/// How content is found.
type Find<'a> = dyn Fn(&Sha256Id) -> Result<Option<Blob>, StoreError> + 'a;

#[derive(Debug)]
enum Folder {
    OfCache(Workspace),
    Temporary(TempDir),
}

impl Bare {
    /// A repository with nothing in it. Where there is no room for it beside the cache, it is among the temporary files.
    pub(crate) fn empty(store: Option<&Store>) -> Result<Bare, Trouble> {
        let of_cache = store.filter(|store| store.keeps_here()).and_then(|store| store.workspace().ok());
        of_cache.and_then(|folder| Bare::made(Folder::OfCache(folder)).ok()).map_or_else(Bare::temporary, Ok)
    }

    /// The same, among the temporary files.
    pub(crate) fn temporary() -> Result<Bare, Trouble> {
        let folder = tempfile::Builder::new().prefix("vcache-git-").tempdir();
        Bare::made(Folder::Temporary(folder.map_err(Trouble::at(&std::env::temp_dir()))?))
    }

    fn made(folder: Folder) -> Result<Bare, Trouble> {
        let bare = Bare { folder, packs: Vec::new() };
        let path = bare.path();
        for name in ["objects/pack", "objects/info", "refs/heads"] {
            fs::create_dir_all(path.join(name)).map_err(Trouble::at(path))?;
        }
        for (name, text) in [("HEAD", "ref: refs/heads/vcache\n"), ("config", CONFIG)] {
            fs::write(path.join(name), text).map_err(Trouble::at(path))?;
        }
        Ok(bare)
    }

    /// Whether it lies where the cache is.
    pub(crate) fn is_of_cache(&self) -> bool {
        matches!(self.folder, Folder::OfCache(_))
    }

    /// A repository with the objects of a state; without any ref.
    pub(crate) fn of(store: &Store, git: &Git, state: &State) -> Result<Bare, Trouble> {
        Bare::with(store, git, state, &|id| store.find(&(*id).into()))
    }

    /// The same, where nothing is to count as used by being looked at.
    pub(crate) fn looked_at(store: &Store, git: &Git, state: &State) -> Result<Bare, Trouble> {
        Bare::with(store, git, state, &|id| match store.peek(id)? {
            Some(blob) => Ok(Some(blob)),
            None => store.find(&(*id).into()),
        })
    }

    fn with(store: &Store, git: &Git, state: &State, find: &Find<'_>) -> Result<Bare, Trouble> {
        let mut bare = Bare::empty(Some(store))?;
        // All of them are looked at: each that is corrupt goes, so that the next fetch brings it anew.
        let mut failure = None;
        for pack in &state.packs {
            let place = |id, kind| bare.place(store, pack, find(id)?, kind);
            match (place(&pack.pack, "pack"), place(&pack.idx, "idx")) {
                (Ok(content), Ok(idx)) => match bare.check_index(store, git, pack) {
                    Ok(()) => bare.packs.push((pack.clone(), content, idx)),
                    Err(e) => failure = failure.or(Some(e)),
                },
                (Err(e), _) | (_, Err(e)) => failure = failure.or(Some(e)),
            }
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
        bare.set_shallow(&state.shallow)?;
        Ok(bare)
    }

    fn place(
        &self,
        store: &Store,
        pack: &Pack,
        blob: Option<Blob>,
        kind: &'static str,
    ) -> Result<Blob, Trouble> {
        let path = self.pack_path(&pack.name, kind);
        let blob = blob.ok_or_else(|| Trouble::Missing { name: pack.name.clone(), kind })?;
        // What another user owns may be changed behind our back.
        let is_ours =
            |metadata: fs::Metadata| [0, rustix::process::geteuid().as_raw()].contains(&metadata.uid());
        let placed = if blob.file().is_some() && fs::metadata(blob.path()).is_ok_and(is_ours) {
            blob.verify().map(|()| std::os::unix::fs::symlink(blob.path(), &path))
        } else {
            let mut file = File::create_new(&path).map_err(Trouble::at(&path))?;
            blob.copy_to(&mut file).map(Ok)
        };
        match placed {
            Ok(made) => made.map_err(Trouble::at(&path))?,
            Err(e) => {
                if matches!(e, StoreError::Corrupt { .. }) {
                    let _ = store.quarantine(&blob);
                }
                return Err(e.into());
            }
        }
        Ok(blob)
    }

    /// Whether an index is that of its pack: git has made it here, or finds it so. Who believes another one's is given other content under
    /// the names of objects, and no pin would tell.
    fn check_index(&self, store: &Store, git: &Git, pack: &Pack) -> Result<(), Trouble> {
        if store.is_derived(&pack.idx, &pack.pack) {
            return Ok(());
        }
        let path = self.pack_path(&pack.name, "pack");
        git.ask(self, &["index-pack", "--verify", &path.display().to_string()])
            .map_err(|source| Trouble::Index { name: pack.name.clone(), source })?;
        // Where it can't be noted it is looked at each time.
        let _ = store.note_derived(&pack.idx, &pack.pack);
        Ok(())
    }

    pub(crate) fn path(&self) -> &Path {
        match &self.folder {
            Folder::OfCache(folder) => folder.path(),
            Folder::Temporary(folder) => folder.path(),
        }
    }

    pub(crate) fn pack_path(&self, name: &str, kind: &str) -> PathBuf {
        self.path().join("objects/pack").join(format!("pack-{name}.{kind}"))
    }

    fn set_shallow(&self, commits: &[String]) -> Result<(), Trouble> {
        if commits.is_empty() {
            return Ok(());
        }
        let path = self.path().join("shallow");
        let text: String = commits.iter().map(|commit| format!("{commit}\n")).collect();
        fs::write(&path, text).map_err(Trouble::at(&path))
    }

    /// The commits whose parents are not there, after a fetch.
    pub(crate) fn shallow(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path().join("shallow")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Those of these objects that are here.
    pub(crate) fn present(&self, git: &Git, ids: &HashSet<&str>) -> Result<HashSet<String>, GitError> {
        present(&mut git.at(self, ["cat-file", "--batch-check=%(objectname)", "--buffer"]), ids)
    }

    /// The commit that an object is, or that a tag's object stands for; none where it is neither.
    pub(crate) fn commit(&self, git: &Git, id: &str) -> Option<String> {
        let asked = format!("{id}^{{commit}}");
        let printed = git.ask_text(self, &["rev-parse", "--verify", "--quiet", &asked]).ok()?;
        Some(printed.trim().to_owned())
    }

    /// Puts objects that lie here one by one into a pack: a server of plain files gives them so, whatever the limits say.
    pub(crate) fn pack_loose(&self, git: &Git) -> Result<(), GitError> {
        let objects = self.path().join("objects");
        let mut names = String::new();
        for folder in fs::read_dir(&objects).into_iter().flatten().flatten() {
            let begin = folder.file_name().to_string_lossy().into_owned();
            for object in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
                let name = format!("{begin}{}", object.file_name().to_string_lossy());
                if is_id(&name) {
                    names += &format!("{name}\n");
                }
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        let begin = objects.join("pack/pack");
        fed(
            git.at(self, ["pack-objects".as_ref(), "-q".as_ref(), begin.as_os_str()]).stderr(Stdio::null()),
            names,
        )?;
        Ok(())
    }

    /// Replaces all refs by these.
    pub(crate) fn set_refs(&self, refs: &BTreeMap<String, String>) -> Result<(), Trouble> {
        let write = || {
            fs::remove_dir_all(self.path().join("refs"))?;
            fs::create_dir_all(self.path().join("refs/heads"))?;
            let line = |(name, id): (&String, &String)| format!("{id} {name}\n");
            let real = refs.iter().filter(|(name, _)| name.starts_with("refs/") && !is_peeled(name));
            fs::write(self.path().join("packed-refs"), real.map(line).collect::<String>())
        };
        write().map_err(Trouble::at(self.path()))
    }

    /// Replaces all refs by those of these whose objects are here; which these are.
    pub(crate) fn set_present_refs(
        &self,
        git: &Git,
        mut refs: BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let present = self.present(git, &refs.values().map(String::as_str).collect())?;
        refs.retain(|_, id| present.contains(id));
        self.set_refs(&refs)?;
        Ok(refs)
    }

    /// What it checks out by default.
    pub(crate) fn set_head(&self, name: Option<&str>) -> Result<(), Trouble> {
        let Some(name) = name else { return Ok(()) };
        let path = self.path().join("HEAD");
        fs::write(&path, format!("ref: {name}\n")).map_err(Trouble::at(&path))
    }

    /// The names of the packs that have come since.
    pub(crate) fn new_packs(&self) -> Result<Vec<String>, Trouble> {
        let list = || -> io::Result<Vec<String>> {
            let mut found = Vec::new();
            for entry in fs::read_dir(self.path().join("objects/pack"))? {
                let file = entry?.file_name().to_string_lossy().into_owned();
                let name = file.strip_prefix("pack-").and_then(|name| name.strip_suffix(".idx"));
                found.extend(name.map(str::to_owned));
            }
            Ok(found)
        };
        let mut found = list().map_err(Trouble::at(self.path()))?;
        found.retain(|name| self.packs.iter().all(|(pack, ..)| pack.name != *name));
        found.sort();
        Ok(found)
    }

    /// Copies all packs into a folder of packs. They have been compared with their digests when they came here.
    pub(crate) fn give(&self, folder: &Path) -> Result<(), Trouble> {
        let of_cache = self.packs.iter().map(|(pack, ..)| pack.name.clone());
        for name in of_cache.chain(self.new_packs()?) {
            // The index last: with it the pack is one.
            for kind in ["pack", "idx"] {
                put(&self.pack_path(&name, kind), &folder.join(format!("pack-{name}.{kind}")))?;
            }
        }
        Ok(())
    }
}

/// Copies to a file that nobody sees before it is whole; of the mode that git gives its packs, less the umask.
fn put(from: &Path, to: &Path) -> Result<(), Trouble> {
    let folder = to.parent().unwrap_or(to);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o444);
    let mut new = tempfile::Builder::new();
    let mut new =
        new.prefix("tmp_pack_").permissions(mode).tempfile_in(folder).map_err(Trouble::at(folder))?;
    let copied = File::open(from).and_then(|mut from| io::copy(&mut from, new.as_file_mut()));
    copied.map_err(Trouble::at(to))?;
    new.persist(to).map(drop).map_err(|e| Trouble::at(to)(e.error))
}
