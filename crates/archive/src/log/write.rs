//! Printing. A parcel is packed before its first line, which says how long it is; a large one waits in a file.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, Write};

use sha2::{Digest, Sha256};
use tempfile::SpooledTempFile;
use vcache_store::{Sha256Id, Store};

use super::CHUNK;
use super::line::{Parcel, What, chunk};
use crate::write::compressor;
use crate::{Content, Entry, Error, Manifest, Progress};

/// What a parcel may hold in memory.
const HELD: usize = 1 << 20;

/// Prints what the manifest lists. Returns the bytes of all lines.
///
/// # Errors
/// As [`crate::write`]; what is printed by then is whole parcels, save for the last.
pub fn write(
    store: &Store,
    manifest: &Manifest,
    out: &mut dyn Write,
    progress: &mut dyn FnMut(Progress),
) -> Result<u64, Error> {
    manifest.length()?;
    let mut printer = Printer { out, printed: 0 };
    let mut list = Packed::new();
    let mut encoder = compressor(&mut list)?;
    manifest.write(&mut encoder)?;
    encoder.finish().map_err(Error::Write)?;
    let mut parcel = list.parcel(What::Manifest, String::new());
    parcel.export = parcel.id();
    let export = parcel.export.clone();
    printer.parcel(&parcel, list)?;

    let mut records: BTreeMap<Sha256Id, Vec<Entry>> = BTreeMap::new();
    for entry in &manifest.records {
        records.entry(entry.record.sha256).or_default().push(entry.clone());
    }
    let mut at = Progress { done: 0, total: manifest.bytes() };
    for content in &manifest.content {
        progress(at);
        let entries = records.remove(&content.sha256).unwrap_or_default();
        printer.archive(store, What::Content(content.sha256), vec![content.clone()], entries, &export)?;
        at.done += content.size;
    }
    let others: Vec<Entry> = records.into_values().flatten().collect();
    if !others.is_empty() {
        printer.archive(store, What::Records, Vec::new(), others, &export)?;
    }
    printer.out.flush().map_err(Error::Write)?;
    Ok(printer.printed)
}

struct Printer<'a> {
    out: &'a mut dyn Write,
    printed: u64,
}

impl Printer<'_> {
    fn archive(
        &mut self,
        store: &Store,
        what: What,
        content: Vec<Content>,
        records: Vec<Entry>,
        export: &str,
    ) -> Result<(), Error> {
        let mut packed = Packed::new();
        crate::write(store, &Manifest::new(content, records), &mut packed, &mut |_| {})?;
        self.parcel(&packed.parcel(what, export.to_owned()), packed)
    }

    fn parcel(&mut self, parcel: &Parcel, packed: Packed) -> Result<(), Error> {
        let mut file = packed.file;
        file.rewind().map_err(Error::Write)?;
        self.line(&parcel.line("VCSTART"))?;
        let id = parcel.id();
        let mut buffer = Vec::with_capacity(CHUNK);
        for number in 0.. {
            buffer.clear();
            (&mut file).take(CHUNK as u64).read_to_end(&mut buffer).map_err(Error::Write)?;
            if buffer.is_empty() {
                break;
            }
            self.line(&chunk(&id, number, &buffer))?;
        }
        self.line(&parcel.line("VCEND"))
    }

    fn line(&mut self, line: &str) -> Result<(), Error> {
        self.printed += line.len() as u64 + 1;
        // In one write, so that lines of others don't come in between.
        self.out.write_all(format!("{line}\n").as_bytes()).map_err(Error::Write)
    }
}

/// A parcel in the making.
struct Packed {
    file: SpooledTempFile,
    sha256: Sha256,
    bytes: u64,
}

impl Packed {
    fn new() -> Packed {
        Packed { file: tempfile::spooled_tempfile(HELD), sha256: Sha256::new(), bytes: 0 }
    }

    fn parcel(&self, what: What, export: String) -> Parcel {
        let sha256 = Sha256Id::from_bytes(self.sha256.clone().finalize().into());
        Parcel { sha256, bytes: self.bytes, what, export }
    }
}

impl Write for Packed {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let count = self.file.write(piece)?;
        self.sha256.update(&piece[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
