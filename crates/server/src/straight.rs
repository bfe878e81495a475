//! Large content straight out of its file (`sendfile`), without a copy through our memory: a body hands the HTTP layer bytes that
//! only stand for the file's, and the connection, which meets them when they are to be written, sends the file's instead.
//!
//! Life of a span: [`Straight::leave`] (the body) -> it passes through the HTTP layer as a part of `STAND_IN` -> [`Straight::poll_send`]
//! (the connection), until all of it has gone. Answers of a connection go out one after another, and so do spans.
//!
//! This needs an HTTP layer that hands on the very bytes that it was given, which hyper does with `writev(true)`. Should it ever copy
//! them, spans would pile up: the next one, or the next answer, then ends the connection. (And clients compare what they get with its
//! digest.) Not handled: what is not in the page cache; `sendfile` would hold up its thread for the disk, so `body` reads that itself.

use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use rustix::io::Errno;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpStream, UnixStream};
use vcache_store::Blob;

/// Bytes of one span at most: so much goes to one client before another one has its turn.
pub(crate) const SPAN: usize = 512 << 10;
/// More spans than the HTTP layer holds at a time.
const TOO_MANY: usize = 16;
/// What is read at a time where there is no `sendfile`.
const SMALL: usize = 64 << 10;

/// Never looked at, and so never in memory.
static STAND_IN: [u8; SPAN] = [0; SPAN];

/// Whether these bytes stand for those of a file.
pub(crate) fn stands_for_file(bytes: &[u8]) -> bool {
    !bytes.is_empty() && STAND_IN.as_ptr_range().contains(&bytes.as_ptr())
}

/// A stream socket.
pub(crate) trait Socket: AsyncRead + AsyncWrite + AsFd + Unpin {
    /// Ready when something can be written.
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Writes by `write`; when that would block, the socket counts as not writable until it is again.
    fn write_by<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T>;
}

impl Socket for TcpStream {
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(context)
    }

    fn write_by<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.try_io(Interest::WRITABLE, write)
    }
}

impl Socket for UnixStream {
    fn poll_writable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_ready(context)
    }

    fn write_by<T>(&self, write: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        self.try_io(Interest::WRITABLE, write)
    }
}

/// The spans that a connection has yet to send.
#[derive(Debug, Default)]
pub(crate) struct Straight(Mutex<VecDeque<Span>>);

/// A part of a file.
#[derive(Debug)]
struct Span {
    blob: Arc<Blob>,
    offset: u64,
    left: usize,
}

impl Straight {
    /// Leaves a part of a blob to the connection; what is returned stands for it.
    ///
    /// # Errors
    /// Earlier ones were not sent, though what stood for them was.
    pub(crate) fn leave(&self, blob: &Arc<Blob>, offset: u64, length: usize) -> io::Result<Bytes> {
        let length = length.min(SPAN);
        let mut spans = self.spans();
        if spans.len() >= TOO_MANY || spans.front().is_some_and(|span| !Arc::ptr_eq(&span.blob, blob)) {
            return Err(io::Error::other("a body was copied on its way"));
        }
        spans.push_back(Span { blob: Arc::clone(blob), offset, left: length });
        Ok(Bytes::from_static(&STAND_IN[..length]))
    }

    /// Sends at most `most` bytes of what is the next; returns how many have gone.
    pub(crate) fn poll_send<S: Socket>(
        &self,
        socket: &mut S,
        context: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let mut spans = self.spans();
        let Some(span) = spans.front_mut() else {
            return Poll::Ready(Err(io::ErrorKind::InvalidInput.into()));
        };
        let sent = ready!(send(socket, context, span, most.min(span.left)))?;
        if sent == 0 {
            // Cut short under our hands. The client sees the connection end before the announced length.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        span.offset += sent as u64;
        span.left -= sent;
        if span.left == 0 {
            spans.pop_front();
        }
        Poll::Ready(Ok(sent))
    }

    fn spans(&self) -> MutexGuard<'_, VecDeque<Span>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn send<S: Socket>(
    socket: &mut S,
    context: &mut Context<'_>,
    span: &Span,
    most: usize,
) -> Poll<io::Result<usize>> {
    let Some(file) = span.blob.file() else { return Poll::Ready(Err(io::ErrorKind::Unsupported.into())) };
    loop {
        ready!(socket.poll_writable(context))?;
        let mut offset = span.offset;
        let sent =
            socket.write_by(|| Ok(rustix::fs::sendfile(socket.as_fd(), file, Some(&mut offset), most)?));
        match sent {
            Err(e) if matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(e) if is_unknown(&e) => {
                let mut piece = vec![0; most.min(SMALL)];
                let count = file.read_at(&mut piece, span.offset)?;
                return Pin::new(socket).poll_write(context, &piece[..count]);
            }
            other => return Poll::Ready(other),
        }
    }
}

/// Whether this file system knows no `sendfile`.
fn is_unknown(error: &io::Error) -> bool {
    [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP]
        .iter()
        .any(|e| error.raw_os_error() == Some(e.raw_os_error()))
}
