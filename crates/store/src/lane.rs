//! A hash that is computed beside: on a thread of its own, of one content after another, so that who writes a stream of contents
//! need not wait for it, nor for the end of one before the next begins.
//!
//! Life: [`Lane::start`] -> [`Lane::push`] for each piece -> [`Lane::end`] gives the place where the digest will be -> the next
//! content. A lane that is dropped ends when it has done what it was given.
//!
//! Memory is bounded by [`AHEAD`] pieces, which lanes of the same content share.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use sha2::digest::{Digest, Output};

/// Pieces that wait to be hashed.
const AHEAD: usize = 8;

/// A thread that hashes.
#[derive(Debug)]
pub(crate) struct Lane<H: Digest> {
    queue: SyncSender<Step<H>>,
}

/// A digest that is being computed.
pub(crate) type Coming<H> = Receiver<Output<H>>;

#[derive(Debug)]
enum Step<H: Digest> {
    Piece(Arc<Vec<u8>>),
    End(SyncSender<Output<H>>),
}

impl<H: Digest + Send + 'static> Lane<H> {
    /// Starts the thread.
    ///
    /// # Errors
    /// There is no room for one.
    pub(crate) fn start() -> io::Result<Self> {
        let (queue, steps) = sync_channel(AHEAD);
        std::thread::Builder::new().spawn(move || {
            let mut hasher = H::new();
            for step in steps {
                match step {
                    Step::Piece(piece) => hasher.update(&*piece),
                    // Nobody waits for it any more: that is as good.
                    Step::End(digest) => {
                        drop(digest.send(std::mem::replace(&mut hasher, H::new()).finalize()))
                    }
                }
            }
        })?;
        Ok(Self { queue })
    }

    /// The next piece of the content.
    pub(crate) fn push(&self, piece: &Arc<Vec<u8>>) {
        // The thread lives as long as we do: hashing does not fail.
        let _ = self.queue.send(Step::Piece(Arc::clone(piece)));
    }

    /// The content is complete.
    pub(crate) fn end(&self) -> Coming<H> {
        let (digest, coming) = sync_channel(1);
        let _ = self.queue.send(Step::End(digest));
        coming
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::Sha256;

    #[test]
    fn contents_follow_each_other_and_keep_apart() {
        let lane = Lane::<Sha256>::start().unwrap();
        let contents: Vec<Vec<Vec<u8>>> = vec![
            vec![],
            vec![b"abc".to_vec()],
            vec![vec![7; 1 << 20]; 20],
            vec![b"a".to_vec(), b"bc".to_vec()],
        ];
        // None is waited for before all have been given.
        let coming: Vec<_> = contents
            .iter()
            .map(|pieces| {
                pieces.iter().for_each(|piece| lane.push(&Arc::new(piece.clone())));
                lane.end()
            })
            .collect();
        for (pieces, coming) in contents.iter().zip(coming) {
            assert_eq!(coming.recv().unwrap(), Sha256::digest(pieces.concat()));
        }
    }
}
