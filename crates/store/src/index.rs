//! The index: from a [`Key`] to what was last fetched for it. A record is one small JSON file that is replaced as a
//! whole; unknown fields are tolerated, so that a later program may add some.
//!
//! A record is only believed from a trusted owner, and only under the key it names. Where another user's record is in the
//! way, our own goes beside it; of two that are believed the one fetched later counts. A record may outlive its blob (someone
//! deleted it by hand): then [`Store::find`] says `None`, and that is a miss.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::{Key, Kind};
use crate::layer::{Layer, Small, sharded_entries, touch, unix_now};
use crate::layout::beside;
use crate::open::Keeping;
use crate::secrets::public_url;
use crate::{Error, Sha256Id, Store};

/// What a request brought last time.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// The key's text; it decides, not the file name.
    pub key: String,
    /// The content.
    pub sha256: Sha256Id,
    /// Its length in bytes.
    pub size: u64,
    /// The file name that the server suggested, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What the server said about the content's age.
    #[serde(default, skip_serializing_if = "Mtime::is_unknown")]
    pub mtime: Mtime,
    /// How many redirects led to it; `None` if that was not seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirects: Option<u32>,
    /// The `Content-Type` as sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// The URL it came from, without secrets.
    pub origin: String,
    /// When, in seconds since 1970.
    pub fetched: u64,
}

impl Record {
    /// What is known of content that has just come: what a server says of it besides is left open.
    pub fn new(key: &Key, sha256: Sha256Id, size: u64, mtime: Mtime, origin: &str) -> Self {
        Self {
            key: key.text().to_owned(),
            sha256,
            size,
            name: None,
            mtime,
            redirects: None,
            content_type: None,
            origin: origin.to_owned(),
            fetched: unix_now(),
        }
    }

    /// What was asked for: the first line of its key.
    pub fn url(&self) -> &str {
        self.key.lines().next().unwrap_or_default()
    }
}

/// The `Last-Modified` of a response. In JSON: field absent, `null`, or seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mtime {
    /// The headers were not seen.
    #[default]
    Unknown,
    /// The headers were seen, and there was none (or none that made sense).
    None,
    /// Seconds since 1970.
    At(u64),
}

impl Mtime {
    fn is_unknown(&self) -> bool {
        *self == Self::Unknown
    }
}

impl Serialize for Mtime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unknown | Self::None => serializer.serialize_none(),
            Self::At(seconds) => serializer.serialize_some(seconds),
        }
    }
}

impl<'de> Deserialize<'de> for Mtime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::None, Self::At))
    }
}

impl Store {
    /// The record of a key: from the own cache, else from the lower ones, else from a trusted tier (and then kept in the own one
    /// as well, where that can be written). `None` when there is none, or none that is to be believed.
    ///
    /// # Errors
    /// [`Error::Io`] when the own record is there and cannot be read.
    pub fn lookup(&self, key: &Key) -> Result<Option<Record>, Error> {
        Ok(self.lookup_here(key)?.or_else(|| self.record_in_tiers(key, None)))
    }

