//! A connection whose writes may wait only so long: a client that stops reading in the middle of an answer would keep its
//! connection, buffer and blob for ever otherwise. (Heads and bodies that don't come have time limits of their own.)
//!
//! What stands for bytes of a file ([`crate::straight`]) goes out of the file itself.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep};

use crate::intake::IDLE;
use crate::straight::{Socket, Straight, stands_for_file};

/// A stream and the time by which it must have taken something.
pub(crate) struct Patient<S> {
    stream: S,
    straight: Arc<Straight>,
    /// Armed while a write waits.
    due: Option<Pin<Box<Sleep>>>,
}

impl<S> Patient<S> {
    /// `straight`: what bodies of this connection leave to it.
    pub(crate) fn new(stream: S, straight: Arc<Straight>) -> Self {
        Self { stream, straight, due: None }
    }

    /// Passes on what a write did; ends the wait when it has lasted too long.
    fn watch<T>(&mut self, done: Poll<io::Result<T>>, context: &mut Context<'_>) -> Poll<io::Result<T>> {
        if done.is_ready() {
            self.due = None;
            return done;
        }
        let due = self.due.get_or_insert_with(|| Box::pin(sleep(IDLE)));
        match due.as_mut().poll(context) {
            Poll::Ready(()) => Poll::Ready(Err(io::ErrorKind::TimedOut.into())),
            Poll::Pending => Poll::Pending,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(context, into)
    }
}

impl<S: Socket> AsyncWrite for Patient<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let empty = bytes.iter().take_while(|piece| piece.is_empty()).count();
        let bytes = &bytes[empty..];
        let done = match bytes.iter().position(|piece| stands_for_file(piece)) {
            Some(0) => this.straight.poll_send(&mut this.stream, context, bytes[0].len()),
            before => {
                let plain = &bytes[..before.unwrap_or(bytes.len())];
                Pin::new(&mut this.stream).poll_write_vectored(context, plain)
            }
        };
        this.watch(done, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
