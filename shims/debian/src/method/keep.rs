//! What apt's own method has brought: into the cache, before apt moves it away.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use sha2::{Digest as _, Sha512};
use vcache_shim::Chain;
use vcache_shim::journal::Outcome;
use vcache_store::{Blob, Error as StoreError, Ingested, Key, Mtime, Record, Store, public_url};

use super::index::REDIRECTED;
use super::message::Message;
use super::request::{Expected, Request, seconds};
use super::session::{Pending, Session};

/// Why something is not kept.
#[derive(Debug, thiserror::Error)]
enum NotKept {
    /// The cache.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file can't be read or written.
    #[error("{}", .at.display())]
    File {
        /// Which.
        at: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl NotKept {
    fn at(path: &Path) -> impl FnOnce(std::io::Error) -> NotKept + use<> {
        let at = path.to_owned();
        move |source| NotKept::File { at, source }
    }
}

impl Session {
    /// The method has fetched it: kept, if it is what it should be. What apt hears is what the method says.
    pub(super) fn done(&self, message: Message, pending: &Pending) -> Option<Message> {
        let Pending { request, journal, .. } = pending;
        let mut size = 0;
        if self.policy.write
            && let Some(store) = self.store()
            && let Some(file) = brought(&message, request)
        {
            match self.take(store, request, &message, &file) {
                Ok(blob) => size = blob.map_or(0, |blob| blob.size()),
                Err(e) => self.messages.warn(format_args!(
                    "{}; {} is not kept",
                    Chain(&e),
                    public_url(&request.uri)
                )),
            }
        }
        self.record(journal, Outcome::Miss, request, |event| event.bytes = size);
        Some(message)
    }

    /// Takes a file in; none where it is not what was expected, which apt finds by itself.
    fn take(
        &self,
        store: &Store,
        request: &Request,
        message: &Message,
        path: &Path,
    ) -> Result<Option<Blob>, NotKept> {
        let mut file = File::open(path).map_err(NotKept::at(path))?;
        let ingested = store.ingest(&mut file, false)?;
        let is_it = match &request.expected {
            Expected::Sha256(id) => ingested.id == *id,
            Expected::Sha512(digest) => sha512(&mut file).map_err(NotKept::at(path))? == *digest,
            Expected::Nothing => true,
            Expected::Weak => false,
        };
        if !is_it {
            return Ok(None);
        }
        let mtime = message.text("Last-Modified").and_then(seconds).map_or(Mtime::None, Mtime::At);
        let blob = publish(store, self.key(request), ingested, request, mtime)?;
        self.note_package(request, &blob);
        Ok(Some(blob))
    }

    /// Notes which package in which version a blob is, unless that is known.
    pub(super) fn note_package(&self, request: &Request, blob: &Blob) {
        let (Some(package), Some(store)) = (request.package(), self.store()) else { return };
        let key = Key::package(&package.name, &package.version, &package.architecture);
        let known = store.lookup_here(&key).ok().flatten();
        if known.is_none_or(|record| record.sha256 != blob.id()) {
            let record = record(&key, blob.id(), blob.size(), request, Mtime::Unknown);
            if let Err(e) = store.publish(&key, &record) {
                self.messages.debug(Chain(&e));
            }
        }
    }

    /// The method was sent to another place. Where nothing tells the content by a digest, the way has to be known as well.
    pub(super) fn redirected(&self, message: Message, pending: &Pending) -> Option<Message> {
        let request = &pending.request;
        let has_no_digest = request.expected == Expected::Nothing;
        if let Some(store) = self.store().filter(|_| has_no_digest && self.policy.write)
            && let Some(to) = message.text("New-URI")
            && let Err(e) = keep_redirect(store, request, to)
        {
            self.messages.debug(Chain(&e));
        }
        Some(message)
    }
}

fn keep_redirect(store: &Store, request: &Request, to: &str) -> Result<(), NotKept> {
    let mut writer = store.writer(false)?;
    writer.write_all(public_url(to).as_bytes()).map_err(NotKept::at(writer.path()))?;
    let key = Key::deb_index(&request.uri, REDIRECTED);
    publish(store, key, writer.seal()?, request, Mtime::None)?;
    Ok(())
}

fn publish(
    store: &Store,
    key: Key,
    ingested: Ingested,
    request: &Request,
    mtime: Mtime,
) -> Result<Blob, StoreError> {
    let record = record(&key, ingested.id, ingested.size, request, mtime);
    let blob = ingested.publish(&request.uri)?;
    store.publish(&key, &record)?;
    Ok(blob)
}

fn record(key: &Key, sha256: vcache_store::Sha256Id, size: u64, request: &Request, mtime: Mtime) -> Record {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    Record {
        key: key.text().to_owned(),
        sha256,
        size,
        name: None,
        mtime,
        redirects: None,
        content_type: None,
        origin: request.uri.clone(),
        fetched: now,
    }
}

/// The file that was brought; where the origin says that apt's own one is still good, that one.
fn brought(message: &Message, request: &Request) -> Option<PathBuf> {
    if !message.is_true("IMS-Hit") {
        let name = message.get("Filename").map(std::ffi::OsStr::from_bytes);
        return Some(name.map_or_else(|| request.dest.clone(), PathBuf::from));
    }
    let partial = request.dest.parent().filter(|folder| folder.ends_with("partial"))?;
    Some(partial.parent()?.join(request.dest.file_name()?)).filter(|file| file.is_file())
}

fn sha512(file: &mut File) -> std::io::Result<String> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Sha512::new();
    let mut piece = vec![0; 128 << 10];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hex::encode(hasher.finalize())),
            count => hasher.update(&piece[..count]),
        }
    }
}
