//! What these tests share: a cache that goes with the test, content of any size, and a look at all that a cache holds.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use vcache_archive::{Error, Manifest, Options, Report, Selection, import, write};
use vcache_store::{Config, Key, Listing, Mtime, Record, Sha256Id, Store};

pub(crate) struct Cache {
    _root: tempfile::TempDir,
    pub(crate) store: Store,
}

impl Cache {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&Config { dir: root.path().join("cache"), ..Config::default() }).unwrap();
        Self { _root: root, store }
    }

    /// One with a few contents: empty, of one byte, of a block, large, and one for two URLs.
    pub(crate) fn filled() -> Self {
        let cache = Self::new();
        for (seed, size) in [(1, 0), (2, 1), (3, 512), (4, 5 << 20), (5, 70_000)] {
            cache.keep(&format!("https://h/{seed}"), &content(seed, size), 1000 + seed);
        }
        cache.keep("https://h/5-again", &content(5, 70_000), 1);
        cache
    }

    pub(crate) fn keep(&self, url: &str, content: &[u8], fetched: u64) -> Sha256Id {
        let id = self.put(url, content, true);
        let key = Key::web(url, "");
        self.store.publish(&key, &record(url, id, content.len() as u64, fetched)).unwrap();
        id
    }

    pub(crate) fn put(&self, origin: &str, content: &[u8], want_md5: bool) -> Sha256Id {
        let mut writer = self.store.writer(want_md5).unwrap();
        writer.write_all(content).unwrap();
        writer.seal().unwrap().publish(origin).unwrap().id()
    }

    /// Everything that is listed, with the times of storing left out.
    pub(crate) fn holds(&self) -> Listing {
        let mut listing = self.store.listing().unwrap();
        for blob in &mut listing.blobs {
            blob.stored = 0;
            self.store.peek(&blob.id).unwrap().unwrap().verify().unwrap();
        }
        listing
    }

    /// Every file below the cache directory with its content, without the stamp of the sweep.
    pub(crate) fn files(&self) -> BTreeMap<String, Vec<u8>> {
        let mut files = BTreeMap::new();
        collect(self.store.dir(), &mut files);
        files.retain(|name, _| !name.ends_with(".swept"));
        files
    }

    pub(crate) fn select(&self, selection: &Selection) -> Manifest {
        selection.of(&self.store).unwrap()
    }

    pub(crate) fn pack(&self, manifest: &Manifest) -> Vec<u8> {
        let mut out = Vec::new();
        let bytes = write(&self.store, manifest, &mut out, &mut |_| {}).unwrap();
        assert_eq!(bytes, out.len() as u64);
        out
    }

    pub(crate) fn export(&self) -> Vec<u8> {
        self.pack(&self.select(&Selection::default()))
    }

    pub(crate) fn take(&self, archive: &[u8]) -> Result<Report, Error> {
        import(&self.store, &mut &archive[..], Options::default(), &mut |_| {})
    }
}

fn collect(dir: &Path, files: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
}

pub(crate) fn record(url: &str, id: Sha256Id, size: u64, fetched: u64) -> Record {
    Record {
        key: Key::web(url, "").text().to_owned(),
        sha256: id,
        size,
        name: Some("name".into()),
        mtime: Mtime::At(7),
        redirects: Some(1),
        content_type: None,
        origin: url.to_owned(),
        fetched,
    }
}

/// Content that differs by `seed` and does not compress.
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

/// An error with its causes.
pub(crate) fn told(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}
