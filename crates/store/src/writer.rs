//! Content on its way in: written to `tmp/`, hashed as it is written, published by one rename.
//!
//! Life: [`Store::writer`] (a stream) or [`Store::ingest`] (a file) -> [`Ingested`], whose digests are known and whose
//! content nobody else sees yet -> [`Ingested::publish`]. Dropping any of them removes the temporary file; a process
//! that is killed leaves it to the sweep.
//!
//! Nothing is synced to disk. After a crash of the machine a blob may be short or hold zeros, and a record be empty; the
//! check on the way out finds the one, the parser the other, and both are misses. Syncing would cost
//! each small miss the better part of a millisecond, and win back at most the downloads of the last half minute before the crash.
//!
//! Invariant: a name under `blobs/` never stands for content that was not hashed to that name while it was written.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use rustix::fs::Mode;
use sha2::Sha256;
use tempfile::NamedTempFile;

use crate::blob::Blob;
use crate::dirs::rename_new;
use crate::layer::{Layer, open_regular};
use crate::meta::Meta;
use crate::open::Keeping;
use crate::tier::{Tier, TierError};
use crate::{Digest, Error, Sha256Id, Store};

/// How often a blob that vanishes under our hands is put in its place.
const PLACINGS: usize = 3;

/// A stream into the store.
#[derive(Debug)]
pub struct BlobWriter {
    place: Place,
    sha256: Sha256,
    blake3: Box<blake3::Hasher>,
    md5: Option<Md5>,
    size: u64,
}

impl Store {
    /// Starts a blob whose content comes as a stream. `want_md5`: it may be asked for by md5.
    ///
    /// # Errors
    /// [`Error::Io`]: the cache cannot be written to.
    pub fn writer(&self, want_md5: bool) -> Result<BlobWriter, Error> {
        let place = if self.keeping == Keeping::Tiers {
            let file = tempfile::tempfile().map_err(Error::io("make a file in", &std::env::temp_dir()))?;
            Place::Elsewhere { file, tiers: self.written_tiers().cloned().collect() }
        } else {
            let tmp = self.own.temporary()?;
            self.own.sweep_tmp_hourly();
            Place::Cache { layer: Arc::clone(&self.own), tmp }
        };
        let md5 = want_md5.then(Md5::new);
        Ok(BlobWriter { place, sha256: Sha256::new(), blake3: Box::default(), md5, size: 0 })
    }
}

impl Write for BlobWriter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = self.place.file().write(piece)?;
        let written = &piece[..count];
        self.sha256.update(written);
        self.blake3.update(written);
        if let Some(md5) = &mut self.md5 {
            md5.update(written);
        }
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.place.file().flush()
    }
}

impl BlobWriter {
    /// The file in the making, to be named when it can't be written.
    pub fn path(&self) -> &Path {
        self.place.path()
    }

    /// Ends the stream. The content is not published yet.
    ///
    /// # Errors
    /// [`Error::Io`] when what was written is not all in the file: someone else has changed its length.
    pub fn seal(self) -> Result<Ingested, Error> {
        let length = self.place.file().metadata().map_err(Error::io("look at", self.place.path()))?.len();
        if length != self.size {
            return Err(Error::io("complete", self.place.path())(ErrorKind::UnexpectedEof.into()));
        }
        Ok(Ingested {
            id: Sha256Id::from_bytes(self.sha256.finalize().into()),
            md5: self.md5.map(|md5| md5.finalize().into()),
            size: self.size,
            blake3: *self.blake3.finalize().as_bytes(),
            place: self.place,
        })
    }
}

/// Complete content that is not published yet.
#[derive(Debug)]
pub struct Ingested {
    /// Its SHA-256.
    pub id: Sha256Id,
    /// Its MD5, if that was wanted.
    pub md5: Option<[u8; 16]>,
    /// Its length in bytes.
    pub size: u64,
    pub(crate) blake3: [u8; 32],
    pub(crate) place: Place,
}

/// Where content is before it is published.
#[derive(Debug)]
pub(crate) enum Place {
    /// In the cache's `tmp/`, to be renamed.
    Cache { layer: Arc<Layer>, tmp: NamedTempFile },
    /// In a file of the caller's or without a name, to be sent to these tiers.
    Elsewhere { file: File, tiers: Vec<Arc<dyn Tier>> },
}

