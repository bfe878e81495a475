//! A file into the store: copied and hashed in one pass, by threads when it is large. Where the file system can share
//! data (reflink) nothing is copied at all, and the pass only hashes. Where things are kept in tiers it only hashes, too.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::open::Keeping;
use crate::pump::{FromStart, Stage, hashing, pump};
use crate::writer::{Ingested, Place};
use crate::{Error, Sha256Id, Store};

impl Store {
    /// Takes in the content of an open regular file, from its start, whatever the position of the handle (which stays
    /// where it is). Large files take as long as the slowest of reading with sha256, md5 (if wanted), and writing with
    /// blake3.
    ///
    /// # Errors
    /// [`Error::Input`]: the file cannot be read. [`Error::Io`]: the cache cannot be written to.
    pub fn ingest(&self, source: &mut File, want_md5: bool) -> Result<Ingested, Error> {
        self.ingest_from(source, want_md5)
    }

    pub(crate) fn ingest_from(&self, source: &File, want_md5: bool) -> Result<Ingested, Error> {
        let size = source.metadata().map_err(|source| Error::Input { source })?.len();
        if self.keeping == Keeping::Tiers {
            return self.measure(source, size, want_md5);
        }
        let mut tmp = self.own.temporary()?;
        self.own.sweep_tmp_hourly();
        // Hashing then reads the clone: the source may change under us, the clone does not.
        let cloned = size > 0 && rustix::fs::ioctl_ficlone(tmp.as_file(), source).is_ok();
        let clone = if cloned { Some(tmp.reopen().map_err(Error::io("open", tmp.path()))?) } else { None };

        let path = tmp.path().to_owned();
        let (mut sha256, mut blake3, mut md5) =
            (Sha256::new(), blake3::Hasher::new(), want_md5.then(Md5::new));
        let mut first = |piece: &[u8]| {
            sha256.update(piece);
            Ok(())
        };
        let mut second = |piece: &[u8]| {
            if !cloned {
                tmp.as_file_mut().write_all(piece).map_err(Error::io("write", &path))?;
            }
            blake3.update(piece);
            Ok(())
        };
        let mut third = |piece: &[u8]| {
            if let Some(md5) = &mut md5 {
                md5.update(piece);
            }
            Ok(())
        };
        let all: &mut [Stage<'_>] = &mut [&mut first, &mut second, &mut third];
        let stages = if want_md5 { &mut all[..] } else { &mut all[..2] };
        let read = pump(
            &mut FromStart::of(clone.as_ref().unwrap_or(source)),
            size,
            &|source| Error::Input { source },
            stages,
        )?;
        Ok(Ingested {
            id: Sha256Id::from_bytes(sha256.finalize().into()),
            md5: md5.map(|md5| md5.finalize().into()),
            size: read,
            blake3: *blake3.finalize().as_bytes(),
            place: Place::Cache { layer: Arc::clone(&self.own), tmp },
        })
    }

    /// What goes to tiers is sent from where it lies; they check it once more.
    fn measure(&self, source: &File, size: u64, want_md5: bool) -> Result<Ingested, Error> {
        let file = source.try_clone().map_err(|source| Error::Input { source })?;
        let (mut sha256, mut blake3, mut md5) = (Sha256::new(), blake3::Hasher::new(), Md5::new());
        let failed = |source| Error::Input { source };
        let mut from = FromStart::of(source);
        let mut blake3_too = |piece: &[u8]| {
            blake3.update(piece);
            Ok(())
        };
        let read = match want_md5 {
            true => {
                let stages: &mut [Stage<'_>] =
                    &mut [&mut hashing(&mut sha256), &mut blake3_too, &mut hashing(&mut md5)];
                pump(&mut from, size, &failed, stages)?
            }
            false => pump(&mut from, size, &failed, &mut [&mut hashing(&mut sha256), &mut blake3_too])?,
        };
        Ok(Ingested {
            id: Sha256Id::from_bytes(sha256.finalize().into()),
            md5: want_md5.then(|| md5.finalize().into()),
            size: read,
            blake3: *blake3.finalize().as_bytes(),
            place: Place::Elsewhere { file, tiers: self.written_tiers().cloned().collect() },
        })
    }
}
