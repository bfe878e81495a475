//! Holes of files: found, noted in front of the data, and read again. The map is decimal numbers, each with a line end: how
//! many extents, then offset and length of each; zeros fill the last block of 512 bytes.

use std::io::{self, Read};
use std::os::fd::BorrowedFd;

use rustix::fs::SeekFrom;
use rustix::io::Errno;

use crate::Error;
use crate::format::{BLOCK, padding};

/// More than a file has on any file system that is used for trees.
const MOST_EXTENTS: u64 = 1 << 24;

/// Data between holes, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

/// Where a file of `size` bytes has data. One whose file system tells of no holes has one extent.
pub(crate) fn extents(file: BorrowedFd<'_>, size: u64) -> io::Result<Vec<Extent>> {
    let mut extents = Vec::new();
    let mut at = 0;
    while at < size {
        let offset = match rustix::fs::seek(file, SeekFrom::Data(at)) {
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL) => return Ok(vec![Extent { offset: 0, length: size }]),
            found => found?,
        };
        at = rustix::fs::seek(file, SeekFrom::Hole(offset))?.min(size);
        if at <= offset {
            break;
        }
        extents.push(Extent { offset, length: at - offset });
    }
    Ok(extents)
}

/// The map in blocks.
pub(crate) fn encode(extents: &[Extent], size: u64) -> Vec<u8> {
    // As GNU tar does: an empty extent marks the end of a file that ends in a hole.
    let end = Extent { offset: size, length: 0 };
    let ends_in_data = extents.last().is_some_and(|last| last.offset + last.length == size);
    let all: Vec<_> = extents.iter().chain((!ends_in_data).then_some(&end)).collect();
    let mut text = format!("{}\n", all.len());
    for extent in all {
        text += &format!("{}\n{}\n", extent.offset, extent.length);
    }
    let mut bytes = text.into_bytes();
    bytes.extend(padding(bytes.len() as u64));
    bytes
}

/// Reads a map from the start of a member's data. The extents that are not empty are in order and within `size` bytes.
pub(crate) fn read(data: &mut dyn Read, size: u64) -> Result<Vec<Extent>, Error> {
    let refused = || Error::malformed("the map of a file with holes is none");
    let mut numbers = Numbers { data, block: Vec::new(), at: 0 };
    let count = numbers.next()?.filter(|&count| count <= MOST_EXTENTS).ok_or_else(refused)?;
    let mut extents = Vec::new();
    let mut end = 0;
    for _ in 0..count {
        let (offset, length) = (numbers.next()?.ok_or_else(refused)?, numbers.next()?.ok_or_else(refused)?);
        let after = offset.checked_add(length).filter(|&after| offset >= end && after <= size);
        end = after.ok_or_else(refused)?;
        if length > 0 {
            extents.push(Extent { offset, length });
        }
    }
    Ok(extents)
}

struct Numbers<'a> {
    data: &'a mut dyn Read,
    block: Vec<u8>,
    at: usize,
}

impl Numbers<'_> {
    fn next(&mut self) -> Result<Option<u64>, Error> {
        let mut digits = String::new();
        loop {
            if self.at == self.block.len() {
                self.block.resize(BLOCK as usize, 0);
                self.data.read_exact(&mut self.block).map_err(Error::unreadable)?;
                self.at = 0;
            }
            let byte = self.block[self.at];
            self.at += 1;
            match byte {
                b'\n' => return Ok(digits.parse().ok()),
                b'0'..=b'9' if digits.len() < 20 => digits.push(byte.into()),
                _ => return Ok(None),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(of: &[(u64, u64)]) -> Vec<Extent> {
        of.iter().map(|&(offset, length)| Extent { offset, length }).collect()
    }

    #[test]
    fn maps_survive() {
        for extents in [map(&[]), map(&[(0, 10)]), map(&[(10, 1), (11, 1)]), map(&[(0, 1), (4096, 100)])] {
            for size in [4196, 1 << 40] {
                let bytes = encode(&extents, size);
                assert_eq!(bytes.len() % 512, 0);
                assert_eq!(read(&mut bytes.as_slice(), size).unwrap(), extents);
            }
        }
        let many: Vec<_> = (0..10_000).map(|at| Extent { offset: at * 8192, length: 4096 }).collect();
        assert_eq!(read(&mut encode(&many, 1 << 30).as_slice(), 1 << 30).unwrap(), many);
    }

    #[test]
    fn what_is_no_map_is_refused() {
        let overlapping = encode(&map(&[(0, 10), (5, 1)]), 100);
        let backwards = encode(&map(&[(50, 10), (5, 1)]), 100);
        let beyond = encode(&map(&[(0, 101)]), 200);
        let mut rows = vec![overlapping, backwards, beyond, b"1\n0\n10\n".to_vec()];
        for text in [
            "x\n",
            "\n",
            "-1\n",
            "1\n0\n99999999999999999999999\n",
            "1\n18446744073709551615\n2\n",
            "99999999999\n",
        ] {
            let mut bytes = text.as_bytes().to_vec();
            bytes.resize(512, 0);
            rows.push(bytes);
        }
        for bytes in rows {
            assert!(read(&mut bytes.as_slice(), 100).is_err(), "{:?}", String::from_utf8_lossy(&bytes));
        }
    }
}
