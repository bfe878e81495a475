//! A blob that was found: an open file, or content on its way from a tier, with a claim about it. The claim is checked whenever
//! content goes out.
//!
//! A [`Blob`] holds a shared `flock` on its file for as long as it lives, which is how an eviction sees that it is in
//! use. Where the lock cannot be had the blob is used all the same: its file stays readable even when its name goes.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::dirs::rename_new;
use crate::layer::{Layer, open_regular, touch, unix_now};
use crate::layout::beside;
use crate::pump::{FromStart, Stage, hashing, pump};
use crate::tier::{Incoming, Tier};
use crate::{Error, Sha256Id, Store};

/// Content in the store, found and open, not yet checked.
#[derive(Debug)]
pub struct Blob {
    id: Sha256Id,
    size: u64,
    path: PathBuf,
    content: Content,
    /// Measured by a trusted user when it was stored.
    blake3: Option<[u8; 32]>,
    /// Whether its owner could change it under our hands and we would mind.
    pub(crate) owner_trusted: bool,
    pub(crate) tmp: PathBuf,
    own: bool,
    /// The tier that it came from just now.
    tier: Option<String>,
}

/// Where the bytes are.
#[derive(Debug)]
enum Content {
    File(File),
    Tier(Arriving),
}

/// Content of a tier. It is asked for anew at each pass but the first, for which it is on its way already.
struct Arriving {
    tier: Arc<dyn Tier>,
    first: Mutex<Option<Box<dyn Read + Send>>>,
}

impl std::fmt::Debug for Arriving {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "from {:?}", self.tier)
    }
}

