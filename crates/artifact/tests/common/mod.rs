//! What the artifact tests share: a cache that goes with the test, trees and how they look to anyone but this crate, and
//! this very test executable run again as another process.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use vcache_artifact::{Destination, Error, Restored, Saved, Source, restore, save};
use vcache_store::{Config, Key, Mtime, Record, Store};

/// Names the folder of a test that runs as a child; set for children alone.
pub(crate) const CHILD: &str = "VCACHE_ARTIFACT_TEST_CHILD";

/// A folder that goes with the test, with a cache in it.
pub(crate) struct Place {
    pub(crate) root: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Place {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let store = open(&root.path().join("cache"));
        Self { root, store }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    /// A folder that is there.
    pub(crate) fn folder(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn save(&self, path: &Path) -> Saved {
        save(&self.store, &key(), &[Source { name: "t", path }]).unwrap()
    }

    pub(crate) fn restore(&self, path: &Path) -> Result<Option<Restored>, Error> {
        restore(&self.store, &key(), &[Destination { name: "t", path }])
    }

    /// Whether nothing temporary is left, here and in the cache.
    pub(crate) fn assert_clean(&self) {
        let left: Vec<_> = leftovers(self.root.path());
        assert!(left.is_empty(), "{left:?}");
    }
}

/// Temporary files and folders in a test's folder, its folders, and the cache.
pub(crate) fn leftovers(root: &Path) -> Vec<PathBuf> {
    let mut left = Vec::new();
    for folder in entries(root).into_iter().chain([root.to_owned(), root.join("cache/tmp")]) {
        let is_temporary = |path: &PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with(".vcache") || (folder.ends_with("cache/tmp") && name != ".swept")
        };
        left.extend(entries(&folder).into_iter().filter(is_temporary));
    }
    left.sort();
    left.dedup();
    left
}

pub(crate) fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(&Config { dir: dir.to_owned(), ..Config::default() }).unwrap()
}

pub(crate) fn key() -> Key {
    Key::artifact("test", "1")
}

/// Makes a packed tar the artifact of [`key`].
pub(crate) fn publish(store: &Store, packed: &[u8]) {
    use std::io::Write;
    let mut writer = store.writer(false).unwrap();
    writer.write_all(packed).unwrap();
    let blob = writer.seal().unwrap().publish("artifact:test").unwrap();
    let record = Record {
        key: key().text().to_owned(),
        sha256: blob.id(),
        size: blob.size(),
        name: None,
        mtime: Mtime::Unknown,
        redirects: None,
        content_type: None,
        origin: "artifact:test".to_owned(),
        fetched: 1,
    };
    store.publish(&key(), &record).unwrap();
}

/// Everything that can be seen of a tree, by relative path. Of a folder no size: that is its file system's affair.
pub(crate) fn seen(top: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut all = BTreeMap::new();
    let mut linked = BTreeMap::new();
    look(top, Path::new(""), &mut all, &mut linked);
    all
}

fn look(path: &Path, name: &Path, all: &mut BTreeMap<Vec<u8>, String>, linked: &mut BTreeMap<u64, PathBuf>) {
    let m = path.symlink_metadata().unwrap();
    let kind = m.file_type();
    let mut text = format!(
        "{:o} {}:{} {}.{:09} links {} rdev {}",
        m.mode(),
        m.uid(),
        m.gid(),
        m.mtime(),
        m.mtime_nsec(),
        if kind.is_dir() { 0 } else { m.nlink() },
        m.rdev()
    );
    if kind.is_symlink() {
        text += &format!(" -> {:?}", fs::read_link(path).unwrap());
    }
    if kind.is_file() {
        let sparse = m.blocks() * 512 < m.len();
        let digest = vcache_store::Sha256Id::of(&fs::read(path).unwrap());
        text += &format!(" {} bytes {digest} sparse {sparse}", m.len());
    }
    if !kind.is_dir() {
        text += &format!(" as {:?}", linked.entry(m.ino()).or_insert_with(|| name.to_owned()));
    }
    for attribute in xattrs(path) {
        text += &format!(" {attribute}");
    }
    all.insert(name.as_os_str().as_bytes().to_vec(), text);
    if kind.is_dir() {
        let mut inner = entries(path);
        inner.sort();
        for path in inner {
            look(&path, &name.join(path.file_name().unwrap()), all, linked);
        }
    }
}

fn xattrs(path: &Path) -> Vec<String> {
    let mut names = vec![0; 65536];
    let length = rustix::fs::llistxattr(path, &mut names[..]).unwrap_or(0);
    let mut found: Vec<_> = names[..length]
        .split(|&byte| byte == 0)
        .filter(|name| !name.is_empty() && *name != b"security.selinux")
        .map(|name| {
            let mut value = vec![0; 65536];
            let length = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            let digest = vcache_store::Sha256Id::of(&value[..length]);
            format!("{}={digest}", String::from_utf8_lossy(name))
        })
        .collect();
    found.sort();
    found
}

pub(crate) fn assert_same(one: &Path, other: &Path) {
    assert_same_seen(&seen(one), &seen(other));
}

pub(crate) fn assert_same_seen(one: &BTreeMap<Vec<u8>, String>, other: &BTreeMap<Vec<u8>, String>) {
    for (name, text) in one {
        assert_eq!(Some(text), other.get(name), "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(one.len(), other.len(), "{:?}", other.keys().filter(|name| !one.contains_key(*name)));
}

/// Content that zstd can't make small.
pub(crate) fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

/// A tree of plain files that takes a while.
pub(crate) fn plain_tree(top: &Path, files: u64, size: usize) {
    for at in 0..files {
        let folder = top.join(format!("d{}", at % 17));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("f{at}")), noise(at, size)).unwrap();
    }
}

/// Runs the test named `name` of this executable in a process of its own, with [`CHILD`] set to `folder`; as another user if asked.
pub(crate) fn child(name: &str, folder: &Path, uid: Option<u32>) -> Child {
    use std::os::unix::process::CommandExt;
    let mut program = std::env::current_exe().unwrap();
    if uid.is_some() {
        // Another user may not get to where it was built.
        let copy = folder.join(format!("test-executable-{name}"));
        fs::copy(&program, &copy).unwrap();
        program = copy;
    }
    let mut command = Command::new(program);
    command.args(["--exact", name, "--nocapture"]).env(CHILD, folder).current_dir("/");
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    command.stdout(std::process::Stdio::null());
    // Another thread's child may still hold the copy open for writing, until it has become what it is to be.
    for _ in 0..200 {
        match command.spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
            started => return started.unwrap(),
        }
    }
    panic!("{name}: its executable stays busy")
}

/// Runs a test of this executable with a tmpfs of `size` at `tmpfs` below its folder; says so when that can't be done here.
pub(crate) fn run_on_tmpfs(name: &str, size: &str) {
    const SCRIPT: &str =
        r#"mount -t tmpfs -o size="$4" tmpfs "$1/full" && exec "$2" --exact "$3" --nocapture"#;
    let works = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !is_root(name) || !works {
        eprintln!("SKIPPED: {name} needs root and a mount namespace");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("full")).unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", SCRIPT, "sh"]).arg(folder.path());
    command.arg(std::env::current_exe().unwrap()).arg(name).arg(size).env(CHILD, folder.path());
    assert!(command.status().unwrap().success(), "{name}");
}

/// The folder of a child; `None` in the parent, where the test is to do nothing.
pub(crate) fn child_folder() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Whether everything can be made; says so when not.
pub(crate) fn is_root(test: &str) -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: {test} makes devices and other users' files, and must be started by root");
    }
    root
}
