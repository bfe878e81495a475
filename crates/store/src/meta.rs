//! What is known of a blob besides its name: size, blake3, where it came from. A trusted meta file lets a copy be
//! checked by blake3, which is a few times faster than sha256; without one the check is by sha256, no less safe.
//!
//! Aliases, too, live here: the md5 of SONiC's version files to the blob it means.
//!
//! It is noted here, too, what was derived from which content by a program that ran here: whether an index need be checked.
//!
//! A lost meta file costs speed, a lost alias a look at the blob that the URL's record names, or a download.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::layer::{Layer, unix_now};
use crate::layout::beside;
use crate::secrets::public_url;
use crate::{Error, Sha256Id, Store};

#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Meta {
    pub(crate) sha256: Sha256Id,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex_hash")]
    pub(crate) blake3: Option<[u8; 32]>,
    /// The md5 by which it was wanted, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "hex_hash")]
    pub(crate) md5: Option<[u8; 16]>,
    /// The content that it was derived from, here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) derived_from: Option<Sha256Id>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    #[serde(default)]
    pub(crate) stored: u64,
}

impl Meta {
    /// What was measured.
    pub(crate) fn new(sha256: Sha256Id, size: u64, blake3: [u8; 32], md5: Option<[u8; 16]>) -> Self {
        Self { size: Some(size), blake3: Some(blake3), md5, ..Self::unmeasured(sha256) }
    }

    fn unmeasured(sha256: Sha256Id) -> Self {
        Self { sha256, size: None, blake3: None, md5: None, derived_from: None, origin: None, stored: 0 }
    }
}

/// An alias as it was found.
pub(crate) struct Alias {
    pub(crate) id: Sha256Id,
    /// Otherwise the md5 itself must be checked before the content is believed to be what was asked for.
    pub(crate) trusted: bool,
}

impl Layer {
    /// The meta file of a trusted owner, if there is one that makes sense: the shared one, else our own.
    pub(crate) fn meta(&self, id: &Sha256Id) -> Option<Meta> {
        let path = self.layout.meta(id);
        self.meta_at(&path, id).or_else(|| self.meta_at(&beside(&path, self.uid()), id))
    }

    pub(crate) fn meta_at(&self, path: &Path, id: &Sha256Id) -> Option<Meta> {
        let small = self.read_trusted(path).ok()??;
        serde_json::from_slice::<Meta>(&small.content).ok().filter(|meta| meta.sha256 == *id)
    }

    /// Stores what was measured, keeping the first origin that was noted.
    pub(crate) fn put_meta(&self, measured: &Meta, origin: &str) -> Result<(), Error> {
        let old = self.meta(&measured.sha256);
        let first = old.as_ref().and_then(|old| old.origin.clone());
        let origin = first.or_else(|| (!origin.is_empty()).then(|| public_url(origin)));
        let stored = old.as_ref().map(|old| old.stored).or(self.stored_at).unwrap_or_else(unix_now);
        let md5 = measured.md5.or(old.as_ref().and_then(|old| old.md5));
        let derived_from = old.as_ref().and_then(|old| old.derived_from);
        let new = Meta { origin, stored, md5, derived_from, ..measured.clone() };
        if old.as_ref() == Some(&new) { Ok(()) } else { self.write_meta(&new) }
    }

    fn write_meta(&self, meta: &Meta) -> Result<(), Error> {
        let text = serde_json::to_string(meta).expect("a struct of plain fields is JSON");
        self.put_shared(&self.layout.meta(&meta.sha256), text.as_bytes())
    }

    /// What an md5 means. One that is trusted comes before one that is not.
    pub(crate) fn alias(&self, md5: &[u8; 16]) -> Result<Option<Alias>, Error> {
        let path = self.layout.alias(md5);
        let read = |path: &Path| -> Result<Option<Alias>, Error> {
            let Some(small) = self.read(path)? else { return Ok(None) };
            let trusted = self.trusts(small.metadata.uid());
            Ok(parse_alias(&small.content)
                .filter(|(found, _)| found == md5)
                .map(|(_, id)| Alias { id, trusted }))
        };
        match read(&path)? {
            Some(alias) if alias.trusted => Ok(Some(alias)),
            other => Ok(read(&beside(&path, self.uid()))?.filter(|ours| ours.trusted).or(other)),
        }
    }

    /// Stores what an md5 means, unless someone we trust has said so.
    pub(crate) fn put_alias(&self, md5: &[u8; 16], id: &Sha256Id) -> Result<(), Error> {
        if let Ok(Some(old)) = self.alias(md5)
            && old.trusted
            && old.id == *id
        {
            return Ok(());
        }
        let text = format!("{} {id}\n", hex::encode(md5));
        self.put_shared(&self.layout.alias(md5), text.as_bytes())
    }
}

/// The two columns of an alias file.
pub(crate) fn parse_alias(content: &[u8]) -> Option<([u8; 16], Sha256Id)> {
    let (md5, id) = std::str::from_utf8(content).ok()?.trim_end().split_once(' ')?;
    let mut bytes = [0; 16];
    hex::decode_to_slice(md5, &mut bytes).ok()?;
    Some((bytes, id.parse().ok()?))
}

impl Store {
    /// Notes that content was derived from other content by a program that ran here. It is kept in a meta file, so believed only of trusted owners;
    /// neither archives nor tiers carry it, and lower caches are not asked.
    ///
    /// # Errors
    /// [`Error::Io`]: it can't be noted.
    pub fn note_derived(&self, id: &Sha256Id, from: &Sha256Id) -> Result<(), Error> {
        let known = self.own.meta(id);
        let unmeasured = || Meta { stored: unix_now(), ..Meta::unmeasured(*id) };
        self.own.write_meta(&Meta { derived_from: Some(*from), ..known.unwrap_or_else(unmeasured) })
    }

    /// Whether it was noted that content was derived from this.
    pub fn is_derived(&self, id: &Sha256Id, from: &Sha256Id) -> bool {
        self.own.meta(id).is_some_and(|meta| meta.derived_from == Some(*from))
    }

    /// The md5 by which a blob was wanted, as far as that is known.
    pub fn md5_of(&self, id: Sha256Id) -> Option<[u8; 16]> {
        self.layers().find_map(|layer| layer.meta(&id)?.md5)
    }

    /// The URL under which a blob first came in, without its secrets.
    pub fn origin(&self, id: Sha256Id) -> Option<String> {
        self.layers().find_map(|layer| layer.meta(&id)?.origin)
    }
}

mod hex_hash {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer, const N: usize>(
        hash: &Option<[u8; N]>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match hash {
            Some(hash) => serializer.serialize_some(&hex::encode(hash)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>, const N: usize>(
        deserializer: D,
    ) -> Result<Option<[u8; N]>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        let mut hash = [0; N];
        hex::decode_to_slice(text, &mut hash).map_err(serde::de::Error::custom)?;
        Ok(Some(hash))
    }
}
