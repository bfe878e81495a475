//! Content on its way to a bucket and back. The client is asynchronous and the store is not: whoever reads or writes drives the tier's
//! runtime meanwhile, and nothing happens in between, so that a slow reader holds the sender up.
//!
//! Invariant: at most [`AT_ONCE`] pieces and one more are in memory, whatever the size of the content.

use std::io::{self, Read};
use std::sync::Arc;

use bytes::{Buf, Bytes};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use tokio::runtime::Runtime;
use vcache_store::Blob;

/// Bytes of a piece of large content. All clouds take from 5 MiB on.
pub(crate) const PIECE: u64 = 8 << 20;
/// Pieces under way at a time.
const AT_ONCE: usize = 3;
/// S3 takes 10,000 pieces.
const MOST_PIECES: u64 = 9_000;

/// Content of a bucket, read once.
pub(crate) struct Arriving {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) stream: BoxStream<'static, object_store::Result<Bytes>>,
    pub(crate) piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.runtime.block_on(self.stream.next()) {
                None => return Ok(0),
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(error)) => return Err(io::Error::other(crate::trouble::said(&error))),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// What can go wrong while content is sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    #[error(transparent)]
    Content(#[from] io::Error),
    #[error(transparent)]
    Store(#[from] object_store::Error),
}

/// Puts content under a name: at once where it is small, else in pieces. Pieces of content that could not be put as a whole are
/// taken away again, since they would be paid for.
pub(crate) async fn send(store: &dyn ObjectStore, path: &Path, blob: &Blob) -> Result<(), SendError> {
    let mut content = blob.reader()?;
    if blob.size() <= PIECE {
        let mut whole = Vec::new();
        content.take(PIECE).read_to_end(&mut whole)?;
        store.put(path, whole.into()).await?;
        return Ok(());
    }
    let piece = PIECE.max(blob.size().div_ceil(MOST_PIECES)) as usize;
    let mut upload = WriteMultipart::new_with_chunk_size(store.put_multipart(path).await?, piece);
    match send_pieces(&mut upload, &mut content).await {
        Ok(()) => Ok(upload.finish().await.map(|_| ())?),
        Err(error) => {
            let _ = upload.abort().await;
            Err(error)
        }
    }
}

async fn send_pieces(upload: &mut WriteMultipart, content: &mut dyn Read) -> Result<(), SendError> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        let count = match content.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e.into()),
        };
        upload.wait_for_capacity(AT_ONCE).await?;
        upload.write(&buffer[..count]);
    }
}
