//! Gathering: chunks go into one nameless file as they come, and where each of them lies is remembered. So nothing that
//! a log declares decides how much is held; what is held grows with the log itself, some 40 bytes for a chunk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufRead, ErrorKind, Read};
use std::os::unix::fs::FileExt;

use vcache_store::Sha256Id;

use super::line::{Found, Parcel, find};
use crate::Error;

/// A line's end is looked for in this many bytes; of a longer one the last bytes count.
const LONGEST_LINE: usize = 64 << 10;

/// All that a log holds.
pub(super) struct Gathered {
    pub(super) parcels: BTreeMap<String, Chunks>,
    spool: File,
    end: u64,
}

/// What has arrived of a parcel.
#[derive(Default)]
pub(super) struct Chunks {
    pub(super) parcel: Option<Parcel>,
    arrived: BTreeMap<u32, Place>,
    damaged: BTreeSet<u32>,
    /// Two parcels with one id, or a chunk with two contents: nothing of it can be believed.
    pub(super) contradicted: bool,
}

#[derive(Clone, Copy)]
struct Place {
    offset: u64,
    length: u16,
}

impl Gathered {
    /// Reads a log to its end.
    pub(super) fn read(log: &mut dyn BufRead, spool: File) -> Result<Gathered, Error> {
        let mut gathered = Gathered { parcels: BTreeMap::new(), spool, end: 0 };
        let mut line = Vec::new();
        loop {
            let piece = match log.fill_buf() {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                other => other.map_err(Error::Read)?,
            };
            if piece.is_empty() {
                gathered.line(&line)?;
                return Ok(gathered);
            }
            // A progress bar ends its lines by a carriage return.
            let end = piece.iter().position(|&b| b == b'\n' || b == b'\r');
            line.extend_from_slice(&piece[..end.unwrap_or(piece.len())]);
            let used = end.map_or(piece.len(), |end| end + 1);
            log.consume(used);
            if end.is_some() {
                gathered.line(&line)?;
                line.clear();
            } else if line.len() > LONGEST_LINE {
                line.drain(..line.len() - LONGEST_LINE / 2);
            }
        }
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        match find(&String::from_utf8_lossy(line)) {
            None => {}
            Some(Found::Parcel(parcel)) => {
                let chunks = self.parcels.entry(parcel.id()).or_default();
                chunks.contradicted |= chunks.parcel.as_ref().is_some_and(|known| *known != parcel);
                chunks.parcel.get_or_insert(parcel);
            }
            Some(Found::Damaged { id, number }) => {
                self.parcels.entry(id).or_default().damaged.insert(number);
            }
            Some(Found::Chunk { id, number, bytes }) => {
                let chunks = self.parcels.entry(id).or_default();
                if let Some(&place) = chunks.arrived.get(&number) {
                    let mut known = vec![0; usize::from(place.length)];
                    self.spool.read_exact_at(&mut known, place.offset).map_err(Error::Spool)?;
                    chunks.contradicted |= known != bytes;
                    return Ok(());
                }
                let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
                self.spool.write_all_at(&bytes, self.end).map_err(Error::Spool)?;
                chunks.arrived.insert(number, Place { offset: self.end, length });
                self.end += bytes.len() as u64;
            }
        }
        Ok(())
    }

    /// The bytes of a parcel of which every chunk is there.
    pub(super) fn open<'a>(&'a self, chunks: &'a Chunks) -> impl Read + Send + 'a {
        let places = chunks.arrived.values().copied();
        Joined { spool: &self.spool, places, place: Place { offset: 0, length: 0 } }
    }
}

impl Chunks {
    /// Which chunks are not there, as `3-5, 9`; nothing where all are. Without a parcel's VCSTART or VCEND it is not known
    /// how many there should be.
    pub(super) fn missing(&self) -> Option<String> {
        let chunks = self.parcel.as_ref()?.chunks();
        let mut gaps = Vec::new();
        let mut next = 0;
        for at in
            self.arrived.keys().map(|&number| u64::from(number)).filter(|&at| at < chunks).chain([chunks])
        {
            match at - next {
                0 => {}
                1 => gaps.push(next.to_string()),
                _ => gaps.push(format!("{next}-{}", at - 1)),
            }
            next = at + 1;
        }
        (!gaps.is_empty()).then(|| gaps.join(", "))
    }

    /// Which of those that are not there came damaged.
    pub(super) fn damaged(&self) -> Vec<u32> {
        self.damaged.iter().filter(|number| !self.arrived.contains_key(number)).copied().collect()
    }

    pub(super) fn count(&self) -> usize {
        self.arrived.len()
    }

    /// Whether the bytes are those that were announced.
    pub(super) fn is_whole(&self, bytes: &mut dyn Read) -> Result<bool, Error> {
        use sha2::{Digest, Sha256};
        let mut sha256 = Sha256::new();
        let mut buffer = vec![0; 64 << 10];
        loop {
            match bytes.read(&mut buffer).map_err(Error::Spool)? {
                0 => break,
                count => sha256.update(&buffer[..count]),
            }
        }
        let found = Sha256Id::from_bytes(sha256.finalize().into());
        Ok(self.parcel.as_ref().is_some_and(|parcel| parcel.sha256 == found))
    }
}

struct Joined<'a, I> {
    spool: &'a File,
    places: I,
    place: Place,
}

impl<I: Iterator<Item = Place>> Read for Joined<'_, I> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.place.length == 0 {
            let Some(place) = self.places.next() else { return Ok(0) };
            self.place = place;
        }
        let count = buffer.len().min(usize::from(self.place.length));
        self.spool.read_exact_at(&mut buffer[..count], self.place.offset)?;
        self.place.offset += count as u64;
        self.place.length -= count as u16;
        Ok(count)
    }
}
