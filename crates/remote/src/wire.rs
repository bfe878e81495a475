//! What a tier holds, byte for byte.
//!
//! - `/cas/<64 hex>`: content, named by its SHA-256.
//! - `/ac/<64 hex>`, the name of a [`Key`]: its record.
//! - `/ac/<md5><32 zeros>`: which content an md5 means. No key has such a name, save by an accident of 128 bits.
//!
//! Both kinds of `/ac/` entry are `ActionResult` messages of the Remote Execution API
//! (github.com/bazelbuild/remote-apis, `remote_execution.proto`), since engines check that: bazel-remote refuses anything else,
//! and keeps content for as long as the entries that name it. `output_files` names the content; of a record `stdout_raw` is
//! JSON: `{"kind": "web-v1", "record": {…}}`.

use prost::Message;
use serde::{Deserialize, Serialize};
use vcache_store::{Key, Kind, Record, Sha256Id};

/// Largest `/ac/` entry that is read or taken: a record holds a URL or two.
pub const LARGEST_ENTRY: u64 = 1 << 20;

/// The header by which a tier that is trusted says the BLAKE3 of content (64 hex digits): it is checked faster than SHA-256.
pub const BLAKE3_HEADER: &str = "x-vcache-blake3";

/// The zeros that make 64 digits of an md5's 32.
const MD5_TAIL: &str = "00000000000000000000000000000000";

#[derive(Clone, PartialEq, Message)]
struct ActionResult {
    #[prost(message, repeated, tag = "2")]
    output_files: Vec<OutputFile>,
    #[prost(bytes = "vec", tag = "5")]
    stdout_raw: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
struct OutputFile {
    #[prost(string, tag = "1")]
    path: String,
    #[prost(message, optional, tag = "2")]
    digest: Option<WireDigest>,
}

#[derive(Clone, PartialEq, Message)]
struct WireDigest {
    #[prost(string, tag = "1")]
    hash: String,
    #[prost(int64, tag = "2")]
    size_bytes: i64,
}

#[derive(Serialize, Deserialize)]
struct Described {
    kind: String,
    record: Record,
}

/// An `/ac/` entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// What a request brought.
    Record(Kind, Record),
    /// The content that an md5 means, and its length in bytes.
    Alias(Sha256Id, u64),
}

