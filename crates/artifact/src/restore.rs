//! Restoring: one pass over the blob, which checks it; decompression and unpacking follow on threads of their own. Names are given when
//! the pass has ended well.

use std::io::Read;

use vcache_store::{Blob, Key, Store};

use crate::staging::Staging;
use crate::stream::{Receiving, Sender, stream};
use crate::unpack::{Counts, Output, unpack};
use crate::{Destination, Error, Restored};

/// What is unpacked at once.
const PIECE: usize = 256 << 10;

/// Puts outputs of the artifact that the key means to their destinations: all of them, or none. `None`: there is no such artifact. Outputs that
/// no destination names are passed over.
///
/// # Errors
/// See [`Error`]; each destination is then as it was.
pub fn restore(
    store: &Store,
    key: &Key,
    destinations: &[Destination<'_>],
) -> Result<Option<Restored>, Error> {
    crate::check_names(destinations.iter().map(|destination| destination.name))?;
    let Some(record) = store.lookup(key)? else { return Ok(None) };
    let Some(blob) = store.find(&record.sha256.into())? else { return Ok(None) };
    let mut outputs = Vec::new();
    for &Destination { name, path } in destinations {
        outputs.push(Output { name, staging: Staging::prepare(path)?, top: None });
    }
    let counts = unpack_all(store, &blob, &mut outputs)?;
    for Output { name, staging, top } in &mut outputs {
        let top = top.as_ref().ok_or_else(|| Error::NoOutput { name: (*name).to_owned() })?;
        staging.commit(top)?;
    }
    outputs.into_iter().for_each(|output| output.staging.finish());
    let Counts { entries, bytes } = counts;
    let tier = blob.tier().map(str::to_owned);
    Ok(Some(Restored { id: blob.id(), size: blob.size(), entries, bytes, tier }))
}

fn unpack_all(store: &Store, blob: &Blob, outputs: &mut [Output<'_>]) -> Result<Counts, Error> {
    let (mut packed, from_blob) = stream();
    let (unpacked, tar) = stream();
    let (checked, counts) = std::thread::scope(|scope| {
        let start = std::thread::Builder::new;
        // Where one can't be started, what it was given is dropped, and the other one ends.
        start().spawn_scoped(scope, || decompress(from_blob, unpacked)).map_err(Error::Thread)?;
        let unpacking = start().spawn_scoped(scope, || unpack(tar, outputs)).map_err(Error::Thread)?;
        let checked = blob.write_to(&mut packed);
        drop(packed);
        let counts = unpacking.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        Ok::<_, Error>((checked, counts))
    })?;
    // Whatever the unpacking has met: content that is not what it claims to be is to blame.
    if matches!(checked, Err(vcache_store::Error::Corrupt { .. })) {
        let _ = store.quarantine(blob);
    }
    checked?;
    counts
}

/// Ends when all is done, or when nobody listens any more. What goes wrong is handed on.
fn decompress(packed: Receiving, mut out: Sender) {
    let forward = || {
        let mut decoder = zstd::Decoder::new(packed)?;
        loop {
            let mut piece = Vec::with_capacity(PIECE);
            if decoder.by_ref().take(PIECE as u64).read_to_end(&mut piece)? == 0 || !out.send(Ok(piece)) {
                return Ok(());
            }
        }
    };
    if let Err(e) = forward() {
        out.send(Err(e));
    }
}
