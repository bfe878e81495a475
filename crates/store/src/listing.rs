//! What the own cache holds, for whoever takes it elsewhere. Only what is believed is listed: a record, an md5 or an
//! origin that a user wrote whom we don't trust would be trusted where it is taken to. Nothing counts as used by it.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::key::Kind;
use crate::layer::{Layer, sharded_entries};
use crate::layout::belongs;
use crate::meta::parse_alias;
use crate::{Error, Record, Sha256Id, Store};

/// A blob in the own cache. Its content was not looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listed {
    /// Its name.
    pub id: Sha256Id,
    /// Its length in bytes.
    pub size: u64,
    /// By which it may be asked for as well.
    pub md5: Option<[u8; 16]>,
    /// The URL under which it first came in, without its secrets.
    pub origin: Option<String>,
    /// When it came in, in seconds since 1970; of one whose meta file is lost, when it was last used.
    pub stored: u64,
}

/// What the own cache holds.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Listing {
    /// By name.
    pub blobs: Vec<Listed>,
    /// One for each key, whether its blob is there or not.
    pub records: Vec<(Kind, Record)>,
}

impl Store {
    /// Lists the own cache.
    ///
    /// # Errors
    /// [`Error::Io`] when the cache cannot be walked.
    pub fn listing(&self) -> Result<Listing, Error> {
        let layer = &self.own;
        let md5s = trusted_aliases(layer)?;
        let mut listing = Listing::default();
        for path in sharded_entries(&layer.layout.blobs())? {
            let Some(id) = name_of(&path).filter(|id| layer.layout.blob(id) == path) else { continue };
            let Ok(metadata) = path.symlink_metadata() else { continue };
            if !metadata.is_file() {
                continue;
            }
            let meta = layer.meta(&id);
            let stored = meta.as_ref().map(|meta| meta.stored).filter(|&stored| stored > 0);
            listing.blobs.push(Listed {
                id,
                size: metadata.len(),
                md5: md5s.get(&id).copied(),
                origin: meta.and_then(|meta| meta.origin),
                stored: stored.unwrap_or_else(|| u64::try_from(metadata.mtime()).unwrap_or(0)),
            });
        }
        for kind in Kind::ALL {
            let mut last = None;
            for path in sharded_entries(&layer.layout.index(kind))? {
                // Someone's own version of a record lies beside it, so that the two follow each other.
                let Some(id) = name_of(&path).or_else(|| name_of(&path.with_extension(""))) else { continue };
                if last.replace(id) == Some(id) {
                    continue;
                }
                let believed = layer.record_named(kind, &id.to_string())?;
                listing.records.extend(believed.map(|(record, _)| (kind, record)));
            }
        }
        Ok(listing)
    }

    /// Whether content of this name and length is here or in a lower cache. It is not looked at.
    pub fn holds(&self, id: &Sha256Id, size: u64) -> bool {
        let is_it = |path: &Path| path.symlink_metadata().is_ok_and(|m| m.is_file() && m.len() == size);
        self.layers().any(|layer| is_it(&layer.layout.blob(id)))
    }
}

fn trusted_aliases(layer: &Layer) -> Result<HashMap<Sha256Id, [u8; 16]>, Error> {
    let mut md5s = HashMap::new();
    for path in sharded_entries(&layer.layout.aliases())? {
        let Ok(Some(small)) = layer.read_trusted(&path) else { continue };
        let Some((md5, id)) = parse_alias(&small.content) else { continue };
        if belongs(&path, &layer.layout.alias(&md5)) {
            md5s.insert(id, md5);
        }
    }
    Ok(md5s)
}

fn name_of(path: &Path) -> Option<Sha256Id> {
    path.file_name()?.to_str()?.parse().ok()
}