/// An entry that is none of ours, or damaged.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// No `ActionResult` message.
    #[error("not an ActionResult message")]
    Message(#[from] prost::DecodeError),
    /// It names no content, or more than one, or not by SHA-256.
    #[error("it does not name one content by its SHA-256 and size")]
    Content,
    /// What describes the content is no record of ours.
    #[error("its stdout_raw is no record of sonic-vcache: {0}")]
    Record(#[from] serde_json::Error),
    /// Written by another version.
    #[error("a record of the unknown kind {0:?}")]
    Kind(String),
    /// The record speaks of another content than the message.
    #[error("record and message name different contents")]
    Contradiction,
}

/// The name under `/ac/` of what an md5 means.
pub fn alias_name(md5: &[u8; 16]) -> String {
    format!("{}{MD5_TAIL}", hex::encode(md5))
}

/// The md5 that a name under `/ac/` stands for; none for the name of a record.
pub fn alias_of(name: &str) -> Option<[u8; 16]> {
    let mut md5 = [0; 16];
    hex::decode_to_slice(name.strip_suffix(MD5_TAIL)?, &mut md5).ok()?;
    Some(md5)
}

impl Entry {
    /// The entry for the record of `key`.
    pub fn record(key: &Key, record: &Record) -> Entry {
        Entry::Record(key.kind(), Record { key: key.text().to_owned(), ..record.clone() })
    }

    /// The content that it names.
    pub fn content(&self) -> Sha256Id {
        match self {
            Entry::Record(_, record) => record.sha256,
            Entry::Alias(id, _) => *id,
        }
    }

    /// The record, if it is one.
    pub fn into_record(self) -> Option<(Kind, Record)> {
        match self {
            Entry::Record(kind, record) => Some((kind, record)),
            Entry::Alias(..) => None,
        }
    }

    /// As it travels.
    pub fn encode(&self) -> Vec<u8> {
        let (path, size, stdout_raw) = match self {
            Entry::Record(kind, record) => {
                let described = Described { kind: kind.bucket().to_owned(), record: record.clone() };
                let json = serde_json::to_vec(&described).expect("a struct of plain fields is JSON");
                ("content", record.size, json)
            }
            Entry::Alias(_, size) => ("content", *size, Vec::new()),
        };
        let digest =
            WireDigest { hash: self.content().to_string(), size_bytes: i64::try_from(size).unwrap_or(0) };
        let file = OutputFile { path: path.to_owned(), digest: Some(digest) };
        ActionResult { output_files: vec![file], stdout_raw }.encode_to_vec()
    }

    /// What travelled. Fields of the message that we do not know are passed over.
    ///
    /// # Errors
    /// [`WireError`]: not ours, or damaged.
    pub fn decode(bytes: &[u8]) -> Result<Entry, WireError> {
        let message = ActionResult::decode(bytes)?;
        let [OutputFile { digest: Some(digest), .. }] = &message.output_files[..] else {
            return Err(WireError::Content);
        };
        let id: Sha256Id = digest.hash.parse().map_err(|_| WireError::Content)?;
        let size = u64::try_from(digest.size_bytes).map_err(|_| WireError::Content)?;
        if message.stdout_raw.is_empty() {
            return Ok(Entry::Alias(id, size));
        }
        let Described { kind, record } = serde_json::from_slice(&message.stdout_raw)?;
        let kind = Kind::of_bucket(&kind).ok_or(WireError::Kind(kind))?;
        if record.sha256 != id || record.size != size {
            return Err(WireError::Contradiction);
        }
        Ok(Entry::Record(kind, record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcache_store::Mtime;

    fn record() -> (Key, Record) {
        let key = Key::web("https://h/a.tgz", "");
        let record = Record {
            key: key.text().to_owned(),
            sha256: Sha256Id::of(b"abc"),
            size: 3,
            name: Some("a.tgz".into()),
            mtime: Mtime::At(7),
            redirects: None,
            content_type: None,
            origin: "https://h/a.tgz".into(),
            fetched: 9,
        };
        (key, record)
    }

    #[test]
    fn entries_survive_a_round_trip() {
        let (key, record) = record();
        for entry in [Entry::record(&key, &record), Entry::Alias(record.sha256, 3)] {
            assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
        }
    }

    #[test]
    fn the_message_is_as_the_remote_execution_api_has_it() {
        // output_files (field 2) { path (1): "content", digest (2) { hash (1), size_bytes (2): 3 } }
        let mut expected = vec![0x12, 9 + 2 + 66 + 2, 0x0a, 7];
        expected.extend(b"content");
        expected.extend([0x12, 66 + 2, 0x0a, 64]);
        expected.extend(Sha256Id::of(b"abc").to_string().bytes());
        expected.extend([0x10, 3]);
        assert_eq!(Entry::Alias(Sha256Id::of(b"abc"), 3).encode(), expected);
    }

    #[test]
    fn what_is_not_ours_is_refused() {
        let (key, record) = record();
        let good = Entry::record(&key, &record).encode();
        assert!(matches!(Entry::decode(b"{}"), Err(WireError::Message(_))));
        assert!(matches!(Entry::decode(b""), Err(WireError::Content)));
        assert!(matches!(Entry::decode(&good[..good.len() - 9]), Err(WireError::Message(_))));
        let other = Record { size: 4, ..record.clone() };
        let mut message = ActionResult::decode(&good[..]).unwrap();
        message.stdout_raw = serde_json::to_vec(&Described { kind: "web-v1".into(), record: other }).unwrap();
        assert!(matches!(Entry::decode(&message.encode_to_vec()), Err(WireError::Contradiction)));
        message.stdout_raw = serde_json::to_vec(&Described { kind: "web-v9".into(), record }).unwrap();
        assert!(
            matches!(Entry::decode(&message.encode_to_vec()), Err(WireError::Kind(kind)) if kind == "web-v9")
        );
        message.stdout_raw = b"{}".to_vec();
        assert!(matches!(Entry::decode(&message.encode_to_vec()), Err(WireError::Record(_))));
    }

    #[test]
    fn an_alias_name_leads_back_to_its_md5() {
        let md5 = [0xab; 16];
        assert_eq!(alias_of(&alias_name(&md5)), Some(md5));
        assert_eq!(alias_name(&md5).len(), 64);
        assert_eq!(alias_of(&Sha256Id::of(b"x").to_string()), None);
        assert_eq!(alias_of("ab"), None);
    }
}
