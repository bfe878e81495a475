//! What waits for the tiers: one empty file in `outbox/` for each record that was published here and is in no tier yet, by the
//! name of its key. So a build does not wait for a tier, and what a killed process has not sent is sent by the next one.
//!
//! Life: [`Store::publish`] puts a file there; [`Store::send_waiting`] sends content and record and removes it. A record that is published
//! anew meanwhile has a new file, and stays. Everyone sends his own; root sends all.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::key::Key;
use crate::layer::entries;
use crate::sweep::older;
use crate::tier::Tier;
use crate::writer::send;
use crate::{Error, Sha256Id, Store};

/// A record that is in no tier yet.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Waiting {
    /// The name of its key: 64 hex digits.
    pub name: String,
    path: PathBuf,
    inode: u64,
}

impl Store {
    pub(crate) fn put_into_outbox(&self, key: &Key) -> Result<(), Error> {
        if self.written_tiers().next().is_none() {
            return Ok(());
        }
        self.own.put_shared(&self.own.layout.outbox().join(key.name()), b"")
    }

    /// The content of all that waits, whoever put it there, for not more than `stays`; what is older is given up.
    pub(crate) fn waiting_content(&self, stays: Duration) -> HashSet<Sha256Id> {
        let paths = entries(&self.own.layout.outbox()).unwrap_or_default().into_iter();
        let fresh = paths
            .filter(|path| path.symlink_metadata().is_ok_and(|found| !older(found.modified().ok(), stays)));
        let name = |path: PathBuf| Some(path.file_name()?.to_str()?.split('.').next()?.to_owned());
        let record = |name: String| self.lookup_named(&name).ok().flatten();
        fresh.filter_map(name).filter_map(record).map(|(_, record)| record.sha256).collect()
    }

    /// What waits, as far as it is ours to send.
    ///
    /// # Errors
    /// [`Error::Io`]: the outbox cannot be listed.
    pub fn waiting(&self) -> Result<Vec<Waiting>, Error> {
        let me = self.own.uid();
        let ours = |found: &Metadata| found.is_file() && (me == 0 || found.uid() == me);
        let paths = entries(&self.own.layout.outbox())?.into_iter();
        Ok(paths
            .filter_map(|path| {
                let found = path.symlink_metadata().ok().filter(ours)?;
                let name = path.file_name()?.to_str()?.split('.').next()?.to_owned();
                name.parse::<Sha256Id>().ok()?;
                Some(Waiting { name, inode: found.ino(), path })
            })
            .collect())
    }

    /// Sends a record and its content to every tier that is written to. `Ok(bytes)`: it waits no longer; it may also be gone from the cache.
    ///
    /// # Errors
    /// [`Error::Tier`]: a tier did not take it; it goes on waiting. [`Error::Io`]: the cache cannot be read.
    pub fn send_waiting(&self, waiting: &Waiting) -> Result<u64, Error> {
        let mut sent = 0;
        if let Some((kind, record)) = self.lookup_named(&waiting.name)?
            && let Some(blob) = self.own.open_blob(&record.sha256)?
        {
            let (key, md5) = (Key::of_text(kind, &record.key), self.md5_of(record.sha256));
            let put = |tier: &Arc<dyn Tier>| {
                send(tier.as_ref(), &blob, md5.as_ref())
                    .and_then(|()| tier.put_record(&key, &record))
                    .map_err(|source| Error::Tier { tier: tier.name().to_owned(), source })
            };
            // One that fails is no reason to leave the others out.
            let put: Vec<_> = self.written_tiers().map(put).collect();
            put.into_iter().collect::<Result<(), _>>()?;
            sent = blob.size();
        }
        let is_the_same = waiting.path.symlink_metadata().is_ok_and(|now| now.ino() == waiting.inode);
        if is_the_same {
            std::fs::remove_file(&waiting.path).map_err(Error::io("remove", &waiting.path))?;
        }
        Ok(sent)
    }
}
