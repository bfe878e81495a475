//! One pass over content through several stages: hash, write, hash again. Small files go through on the calling
//! thread; beyond [`THREADED`] each stage but the first has a thread of its own, so that a pass takes as long as its
//! slowest stage and not as their sum.
//!
//! Memory is bounded by [`BUFFERS`] buffers of [`BUFFER`] bytes, whatever the file's size. A buffer goes to all stages
//! behind an `Arc`; the last one to let go sends it back. A stage that failed keeps taking and returning buffers
//! without looking at them until the reader has seen the flag, so no one ever waits for a buffer that is lost.

use std::borrow::Borrow;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::Error;

/// Files up to this size are handled without threads, whose start would cost more than they save.
const THREADED: u64 = 4 << 20;
const BUFFER: usize = 256 << 10;
const BUFFERS: usize = 4;
/// One buffer for the small ones: fits the second-level cache.
const SMALL_BUFFER: u64 = 256 << 10;

/// Something that takes the content in order, piece by piece.
pub(crate) type Stage<'a> = &'a mut (dyn FnMut(&[u8]) -> Result<(), Error> + Send);

/// A stage that hashes.
pub(crate) fn hashing<H: sha2::digest::Update>(hasher: &mut H) -> impl FnMut(&[u8]) -> Result<(), Error> {
    |piece| {
        hasher.update(piece);
        Ok(())
    }
}

/// A file from its start, whatever the position of its handle.
pub(crate) struct FromStart<F> {
    file: F,
    offset: u64,
}

impl<F: Borrow<File>> FromStart<F> {
    pub(crate) fn of(file: F) -> Self {
        Self { file, offset: 0 }
    }
}

impl<F: Borrow<File>> Read for FromStart<F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.borrow().read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Reads `source` to its end, and hands each piece to all stages. `size` is a
/// hint that decides about threads and buffers. Returns the bytes read; when a stage fails, its error (the first
/// stage's first).
pub(crate) fn pump(
    source: &mut dyn Read,
    size: u64,
    read_error: &dyn Fn(io::Error) -> Error,
    stages: &mut [Stage<'_>],
) -> Result<u64, Error> {
    if size > THREADED && stages.len() > 1 && threads_can_start() {
        return pump_threaded(source, read_error, stages);
    }
    let mut buffer = vec![0; size.saturating_add(1).min(SMALL_BUFFER) as usize];
    let mut offset = 0;
    loop {
        let count = read(source, &mut buffer).map_err(read_error)?;
        if count == 0 {
            return Ok(offset);
        }
        for stage in stages.iter_mut() {
            stage(&buffer[..count])?;
        }
        offset += count as u64;
    }
}

/// Where `ulimit -u` leaves no room for one the pass is slower.
fn threads_can_start() -> bool {
    std::thread::Builder::new().spawn(|| {}).is_ok_and(|thread| thread.join().is_ok())
}

struct Piece {
    buffer: Vec<u8>,
    length: usize,
}

fn pump_threaded(
    source: &mut dyn Read,
    read_error: &dyn Fn(io::Error) -> Error,
    stages: &mut [Stage<'_>],
) -> Result<u64, Error> {
    let failed = AtomicBool::new(false);
    let (give_back, recycled) = sync_channel::<Vec<u8>>(BUFFERS);
    for _ in 0..BUFFERS {
        let _ = give_back.send(vec![0; BUFFER]);
    }
    let (first, others) = stages.split_first_mut().expect("pump() has checked that there are stages");
    std::thread::scope(|scope| {
        let mut queues = Vec::with_capacity(others.len());
        let mut workers = Vec::with_capacity(others.len());
        for stage in others {
            let (queue, pieces) = sync_channel::<Arc<Piece>>(BUFFERS);
            queues.push(queue);
            let (give_back, failed) = (give_back.clone(), &failed);
            workers.push(scope.spawn(move || work(*stage, &pieces, &give_back, failed)));
        }
        let mut offset = 0;
        let mut outcome = Ok(());
        while outcome.is_ok() && !failed.load(Ordering::Relaxed) {
            let Ok(mut buffer) = recycled.recv() else { break };
            let length = match read(source, &mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(e) => {
                    outcome = Err(read_error(e));
                    break;
                }
            };
            offset += length as u64;
            let piece = Arc::new(Piece { buffer, length });
            for queue in &queues {
                // Only a worker that panicked is gone, and the join below passes the panic on.
                let _ = queue.send(Arc::clone(&piece));
            }
            outcome = first(&piece.buffer[..piece.length]);
            release(piece, &give_back);
        }
        drop(queues);
        for worker in workers {
            let result = worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            outcome = outcome.and(result);
        }
        outcome.map(|()| offset)
    })
}

fn work(
    stage: Stage<'_>,
    pieces: &Receiver<Arc<Piece>>,
    give_back: &SyncSender<Vec<u8>>,
    failed: &AtomicBool,
) -> Result<(), Error> {
    let mut outcome = Ok(());
    for piece in pieces {
        if outcome.is_ok() {
            outcome = stage(&piece.buffer[..piece.length]);
            if outcome.is_err() {
                failed.store(true, Ordering::Relaxed);
            }
        }
        release(piece, give_back);
    }
    outcome
}

/// Of all who share a piece, exactly the last one returns its buffer.
fn release(piece: Arc<Piece>, give_back: &SyncSender<Vec<u8>>) {
    if let Some(piece) = Arc::into_inner(piece) {
        let _ = give_back.send(piece.buffer);
    }
}

fn read(source: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match source.read(buffer) {
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_of(size: usize) -> (File, Vec<u8>) {
        let content: Vec<u8> = (0..size).map(|i| (i * 7 + i / 251) as u8).collect();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&content).unwrap();
        (file, content)
    }

    fn input(source: io::Error) -> Error {
        Error::Input { source }
    }

    #[test]
    fn every_stage_gets_every_byte_in_order() {
        for size in [0, 1, 1 << 20, (4 << 20) + 1, (9 << 20) + 17] {
            let (file, content) = file_of(size);
            let (mut a, mut b, mut c) = (Vec::new(), Vec::new(), Vec::new());
            let stages: &mut [Stage<'_>] = &mut [
                &mut |piece| {
                    a.extend_from_slice(piece);
                    Ok(())
                },
                &mut |piece| {
                    b.extend_from_slice(piece);
                    Ok(())
                },
                &mut |piece| {
                    c.extend_from_slice(piece);
                    Ok(())
                },
            ];
            assert_eq!(pump(&mut FromStart::of(&file), size as u64, &input, stages).unwrap(), size as u64);
            assert!(a == content && b == content && c == content, "{size}");
        }
    }

    #[test]
    fn a_failing_stage_ends_the_pass_and_nobody_hangs() {
        let (file, content) = file_of(32 << 20);
        for failing in 0..2 {
            let mut left = 3;
            let mut fail = |_: &[u8]| {
                left -= 1;
                if left > 0 {
                    Ok(())
                } else {
                    Err(Error::Output { source: io::ErrorKind::StorageFull.into() })
                }
            };
            let mut pass = |_: &[u8]| Ok(());
            let stages: &mut [Stage<'_>] =
                if failing == 0 { &mut [&mut fail, &mut pass] } else { &mut [&mut pass, &mut fail] };
            assert!(matches!(
                pump(&mut FromStart::of(&file), content.len() as u64, &input, stages),
                Err(Error::Output { .. })
            ));
        }
    }
}
