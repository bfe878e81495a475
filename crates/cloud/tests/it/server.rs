//! An S3 server on loopback, over a folder, that ends with the test; and what the tests put into it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use vcache_cloud::Variable;
use vcache_store::{Blob, Config, Key, Mtime, Record, Store, Tier};

pub(crate) const SECRET: &str = "a-secret-of-the-test";

pub(crate) struct Server {
    /// Holds the buckets, each a folder.
    root: tempfile::TempDir,
    address: SocketAddr,
    /// The server's threads end with it.
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    /// With one empty bucket, `bucket`.
    pub(crate) fn new() -> Server {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("bucket")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(root.path()).unwrap());
        service.set_auth(SimpleAuth::from_single("key", SECRET));
        let service = service.build().into_shared();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        runtime.spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let service = service.clone();
                tokio::spawn(async move {
                    let http = auto::Builder::new(TokioExecutor::new());
                    let _ = http.serve_connection(TokioIo::new(socket), service).await;
                });
            }
        });
        Server { root, address, _runtime: runtime }
    }

    /// What a user of the bucket has in his environment.
    pub(crate) fn variables(&self) -> Vec<Variable> {
        variables(&format!("http://{}", self.address), SECRET)
    }

    /// The tier at an address, with the right credentials.
    pub(crate) fn tier(&self, address: &str) -> Box<dyn Tier> {
        vcache_cloud::open(address.parse().unwrap(), &self.variables())
    }

    /// An object's file.
    pub(crate) fn object(&self, name: &str) -> PathBuf {
        self.root.path().join("bucket").join(name)
    }

    /// Every file in the bucket that is an object, by its name.
    pub(crate) fn objects(&self) -> Vec<String> {
        let mut found = Vec::new();
        walk(&self.root.path().join("bucket"), "", &mut found);
        found.retain(|name| !name.split('/').any(|part| part.starts_with('.')));
        found.sort();
        found
    }
}

fn walk(dir: &Path, before: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let name = format!("{before}{}", entry.file_name().to_str().unwrap());
        match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path(), &format!("{name}/"), found),
            false => found.push(name),
        }
    }
}

pub(crate) fn variables(endpoint: &str, secret: &str) -> Vec<Variable> {
    [
        ("AWS_ACCESS_KEY_ID", "key"),
        ("AWS_SECRET_ACCESS_KEY", secret),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ALLOW_HTTP", "true"),
        ("AWS_REGION", "eu-central-1"),
        ("UNRELATED", "x"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// A cache with these tiers behind it, as a command opens it.
pub(crate) fn store(dir: &Path, addresses: &str, variables: &[Variable]) -> Store {
    let watch = vcache_remote::Watch { markers: dir.join("tmp"), counts: true };
    let clouds = |address| vcache_cloud::open(address, variables);
    let (tiers, wrong) = vcache_remote::tiers(addresses, &Default::default(), &watch, Some(&clouds));
    assert!(wrong.is_empty(), "{wrong:?}");
    Store::open(&Config { dir: dir.to_owned(), tiers, ..Config::default() }).unwrap()
}

/// Content that differs by size, and repeats nowhere near the length of a piece.
pub(crate) fn content(size: usize) -> Vec<u8> {
    let mut state = size as u64 | 1 << 40;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(|_| next()).collect()
}

/// Content of this size as a blob of a cache.
pub(crate) fn blob(store: &Store, bytes: &[u8]) -> Blob {
    use std::io::Write;
    let mut writer = store.writer(true).unwrap();
    writer.write_all(bytes).unwrap();
    writer.seal().unwrap().publish("").unwrap()
}

/// What a download of `url` that brought the blob would be recorded as.
pub(crate) fn record(url: &str, blob: &Blob) -> (Key, Record) {
    let key = Key::web(url, "");
    let record = Record {
        key: key.text().to_owned(),
        sha256: blob.id(),
        size: blob.size(),
        name: None,
        mtime: Mtime::At(1_700_000_000),
        redirects: None,
        content_type: None,
        origin: url.to_owned(),
        fetched: 1_700_000_001,
    };
    (key, record)
}

/// An error with its causes, as users see it.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", chain(source)),
        None => error.to_string(),
    }
}
