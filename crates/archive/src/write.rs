//! Packing. Headers are those of plain tar without anything that differs from day to day; content goes through unheld,
//! checked on its way. Level 1 of zstd keeps up with the disk; what doesn't compress (most of what is downloaded is
//! compressed already) is recognised by zstd itself and stored as it is.

use std::io::Write;

use vcache_store::Store;

use crate::{Content, Error, Manifest, Progress};

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const BLOCK: u64 = 512;
/// Two empty blocks end a tar.
pub(crate) const END: u64 = 2 * BLOCK;

const LEVEL: i32 = 1;
/// A fixed number, though zstd's output does not depend on it: one is another format than some.
const WORKERS: u32 = 2;

/// Packs what the manifest lists. Returns the bytes written.
///
/// # Errors
/// [`Error::Store`] names a blob that is corrupt; [`Error::Gone`], [`Error::Write`], [`Error::TooMany`]. Then `out` has got
/// something that is no archive.
pub fn write(
    store: &Store,
    manifest: &Manifest,
    out: &mut (dyn Write + Send),
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, Error> {
    let mut counted = Counted::new(out);
    let mut encoder = compressor(&mut counted)?;
    let length = manifest.length()?;
    header(&mut encoder, MANIFEST, length)?;
    manifest.write(&mut encoder)?;
    pad(&mut encoder, length)?;
    let mut at = Progress { done: 0, total: manifest.bytes() };
    for content in &manifest.content {
        progress(at);
        header(&mut encoder, &member(content), content.size)?;
        let blob = store.peek(&content.sha256)?.filter(|blob| blob.size() == content.size);
        blob.ok_or(Error::Gone { id: content.sha256 })?.write_to(&mut encoder).map_err(
            |error| match error {
                vcache_store::Error::Output { source } => Error::Write(source),
                error => error.into(),
            },
        )?;
        pad(&mut encoder, content.size)?;
        at.done += content.size;
    }
    progress(at);
    encoder.write_all(&[0; END as usize]).map_err(Error::Write)?;
    encoder.finish().and_then(|out| out.flush()).map_err(Error::Write)?;
    Ok(counted.bytes)
}

/// The compression of everything that is written.
pub(crate) fn compressor<W: Write>(out: W) -> Result<zstd::Encoder<'static, W>, Error> {
    let mut encoder = zstd::Encoder::new(out, LEVEL).map_err(Error::Write)?;
    encoder.include_checksum(true).and_then(|()| encoder.multithread(WORKERS)).map_err(Error::Write)?;
    Ok(encoder)
}

/// The name of a content's member.
pub(crate) fn member(content: &Content) -> String {
    format!("cas/{}", content.sha256)
}

/// Bytes that fill the last block.
pub(crate) fn padding(length: u64) -> u64 {
    (BLOCK - length % BLOCK) % BLOCK
}

fn header(out: &mut dyn Write, name: &str, length: u64) -> Result<(), Error> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).map_err(Error::Write)?;
    header.set_size(length);
    header.set_mode(0o444);
    header.set_cksum();
    out.write_all(header.as_bytes()).map_err(Error::Write)
}

fn pad(out: &mut dyn Write, length: u64) -> Result<(), Error> {
    out.write_all(&[0; BLOCK as usize][..padding(length) as usize]).map_err(Error::Write)
}

/// What is written through it, and how much that was.
pub struct Counted<'a> {
    out: &'a mut (dyn Write + Send),
    bytes: u64,
}

impl<'a> Counted<'a> {
    /// Nothing so far.
    pub fn new(out: &'a mut (dyn Write + Send)) -> Self {
        Counted { out, bytes: 0 }
    }

    /// Bytes that were taken.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Write for Counted<'_> {
    fn write(&mut self, piece: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(piece)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()
    }
}
