//! Unpacking, strictly: exactly the members that the manifest lists, in its order, each of its size, of the plainest
//! kind, and after them nothing. So nothing is ever skipped, and no name or size of a stranger's decides anything.
//!
//! A thread decompresses ahead, since hashing and writing are as slow.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tar::EntryType;
use zstd::Decoder;

use crate::write::{BLOCK, END, MANIFEST, member, padding};
use crate::{Content, Error, Manifest, manifest};

/// Decompression may hold this much (2^24 bytes); what we write needs less.
const WINDOW_LOG: u32 = 24;
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const BUFFER: usize = 1 << 20;
const BUFFERS: usize = 4;

/// Who takes what is unpacked.
pub(crate) trait Taker {
    /// Once, before any content.
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), Error>;
    /// In the manifest's order. `input` ends after the size that the manifest says, or earlier.
    fn content(&mut self, content: &Content, input: &mut dyn Read) -> Result<(), Error>;
}

/// Reads a whole archive. Only when this has returned without an error is what was taken known to be all and right.
pub(crate) fn read(input: &mut (dyn Read + Send), taker: &mut dyn Taker) -> Result<Manifest, Error> {
    std::thread::scope(|scope| {
        let (queue, pieces) = sync_channel(BUFFERS);
        scope.spawn(move || decompress(input, &queue));
        let mut ahead = Ahead { pieces, piece: Vec::new(), at: 0, bytes: 0 };
        let (manifest, expected) = members(&mut ahead, taker)?;
        // The tar reader stops at the first empty block. What follows must be the second, and the frame's sound end.
        io::copy(&mut (&mut ahead).take(END + 1), &mut io::sink()).map_err(Error::Read)?;
        if ahead.bytes == expected { Ok(manifest) } else { Err(wrong("something else", "the archive's end")) }
    })
}

/// The manifest of an archive, or a manifest that is a file of its own.
///
/// # Errors
/// It can't be read ([`Error::Read`]), or is none ([`Error::Manifest`], [`Error::Member`]).
pub fn manifest_of(input: &mut dyn Read) -> Result<Manifest, Error> {
    let mut magic = Vec::new();
    input.take(MAGIC.len() as u64).read_to_end(&mut magic).map_err(Error::Read)?;
    let is_archive = magic == MAGIC;
    let mut whole = io::Cursor::new(magic).chain(input);
    if !is_archive {
        return Manifest::read(&mut whole);
    }
    let mut tar = tar::Archive::new(decoder(BufReader::new(whole)).map_err(Error::Read)?);
    Ok(first(&mut tar.entries().map_err(Error::Read)?.raw(true))?.0)
}

/// A manifest that is compressed on its own.
pub(crate) fn compressed_manifest(input: impl io::BufRead) -> Result<Manifest, Error> {
    Manifest::read(&mut decoder(input).map_err(Error::Read)?)
}

/// Reads all members; returns the manifest and the length of the tar, in bytes.
fn members(input: &mut dyn Read, taker: &mut dyn Taker) -> Result<(Manifest, u64), Error> {
    let mut tar = tar::Archive::new(input);
    let mut entries = tar.entries().map_err(Error::Read)?.raw(true);
    let (manifest, mut length) = first(&mut entries)?;
    taker.manifest(&manifest)?;
    for content in &manifest.content {
        let mut entry = next(&mut entries, &member(content), Some(content.size))?;
        taker.content(content, &mut entry)?;
        length += BLOCK + content.size + padding(content.size);
    }
    match entries.next() {
        None => Ok((manifest, length + END)),
        Some(Ok(entry)) => Err(wrong(&describe(&entry), "the archive's end")),
        Some(Err(e)) => Err(Error::Read(e)),
    }
}

/// Reads the manifest; returns the bytes up to its end too.
fn first<R: Read>(entries: &mut tar::Entries<'_, R>) -> Result<(Manifest, u64), Error> {
    let mut entry = next(entries, MANIFEST, None)?;
    let size = entry.size();
    if size > manifest::LARGEST {
        return Err(Error::Manifest(format!("it has {size} bytes, more than {}", manifest::LARGEST)));
    }
    Ok((Manifest::read(&mut entry)?, BLOCK + size + padding(size)))
}

/// The next member, if it is a plain file of this name and size.
fn next<'a, R: Read>(
    entries: &mut tar::Entries<'a, R>,
    name: &str,
    size: Option<u64>,
) -> Result<tar::Entry<'a, R>, Error> {
    let Some(entry) = entries.next() else { return Err(wrong("the end", &format!("`{name}`"))) };
    let entry = entry.map_err(Error::Read)?;
    let is_it = entry.header().entry_type() == EntryType::Regular && *entry.path_bytes() == *name.as_bytes();
    if !is_it || size.is_some_and(|size| size != entry.size()) {
        let size = size.map(|size| format!(" of {size} bytes")).unwrap_or_default();
        return Err(wrong(&describe(&entry), &format!("a plain file `{name}`{size}")));
    }
    Ok(entry)
}

/// A stranger's name, in a form that does a terminal no harm.
fn describe<R: Read>(entry: &tar::Entry<'_, R>) -> String {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let kind = match entry.header().entry_type() {
        EntryType::Regular => "a plain file",
        EntryType::Symlink => "a symbolic link",
        EntryType::Link => "a hard link",
        EntryType::Directory => "a folder",
        EntryType::Char | EntryType::Block => "a device",
        _ => "a member of a strange kind",
    };
    format!("{kind} {name:?} of {} bytes", entry.size())
}

fn wrong(found: &str, expected: &str) -> Error {
    Error::Member { found: found.to_owned(), expected: expected.to_owned() }
}

fn decoder<R: io::BufRead>(input: R) -> io::Result<Decoder<'static, R>> {
    let mut decoder = Decoder::with_buffer(input)?.single_frame();
    decoder.window_log_max(WINDOW_LOG)?;
    Ok(decoder)
}

/// Sends pieces, then an empty one or an error. Nobody listens any more: that is the end as well.
fn decompress(input: &mut (dyn Read + Send), queue: &SyncSender<io::Result<Vec<u8>>>) {
    let outcome = (|| {
        let mut input = BufReader::with_capacity(BUFFER, input);
        let begin = input.fill_buf()?;
        if !begin.starts_with(&MAGIC[..begin.len().min(MAGIC.len())]) {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it is no archive of vcache (a build log is one of chunks: --log)",
            ));
        }
        let mut decoder = decoder(input)?;
        loop {
            let mut piece = Vec::with_capacity(BUFFER);
            (&mut decoder).take(BUFFER as u64).read_to_end(&mut piece)?;
            let is_last = piece.is_empty();
            if is_last && !decoder.get_mut().fill_buf()?.is_empty() {
                return Err(io::Error::new(ErrorKind::InvalidData, "something follows the archive"));
            }
            if queue.send(Ok(piece)).is_err() || is_last {
                return Ok(());
            }
        }
    })();
    if let Err(error) = outcome {
        let _ = queue.send(Err(error));
    }
}

/// What was decompressed ahead.
struct Ahead {
    pieces: Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
    /// Handed on so far.
    bytes: u64,
}

impl Read for Ahead {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            // After its last word the thread is silent.
            self.piece = self.pieces.recv().unwrap_or_else(|_| Ok(Vec::new()))?;
            self.at = 0;
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        self.bytes += count as u64;
        Ok(count)
    }
}
