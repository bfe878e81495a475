//! Second tiers: what lies behind the cache directories, on another machine or a shared file system. The store knows them as a
//! [`Tier`], and nothing of how they are reached.
//!
//! - Looked into last. What they have is promoted into the own cache where that is written to ([`Keeping::Here`]); else it is
//!   passed on as it arrives, and checked in the same pass as any other blob.
//! - Nothing that comes from a tier is believed: content is compared with its digest. A record says which content a URL has,
//!   so that of an unpinned request is believed only from a tier that the configuration trusts.
//! - What is kept here goes to the tiers later, by way of the outbox; what is kept in tiers alone ([`Keeping::Tiers`]) at once.
//! - Trouble with a tier is a miss, and is told by [`Store::tier_troubles`].

use std::fmt::Debug;
use std::io::{self, Read};
use std::sync::{Arc, PoisonError};

use sha2::{Digest as _, Sha256};

use crate::blob::Blob;
use crate::key::{Key, Kind};
use crate::open::Keeping;
use crate::{Digest, Error, Record, Sha256Id, Store};

/// Content on its way from a tier. Not checked yet.
pub struct Incoming {
    /// Its length in bytes, as the tier says.
    pub size: u64,
    /// Its BLAKE3, from a tier that is trusted.
    pub blake3: Option<[u8; 32]>,
    /// The bytes.
    pub content: Box<dyn Read + Send>,
}

/// Why a tier did not do what was asked; its own words.
pub type TierError = Box<dyn std::error::Error + Send + Sync>;

/// A second tier. Absence is `Ok(None)`; an error is trouble that the user may want to know of. A tier that has given up
/// after trouble answers that it has nothing.
pub trait Tier: Debug + Send + Sync {
    /// Its address without secrets, for messages and statistics.
    fn name(&self) -> &str;

    /// Whether its records are believed where no pin confirms them.
    fn is_trusted(&self) -> bool;

    /// Whether anything is to be put there.
    fn is_written(&self) -> bool;

    /// What it has as the record whose key has this name (64 hex digits), and its kind.
    ///
    /// # Errors
    /// The tier could not be asked, or its answer makes no sense.
    fn record_named(&self, name: &str) -> Result<Option<(Kind, Record)>, TierError>;

    /// The record of a key; its text is the key's.
    ///
    /// # Errors
    /// As [`Self::record_named`].
    fn record(&self, key: &Key) -> Result<Option<Record>, TierError> {
        let found = self.record_named(&key.name())?;
        Ok(found.filter(|(kind, record)| is_of(key, *kind, record)).map(|(_, record)| record))
    }

    /// The content that it says an md5 means.
    ///
    /// # Errors
    /// As [`Self::record`].
    fn alias(&self, md5: &[u8; 16]) -> Result<Option<Sha256Id>, TierError>;

    /// Content, to be read once.
    ///
    /// # Errors
    /// As [`Self::record`].
    fn content(&self, id: &Sha256Id) -> Result<Option<Incoming>, TierError>;

    /// Whether it has the content.
    ///
    /// # Errors
    /// As [`Self::record`].
    fn has_content(&self, id: &Sha256Id) -> Result<bool, TierError>;

    /// Puts content there.
    ///
    /// # Errors
    /// It could not be put, or the tier found that the bytes are not what their name says.
    fn put_content(&self, blob: &Blob) -> Result<(), TierError>;

    /// Says which content an md5 means.
    ///
    /// # Errors
    /// It could not be put.
    fn put_alias(&self, md5: &[u8; 16], id: &Sha256Id, size: u64) -> Result<(), TierError>;

    /// Puts a record there, whose content is there already.
    ///
    /// # Errors
    /// It could not be put.
    fn put_record(&self, key: &Key, record: &Record) -> Result<(), TierError>;

    /// Tells the tier what happened, where it keeps such things.
    fn event(&self, line: &str);

    /// What it gave under this name was something else: it is to be put there anew when it is known.
    fn blame(&self, id: &Sha256Id);
}

fn is_of(key: &Key, kind: Kind, record: &Record) -> bool {
    kind == key.kind() && record.key == key.text()
}

impl Store {
    /// The tiers behind the cache directories, in the order in which they are asked.
    pub fn tiers(&self) -> &[Arc<dyn Tier>] {
        &self.tiers
    }

