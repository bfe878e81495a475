//! Saving: the tree goes straight through zstd into a blob; there is no second copy on disk. The record is published when
//! the blob stands.

use std::io::{self, BufWriter, Write};
use std::num::NonZero;
use std::path::Path;

use vcache_store::{BlobWriter, Key, Mtime, Record, Store};

use crate::format::END;
use crate::walk::Walk;
use crate::{Error, Saved, Source};

/// Levels above cost more time than the bytes they save take to be read again.
const LEVEL: i32 = 3;
/// Headers are gathered up to this.
const GATHERED: usize = 128 << 10;

/// What packed members go through.
pub(crate) type Packer = BufWriter<zstd::Encoder<'static, BlobWriter>>;

/// Saves the sources as one artifact, and makes it what the key means. Uses all cores. What changes while it is read is an
/// error: nothing is published then.
///
/// # Errors
/// [`Error::Name`], [`Error::Input`], [`Error::Changed`]; [`Error::Write`] and [`Error::Store`]: the cache's fault.
pub fn save(store: &Store, key: &Key, sources: &[Source<'_>]) -> Result<Saved, Error> {
    crate::check_names(sources.iter().map(|source| source.name))?;
    let writer = store.writer(false)?;
    let path = writer.path().to_owned();
    let mut packer = packer(writer).map_err(writing(&path))?;
    let mut walk = Walk::new(&mut packer, &path);
    for source in sources {
        walk.output(source)?;
    }
    let (entries, bytes, left_out) = walk.end();
    packer.write_all(&END).map_err(writing(&path))?;
    let encoder = packer.into_inner().map_err(|e| writing(&path)(e.into_error()))?;
    let writer = encoder.finish().map_err(writing(&path))?;
    let origin = key.text().lines().next().unwrap_or_default();
    let blob = writer.seal()?.publish(origin)?;
    let record = Record::new(key, blob.id(), blob.size(), Mtime::Unknown, origin);
    store.publish(key, &record)?;
    Ok(Saved { id: blob.id(), size: blob.size(), entries, bytes, left_out })
}

/// For `map_err`: the blob in the making could not be written.
pub(crate) fn writing(path: &Path) -> impl Fn(io::Error) -> Error {
    move |source| Error::Write { path: path.to_owned(), source }
}

fn packer(writer: BlobWriter) -> io::Result<Packer> {
    let mut encoder = zstd::Encoder::new(writer, LEVEL)?;
    // The output is the same for any number but none.
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    encoder.multithread(u32::try_from(cores).unwrap_or(1))?;
    Ok(BufWriter::with_capacity(GATHERED, encoder))
}