    /// The record of a key if it names this content, which a pin has confirmed: from any tier then, trusted or not.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn lookup_of(&self, key: &Key, content: Sha256Id) -> Result<Option<Record>, Error> {
        let here = self.lookup_here(key)?.filter(|record| record.sha256 == content);
        Ok(here.or_else(|| self.record_in_tiers(key, Some(content))))
    }

    /// As [`Self::lookup`], without a look into tiers.
    ///
    /// # Errors
    /// As [`Self::lookup`].
    pub fn lookup_here(&self, key: &Key) -> Result<Option<Record>, Error> {
        if let Some((record, small)) = self.own.record(key)? {
            touch(&small.file, &small.metadata);
            return Ok(Some(record));
        }
        for layer in self.lower() {
            if let Ok(Some((record, _))) = layer.record(key) {
                if self.keeping == Keeping::Here {
                    let _ = self.put_record(key, &record);
                }
                return Ok(Some(record));
            }
        }
        Ok(None)
    }

    /// The records that lower caches and trusted tiers have of a key, in the order in which they are asked, each asked when its turn comes;
    /// for whoever finds that the one of [`Self::lookup`] does not do. Nothing is kept here.
    pub fn lookup_beyond(&self, key: &Key) -> impl Iterator<Item = Record> + use<'_> {
        let of_layer = key.clone();
        let lower = self.lower().iter().filter_map(move |layer| layer.record(&of_layer).ok().flatten());
        lower.map(|(record, _)| record).chain(self.records_of_tiers(key.clone()))
    }

    /// Makes this the record of the key, at once and as a whole. The key's text is set from `key`, and the origin is
    /// freed of secrets, whatever the record says. Where things are kept here it then waits for the tiers; where they are
    /// kept in tiers it is put there.
    ///
    /// # Errors
    /// [`Error::Io`]; the former record, if any, then still stands. [`Error::Tier`] where things are kept in tiers.
    pub fn publish(&self, key: &Key, record: &Record) -> Result<(), Error> {
        let record =
            Record { key: key.text().to_owned(), origin: public_url(&record.origin), ..record.clone() };
        if self.keeping == Keeping::Tiers {
            for tier in self.written_tiers() {
                tier.put_record(key, &record)
                    .map_err(|source| Error::Tier { tier: tier.name().to_owned(), source })?;
            }
            return Ok(());
        }
        self.put_record(key, &record)?;
        self.put_into_outbox(key)
    }

    pub(crate) fn put_record(&self, key: &Key, record: &Record) -> Result<(), Error> {
        let text = serde_json::to_string(record).expect("a struct of plain fields is JSON");
        self.own.put_shared(&self.own.layout.record(key.kind(), &key.name()), text.as_bytes())
    }

    /// The record whose key has this name (64 hex digits), of whatever kind: how a peer asks, who sends no text.
    ///
    /// # Errors
    /// [`Error::Io`] when it is there and cannot be read.
    pub fn lookup_named(&self, name: &str) -> Result<Option<(Kind, Record)>, Error> {
        // What is no name is no path of ours either.
        if name.parse::<Sha256Id>().is_err() {
            return Ok(None);
        }
        for layer in self.layers() {
            for kind in Kind::ALL {
                if let Some((record, small)) = layer.record_named(kind, name)? {
                    if layer.own {
                        touch(&small.file, &small.metadata);
                    }
                    return Ok(Some((kind, record)));
                }
            }
        }
        Ok(None)
    }

    /// All records of the own cache with their files, whoever wrote them, in no order that means anything.
    pub fn records(&self) -> impl Iterator<Item = (PathBuf, Result<Record, Error>)> + '_ {
        Kind::ALL.into_iter().flat_map(|kind| self.records_of(kind))
    }

    /// As [`Self::records`], of one kind.
    pub fn records_of(&self, kind: Kind) -> impl Iterator<Item = (PathBuf, Result<Record, Error>)> + '_ {
        let bucket = self.own.layout.index(kind);
        let (paths, failure) = match sharded_entries(&bucket) {
            Ok(paths) => (paths, None),
            Err(error) => (Vec::new(), Some((bucket, Err(error)))),
        };
        let record = |path: PathBuf| {
            let record = self.own.parse_record(&path).transpose()?;
            Some((path, record))
        };
        paths.into_iter().filter_map(record).chain(failure)
    }

    /// Takes a record out, unless its file has another one by now; whether it is out.
    pub fn take_out(&self, path: &Path, record: &Record) -> bool {
        let is_same =
            self.own.parse_record(path).is_ok_and(|now| now.is_some_and(|now| now.sha256 == record.sha256));
        is_same && std::fs::remove_file(path).is_ok()
    }
}

impl Layer {
    /// The later of the shared record and our own one beside it.
    fn record(&self, key: &Key) -> Result<Option<(Record, Small)>, Error> {
        self.record_named(key.kind(), &key.name())
    }

    pub(crate) fn record_named(&self, kind: Kind, name: &str) -> Result<Option<(Record, Small)>, Error> {
        let path = self.layout.record(kind, name);
        let shared = self.record_at(&path, kind, name)?;
        let ours = self.record_at(&beside(&path, self.uid()), kind, name)?;
        Ok([shared, ours].into_iter().flatten().max_by_key(|(record, _)| record.fetched))
    }

    fn record_at(&self, path: &Path, kind: Kind, name: &str) -> Result<Option<(Record, Small)>, Error> {
        let Some(small) = self.read_trusted(path)? else { return Ok(None) };
        let record = serde_json::from_slice::<Record>(&small.content).ok();
        let is_it = |record: &Record| Key::of_text(kind, &record.key).name() == name;
        Ok(record.filter(is_it).map(|record| (record, small)))
    }

    /// Any record file; `None` when it has just gone.
    pub(crate) fn parse_record(&self, path: &Path) -> Result<Option<Record>, Error> {
        let Some(small) = self.read(path)? else { return Ok(None) };
        let parsed = serde_json::from_slice(&small.content);
        parsed.map(Some).map_err(|e| Error::io("understand", path)(e.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(mtime: Mtime) -> Record {
        Record {
            key: "k".into(),
            sha256: Sha256Id::of(b""),
            size: 0,
            name: None,
            mtime,
            redirects: None,
            content_type: None,
            origin: "https://h/a".into(),
            fetched: 7,
        }
    }

    #[test]
    fn the_three_states_of_mtime_survive() {
        let rows = [
            (Mtime::Unknown, None),
            (Mtime::None, Some("\"mtime\":null")),
            (Mtime::At(5), Some("\"mtime\":5")),
        ];
        for (mtime, expected) in rows {
            let text = serde_json::to_string(&record(mtime)).unwrap();
            match expected {
                Some(part) => assert!(text.contains(part), "{text}"),
                None => assert!(!text.contains("mtime"), "{text}"),
            }
            assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record(mtime));
        }
    }

    #[test]
    fn fields_of_the_future_are_tolerated() {
        let text = serde_json::to_string(&record(Mtime::None)).unwrap().replacen('{', "{\"new\":[1],", 1);
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record(Mtime::None));
    }
}