impl Arriving {
    fn open(&self, id: &Sha256Id) -> io::Result<Box<dyn Read + Send>> {
        if let Some(first) = self.first.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Ok(first);
        }
        let incoming = self.tier.content(id).map_err(io::Error::other)?;
        incoming.map(|incoming| incoming.content).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl Blob {
    /// What a tier has begun to send.
    pub(crate) fn arriving(id: &Sha256Id, incoming: Incoming, tier: &Arc<dyn Tier>) -> Self {
        let Incoming { size, blake3, content } = incoming;
        let arriving = Arriving { tier: Arc::clone(tier), first: Mutex::new(Some(content)) };
        Self {
            id: *id,
            size,
            path: Path::new(tier.name()).join("cas").join(id.to_string()),
            content: Content::Tier(arriving),
            blake3,
            owner_trusted: false,
            tmp: PathBuf::new(),
            own: false,
            tier: Some(tier.name().to_owned()),
        }
    }

    /// Content that lies in a file of no cache, measured already.
    pub(crate) fn elsewhere(id: Sha256Id, size: u64, blake3: [u8; 32], file: File) -> Self {
        Self {
            id,
            size,
            path: PathBuf::from(id.to_string()),
            content: Content::File(file),
            blake3: Some(blake3),
            owner_trusted: true,
            tmp: PathBuf::new(),
            own: false,
            tier: None,
        }
    }

    pub(crate) fn coming_from(self, name: &str) -> Self {
        Self { tier: Some(name.to_owned()), ..self }
    }

    /// Its name.
    pub fn id(&self) -> Sha256Id {
        self.id
    }

    /// Its length in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its file, mode 0444, never to be hard-linked to where a build may write; or its address in a tier.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its open file where it has one, for whoever passes the content on to someone who checks it. Of the handle only
    /// `read_at` is to be used: its position is shared.
    pub fn file(&self) -> Option<&File> {
        match &self.content {
            Content::File(file) => Some(file),
            Content::Tier(_) => None,
        }
    }

    /// Gives its file a second name, for whoever only reads it: a hard link, so that the content stays whatever becomes of the cache. `Ok(false)`: it can't be, or must not be: there is
    /// no file, its owner is not trusted and could change it later, or another file has taken its place meanwhile. Its content is to be checked beforehand ([`Self::verify`]).
    ///
    /// # Errors
    /// [`Error::Output`]: the name is there already, or its folder is not.
    pub fn link_to(&self, name: &Path) -> Result<bool, Error> {
        let Some(file) = self.file().filter(|_| self.owner_trusted) else { return Ok(false) };
        match std::fs::hard_link(&self.path, name) {
            Err(e) if matches!(e.kind(), ErrorKind::AlreadyExists) => {
                return Err(Error::Output { source: e });
            }
            // Other file systems, other users' files, caches that can't be written to.
            Err(_) => return Ok(false),
            Ok(()) => {}
        }
        let id = |metadata: std::fs::Metadata| (metadata.dev(), metadata.ino());
        let is_it = name.symlink_metadata().and_then(|named| Ok(id(named) == id(file.metadata()?)));
        if is_it.as_ref().is_ok_and(|is_it| *is_it) {
            return Ok(true);
        }
        let _ = std::fs::remove_file(name);
        Ok(false)
    }

    /// The tier that it came from just now, if it did.
    pub fn tier(&self) -> Option<&str> {
        self.tier.as_deref()
    }

    /// The content from its start, not checked.
    ///
    /// # Errors
    /// No file handle is left, or a tier does not give it a second time.
    pub fn reader(&self) -> io::Result<Box<dyn Read + Send>> {
        match &self.content {
            Content::File(file) => Ok(Box::new(FromStart::of(file.try_clone()?))),
            Content::Tier(arriving) => arriving.open(&self.id),
        }
    }

    /// Its BLAKE3 as a trusted user measured it when it was stored.
    pub fn blake3(&self) -> Option<[u8; 32]> {
        self.blake3
    }

    /// Passes the content through `stage`, if any, and says whether it is what it claims to be.
    pub(crate) fn pass(&self, stage: Option<Stage<'_>>) -> Result<(), Error> {
        let mut check = Check::new(self.blake3);
        let mut hash = |piece: &[u8]| {
            check.update(piece);
            Ok(())
        };
        let failed = |e| Error::io("read", &self.path)(e);
        let mut source = self.reader().map_err(failed)?;
        let read = match stage {
            Some(stage) => pump(&mut source, self.size, &failed, &mut [&mut hash, stage])?,
            None => pump(&mut source, self.size, &failed, &mut [&mut hash])?,
        };
        if read != self.size {
            return Err(self.corrupt(format!("it has {read} of {} bytes", self.size)));
        }
        match check.finish(&self.id) {
            Ok(()) => Ok(()),
            Err(found) => Err(self.corrupt(found)),
        }
    }

    fn corrupt(&self, found: String) -> Error {
        if let Content::Tier(arriving) = &self.content {
            arriving.tier.blame(&self.id);
        }
        Error::Corrupt { path: self.path.clone(), id: self.id, found }
    }

    /// Checks the whole content.
    ///
    /// # Errors
    /// [`Error::Corrupt`], or [`Error::Io`] when it cannot be read.
    pub fn verify(&self) -> Result<(), Error> {
        self.pass(None)
    }

    /// Whether the content has this md5 and, over the same bytes, the sha256 of its name: what an alias claims.
    pub(crate) fn has_md5(&self, wanted: &[u8; 16]) -> Result<bool, Error> {
        let (mut md5, mut sha256) = (Md5::new(), Sha256::new());
        let failed = |e| Error::io("read", &self.path)(e);
        let mut source = self.reader().map_err(failed)?;
        pump(&mut source, self.size, &failed, &mut [&mut hashing(&mut sha256), &mut hashing(&mut md5)])?;
        let (md5, sha256): ([u8; 16], [u8; 32]) = (md5.finalize().into(), sha256.finalize().into());
        Ok(md5 == *wanted && sha256 == *self.id.as_bytes())
    }
}

/// How a content is checked: by blake3 where its blake3 is known from someone we trust, else by its name.
enum Check {
    Sha256(Sha256),
    Blake3(Box<blake3::Hasher>, [u8; 32]),
}

impl Check {
    fn new(blake3: Option<[u8; 32]>) -> Self {
        match blake3 {
            Some(expected) => Self::Blake3(Box::default(), expected),
            None => Self::Sha256(Sha256::new()),
        }
    }

    fn update(&mut self, piece: &[u8]) {
        match self {
            Self::Sha256(hasher) => hasher.update(piece),
            Self::Blake3(hasher, _) => {
                hasher.update(piece);
            }
        }
    }

