//! Much content at once, all or nothing: it waits in a folder below `tmp/` until all of it is there, and is then
//! published together.
//!
//! Life: [`Store::stage`] -> for each content [`Stage::fill`] -> [`Filling::push`] -> [`Filling::end`] -> [`Filled::hold`], which waits for
//! its digests; the next content may be begun before. No file stays open. -> [`Stage::publication`] -> [`Publication::finish`]. A publication that is dropped before takes back what it has made.
//! Its folder is a [`Workspace`], which others who need room on the cache's file system have too: it goes with its owner, and one whose process was killed is
//! swept after an hour.
//!
//! Not handled: a kill in the middle of the publication. What is published by then stays, and is whole: blobs, then records.

use std::cell::OnceCell;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use md5::{Digest, Md5};
use sha2::Sha256;
use tempfile::{NamedTempFile, TempDir, TempPath};

use crate::lane::{Coming, Lane};
use crate::layer::open_regular;
use crate::layout::beside;
use crate::writer::Place;
use crate::{Error, Ingested, Key, Record, Sha256Id, Store};

/// A folder of one process's own, on the cache's file system; it goes with the value, or is swept after an hour where its process was killed.
#[derive(Debug)]
pub struct Workspace {
    folder: TempDir,
    /// Its lock tells the sweep that we live.
    _held: File,
}

impl Workspace {
    /// The folder, which nobody else may enter.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A room for content that is to be published together.
#[derive(Debug)]
pub struct Stage<'a> {
    store: &'a Store,
    folder: Workspace,
    /// Started when they are first needed.
    sha256: OnceCell<Lane<Sha256>>,
    md5: OnceCell<Lane<Md5>>,
}

/// Complete content that waits in a stage; nothing of it is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Staged {
    /// Its SHA-256.
    pub id: Sha256Id,
    /// Its MD5, if that was wanted.
    pub md5: Option<[u8; 16]>,
    /// Its length in bytes.
    pub size: u64,
    blake3: [u8; 32],
}

impl Store {
    /// Makes a room for content that is to be published together.
    ///
    /// # Errors
    /// [`Error::Io`]: the cache cannot be written to.
    pub fn stage(&self) -> Result<Stage<'_>, Error> {
        let folder = self.workspace()?;
        Ok(Stage { store: self, folder, sha256: OnceCell::new(), md5: OnceCell::new() })
    }

    /// Makes a folder for whatever a process has to do beside.
    ///
    /// # Errors
    /// [`Error::Io`]: the cache cannot be written to.
    pub fn workspace(&self) -> Result<Workspace, Error> {
        let tmp = self.own.tmp_folder()?;
        self.own.sweep_tmp_hourly();
        let made = tempfile::Builder::new().prefix("stage-").tempdir_in(&tmp);
        let folder = made.map_err(Error::io("make a folder in", &tmp))?;
        let held = File::open(folder.path()).map_err(Error::io("open", folder.path()))?;
        let _ = held.try_lock();
        Ok(Workspace { folder, _held: held })
    }
}

impl Stage<'_> {
    /// Starts content that comes in pieces. `want_md5`: it may be asked for by md5.
    ///
    /// # Errors
    /// [`Error::Io`]: the cache cannot be written to, or there is no room for a thread.
    pub fn fill(&self, want_md5: bool) -> Result<Filling<'_>, Error> {
        let dir = self.folder.path();
        let tmp = tempfile::Builder::new().prefix("new-").tempfile_in(dir);
        let tmp = tmp.map_err(Error::io("make a file in", dir))?;
        let sha256 = self.lane(&self.sha256)?;
        let md5 = if want_md5 { Some(self.lane(&self.md5)?) } else { None };
        Ok(Filling { stage: self, tmp, size: 0, sha256, md5, blake3: Box::default() })
    }

    fn lane<'l, H: Digest + Send + 'static>(
        &self,
        lane: &'l OnceCell<Lane<H>>,
    ) -> Result<&'l Lane<H>, Error> {
        if lane.get().is_none() {
            let started = Lane::start().map_err(Error::io("start a thread for", self.folder.path()))?;
            let _ = lane.set(started);
        }
        Ok(lane.get().expect("it was set just now"))
    }

    /// Begins to publish. What is published is visible at once.
    pub fn publication(&self) -> Publication<'_> {
        Publication { stage: self, undo: Vec::new() }
    }

    fn path(&self, id: &Sha256Id) -> PathBuf {
        self.folder.path().join(id.to_string())
    }
}

/// Content that comes in pieces. SHA-256 and MD5 are computed beside, on threads that all contents of the stage share, so that
/// it takes as long as the slowest of them, or as writing it does.
#[derive(Debug)]
pub struct Filling<'a> {
    stage: &'a Stage<'a>,
    tmp: NamedTempFile,
    size: u64,
    sha256: &'a Lane<Sha256>,
    md5: Option<&'a Lane<Md5>>,
    blake3: Box<blake3::Hasher>,
}

