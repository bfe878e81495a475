//! Bytes between threads: the blob's pass, decompression and unpacking each have one, so that a restore takes as long as the
//! slowest of them.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Pieces that may wait between two threads.
const WAITING: usize = 8;

/// What goes through: a piece, or why there is no more.
type Piece = io::Result<Vec<u8>>;

/// A bounded stream.
pub(crate) fn stream() -> (Sender, Receiving) {
    let (sender, receiver) = sync_channel(WAITING);
    (Sender { sender, is_heard: true }, Receiving { receiver, piece: Vec::new(), at: 0 })
}

/// Takes everything, also when nobody listens any more: the blob's pass goes on to its end then, since it says whether
/// the content was at fault.
pub(crate) struct Sender {
    sender: SyncSender<Piece>,
    is_heard: bool,
}

impl Sender {
    /// Whether anybody still listens.
    pub(crate) fn send(&mut self, piece: Piece) -> bool {
        self.is_heard = self.is_heard && self.sender.send(piece).is_ok();
        self.is_heard
    }
}

impl Write for Sender {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if self.is_heard {
            self.send(Ok(piece.to_vec()));
        }
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The other end. It ends when the sender is dropped.
pub(crate) struct Receiving {
    receiver: Receiver<Piece>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Receiving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.receiver.recv() {
                Ok(piece) => (self.piece, self.at) = (piece?, 0),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..][..count]);
        self.at += count;
        Ok(count)
    }
}