    /// Trouble with tiers since this was last asked, to be said.
    pub fn tier_troubles(&self) -> Vec<Error> {
        std::mem::take(&mut self.troubles.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn written_tiers(&self) -> impl Iterator<Item = &Arc<dyn Tier>> {
        self.tiers.iter().filter(|tier| tier.is_written())
    }

    /// The value, or nothing and a note of the trouble.
    fn of_tier<T>(&self, tier: &dyn Tier, result: Result<Option<T>, TierError>) -> Option<T> {
        result.unwrap_or_else(|source| {
            self.note_trouble(tier, source);
            None
        })
    }

    pub(crate) fn note_trouble(&self, tier: &dyn Tier, source: TierError) {
        let error = Error::Tier { tier: tier.name().to_owned(), source };
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(error);
    }

    /// The record that a tier has of a key, kept here as well where that is done. `content`: only one that names this.
    pub(crate) fn record_in_tiers(&self, key: &Key, content: Option<Sha256Id>) -> Option<Record> {
        let believed = |record: &Record| content.is_none_or(|id| record.sha256 == id);
        let tiers = self.tiers.iter().filter(|tier| content.is_some() || tier.is_trusted());
        let record = tiers.filter_map(|tier| self.of_tier(tier.as_ref(), tier.record(key))).find(believed)?;
        if self.keeping == Keeping::Here {
            let _ = self.put_record(key, &record);
        }
        Some(record)
    }

    /// What each tier has whose records are believed.
    pub(crate) fn records_of_tiers(&self, key: Key) -> impl Iterator<Item = Record> + use<'_> {
        let tiers = self.tiers.iter().filter(|tier| tier.is_trusted());
        tiers.filter_map(move |tier| self.of_tier(tier.as_ref(), tier.record(&key)))
    }

    /// The record whose key has this name, as a tier has it whose records are believed: how a peer asks, who sends no text. It is kept here
    /// as well where that is done.
    pub fn lookup_named_in_tiers(&self, name: &str) -> Option<(Kind, Record)> {
        let tiers = self.tiers.iter().filter(|tier| tier.is_trusted());
        let found = tiers.filter_map(|tier| self.of_tier(tier.as_ref(), tier.record_named(name)));
        let key = |(kind, record): &(Kind, Record)| Key::of_text(*kind, &record.key);
        let found = found.into_iter().find(|found| key(found).name() == name)?;
        if self.keeping == Keeping::Here {
            let _ = self.put_record(&key(&found), &found.1);
        }
        Some(found)
    }

    /// Content that the pin of a request for `key` means, where tiers have it under another name than its digest: by what their records
    /// say of the URL. They need no trust, since the content is compared with the pin.
    pub(crate) fn candidate_in_tiers(&self, key: &Key, md5: &[u8; 16]) -> Option<Blob> {
        self.tiers.iter().find_map(|tier| {
            let record = self.of_tier(tier.as_ref(), tier.record(key))?;
            self.content_of(tier, &record.sha256, &Digest::Md5(*md5))
        })
    }

    pub(crate) fn find_in_tiers(&self, digest: &Digest) -> Option<Blob> {
        self.tiers.iter().find_map(|tier| {
            let id = match digest {
                Digest::Sha256(id) => *id,
                Digest::Md5(md5) => self.of_tier(tier.as_ref(), tier.alias(md5))?,
            };
            self.content_of(tier, &id, digest)
        })
    }

    /// The content of this name, if the tier has it and it is what `digest` means.
    fn content_of(&self, tier: &Arc<dyn Tier>, id: &Sha256Id, digest: &Digest) -> Option<Blob> {
        let mut incoming = self.of_tier(tier.as_ref(), tier.content(id))?;
        if self.keeping == Keeping::Here {
            match self.take_in(&mut incoming, id, digest) {
                Ok(blob) => return Some(blob.coming_from(tier.name())),
                Err(Taken::Wrong(source)) => {
                    tier.blame(id);
                    self.note_trouble(tier.as_ref(), source);
                    return None;
                }
                // The cache's own trouble: the content is passed on as it arrives.
                Err(Taken::Not(error)) => {
                    self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    incoming = self.of_tier(tier.as_ref(), tier.content(id))?;
                }
            }
        }
        let blob = Blob::arriving(id, incoming, tier);
        match digest {
            // A tier that is trusted has checked what it says.
            Digest::Md5(md5) if !tier.is_trusted() => match blob.has_md5(md5) {
                Ok(true) => Some(blob),
                Ok(false) => None,
                Err(error) => {
                    self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push(error);
                    None
                }
            },
            _ => Some(blob),
        }
    }

    fn take_in(&self, incoming: &mut Incoming, id: &Sha256Id, digest: &Digest) -> Result<Blob, Taken> {
        let mut writer = self.writer(matches!(digest, Digest::Md5(_))).map_err(Taken::Not)?;
        let mut buffer = vec![0; 256 << 10];
        let mut left = incoming.size;
        loop {
            let count = match incoming.content.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => count,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(Taken::Wrong(e.into())),
            };
            left = left.checked_sub(count as u64).ok_or_else(|| too_long(incoming.size))?;
            io::Write::write_all(&mut writer, &buffer[..count])
                .map_err(|source| Taken::Not(Error::io("write to", &self.own.layout.tmp())(source)))?;
        }
        let ingested = writer.seal().map_err(Taken::Not)?;
        if ingested.id != *id || ingested.matches(digest) == Some(false) {
            return Err(Taken::Wrong(format!("what it has as {id} is {}", ingested.id).into()));
        }
        ingested.publish("").map_err(Taken::Not)
    }
}

/// What a tier holds under the name of some content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Held {
    /// Nothing.
    Absent,
    /// The content.
    Sound,
    /// Something else.
    Wrong,
}

/// Fetches content from a tier and compares it with its name. Nothing is kept.
///
/// # Errors
/// The tier could not be asked, or broke off.
pub fn check(tier: &dyn Tier, id: &Sha256Id) -> Result<Held, TierError> {
    let Some(mut incoming) = tier.content(id)? else { return Ok(Held::Absent) };
    let (mut sha256, mut buffer) = (Sha256::new(), vec![0; 256 << 10]);
    loop {
        match incoming.content.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => sha256.update(&buffer[..count]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
    }
    let found = Sha256Id::from_bytes(sha256.finalize().into());
    Ok(if found == *id { Held::Sound } else { Held::Wrong })
}

/// Why content was not taken in.
enum Taken {
    /// It is not what it has to be, or broke off.
    Wrong(TierError),
    /// It could not be kept here.
    Not(Error),
}

fn too_long(size: u64) -> Taken {
    Taken::Wrong(format!("it sent more than the {size} bytes that it announced").into())
}