impl Place {
    fn file(&self) -> &File {
        match self {
            Self::Cache { tmp, .. } => tmp.as_file(),
            Self::Elsewhere { file, .. } => file,
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Cache { tmp, .. } => tmp.path(),
            Self::Elsewhere { .. } => Path::new("a temporary file"),
        }
    }
}

impl Ingested {
    /// Whether this is the content that a pin means; `None`: the pin is an md5, and that was not computed.
    pub fn matches(&self, digest: &Digest) -> Option<bool> {
        match digest {
            Digest::Sha256(id) => Some(self.id == *id),
            Digest::Md5(md5) => self.md5.map(|own| own == *md5),
        }
    }

    /// Makes the content a blob, with its meta file and its alias. A blob of that name that is there stays if its size
    /// is right (so that who reads it is not disturbed), and is replaced if not. Racing publishers all succeed.
    ///
    /// `origin` is the URL it came from, or empty; it is freed of secrets. Where things are kept in tiers the content goes there.
    ///
    /// # Errors
    /// [`Error::Io`]; the temporary file is then gone. [`Error::Tier`] where things are kept in tiers.
    pub fn publish(self, origin: &str) -> Result<Blob, Error> {
        let Self { id, md5, size, blake3, place } = self;
        let (layer, tmp) = match place {
            Place::Cache { layer, tmp } => (layer, tmp),
            Place::Elsewhere { file, tiers } => {
                let blob = Blob::elsewhere(id, size, blake3, file);
                for tier in tiers {
                    send(tier.as_ref(), &blob, md5.as_ref())
                        .map_err(|source| Error::Tier { tier: tier.name().to_owned(), source })?;
                }
                return Ok(blob);
            }
        };
        let path = layer.layout.blob(&id);
        let ready = rustix::fs::fchmod(tmp.as_file(), Mode::from_raw_mode(0o444)).map_err(io::Error::from);
        ready.map_err(Error::io("write", tmp.path()))?;
        // Held until the reader below has its own: an eviction in between finds the blob in use.
        let _ = tmp.as_file().try_lock_shared();
        let (_held, name) = tmp.into_parts();
        let mut held_by_blob = None;
        for _ in 0..PLACINGS {
            if put_in_place(&layer, &name, &path, size)? {
                let _ = name.keep();
                break;
            }
            // The one that is there may be on its way out; open, it is ours until the end.
            held_by_blob = layer.open_blob(&id)?;
            if held_by_blob.is_some() {
                break;
            }
        }
        // A meta file that cannot be written (another user's is in the way) only costs speed.
        let _ = layer.put_meta(&Meta::new(id, size, blake3, md5), origin);
        if let Some(md5) = &md5 {
            layer.put_alias(md5, &id)?;
        }
        // Opened anew, now that the meta file says how to check it.
        layer
            .open_blob(&id)?
            .or(held_by_blob)
            .ok_or_else(|| Error::io("find again", &path)(ErrorKind::NotFound.into()))
    }
}

/// Puts content into a tier, unless it is there, and says which md5 means it.
pub(crate) fn send(tier: &dyn Tier, blob: &Blob, md5: Option<&[u8; 16]>) -> Result<(), TierError> {
    if !tier.has_content(&blob.id())? {
        tier.put_content(blob)?;
    }
    md5.map_or(Ok(()), |md5| tier.put_alias(md5, &blob.id(), blob.size()))
}

/// Gives the temporary file its name. `Ok(false)`: a good one is there and stays.
fn put_in_place(layer: &Layer, tmp: &Path, path: &Path, size: u64) -> Result<bool, Error> {
    match layer.rename(tmp, path, rename_new) {
        Ok(()) => return Ok(true),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
        Err(e) => return Err(Error::io("write", path)(e)),
    }
    if stays(path, size)? {
        return Ok(false);
    }
    layer.rename(tmp, path, |from, to| std::fs::rename(from, to)).map_err(Error::io("replace", path))?;
    Ok(true)
}

/// Whether what has the name can stay: a regular file of the right size that nobody is about to remove.
fn stays(path: &Path, size: u64) -> Result<bool, Error> {
    let Ok(Some(file)) = open_regular(path) else { return Ok(false) };
    let metadata = file.metadata().map_err(Error::io("look at", path))?;
    if !metadata.is_file() || metadata.len() != size {
        return Ok(false);
    }
    // An eviction checks the time again once it has the blob to itself, so a touch saves it from there on.
    crate::layer::touch(&file, &metadata);
    Ok(true)
}
