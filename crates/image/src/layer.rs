//! One layer: a tar, of which some entries go. What stays is copied byte for byte, with the extended headers before it, so that
//! nothing about it can change; a layer of which nothing goes keeps its digest.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use sha2::{Digest, Sha256};
use tar::{Archive, Entry, EntryType};

use crate::Error;

/// How what gzip and zstd have compressed begins (RFC 1952, RFC 8878).
pub(crate) const GZIP: [u8; 2] = [0x1f, 0x8b];
pub(crate) const ZSTD: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BLOCK: u64 = 512;
/// Two empty blocks end a tar.
const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];
/// How the deletion of a name in a lower layer is written down (OCI image specification, layer.md, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";

/// A layer in a file, uncompressed, and what of it stays.
#[derive(Debug)]
pub(crate) struct Layer {
    file: File,
    kept: Vec<Range<u64>>,
    /// Bytes of the entries that go.
    pub(crate) dropped: u64,
    /// The digest of all of it, as an image's configuration has it.
    pub(crate) diff_id: String,
}

impl Layer {
    /// Reads a layer, whatever it is compressed with, into a temporary file, and finds out what of it goes: every
    /// folder of the name `folder` with all in it.
    pub(crate) fn read(input: &mut dyn Read, first: &[u8], folder: &str) -> Result<Layer, Error> {
        let mut file = tempfile::tempfile().map_err(Error::Spool)?;
        let whole = first.chain(input);
        let copied = match first {
            first if first.starts_with(&GZIP) => spool(flate2::read::MultiGzDecoder::new(whole), &mut file),
            first if first.starts_with(&ZSTD) => {
                spool(zstd::Decoder::new(whole).map_err(Error::Read)?, &mut file)
            }
            _ => spool(whole, &mut file),
        };
        let (length, diff_id) = copied?;
        file.rewind().map_err(Error::Spool)?;
        let (kept, dropped) = sort_out(&file, length, folder.as_bytes())?;
        Ok(Layer { file, kept, dropped, diff_id })
    }

    /// The length of what stays.
    pub(crate) fn length(&self) -> u64 {
        let kept: u64 = self.kept.iter().map(|range| range.end - range.start).sum();
        if self.dropped > 0 { kept + END.len() as u64 } else { kept }
    }

    /// What stays, to be read once.
    pub(crate) fn reader(self) -> Reader {
        let end = if self.dropped > 0 { END.len() } else { 0 };
        // Of what stays whole the digest is known.
        let digest = (self.dropped > 0).then(Sha256::new);
        Reader { file: self.file, kept: self.kept.into_iter(), left: 0, end, digest, diff_id: self.diff_id }
    }
}

/// What stays of a layer, and its digest.
pub(crate) struct Reader {
    file: File,
    kept: std::vec::IntoIter<Range<u64>>,
    /// Bytes that are left of the present range, at the file's position.
    left: u64,
    /// Bytes that are left of the end of the tar.
    end: usize,
    /// Of what was read so far.
    digest: Option<Sha256>,
    diff_id: String,
}

impl Reader {
    /// The digest as an image's configuration has it, once all is read.
    pub(crate) fn diff_id(self) -> String {
        self.digest.map_or(self.diff_id, named)
    }

    fn note(&mut self, piece: &[u8]) {
        if let Some(digest) = &mut self.digest {
            digest.update(piece);
        }
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.left == 0 {
            let Some(range) = self.kept.next() else {
                let count = self.end.min(buffer.len());
                buffer[..count].fill(0);
                self.end -= count;
                self.note(&buffer[..count]);
                return Ok(count);
            };
            self.file.seek(SeekFrom::Start(range.start))?;
            self.left = range.end - range.start;
        }
        let count = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let count = self.file.read(&mut buffer[..count])?;
        if count == 0 && !buffer.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.left -= count as u64;
        self.note(&buffer[..count]);
        Ok(count)
    }
}

fn named(digest: Sha256) -> String {
    format!("sha256:{}", hex::encode(digest.finalize()))
}

/// Copies, and gives length and digest: what can't be read is the image's fault, what can't be written that of the folder for temporary files.
fn spool(mut from: impl Read, to: &mut File) -> Result<(u64, String), Error> {
    let mut piece = vec![0; 256 << 10];
    let (mut length, mut digest) = (0, Sha256::new());
    loop {
        let count = match from.read(&mut piece) {
            Ok(0) => return Ok((length, named(digest))),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(Error::Read(e)),
        };
        to.write_all(&piece[..count]).map_err(Error::Spool)?;
        digest.update(&piece[..count]);
        length += count as u64;
    }
}

/// The ranges that stay, neighbours as one, and how many bytes go.
fn sort_out(file: &File, length: u64, folder: &[u8]) -> Result<(Vec<Range<u64>>, u64), Error> {
    let mut kept: Vec<Range<u64>> = Vec::new();
    let (mut at, mut dropped) = (0, 0);
    let mut archive = Archive::new(BufReader::with_capacity(64 << 10, file));
    for entry in archive.entries_with_seek().map_err(Error::Read)? {
        let entry = entry.map_err(Error::Read)?;
        if entry.header().entry_type() == EntryType::GNUSparse {
            return Err(Error::Unsupported("a sparse file in a layer"));
        }
        let end = entry.raw_file_position() + entry.size().next_multiple_of(BLOCK);
        if end > length {
            return Err(Error::Read(io::ErrorKind::UnexpectedEof.into()));
        }
        if goes(&entry, folder) {
            dropped += end - at;
        } else {
            is_whole_without(&entry, folder)?;
            match kept.last_mut() {
                Some(last) if last.end == at => last.end = end,
                _ => kept.push(at..end),
            }
        }
        at = end;
    }
    if dropped == 0 {
        return Ok((std::iter::once(0..length).collect(), 0));
    }
    Ok((kept, dropped))
}

/// A hard link to a file that goes would have no content any more.
fn is_whole_without<R: Read>(entry: &Entry<'_, R>, folder: &[u8]) -> Result<(), Error> {
    let leads_there = entry.header().entry_type() == EntryType::Link
        && entry.link_name_bytes().is_some_and(|target| is_in(&target, folder));
    if leads_there { Err(Error::Unsupported("a hard link to a file of the cache")) } else { Ok(()) }
}

/// Such a folder, its deletion, or what lies in one; another thing of that name stays.
fn goes<R: Read>(entry: &Entry<'_, R>, folder: &[u8]) -> bool {
    let path = entry.path_bytes();
    let name = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    let is_one = entry.header().entry_type().is_dir() && name == folder;
    is_one || name.strip_prefix(WHITEOUT) == Some(folder) || is_in(&path, folder)
}

fn is_in(path: &[u8], folder: &[u8]) -> bool {
    path.split(|&byte| byte == b'/').rev().skip(1).any(|name| name == folder)
}

/// Puts what stays into an archive, under the name that the layer had there. Gives the layer's digest.
pub(crate) fn append(
    out: &mut tar::Builder<&mut dyn Write>,
    name: &str,
    layer: Layer,
) -> Result<String, Error> {
    let mut header = tar::Header::new_gnu();
    header.set_size(layer.length());
    header.set_mode(0o644);
    let mut reader = layer.reader();
    out.append_data(&mut header, name, &mut reader).map_err(Error::Write)?;
    Ok(reader.diff_id())
}
