//! What apt's own method has brought: into the cache, before apt moves it away.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use sha2::{Digest as _, Sha512};
use vcache_shim::Chain;
use vcache_shim::journal::Outcome;
use vcache_store::{Blob, Error as StoreError, Hashes, Ingested, Key, Mtime, Record, Store, public_url};

use super::index::{REDIRECTED, made_at, signature_of};
use super::message::Message;
use super::request::{Expected, Request, seconds};
use super::session::{Pending, Session};
use crate::release::Release;
use crate::release_url::{Part, ReleaseUrl};

/// In bytes: the fields of a Release file stand before its lists.
const FIELDS: u64 = 64 << 10;

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
    /// The method has fetched it: kept, if it is what it should be. What apt hears is what the method says, unless a pin forbids it.
    pub(super) fn done(&self, message: Message, pending: &Pending) -> Option<Message> {
        let Pending { request, journal, .. } = pending;
        let Some(file) = brought(&message, request) else { return Some(message) };
        let kept = match self.store().filter(|_| self.policy.write) {
            Some(store) => self.take(store, request, &message, &file).unwrap_or_else(|e| {
                let url = public_url(&request.uri);
                self.messages.warn(format_args!("{}; {url} is not kept", Chain(&e)));
                None
            }),
            None => None,
        };
        if request.expected == Expected::Nothing {
            let known = kept.as_ref().map(Blob::id);
            let hashed = || Some(Hashes::of(&open(&file).ok()?, false).ok()?.sha256);
            let refusal = known.or_else(hashed).and_then(|id| self.look_at_release(request, &file, &id));
            if let Some(refusal) = refusal {
                self.record(journal, Outcome::Refused, request, |_| {});
                return Some(refusal);
            }
        }
        self.record(journal, Outcome::Miss, request, |event| {
            event.bytes = kept.map_or(0, |blob| blob.size())
        });
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
        let mut file = open(path).map_err(NotKept::at(path))?;
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
        if let Some(part) = history(store, request, &mut file) {
            let key = Key::deb_index(&request.uri, &part);
            store.publish(&key, &Record::new(&key, blob.id(), blob.size(), mtime, &request.uri))?;
        }
        Ok(Some(blob))
    }

    /// Notes which package in which version a blob is, unless that is known.
    pub(super) fn note_package(&self, request: &Request, blob: &Blob) {
        let (Some(package), Some(store)) = (request.package(), self.store()) else { return };
        let key = Key::package(&package.name, &package.version, &package.architecture);
        let known = store.lookup_here(&key).ok().flatten();
        if known.is_none_or(|record| record.sha256 != blob.id()) {
            let record = Record::new(&key, blob.id(), blob.size(), Mtime::Unknown, &request.uri);
            if let Err(e) = store.publish(&key, &record) {
                self.messages.debug(Chain(&e));
            }
        }
    }

    /// The method was sent to another place. Where nothing tells the content by a digest, the way has to be known as well.
    pub(super) fn redirected(&self, message: Message, pending: &Pending) -> Option<Message> {
        let request = &pending.request;
        if request.expected == Expected::Nothing
            && let Some(to) = message.text("New-URI")
        {
            self.keep_small(request, REDIRECTED, &public_url(to));
        }
        Some(message)
    }

    /// Keeps an answer of the origin that is no file.
    pub(super) fn keep_small(&self, request: &Request, part: &str, text: &str) {
        let Some(store) = self.store().filter(|_| self.policy.write) else { return };
        let kept = store.writer(false).map_err(NotKept::Store).and_then(|mut writer| {
            writer.write_all(text.as_bytes()).map_err(NotKept::at(writer.path()))?;
            publish(store, Key::deb_index(&request.uri, part), writer.seal()?, request, Mtime::None)?;
            Ok(())
        });
        if let Err(e) = kept {
            self.messages.debug(Chain(&e));
        }
    }
}

/// The part of a key under which a file at the top of a suite is found when its URL has another one.
fn history(store: &Store, request: &Request, file: &mut File) -> Option<String> {
    let url = ReleaseUrl::of(&request.uri)?;
    if url.part() == Part::Signature {
        let release = store.lookup(&Key::deb_index(&url.release(), "")).ok()??;
        return Some(signature_of(&release.sha256));
    }
    let mut text = Vec::new();
    file.seek(SeekFrom::Start(0)).ok()?;
    file.take(FIELDS).read_to_end(&mut text).ok()?;
    Release::read(&text).date.map(|date| made_at(&date))
}

fn publish(
    store: &Store,
    key: Key,
    ingested: Ingested,
    request: &Request,
    mtime: Mtime,
) -> Result<Blob, StoreError> {
    let record = Record::new(&key, ingested.id, ingested.size, mtime, &request.uri);
    let blob = ingested.publish(&request.uri)?;
    store.publish(&key, &record)?;
    Ok(blob)
}

/// The file that was brought; where the origin says that apt's own one is still good, that one. The method is another user, and what nothing tells by a digest
/// is believed to be what it has brought only where apt wanted it.
fn brought(message: &Message, request: &Request) -> Option<PathBuf> {
    if !message.is_true("IMS-Hit") {
        let name = message.get("Filename").map(std::ffi::OsStr::from_bytes);
        let file = name.map_or_else(|| request.dest.clone(), PathBuf::from);
        return Some(file).filter(|file| request.expected != Expected::Nothing || *file == request.dest);
    }
    request.kept().filter(|file| file.is_file())
}

/// Opens a file in a folder of another user, who could lead root elsewhere by a link.
pub(super) fn open(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = File::options().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(std::io::Error::other("not a regular file")),
    }
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
