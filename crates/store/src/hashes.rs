//! The digests of content that is not to be stored, so that it can be compared with a pin where it lies.

use std::fs::File;

use md5::{Digest as _, Md5};
use sha2::Sha256;

use crate::pump::{FromStart, hashing, pump};
use crate::{Error, Sha256Id};

/// What a file's content is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hashes {
    /// Of the whole content.
    pub sha256: Sha256Id,
    /// Where it was asked for.
    pub md5: Option<[u8; 16]>,
    /// In bytes.
    pub size: u64,
}

impl Hashes {
    /// Hashes an open regular file from its start, whatever the position of the handle (which stays where it is).
    ///
    /// # Errors
    /// [`Error::Input`]: the file cannot be read.
    pub fn of(file: &File, want_md5: bool) -> Result<Hashes, Error> {
        let hint = file.metadata().map_err(|source| Error::Input { source })?.len();
        let (mut sha256, mut md5) = (Sha256::new(), Md5::new());
        let failed = |source| Error::Input { source };
        let mut source = FromStart::of(file);
        let size = match want_md5 {
            true => {
                pump(&mut source, hint, &failed, &mut [&mut hashing(&mut sha256), &mut hashing(&mut md5)])?
            }
            false => pump(&mut source, hint, &failed, &mut [&mut hashing(&mut sha256)])?,
        };
        let sha256 = Sha256Id::from_bytes(sha256.finalize().into());
        Ok(Hashes { sha256, md5: want_md5.then(|| md5.finalize().into()), size })
    }
}
