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
use crate::{Digest, Error, Sha256Id, Store};

/// How often a blob that vanishes under our hands is put in its place.
const PLACINGS: usize = 3;

/// A stream into the store.
#[derive(Debug)]
pub struct BlobWriter {
    layer: Arc<Layer>,
    tmp: NamedTempFile,
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
        let tmp = self.own.temporary()?;
        self.own.sweep_tmp_hourly();
        Ok(BlobWriter::into(tmp, &self.own, want_md5))
    }
}

impl Write for BlobWriter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = self.tmp.write(piece)?;
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
        self.tmp.flush()
    }
}

impl BlobWriter {
    /// Writes to an empty temporary file on the cache's file system.
    pub(crate) fn into(tmp: NamedTempFile, layer: &Arc<Layer>, want_md5: bool) -> Self {
        Self {
            layer: Arc::clone(layer),
            tmp,
            sha256: Sha256::new(),
            blake3: Box::default(),
            md5: want_md5.then(Md5::new),
            size: 0,
        }
    }

    /// The file in the making, to be named when it can't be written.
    pub fn path(&self) -> &Path {
        self.tmp.path()
    }

    /// Ends the stream. The content is not published yet.
    ///
    /// # Errors
    /// [`Error::Io`] when what was written is not all in the file: someone else has changed its length.
    pub fn seal(self) -> Result<Ingested, Error> {
        let length = self.tmp.as_file().metadata().map_err(Error::io("look at", self.tmp.path()))?.len();
        if length != self.size {
            return Err(Error::io("complete", self.tmp.path())(ErrorKind::UnexpectedEof.into()));
        }
        Ok(Ingested {
            id: Sha256Id::from_bytes(self.sha256.finalize().into()),
            md5: self.md5.map(|md5| md5.finalize().into()),
            size: self.size,
            blake3: *self.blake3.finalize().as_bytes(),
            layer: self.layer,
            tmp: self.tmp,
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
    pub(crate) layer: Arc<Layer>,
    pub(crate) tmp: NamedTempFile,
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
    /// `origin` is the URL it came from, or empty; it is freed of secrets.
    ///
    /// # Errors
    /// [`Error::Io`]; the temporary file is then gone.
    pub fn publish(self, origin: &str) -> Result<Blob, Error> {
        let Self { id, md5, size, blake3, layer, tmp } = self;
        let path = layer.layout.blob(&id);
        let ready = rustix::fs::fchmod(tmp.as_file(), Mode::from_raw_mode(0o444)).map_err(io::Error::from);
        ready.map_err(Error::io("write", tmp.path()))?;
        // Held until the reader below has its own: an eviction in between finds the blob in use.
        let _ = tmp.as_file().try_lock_shared();
        let (_held, name) = tmp.into_parts();
        let mut held_by_blob = None;
        for _ in 0..PLACINGS {
            if place(&layer, &name, &path, size)? {
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
        let _ = layer.put_meta(&id, size, blake3, origin);
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

/// Gives the temporary file its name. `Ok(false)`: a good one is there and stays.
fn place(layer: &Layer, tmp: &Path, path: &Path, size: u64) -> Result<bool, Error> {
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
