//! What the store's tests share: a cache that goes with the test, content of any size, and this very test executable
//! run again as another process, also as another user.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, SystemTime};

use vcache_store::{Blob, Config, Key, Mtime, Record, Sha256Id, Store};

/// Names the cache for a test that runs as a child; set for children alone.
pub(crate) const CHILD: &str = "VCACHE_STORE_TEST_CHILD";

/// A cache directory that goes with the test, and its store.
pub(crate) struct Cache {
    pub(crate) root: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Cache {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = open(&root.path().join("cache"));
        Self { root, store }
    }

    pub(crate) fn dir(&self) -> &Path {
        self.store.dir()
    }

    pub(crate) fn shard(&self, bucket: &str, name: &str) -> PathBuf {
        self.dir().join(bucket).join(&name[..2]).join(name)
    }
}

pub(crate) fn open(dir: &Path) -> Store {
    Store::open(&Config { dir: dir.to_owned(), ..Config::default() }).unwrap()
}

/// Content that differs by `seed` and repeats nowhere near a buffer's length.
pub(crate) fn content(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

pub(crate) fn put(store: &Store, content: &[u8]) -> Blob {
    use std::io::Write;
    let mut writer = store.writer(true).unwrap();
    writer.write_all(content).unwrap();
    writer.seal().unwrap().publish("https://h/origin?token=secret").unwrap()
}

pub(crate) fn record(url: &str, id: Sha256Id, size: u64) -> (Key, Record) {
    let key = Key::web(url, "");
    let record = Record {
        key: key.text().to_owned(),
        sha256: id,
        size,
        name: None,
        mtime: Mtime::At(1),
        redirects: Some(0),
        content_type: None,
        origin: url.to_owned(),
        fetched: 1,
    };
    (key, record)
}

/// Stores content and its record; returns its blob's id.
pub(crate) fn keep(store: &Store, url: &str, content: &[u8]) -> Sha256Id {
    let blob = put(store, content);
    let (key, record) = record(url, blob.id(), blob.size());
    store.publish(&key, &record).unwrap();
    blob.id()
}

pub(crate) fn read_all(blob: &Blob) -> Vec<u8> {
    let mut out = Vec::new();
    blob.stream_to(&mut out).unwrap();
    out
}

pub(crate) fn age(path: &Path, age: Duration) {
    let file = std::fs::File::open(path).unwrap();
    file.set_modified(SystemTime::now() - age).unwrap();
}

pub(crate) fn hours(count: u64) -> Duration {
    Duration::from_secs(count * 3600)
}

/// All files below a folder.
pub(crate) fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files_below(&path)) } else { found.push(path) }
    }
    found
}

/// Runs the test named `name` of this executable in a process of its own, with [`CHILD`] set; as another user if asked.
pub(crate) fn child(name: &str, cache: &Path, uid: Option<u32>) -> Child {
    use std::os::unix::process::CommandExt;
    let mut program = std::env::current_exe().unwrap();
    if uid.is_some() {
        // Another user may not get to where it was built.
        let copy = cache.with_file_name(format!("test-executable-{name}"));
        if !copy.exists() {
            std::fs::copy(&program, &copy).unwrap();
        }
        program = copy;
    }
    let mut command = Command::new(program);
    command.args(["--exact", name, "--nocapture"]).env(CHILD, cache).current_dir("/");
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    command.stdout(std::process::Stdio::null());
    // Another thread's child may still hold the copy open for writing, until it has become what it is to be.
    for _ in 0..200 {
        match command.spawn() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(10))
            }
            started => return started.unwrap(),
        }
    }
    panic!("{name}: its executable stays busy")
}

/// The cache of a child; `None` in the parent, where the test is to do nothing.
pub(crate) fn child_cache() -> Option<PathBuf> {
    std::env::var_os(CHILD).map(PathBuf::from)
}

/// Whether other users can be played; says so when not.
pub(crate) fn can_change_user() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("SKIPPED: this test plays several users and must be started by root");
    }
    root
}
