//! The key of an image: a digest over what its content is made of, so that the same parts find what an earlier build of
//! them has asked for. (HLD of SONiC's build enhancements, 5.3: Dockerfile.j2, Makefile, common files, environment flags, version files.)
//!
//! Where the parts lie in a git tree, the keys that they had in the last revisions can be told too, without a checkout: with no
//! build of just these parts the nearest earlier one is the next best. What git does not track (generated and ignored) counts as it
//! is now in every revision.
//!
//! Not seen: submodules, and the filters of `.gitattributes`, which would make another text of what a revision holds.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use git2::{ErrorCode, Object, ObjectType, Repository, StatusOptions, Tree, TreeWalkMode, TreeWalkResult};
use sha2::{Digest, Sha256};

/// The first word that the digest is over; another format has another number.
///
/// The key is the SHA-256 of entries of three words, each word preceded by its length in bytes (8 bytes, little endian): this one with two empty words; for
/// each variable, sorted, `set` or `unset`, its name and its value; for each file, sorted by name, `file`, its name and the SHA-256 of its content (of
/// a link's target) as hexadecimal digits.
const FORMAT: &str = "vcache image key 1";
/// How far back it is looked, as SONiC does.
const REVISIONS: [&str; 3] = ["HEAD", "HEAD~1", "HEAD~2"];

/// What an image is made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parts {
    /// Against which names of files outside a git tree are told; absolute.
    pub context: PathBuf,
    /// Files, and folders with all in them; absolute.
    pub files: Vec<PathBuf>,
    /// Variables of the environment, and their values where they are set.
    pub env: Vec<(String, Option<String>)>,
}

/// The keys of [`Parts`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Keys {
    /// Of the parts as they are: 64 hexadecimal digits.
    pub now: String,
    /// Files that differ from the last revision, so that nobody else could come to the same key. Empty outside a git tree.
    pub changed: Vec<String>,
    /// Of the parts in the last revisions, the latest first, by the revision's name. Empty outside a git tree.
    pub earlier: Vec<(&'static str, String)>,
}

/// Why there is no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A part can't be read.
    #[error("{}: can't be read: {source}", path.display())]
    Read {
        /// The part.
        path: PathBuf,
        /// The system's words.
        source: io::Error,
    },
    /// A key over nothing would be everyone's.
    #[error("there is no file to make a key of")]
    Nothing,
    /// The git tree can't be read.
    #[error("the git tree {}: {}", path.display(), source.message())]
    Git {
        /// The tree, or the folder for which one was looked for.
        path: PathBuf,
        /// libgit2's words.
        source: git2::Error,
    },
}

/// Names and the digests of their content.
type Digests = BTreeMap<String, String>;

impl Parts {
    /// Computes the keys.
    ///
    /// # Errors
    /// [`Error`].
    pub fn keys(&self) -> Result<Keys, Error> {
        let tree = GitTree::around(&self.context)?;
        let mut present = Digests::new();
        for path in &self.files {
            let name = self.name(tree.as_ref(), path);
            collect(path, &name, &mut present)?;
        }
        if present.is_empty() {
            return Err(Error::Nothing);
        }
        let mut keys = Keys { now: self.key(&present), ..Keys::default() };
        let Some(tree) = tree else { return Ok(keys) };
        let inside: Vec<&Path> = self.files.iter().filter_map(|path| tree.inside(path)).collect();
        if inside.is_empty() {
            return Ok(keys);
        }
        keys.changed = tree.changed(&inside)?;
        let untracked = tree.untracked(&present)?;
        for revision in REVISIONS {
            let Some(mut digests) = tree.at(revision, &inside)? else { break };
            digests.extend(untracked.clone());
            keys.earlier.push((revision, self.key(&digests)));
        }
        Ok(keys)
    }

    /// A name that is the same in every checkout.
    fn name(&self, tree: Option<&GitTree>, path: &Path) -> String {
        let inside =
            tree.and_then(|tree| tree.inside(path)).or_else(|| path.strip_prefix(&self.context).ok());
        inside.unwrap_or(path).to_string_lossy().into_owned()
    }

    fn key(&self, files: &Digests) -> String {
        let mut digest = Sha256::new();
        let mut line = |words: [&str; 3]| {
            for word in words {
                digest.update((word.len() as u64).to_le_bytes());
                digest.update(word);
            }
        };
        line([FORMAT, "", ""]);
        let mut env: Vec<_> = self.env.iter().collect();
        env.sort();
        env.dedup();
        for (name, value) in env {
            line([if value.is_some() { "set" } else { "unset" }, name, value.as_deref().unwrap_or_default()]);
        }
        for (name, content) in files {
            line(["file", name, content]);
        }
        hex::encode(digest.finalize())
    }
}