impl<'a> Filling<'a> {
    /// Takes the next piece.
    ///
    /// # Errors
    /// [`Error::Io`]: it can't be written.
    pub fn push(&mut self, piece: Vec<u8>) -> Result<(), Error> {
        let piece = Arc::new(piece);
        self.sha256.push(&piece);
        if let Some(md5) = self.md5 {
            md5.push(&piece);
        }
        let written = self.tmp.as_file_mut().write_all(&piece);
        written.map_err(Error::io("write", self.tmp.path()))?;
        self.blake3.update(&piece);
        self.size += piece.len() as u64;
        Ok(())
    }

    /// That was all.
    ///
    /// # Errors
    /// [`Error::Io`]: what was written is not all in the file, since someone else has changed its length.
    pub fn end(self) -> Result<Filled<'a>, Error> {
        let length = self.tmp.as_file().metadata().map_err(Error::io("look at", self.tmp.path()))?.len();
        if length != self.size {
            return Err(Error::io("complete", self.tmp.path())(ErrorKind::UnexpectedEof.into()));
        }
        Ok(Filled {
            stage: self.stage,
            size: self.size,
            sha256: self.sha256.end(),
            md5: self.md5.map(Lane::end),
            blake3: *self.blake3.finalize().as_bytes(),
            tmp: self.tmp,
        })
    }
}

/// Content that is complete, and whose digests are still being computed.
#[derive(Debug)]
pub struct Filled<'a> {
    stage: &'a Stage<'a>,
    tmp: NamedTempFile,
    size: u64,
    sha256: Coming<Sha256>,
    md5: Option<Coming<Md5>>,
    blake3: [u8; 32],
}

impl Filled<'_> {
    /// Waits for the digests, puts the content aside by its name, and closes it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn hold(self) -> Result<Staged, Error> {
        // A lane that is gone has panicked.
        let gone = |_| Error::io("hash", self.tmp.path())(ErrorKind::BrokenPipe.into());
        let id = Sha256Id::from_bytes(self.sha256.recv().map_err(gone)?.into());
        let md5 = match &self.md5 {
            Some(md5) => Some(md5.recv().map_err(gone)?.into()),
            None => None,
        };
        let path = self.stage.path(&id);
        self.tmp.persist(&path).map_err(|e| Error::io("write", &path)(e.error))?;
        Ok(Staged { id, md5, size: self.size, blake3: self.blake3 })
    }
}

/// Publishes, and takes it back when it is dropped unfinished.
#[derive(Debug)]
pub struct Publication<'a> {
    stage: &'a Stage<'a>,
    undo: Vec<Undo>,
}

/// How a file was before; `None`: it was not there.
#[derive(Debug)]
struct Undo {
    path: PathBuf,
    old: Option<Vec<u8>>,
}

impl Publication<'_> {
    /// Makes staged content a blob, as [`Ingested::publish`] does.
    ///
    /// # Errors
    /// [`Error::Io`]; also when the staged file has gone.
    pub fn content(&mut self, staged: &Staged, origin: &str) -> Result<(), Error> {
        let layer = &self.stage.store.own;
        let path = self.stage.path(&staged.id);
        let file =
            open_regular(&path)?.ok_or_else(|| Error::io("open", &path)(ErrorKind::NotFound.into()))?;
        let alias = staged.md5.map(|md5| layer.layout.alias(&md5));
        let made = [Some(layer.layout.blob(&staged.id)), Some(layer.layout.meta(&staged.id)), alias];
        for path in made.into_iter().flatten() {
            // A blob or pointer that is there stays, or is replaced by what it should have been.
            if path.symlink_metadata().is_err() {
                self.undo.push(Undo { path, old: None });
            }
        }
        let tmp = TempPath::try_from_path(&path).map_err(Error::io("open", &path))?;
        let Staged { id, md5, size, blake3 } = *staged;
        let tmp = NamedTempFile::from_parts(file, tmp);
        let place = Place::Cache { layer: Arc::clone(layer), tmp };
        Ingested { id, md5, size, blake3, place }.publish(origin).map(drop)
    }

    /// Makes this the record of the key, as [`Store::publish`] does.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn record(&mut self, key: &Key, record: &Record) -> Result<(), Error> {
        let layer = &self.stage.store.own;
        let shared = layer.layout.record(key.kind(), &key.name());
        for path in [beside(&shared, layer.uid()), shared] {
            let old = layer.read(&path)?.map(|small| small.content);
            self.undo.push(Undo { path, old });
        }
        self.stage.store.publish(key, record)
    }

    /// All of it stays.
    pub fn finish(mut self) {
        self.undo.clear();
    }
}

impl Drop for Publication<'_> {
    /// Best effort: records first, then what they mean. What has to be written again comes when there is room.
    fn drop(&mut self) {
        let layer = &self.stage.store.own;
        let (new, replaced): (Vec<_>, Vec<_>) =
            self.undo.drain(..).rev().partition(|undo| undo.old.is_none());
        for undo in new {
            let _ = std::fs::remove_file(&undo.path);
        }
        for Undo { path, old } in replaced {
            let now = layer.read(&path).ok().flatten().map(|small| small.content);
            if let Some(old) = old.filter(|old| now.as_ref() != Some(old)) {
                let _ = layer.put(&path, &old);
            }
        }
    }
}
