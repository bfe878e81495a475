//! What comes in: a body, piece by piece, at a bearable pace.
//!
//! A client may pause, but not for long, and not again and again: [`IDLE`] for any piece, and over the whole body no less
//! than [`SLOWEST`]. So a PUT that trickles ends, and with it what it holds of the limit.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::header::EXPECT;
use hyper::{HeaderMap, Request};

use crate::Shared;
use crate::refusal::Refusal;

/// The longest wait for a piece: longer than any pause of TCP on a bad line, short enough that a dead client's connection is soon free.
pub(crate) const IDLE: Duration = Duration::from_secs(60);
/// Bytes a second that a body must come with, over its whole length, after a first [`IDLE`].
const SLOWEST: u64 = 1 << 10;
/// A refused body is read up to here, so that the client gets to see the answer; one that sends more sees its connection end.
const DRAINED: u64 = 16 << 20;
const DRAINED_FOR: Duration = Duration::from_secs(5);

/// A body on its way in.
pub(crate) struct Intake<'a> {
    shared: &'a Shared,
    body: Incoming,
    /// The client waits for leave to send.
    waits: bool,
    begun: Instant,
    received: u64,
}

impl<'a> Intake<'a> {
    /// The body of a request, and its head.
    pub(crate) fn new(shared: &'a Shared, request: Request<Incoming>) -> (HeaderMap, Self) {
        let (head, body) = request.into_parts();
        let waits = head.headers.contains_key(EXPECT);
        (head.headers, Self { shared, body, waits, begun: Instant::now(), received: 0 })
    }

    /// The announced length.
    pub(crate) fn length(&self) -> Option<u64> {
        self.body.size_hint().exact()
    }

    /// The client has sent nothing yet, and need not if it is answered now.
    pub(crate) fn can_be_spared(&self) -> bool {
        self.waits && self.received == 0
    }

    /// The next piece; none at the end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        loop {
            let due = IDLE + Duration::from_secs(self.received / SLOWEST);
            let left = due.saturating_sub(self.begun.elapsed()).min(IDLE);
            let frame = tokio::time::timeout(left, self.body.frame()).await;
            let Some(frame) = frame.map_err(|_| Refusal::TooSlow)? else { return Ok(None) };
            // Trailers say nothing to us.
            if let Ok(piece) = frame.map_err(|_| Refusal::Incomplete)?.into_data() {
                self.received += piece.len() as u64;
                self.shared.counts.received(piece.len() as u64);
                return Ok(Some(piece));
            }
        }
    }

    /// The whole body, of at most `limit` bytes.
    pub(crate) async fn whole(&mut self, limit: u64) -> Result<Vec<u8>, Refusal> {
        if self.length().is_some_and(|length| length > limit) {
            return Err(Refusal::TooLarge { limit });
        }
        let mut whole = Vec::new();
        while let Some(piece) = self.next().await? {
            if (whole.len() + piece.len()) as u64 > limit {
                return Err(Refusal::TooLarge { limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole)
    }

    /// Reads on after a refusal, since a connection that ends while the client still sends may take the answer with it.
    pub(crate) async fn drain(mut self) {
        if self.can_be_spared() {
            return;
        }
        let most = self.received + DRAINED;
        let drain = async { while self.received < most && matches!(self.next().await, Ok(Some(_))) {} };
        let _ = tokio::time::timeout(DRAINED_FOR, drain).await;
    }
}