fn collect(path: &Path, name: &str, digests: &mut Digests) -> Result<(), Error> {
    let unreadable = |source| Error::Read { path: path.to_owned(), source };
    let metadata = path.symlink_metadata().map_err(unreadable)?;
    if metadata.is_dir() {
        let entries =
            fs::read_dir(path).and_then(Iterator::collect::<io::Result<Vec<_>>>).map_err(unreadable)?;
        for entry in entries.iter().filter(|entry| entry.file_name() != ".git") {
            let below = Path::new(name).join(entry.file_name());
            collect(&entry.path(), &below.to_string_lossy(), digests)?;
        }
    } else if metadata.is_symlink() {
        let target = fs::read_link(path).map_err(unreadable)?;
        digests.insert(name.to_owned(), digest(target.as_os_str().as_bytes()));
    } else if metadata.is_file() {
        digests.insert(name.to_owned(), digest(&fs::read(path).map_err(unreadable)?));
    } else {
        return Err(unreadable(io::Error::other("neither a file nor a folder")));
    }
    Ok(())
}

fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

struct GitTree {
    repository: Repository,
    /// The folder that is checked out, absolute.
    root: PathBuf,
}

impl GitTree {
    /// The tree that the folder lies in; none where it lies in none.
    fn around(folder: &Path) -> Result<Option<GitTree>, Error> {
        let error = |source| Error::Git { path: folder.to_owned(), source };
        let repository = match Repository::discover(folder) {
            Ok(repository) => repository,
            Err(e) if e.code() == ErrorCode::NotFound => return Ok(None),
            Err(e) => return Err(error(e)),
        };
        let Some(root) = repository.workdir().map(Path::to_owned) else { return Ok(None) };
        let root = root.canonicalize().unwrap_or(root);
        Ok(Some(GitTree { repository, root }))
    }

