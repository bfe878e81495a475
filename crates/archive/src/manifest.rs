//! What an archive holds: its first member. JSON, one object:
//!
//! ```json
//! {"vcache_archive": 1,
//!  "content": [{"sha256": "<64 hex>", "size": 3, "md5": "<32 hex>", "origin": "https://…"}],
//!  "records": [{"kind": "web-v1", "record": {…}}],
//!  "calls": ["{…}"]}
//! ```
//!
//! Content is sorted by name, records by kind and key, and nothing is there twice. A record may mean content that is not
//! in the list: whoever takes it in has it already. On its own a manifest marks what was there at some time, and
//! [`Selection`](crate::Selection) leaves that out.

use std::io::{self, BufReader, Read, Write};

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use vcache_store::{Digest, Key, Kind, Record, Sha256Id, public_url};

use crate::Error;

/// The format that is written, and the newest that is read.
const FORMAT: u32 = 1;
/// The most that is read as a manifest: some 130,000 entries.
pub(crate) const LARGEST: u64 = 64 << 20;
/// A record is a small file of the store; its longest parts stay well below what the store reads.
const LONGEST_TEXT: usize = 256 << 10;

/// What an archive holds.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Manifest {
    /// First, so that a newer format is told by its number and not by what is strange in it.
    #[serde(rename = "vcache_archive", deserialize_with = "known_format")]
    format: u32,
    /// Content that is in the archive, by name.
    pub content: Vec<Content>,
    /// What was asked for and which content that means, by kind and key.
    pub records: Vec<Entry>,
    /// What was asked for where it was packed: lines of the store's events, for whoever keeps them for an image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<String>,
}

/// Content in the archive.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Content {
    /// Its name.
    pub sha256: Sha256Id,
    /// Its length in bytes.
    pub size: u64,
    /// By which it may be asked for as well.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "md5_text")]
    pub md5: Option<[u8; 16]>,
    /// The URL under which it first came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
}

/// A record and its family.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// As the folder of its records is named.
    #[serde(serialize_with = "kind_text", deserialize_with = "known_kind")]
    pub kind: Kind,
    /// What the request brought.
    pub record: Record,
}

impl Manifest {
    /// Puts everything into its order.
    pub fn new(mut content: Vec<Content>, mut records: Vec<Entry>) -> Manifest {
        content.sort_by_key(|content| content.sha256);
        records.sort_by(|a, b| a.place().cmp(&b.place()));
        Manifest { format: FORMAT, content, records, calls: Vec::new() }
    }

    /// Bytes of content.
    pub fn bytes(&self) -> u64 {
        self.content.iter().map(|content| content.size).sum()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.content.is_empty() && self.records.is_empty() && self.calls.is_empty()
    }

    /// The content of this name.
    pub fn find(&self, id: &Sha256Id) -> Option<&Content> {
        self.content.binary_search_by_key(id, |content| content.sha256).ok().map(|at| &self.content[at])
    }

    /// The record of this kind and key.
    pub(crate) fn record(&self, kind: Kind, key: &str) -> Option<&Record> {
        let found = self.records.binary_search_by(|entry| entry.place().cmp(&(kind.bucket(), key)));
        found.ok().map(|at| &self.records[at].record)
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write(&self, out: &mut dyn Write) -> Result<(), Error> {
        serde_json::to_writer(&mut *out, self).map_err(|e| Error::Write(e.into()))
    }

    /// Its length as JSON; an error where that is more than is read.
    pub(crate) fn length(&self) -> Result<u64, Error> {
        let mut counter = Counter(0);
        self.write(&mut counter)?;
        match counter.0 {
            bytes if bytes > LARGEST => Err(Error::TooMany { bytes, limit: LARGEST }),
            bytes => Ok(bytes),
        }
    }

    /// Reads JSON to its end, and checks it.
    ///
    /// # Errors
    /// [`Error::Manifest`], [`Error::Read`].
    pub(crate) fn read(input: &mut dyn Read) -> Result<Manifest, Error> {
        let limited = BufReader::with_capacity(64 << 10, input.take(LARGEST));
        let manifest: Manifest = serde_json::from_reader(limited).map_err(|e| match e.io_error_kind() {
            Some(_) => Error::Read(e.into()),
            None => Error::Manifest(e.to_string()),
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Manifest(what));
        if let Some(pair) = self.content.windows(2).find(|pair| pair[0].sha256 >= pair[1].sha256) {
            return refuse(format!("content {} is there twice or not in its order", pair[1].sha256));
        }
        if let Some(pair) = self.records.windows(2).find(|pair| pair[0].place() >= pair[1].place()) {
            return refuse(format!("`{}` is there twice or not in its order", pair[1].record.key));
        }
        let sum = self.content.iter().try_fold(0_u64, |sum, content| sum.checked_add(content.size));
        if sum.is_none_or(|sum| sum > i64::MAX as u64) {
            return refuse("more bytes than any disk has".to_owned());
        }
        for Entry { record, .. } in &self.records {
            let url = record.url();
            if url.is_empty() || record.key.len() > LONGEST_TEXT || record.origin.len() > LONGEST_TEXT {
                return refuse("a record without a key, or with one that is too long".to_owned());
            }
            if public_url(url) != url {
                return refuse(format!("the key of `{}` holds a secret", public_url(url)));
            }
            if self.find(&record.sha256).is_some_and(|content| content.size != record.size) {
                return refuse(format!("`{url}` and its content differ in length"));
            }
        }
        Ok(())
    }
}

impl Entry {
    /// The key in the index.
    pub fn key(&self) -> Key {
        Key::of_text(self.kind, &self.record.key)
    }

    fn place(&self) -> (&str, &str) {
        (self.kind.bucket(), &self.record.key)
    }
}

fn known_format<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match u32::deserialize(deserializer)? {
        FORMAT => Ok(FORMAT),
        other => Err(serde::de::Error::custom(format!(
            "it has format {other}, and this vcache reads format {FORMAT}"
        ))),
    }
}

fn kind_text<S: Serializer>(kind: &Kind, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.bucket())
}

fn known_kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
    let name = String::deserialize(deserializer)?;
    Kind::of_bucket(&name)
        .ok_or_else(|| serde::de::Error::custom(format!("records of the unknown kind `{name}`")))
}

mod md5_text {
    use super::{Deserialize, Deserializer, Digest, Serializer};

    pub(super) fn serialize<S: Serializer>(md5: &Option<[u8; 16]>, serializer: S) -> Result<S::Ok, S::Error> {
        match md5 {
            Some(md5) => serializer.collect_str(&Digest::Md5(*md5)),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<[u8; 16]>, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
        match text.parse::<Digest>().map_err(serde::de::Error::custom)? {
            Digest::Md5(md5) => Ok(Some(md5)),
            Digest::Sha256(_) => Err(serde::de::Error::custom("a sha256 where an md5 was expected")),
        }
    }
}

struct Counter(u64);

impl Write for Counter {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.0 += piece.len() as u64;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