    fn finish(self, id: &Sha256Id) -> Result<(), String> {
        match self {
            Self::Sha256(hasher) => {
                let found = Sha256Id::from_bytes(hasher.finalize().into());
                if found == *id { Ok(()) } else { Err(format!("its sha256 is {found}")) }
            }
            Self::Blake3(hasher, expected) => {
                let found = hasher.finalize();
                let expected = blake3::Hash::from_bytes(expected);
                if found == expected { Ok(()) } else { Err(format!("its blake3 is {found}, not {expected}")) }
            }
        }
    }
}

impl Layer {
    /// Opens a blob, which is thereby used. `None`: there is none, or one whose size contradicts its meta file, which
    /// is put aside.
    pub(crate) fn open_blob(&self, id: &Sha256Id) -> Result<Option<Blob>, Error> {
        let blob = self.peek_blob(id)?;
        if let Some(file) = blob.as_ref().and_then(Blob::file).filter(|_| self.own) {
            let metadata = file.metadata().map_err(Error::io("look at", &self.layout.blob(id)))?;
            touch(file, &metadata);
        }
        Ok(blob)
    }

    fn peek_blob(&self, id: &Sha256Id) -> Result<Option<Blob>, Error> {
        let path = self.layout.blob(id);
        let Some(file) = open_regular(&path)? else { return Ok(None) };
        let _ = file.try_lock_shared();
        let metadata = file.metadata().map_err(Error::io("look at", &path))?;
        // No name left: an eviction was faster than our lock.
        if !metadata.is_file() || metadata.nlink() == 0 {
            return Ok(None);
        }
        let meta = self.meta(id);
        let blob = Blob {
            id: *id,
            size: metadata.len(),
            path,
            content: Content::File(file),
            blake3: meta.as_ref().and_then(|meta| meta.blake3),
            owner_trusted: self.trusts(metadata.uid()),
            tmp: self.layout.tmp(),
            own: self.own,
            tier: None,
        };
        if meta.and_then(|meta| meta.size).is_some_and(|size| size != blob.size) {
            let _ = self.quarantine(&blob);
            return Ok(None);
        }
        Ok(Some(blob))
    }

    fn quarantine(&self, blob: &Blob) -> Result<bool, Error> {
        let Some(file) = blob.file().filter(|_| blob.own) else { return Ok(false) };
        let named = match blob.path.symlink_metadata() {
            Ok(named) => named,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(true),
            Err(e) => return Err(Error::io("look at", &blob.path)(e)),
        };
        let held = file.metadata().map_err(Error::io("look at", &blob.path))?;
        // Someone has put a new one in its place already.
        if (named.dev(), named.ino()) != (held.dev(), held.ino()) {
            return Ok(true);
        }
        let meta = self.layout.meta(&blob.id);
        let _ = std::fs::remove_file(beside(&meta, self.uid()));
        let _ = std::fs::remove_file(meta);
        let now = unix_now();
        let mut attempt = 0;
        loop {
            let aside = self.layout.quarantined(&blob.id, now, attempt);
            match self.rename(&blob.path, &aside, rename_new) {
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists && attempt < 100 => attempt += 1,
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(true),
                other => return other.map(|()| true).map_err(Error::io("quarantine", &blob.path)),
            }
        }
    }
}

impl Store {
    /// A blob of the own cache, for whoever looks at all of them: it does not count as used.
    ///
    /// # Errors
    /// [`Error::Io`] when it is there and cannot be read.
    pub fn peek(&self, id: &Sha256Id) -> Result<Option<Blob>, Error> {
        self.own.peek_blob(id)
    }

    /// Puts a corrupt blob aside, with its meta file gone, so that the next request is a miss. Only the very file that
    /// the blob has open is moved: one that was put in its place meanwhile stays. Blobs of lower layers stay as well;
    /// what is fetched in their stead goes to the own cache, which is looked into first. `Ok(false)`: it is such a one.
    ///
    /// # Errors
    /// [`Error::Io`]; a blob of another user in a sticky folder, or a read-only cache.
    pub fn quarantine(&self, blob: &Blob) -> Result<bool, Error> {
        self.own.quarantine(blob)
    }
}
