//! What is to be exported. Each restriction that is set must hold; with none set it is everything that the own cache has.

use std::collections::{HashMap, HashSet};

use vcache_store::{Digest, Key, Kind, Listed, Record, Sha256Id, Store};

use crate::{Content, Entry, Error, Manifest};

/// Restrictions; all that are set must hold.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Not what this has: what was there before, or what an earlier archive holds.
    pub without: Option<Manifest>,
    /// Stored or fetched at this time or later, in seconds since 1970.
    pub since: Option<u64>,
    /// Only what was asked for by requests of these kinds; empty: any.
    pub kinds: Vec<Kind>,
    /// Only content that these pins (URL and digest) name.
    pub pins: Option<Vec<(String, Digest)>>,
    /// Only what was asked for under these URLs, freed of secrets.
    pub urls: Option<HashSet<String>>,
}

impl Selection {
    /// Lists what is meant. Nothing counts as used by it, save pinned content whose md5 has to be computed.
    ///
    /// # Errors
    /// [`Error::Store`] when the cache cannot be walked.
    pub fn of(&self, store: &Store) -> Result<Manifest, Error> {
        let listing = store.listing()?;
        let blobs: HashMap<Sha256Id, &Listed> = listing.blobs.iter().map(|blob| (blob.id, blob)).collect();
        let pinned = self.pins.as_deref().map(|pins| pinned(store, &listing.blobs, pins)).transpose()?;
        let is_pinned = |id: &Sha256Id| pinned.as_ref().is_none_or(|pinned| pinned.contains(id));

        let mut records = Vec::new();
        // Content that a record leads to which was asked for as wanted, and the last time that it was fetched.
        let mut asked: HashMap<Sha256Id, u64> = HashMap::new();
        for (kind, record) in listing.records {
            // A record that leads nowhere is of no use to anyone.
            let Some(blob) = blobs.get(&record.sha256).filter(|blob| blob.size == record.size) else {
                continue;
            };
            if !self.is_asked(kind, &record) || !is_pinned(&blob.id) {
                continue;
            }
            let last = asked.entry(blob.id).or_default();
            *last = record.fetched.max(*last);
            let known = self.without.as_ref().and_then(|without| without.record(kind, &record.key));
            if known != Some(&record) && self.is_recent(blob.stored.max(record.fetched)) {
                records.push(Entry { kind, record });
            }
        }
        let only_asked = !self.kinds.is_empty() || self.urls.is_some();
        let wanted = |blob: &&Listed| {
            let fetched = asked.get(&blob.id);
            is_pinned(&blob.id)
                && (!only_asked || fetched.is_some())
                && self.is_recent(blob.stored.max(fetched.copied().unwrap_or(0)))
                && self.without.as_ref().is_none_or(|without| without.find(&blob.id).is_none())
        };
        let content = listing.blobs.iter().filter(wanted).map(Content::of).collect();
        Ok(Manifest::new(content, records))
    }

    fn is_asked(&self, kind: Kind, record: &Record) -> bool {
        let url = record.url();
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.urls.as_ref().is_none_or(|urls| urls.contains(url))
    }

    fn is_recent(&self, time: u64) -> bool {
        self.since.is_none_or(|since| time >= since)
    }
}

impl Content {
    fn of(blob: &Listed) -> Content {
        Content { sha256: blob.id, size: blob.size, md5: blob.md5, origin: blob.origin.clone() }
    }
}

/// The blobs that pins name. An md5 that nobody has asked for yet is computed, of what its URL means.
fn pinned(store: &Store, blobs: &[Listed], pins: &[(String, Digest)]) -> Result<HashSet<Sha256Id>, Error> {
    let md5s: HashMap<[u8; 16], Sha256Id> =
        blobs.iter().filter_map(|blob| Some((blob.md5?, blob.id))).collect();
    let mut pinned = HashSet::new();
    for (url, digest) in pins {
        let known = match digest {
            Digest::Sha256(id) => Some(*id),
            Digest::Md5(md5) => md5s.get(md5).copied(),
        };
        let found = match known {
            Some(id) => Some(id),
            None => match store.lookup(&Key::web(url, ""))? {
                Some(record) => store.find_or(digest, record.sha256)?.map(|blob| blob.id()),
                None => None,
            },
        };
        pinned.extend(found);
    }
    Ok(pinned)
}
