//! What is in the own cache, for those who look at all of it: [`crate::gc`] and [`crate::verify`]. A walk races with
//! writers; what comes or goes meanwhile is simply seen or not.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::key::Kind;
use crate::layer::{Layer, sharded_entries};
use crate::layout::belongs;
use crate::meta::parse_alias;
use crate::{Error, Record, Sha256Id};

/// A blob's file.
pub(crate) struct BlobEntry {
    pub(crate) id: Sha256Id,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    /// Last use in seconds since 1970; its records may know of a later one.
    pub(crate) mtime: i64,
}

/// A record's file; `record` is empty when it makes no sense.
pub(crate) struct RecordEntry {
    pub(crate) kind: Kind,
    pub(crate) record: Option<Record>,
    pub(crate) path: PathBuf,
    pub(crate) size: u64,
    pub(crate) mtime: i64,
}

/// An alias's file; `means` is empty when it makes no sense.
pub(crate) struct AliasEntry {
    pub(crate) path: PathBuf,
    pub(crate) means: Option<([u8; 16], Sha256Id)>,
}

#[derive(Default)]
pub(crate) struct Inventory {
    pub(crate) blobs: Vec<BlobEntry>,
    pub(crate) records: Vec<RecordEntry>,
    pub(crate) aliases: Vec<AliasEntry>,
    pub(crate) metas: Vec<(PathBuf, Sha256Id)>,
    /// What lies in our folders and is none of ours.
    pub(crate) foreign: Vec<PathBuf>,
}

impl Inventory {
    pub(crate) fn take(layer: &Layer) -> Result<Self, Error> {
        let mut all = Self::default();
        for (path, metadata) in all.files(&layer.layout.blobs())? {
            match id_of(&path).filter(|id| layer.layout.blob(id) == path) {
                Some(id) => {
                    all.blobs.push(BlobEntry { id, path, size: metadata.len(), mtime: metadata.mtime() });
                }
                None => all.foreign.push(path),
            }
        }
        for kind in Kind::ALL {
            for (path, metadata) in all.files(&layer.layout.index(kind))? {
                let record = layer.parse_record(&path).ok().flatten();
                let (size, mtime) = (metadata.len(), metadata.mtime());
                all.records.push(RecordEntry { kind, record, path, size, mtime });
            }
        }
        for (path, _) in all.files(&layer.layout.aliases())? {
            let means = layer.read(&path).ok().flatten().and_then(|small| parse_alias(&small.content));
            let means = means.filter(|(md5, _)| belongs(&path, &layer.layout.alias(md5)));
            all.aliases.push(AliasEntry { path, means });
        }
        for (path, _) in all.files(&layer.layout.metas())? {
            match id_of(&path.with_extension("")).filter(|id| belongs(&path, &layer.layout.meta(id))) {
                Some(id) => all.metas.push((path, id)),
                None => all.foreign.push(path),
            }
        }
        Ok(all)
    }

    fn files(&mut self, bucket: &Path) -> Result<Vec<(PathBuf, Metadata)>, Error> {
        let mut files = Vec::new();
        for path in sharded_entries(bucket)? {
            match path.symlink_metadata() {
                Ok(metadata) if metadata.is_file() => files.push((path, metadata)),
                Ok(_) => self.foreign.push(path),
                Err(_) => {}
            }
        }
        Ok(files)
    }
}

fn id_of(path: &Path) -> Option<Sha256Id> {
    path.file_name()?.to_str()?.parse().ok()
}
