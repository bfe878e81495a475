//! Content on its way out: to a file, to a stream, or as the missing rest of a file. Always checked against the
//! blob's claim in the same pass (a file) or before the first byte goes out (a stream).
//!
//! A file gets the data shared (reflink) where the file system can, else a copy; never a hard link, since a build may
//! write to what it has downloaded. Sharing is only done with a blob of a trusted owner: another one could show
//! different bytes to the check than to the clone.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;

use crate::Error;
use crate::blob::Blob;

/// Streams up to this size are held in memory between check and output.
const HELD: u64 = 1 << 20;

impl Blob {
    /// Writes the content to a regular file, from its current position, and checks it in the same pass; the position
    /// is then at the end of what was written. On any error the file is cut off at the position it had.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Output`] (the destination), [`Error::Io`] (the blob cannot be read).
    pub fn copy_to(&self, dest: &mut File) -> Result<(), Error> {
        self.copy_from(0, dest)
    }

    /// As [`Self::copy_to`], without the first `offset` bytes: the rest of a file that was begun. All of the content is
    /// checked, the first bytes too.
    ///
    /// # Errors
    /// As [`Self::copy_to`].
    pub fn copy_from(&self, offset: u64, dest: &mut File) -> Result<(), Error> {
        let start = dest.stream_position().map_err(output)?;
        if offset == 0 && start == 0 && self.reflink(dest) {
            let checked =
                self.verify().and_then(|()| dest.seek(SeekFrom::Start(self.size())).map_err(output));
            return checked.map(|_| ()).inspect_err(|_| cut_back(dest, start));
        }
        let mut skip = offset;
        let mut write = |piece: &[u8]| {
            let skipped = skip.min(piece.len() as u64);
            skip -= skipped;
            dest.write_all(&piece[skipped as usize..]).map_err(output)
        };
        self.pass(Some(&mut write)).inspect_err(|_| cut_back(dest, start))
    }

    fn reflink(&self, dest: &File) -> bool {
        self.size() > 0
            && self.owner_trusted
            && dest.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
            && self.file().is_some_and(|file| rustix::fs::ioctl_ficlone(dest, file).is_ok())
    }

    /// Writes the content to a stream, which gets nothing at all if the content is corrupt. Up to 1 MiB is held in
    /// memory; more is read twice, and if it comes from a tier or another user could change it between, from a private copy.
    ///
    /// # Errors
    /// [`Error::Corrupt`], [`Error::Output`], [`Error::Io`].
    pub fn stream_to(&self, out: &mut dyn Write) -> Result<(), Error> {
        if self.size() <= HELD {
            let mut held = Vec::with_capacity(self.size() as usize);
            self.pass(Some(&mut |piece| {
                held.extend_from_slice(piece);
                Ok(())
            }))?;
            return out.write_all(&held).and_then(|()| out.flush()).map_err(output);
        }
        if let Some(file) = self.file().filter(|_| self.owner_trusted) {
            self.verify()?;
            return self.send(file, out);
        }
        let failed = |e| Error::io("make a private copy of", self.path())(e);
        let in_cache = || tempfile::tempfile_in(&self.tmp);
        let copy = if self.file().is_none() {
            tempfile::tempfile()
        } else {
            in_cache().or_else(|_| tempfile::tempfile())
        };
        let mut copy = copy.map_err(failed)?;
        self.copy_to(&mut copy)?;
        self.send(&copy, out)
    }

    /// The second pass of a stream.
    fn send(&self, checked: &File, out: &mut dyn Write) -> Result<(), Error> {
        let mut buffer = vec![0; 256 << 10];
        let mut offset = 0;
        while offset < self.size() {
            let count = (self.size() - offset).min(buffer.len() as u64) as usize;
            checked.read_exact_at(&mut buffer[..count], offset).map_err(Error::io("read", self.path()))?;
            out.write_all(&buffer[..count]).map_err(output)?;
            offset += count as u64;
        }
        out.flush().map_err(output)
    }

    /// Whether the first `len` bytes of a local file are the first of the content. The content is not checked here.
    /// The local handle's position stays where it is.
    ///
    /// # Errors
    /// [`Error::Input`] (the local file), [`Error::Io`] (the blob).
    pub fn prefix_matches(&self, local: &mut File, len: u64) -> Result<bool, Error> {
        if len > self.size() {
            return Ok(false);
        }
        let (mut ours, mut theirs) = (vec![0; 128 << 10], vec![0; 128 << 10]);
        let mut source = self.reader().map_err(Error::io("read", self.path()))?;
        let mut offset = 0;
        while offset < len {
            let count = (len - offset).min(ours.len() as u64) as usize;
            source.read_exact(&mut ours[..count]).map_err(Error::io("read", self.path()))?;
            match local.read_exact_at(&mut theirs[..count], offset) {
                Err(e) if e.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(false),
                other => other.map_err(|source| Error::Input { source })?,
            }
            if ours[..count] != theirs[..count] {
                return Ok(false);
            }
            offset += count as u64;
        }
        Ok(true)
    }
}

fn output(source: std::io::Error) -> Error {
    Error::Output { source }
}

/// Best effort: the caller has an error to deal with anyway.
fn cut_back(dest: &mut File, start: u64) {
    let _ = dest.set_len(start);
    let _ = dest.seek(SeekFrom::Start(start));
}
