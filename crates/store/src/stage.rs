//! Much content at once, all or nothing: it waits in a folder below `tmp/` until all of it is there, and is then
//! published together.
//!
//! Life: [`Store::stage`] -> [`Stage::writer`] and [`Stage::hold`] for each content, of which no file stays open ->
//! [`Stage::publication`] -> [`Publication::finish`]. A publication that is dropped before takes back what it has made.
//! The folder goes with the stage; one whose process was killed is swept after an hour.
//!
//! Not handled: a kill in the middle of the publication. What is published by then stays, and is whole: blobs, then records.

use std::fs::File;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::{NamedTempFile, TempDir, TempPath};

use crate::layer::open_regular;
use crate::layout::beside;
use crate::writer::Place;
use crate::{BlobWriter, Error, Ingested, Key, Record, Sha256Id, Store};

/// A room for content that is to be published together.
#[derive(Debug)]
pub struct Stage<'a> {
    store: &'a Store,
    folder: TempDir,
    /// Its lock tells the sweep that we live.
    _held: File,
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
        let tmp = self.own.tmp_folder()?;
        self.own.sweep_tmp_hourly();
        let made = tempfile::Builder::new().prefix("stage-").tempdir_in(&tmp);
        let folder = made.map_err(Error::io("make a folder in", &tmp))?;
        let held = File::open(folder.path()).map_err(Error::io("open", folder.path()))?;
        let _ = held.try_lock();
        Ok(Stage { store: self, folder, _held: held })
    }
}

impl Stage<'_> {
    /// Starts content that comes as a stream. `want_md5`: it may be asked for by md5.
    ///
    /// # Errors
    /// [`Error::Io`]: the cache cannot be written to.
    pub fn writer(&self, want_md5: bool) -> Result<BlobWriter, Error> {
        let dir = self.folder.path();
        let tmp = tempfile::Builder::new().prefix("new-").tempfile_in(dir);
        let tmp = tmp.map_err(Error::io("make a file in", dir))?;
        Ok(BlobWriter::into(Place::Cache { layer: Arc::clone(&self.store.own), tmp }, want_md5))
    }

    /// Puts complete content aside and closes it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn hold(&self, ingested: Ingested) -> Result<Staged, Error> {
        let Ingested { id, md5, size, blake3, place } = ingested;
        let path = self.path(&id);
        let Place::Cache { tmp, .. } = place else {
            return Err(Error::io("write", &path)(ErrorKind::Unsupported.into()));
        };
        tmp.persist(&path).map_err(|e| Error::io("write", &path)(e.error))?;
        Ok(Staged { id, md5, size, blake3 })
    }

    /// Begins to publish. What is published is visible at once.
    pub fn publication(&self) -> Publication<'_> {
        Publication { stage: self, undo: Vec::new() }
    }

    fn path(&self, id: &Sha256Id) -> PathBuf {
        self.folder.path().join(id.to_string())
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
