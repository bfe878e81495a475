//! What goes out: a text, or a blob piece by piece.
//!
//! The first piece of a blob is read, and leaves together with the head of the answer; the others go straight out of the file
//! ([`crate::straight`]) where the page cache has them. Where it has not (the kernel says so at once), they are read, while the thread's
//! other connections go on elsewhere. Buffers are used again: at any moment a connection holds one at most.

use std::io::{self, IoSliceMut, Read};
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use rustix::io::{Errno, ReadWriteFlags};
use vcache_store::Blob;

use crate::Shared;
use crate::straight::{SPAN, Straight};

/// Bytes of a blob that are read and sent at a time.
const PIECE: usize = 256 << 10;
/// The first piece. Less leaves more to `sendfile`, and was slower all the same when a quarter of it was tried.
const FIRST: usize = 64 << 10;
/// The kernel reads ahead in steps no smaller than this.
const READ_AHEAD: u64 = 128 << 10;
/// Buffers that wait to be used again.
const SPARE: usize = 64;

/// The body of an answer.
pub(crate) enum Out {
    /// A text, or nothing.
    Text(Option<Bytes>),
    /// The rest of a blob.
    Blob { blob: Arc<Blob>, offset: u64, shared: Arc<Shared>, straight: Option<Arc<Straight>> },
    /// What comes from an upstream and is not kept here, and how much of it is still to come.
    Passing { content: Box<dyn Read + Send>, left: u64, shared: Arc<Shared> },
}

impl Out {
    pub(crate) fn text(text: impl Into<Bytes>) -> Out {
        Out::Text(Some(text.into()).filter(|text: &Bytes| !text.is_empty()))
    }

    pub(crate) fn blob(blob: Blob, shared: &Arc<Shared>) -> io::Result<Out> {
        let shared = Arc::clone(shared);
        Ok(match blob.file() {
            Some(_) => Out::Blob { blob: Arc::new(blob), offset: 0, shared, straight: None },
            None => Out::Passing { content: blob.reader()?, left: blob.size(), shared },
        })
    }

    /// By a connection that sends what is left to `straight`.
    pub(crate) fn through(mut self, by: Arc<Straight>) -> Out {
        if let Out::Blob { straight, .. } = &mut self {
            *straight = Some(by);
        }
        self
    }
}

impl Body for Out {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.get_mut() {
            Out::Text(text) => text.take().map(Ok),
            Out::Blob { blob, offset, .. } if *offset >= blob.size() => None,
            Out::Blob { blob, offset, shared, straight } => {
                let piece = match straight {
                    Some(straight) if *offset > 0 && is_cached(blob, *offset) => {
                        straight.leave(blob, *offset, rest(blob, *offset, SPAN))
                    }
                    _ => read(blob, *offset, &shared.buffers),
                };
                if let Ok(piece) = &piece {
                    *offset += piece.len() as u64;
                    shared.counts.sent(piece.len() as u64);
                }
                Some(piece)
            }
            Out::Passing { left: 0, .. } => None,
            Out::Passing { content, left, shared } => {
                let piece = tokio::task::block_in_place(|| pass(content.as_mut(), *left, &shared.buffers));
                if let Ok(piece) = &piece {
                    *left -= piece.len() as u64;
                    shared.counts.sent(piece.len() as u64);
                }
                Some(piece)
            }
        };
        Poll::Ready(piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.size_hint().exact() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Out::Text(text) => text.as_ref().map_or(0, Bytes::len) as u64,
            Out::Blob { blob, offset, .. } => blob.size().saturating_sub(*offset),
            Out::Passing { left, .. } => *left,
        })
    }
}

/// What is left of a blob, up to `most` bytes.
fn rest(blob: &Blob, offset: u64, most: usize) -> usize {
    usize::try_from(blob.size().saturating_sub(offset)).unwrap_or(usize::MAX).min(most)
}

/// Whether the page cache seems to have the next span: a byte of each part that is read ahead as one.
fn is_cached(blob: &Blob, offset: u64) -> bool {
    let Some(file) = blob.file() else { return false };
    let last = offset + rest(blob, offset, SPAN) as u64 - 1;
    let mut parts = (offset..last).step_by(READ_AHEAD as usize).chain([last]);
    parts.all(|at| {
        let mut byte = [0];
        rustix::io::preadv2(file, &mut [IoSliceMut::new(&mut byte)], at, ReadWriteFlags::NOWAIT) == Ok(1)
    })
}

fn read(blob: &Blob, offset: u64, buffers: &Arc<Buffers>) -> io::Result<Bytes> {
    let wanted = rest(blob, offset, if offset == 0 { FIRST } else { PIECE });
    let mut buffer = buffers.take(wanted);
    buffer.used = read_at(blob, offset, &mut buffer.content[..wanted])?;
    Ok(Bytes::from_owner(buffer))
}

/// All of a small blob.
pub(crate) fn whole(blob: &Blob) -> io::Result<Bytes> {
    let mut content = vec![0; rest(blob, 0, usize::MAX)];
    let mut done = 0;
    while done < content.len() {
        done += read_at(blob, done as u64, &mut content[done..])?;
    }
    Ok(content.into())
}

/// Reads at least one byte.
fn read_at(blob: &Blob, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let Some(file) = blob.file() else { return Err(io::ErrorKind::Unsupported.into()) };
    let count = match rustix::io::preadv2(file, &mut [IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT)
    {
        Ok(count) if count > 0 => count,
        Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => {
            tokio::task::block_in_place(|| file.read_at(into, offset))?
        }
        Err(e) => return Err(e.into()),
    };
    // Cut short under our hands otherwise. The client sees the connection end before the announced length.
    if count > 0 { Ok(count) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn pass(content: &mut dyn Read, left: u64, buffers: &Arc<Buffers>) -> io::Result<Bytes> {
    let mut buffer = buffers.take(usize::try_from(left).unwrap_or(usize::MAX));
    let wanted = buffer.content.len().min(usize::try_from(left).unwrap_or(usize::MAX));
    buffer.used = content.read(&mut buffer.content[..wanted])?;
    if buffer.used == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(Bytes::from_owner(buffer))
}

/// Buffers that are not in use.
#[derive(Debug, Default)]
pub(crate) struct Buffers(Mutex<Vec<Vec<u8>>>);

impl Buffers {
    /// A buffer for `wanted` bytes or a piece. Small ones are made to measure and not kept.
    fn take(self: &Arc<Self>, wanted: usize) -> Buffer {
        let spare = if wanted < PIECE / 4 { Some(vec![0; wanted]) } else { self.spares().pop() };
        Buffer { content: spare.unwrap_or_else(|| vec![0; PIECE]), used: 0, home: Arc::clone(self) }
    }

    fn spares(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that goes back when the connection has sent it.
struct Buffer {
    content: Vec<u8>,
    used: usize,
    home: Arc<Buffers>,
}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.content[..self.used]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut spares = self.home.spares();
        if self.content.len() == PIECE && spares.len() < SPARE {
            spares.push(std::mem::take(&mut self.content));
        }
    }
}
