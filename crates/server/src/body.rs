//! What goes out: a text, or a blob piece by piece.
//!
//! A blob is read with `pread` on the thread of the connection where the page cache has it, which costs less than handing
//! it to another thread; where it has not (the kernel says so at once), the thread's other connections go on elsewhere while it
//! waits for the disk. Buffers are used again: at any moment a connection holds one at most.

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

/// Bytes of a blob that are read and sent at a time.
const PIECE: usize = 256 << 10;
/// Buffers that wait to be used again.
const SPARE: usize = 64;

/// The body of an answer.
pub(crate) enum Out {
    /// A text, or nothing.
    Text(Option<Bytes>),
    /// The rest of a blob.
    Blob { blob: Blob, offset: u64, shared: Arc<Shared> },
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
            Some(_) => Out::Blob { blob, offset: 0, shared },
            None => Out::Passing { content: blob.reader()?, left: blob.size(), shared },
        })
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
            Out::Blob { blob, offset, shared } => {
                let piece = read(blob, *offset, &shared.buffers);
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

fn read(blob: &Blob, offset: u64, buffers: &Arc<Buffers>) -> io::Result<Bytes> {
    let rest = usize::try_from(blob.size() - offset).unwrap_or(usize::MAX);
    let mut buffer = buffers.take(rest);
    let wanted = rest.min(buffer.content.len());
    let into = &mut buffer.content[..wanted];
    let Some(file) = blob.file() else { return Err(io::ErrorKind::Unsupported.into()) };
    let count = match rustix::io::preadv2(file, &mut [IoSliceMut::new(into)], offset, ReadWriteFlags::NOWAIT)
    {
        Ok(count) if count > 0 => count,
        Ok(_) | Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::INTR) => {
            tokio::task::block_in_place(|| file.read_at(into, offset))?
        }
        Err(e) => return Err(e.into()),
    };
    if count == 0 {
        // Cut short under our hands. The client sees the connection end before the announced length.
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    buffer.used = count;
    Ok(Bytes::from_owner(buffer))
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
