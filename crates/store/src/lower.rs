//! Finding content: in the own cache, else in the lower ones, else in the tiers. What a lower one has is promoted: copied into the own
//! cache, checked on the way, if that may and can be written; else served from where it lies.
//!
//! Lower layers are never written to, not even their times, and trouble with them is a miss.

use std::sync::Arc;

use crate::blob::Blob;
use crate::key::Key;
use crate::layer::Layer;
use crate::open::{Keeping, open_layer};
use crate::{Digest, Error, OpenError, Sha256Id, Store};

impl Store {
    /// The content that a digest names, open and in use until the [`Blob`] is dropped. `None` is a miss: it is not
    /// there, someone deleted it, or it was evidently damaged (and has been put aside).
    ///
    /// # Errors
    /// [`Error::Io`] when the own cache cannot be read.
    pub fn find(&self, digest: &Digest) -> Result<Option<Blob>, Error> {
        if let Some(blob) = find_in(&self.own, digest)? {
            return Ok(Some(blob));
        }
        for layer in self.lower() {
            if let Ok(Some(blob)) = find_in(layer, digest)
                && let Some(blob) = self.promote(layer, blob, digest)
            {
                return Ok(Some(blob));
            }
        }
        Ok(self.find_in_tiers(digest))
    }

    /// As [`Self::find`], for a request whose key is known as well: tiers that have no alias of an md5 may have a record of the key.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_for(&self, digest: &Digest, key: &Key) -> Result<Option<Blob>, Error> {
        match (self.find(digest)?, digest) {
            (None, Digest::Md5(md5)) => Ok(self.candidate_in_tiers(key, md5)),
            (found, _) => Ok(found),
        }
    }

    /// As [`Self::find`]; but where nothing says what an md5 means, the blob `candidate` is hashed, and the alias is kept
    /// when it is the one. For content that was stored before anyone wanted its md5, or whose alias was lost.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub fn find_or(&self, digest: &Digest, candidate: Sha256Id) -> Result<Option<Blob>, Error> {
        let found = self.find(digest)?;
        let (None, Digest::Md5(md5)) = (&found, digest) else { return Ok(found) };
        let Some(blob) = self.find(&candidate.into())? else { return Ok(None) };
        if !blob.has_md5(md5)? {
            return Ok(None);
        }
        if self.keeping == Keeping::Here {
            let _ = self.own.put_alias(md5, &candidate);
        }
        Ok(Some(blob))
    }

    /// Lower layers that were configured and cannot be used, and why, to be said once. Opens them if need be.
    pub fn unusable_layers(&self) -> &[OpenError] {
        &self.opened_lower().1
    }

    pub(crate) fn lower(&self) -> &[Layer] {
        &self.opened_lower().0
    }

    pub(crate) fn layers(&self) -> impl Iterator<Item = &Layer> {
        std::iter::once(Arc::as_ref(&self.own)).chain(self.lower())
    }

    fn opened_lower(&self) -> &(Vec<Layer>, Vec<OpenError>) {
        self.lower_layers.get_or_init(|| {
            let (mut usable, mut unusable) = (Vec::new(), Vec::new());
            for dir in &self.lower_dirs {
                match open_layer(dir, &self.trusted_uids, false, true) {
                    Ok(layer) => usable.push(layer),
                    Err(error) => unusable.push(error),
                }
            }
            (usable, unusable)
        })
    }

    /// `None`: what the lower layer has is not what its name says.
    fn promote(&self, layer: &Layer, blob: Blob, digest: &Digest) -> Option<Blob> {
        if self.keeping != Keeping::Here {
            return Some(blob);
        }
        let want_md5 = matches!(digest, Digest::Md5(_));
        let Some(file) = blob.file() else { return Some(blob) };
        let Ok(ingested) = self.ingest_from(file, want_md5) else { return Some(blob) };
        if ingested.id != blob.id() || ingested.matches(digest) == Some(false) {
            return None;
        }
        let origin = layer.meta(&blob.id()).and_then(|meta| meta.origin).unwrap_or_default();
        Some(ingested.publish(&origin).unwrap_or(blob))
    }
}

fn find_in(layer: &Layer, digest: &Digest) -> Result<Option<Blob>, Error> {
    let md5 = match digest {
        Digest::Sha256(id) => return layer.open_blob(id),
        Digest::Md5(md5) => md5,
    };
    let Some(alias) = layer.alias(md5)? else { return Ok(None) };
    let Some(blob) = layer.open_blob(&alias.id)? else { return Ok(None) };
    // Anyone may say which blob an md5 means; only someone we trust is believed without a look.
    if !alias.trusted && !blob.has_md5(md5)? {
        return Ok(None);
    }
    Ok(Some(blob))
}