    /// A path in the tree, relative to its root.
    fn inside<'a>(&self, path: &'a Path) -> Option<&'a Path> {
        let inside = path.strip_prefix(&self.root).ok()?;
        inside.components().all(|part| matches!(part, Component::Normal(_))).then_some(inside)
    }

    fn error(&self) -> impl Fn(git2::Error) -> Error + '_ {
        |source| Error::Git { path: self.root.clone(), source }
    }

    fn changed(&self, paths: &[&Path]) -> Result<Vec<String>, Error> {
        let mut options = StatusOptions::new();
        options.include_untracked(true).recurse_untracked_dirs(true).disable_pathspec_match(true);
        for path in paths {
            options.pathspec(path);
        }
        let statuses = self.repository.statuses(Some(&mut options)).map_err(self.error())?;
        let differs = |status: git2::Status| !status.is_ignored() && status != git2::Status::CURRENT;
        let changed = statuses.iter().filter(|entry| differs(entry.status()));
        Ok(changed.map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned()).collect())
    }

    /// Those of the parts that git does not track.
    fn untracked(&self, present: &Digests) -> Result<Digests, Error> {
        let index = self.repository.index().map_err(self.error())?;
        let tracked = |name: &str| index.get_path(Path::new(name), 0).is_some();
        Ok(present.iter().filter(|(name, _)| !tracked(name)).map(|(n, d)| (n.clone(), d.clone())).collect())
    }

    /// What a revision holds of the paths; none where there is no such revision.
    fn at(&self, revision: &str, paths: &[&Path]) -> Result<Option<Digests>, Error> {
        let tree = match self.repository.revparse_single(revision).and_then(|found| found.peel_to_tree()) {
            Ok(tree) => tree,
            // The first revision, the end of a shallow clone, a tree without any.
            Err(e) if matches!(e.code(), ErrorCode::NotFound | ErrorCode::UnbornBranch) => return Ok(None),
            Err(e) => return Err(self.error()(e)),
        };
        let mut digests = Digests::new();
        for path in paths {
            match self.object(&tree, path)? {
                Some(found) => self.collect(&found, path, &mut digests)?,
                None => continue,
            }
        }
        Ok(Some(digests))
    }

    fn object(&self, tree: &Tree<'_>, path: &Path) -> Result<Option<Object<'_>>, Error> {
        if path.as_os_str().is_empty() {
            return Ok(Some(self.repository.find_object(tree.id(), None).map_err(self.error())?));
        }
        match tree.get_path(path) {
            Ok(entry) if entry.kind() == Some(ObjectType::Commit) => Ok(None),
            Ok(entry) => entry.to_object(&self.repository).map(Some).map_err(self.error()),
            Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
            Err(e) => Err(self.error()(e)),
        }
    }

    fn collect(&self, object: &Object<'_>, path: &Path, digests: &mut Digests) -> Result<(), Error> {
        if let Some(blob) = object.as_blob() {
            digests.insert(path.to_string_lossy().into_owned(), digest(blob.content()));
            return Ok(());
        }
        let Some(tree) = object.as_tree() else { return Ok(()) };
        let mut blobs = Vec::new();
        tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
            if entry.kind() == Some(ObjectType::Blob) {
                let folder = String::from_utf8_lossy(folder.as_ref()).into_owned();
                let below = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
                blobs.push((path.join(below), entry.id()));
            }
            TreeWalkResult::Ok
        })
        .map_err(self.error())?;
        for (path, id) in blobs {
            let blob = self.repository.find_blob(id).map_err(self.error())?;
            digests.insert(path.to_string_lossy().into_owned(), digest(blob.content()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use git2::{IndexAddOption, Signature};

    struct World {
        dir: tempfile::TempDir,
    }

    impl World {
        fn new() -> World {
            World { dir: tempfile::tempdir().unwrap() }
        }

        fn root(&self) -> PathBuf {
            self.dir.path().canonicalize().unwrap()
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.root().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn commit(&self) {
            let root = self.root();
            let repository = Repository::open(&root).unwrap_or_else(|_| Repository::init(&root).unwrap());
            let mut index = repository.index().unwrap();
            index.add_all(["*"], IndexAddOption::DEFAULT, None).unwrap();
            index.write().unwrap();
            let tree = repository.find_tree(index.write_tree().unwrap()).unwrap();
            let who = Signature::now("a", "a@b.example").unwrap();
            let parent = repository.head().ok().map(|head| head.peel_to_commit().unwrap());
            repository
                .commit(Some("HEAD"), &who, &who, "c", &tree, &parent.iter().collect::<Vec<_>>())
                .unwrap();
        }

        fn parts(&self, files: &[&str]) -> Parts {
            let root = self.root();
            Parts {
                files: files.iter().map(|file| root.join(file)).collect(),
                context: root,
                env: Vec::new(),
            }
        }
    }

    #[test]
    fn each_part_counts_and_the_place_does_not() {
        let world = World::new();
        world.write("Dockerfile.j2", "FROM a");
        world.write("versions/versions-web", "u==1");
        let files = ["Dockerfile.j2", "versions"];
        let first = world.parts(&files).keys().unwrap();
        assert_eq!((first.now.len(), &first.changed, &first.earlier), (64, &vec![], &vec![]));
        let other = World::new();
        other.write("Dockerfile.j2", "FROM a");
        other.write("versions/versions-web", "u==1");
        assert_eq!(other.parts(&files).keys().unwrap(), first);
        // Computed apart from this code: what is saved must be found by the next version, too.
        let env = vec![("B".to_owned(), Some("x".to_owned())), ("A".to_owned(), None)];
        let golden = Parts { env, ..other.parts(&files) }.keys().unwrap().now;
        assert_eq!(golden, "842a9b7a4d073649fdfc03f34d0a3505691a69b0f7d85f18c4fe02001365b5c2");

        let mut seen = vec![first.now];
        let mut differs = |parts: &Parts| {
            let key = parts.keys().unwrap().now;
            assert!(!seen.contains(&key), "{parts:?}");
            seen.push(key);
        };
        for value in [None, Some(String::new()), Some("y".into())] {
            differs(&Parts { env: vec![("BUILD".into(), value)], ..other.parts(&files) });
        }
        other.write("versions/versions-web", "u==2");
        differs(&other.parts(&files));
        other.write("versions/versions-deb", "");
        differs(&other.parts(&files));
        differs(&other.parts(&files[..1]));
    }

    #[test]
    fn earlier_revisions_have_the_keys_that_they_had() {
        let world = World::new();
        let files = ["image/Dockerfile.j2", "common", "image/generated"];
        world.write(".gitignore", "generated\n");
        let mut keys = Vec::new();
        for text in ["one", "two", "three", "four"] {
            world.write("image/Dockerfile.j2", text);
            world.write(&format!("common/{text}"), text);
            world.write("image/generated", "as it is");
            world.commit();
            let now = world.parts(&files).keys().unwrap();
            assert_eq!(now.changed, Vec::<String>::new());
            assert_eq!(now.earlier[0], ("HEAD", now.now.clone()));
            keys.push(now.now);
        }
        let now = world.parts(&files).keys().unwrap();
        let earlier: Vec<_> = now.earlier.iter().map(|(_, key)| key.clone()).collect();
        assert_eq!(earlier, [keys[3].clone(), keys[2].clone(), keys[1].clone()]);

        world.write("image/Dockerfile.j2", "five");
        world.write("common/new", "not added");
        world.write("elsewhere", "no part");
        let changed = world.parts(&files).keys().unwrap();
        assert_eq!(changed.changed, ["common/new", "image/Dockerfile.j2"]);
        assert!(!keys.contains(&changed.now));
        assert_eq!(changed.earlier[0].0, "HEAD");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let world = World::new();
        let message = world.parts(&["none"]).keys().unwrap_err().to_string();
        assert!(message.contains("none"), "{message}");
        fs::create_dir(world.root().join("empty")).unwrap();
        assert!(matches!(world.parts(&["empty"]).keys(), Err(Error::Nothing)));
        world.write("x", "");
        fs::create_dir(world.root().join(".git")).unwrap();
        // An empty `.git` is no tree.
        assert_eq!(world.parts(&["x"]).keys().unwrap().earlier, []);
    }

    #[test]
    fn a_tree_without_a_revision_has_changes_alone() {
        let world = World::new();
        Repository::init(world.root()).unwrap();
        world.write("x", "");
        let keys = world.parts(&["x"]).keys().unwrap();
        assert_eq!((keys.changed, keys.earlier), (vec!["x".to_owned()], vec![]));
    }
}
