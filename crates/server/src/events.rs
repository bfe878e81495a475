//! `POST /events`: what shims elsewhere did, for `vcache stats` here. A body has lines of JSON as
//! [`vcache_shim::journal`] writes them, and is taken as a whole or not at all.
//!
//! What is kept is the event as it was understood, so nothing else gets into the log; its URL is freed of secrets once more.

use std::sync::Arc;

use hyper::StatusCode;
use tokio::task::block_in_place;
use vcache_shim::journal::{Event, append};

use crate::Shared;
use crate::intake::Intake;
use crate::refusal::Refusal;
use crate::routes::{Answer, empty};

/// Largest body: some two hundred events.
const LARGEST: u64 = 64 << 10;

/// POST.
pub(crate) async fn post(shared: &Arc<Shared>, body: &mut Intake<'_>) -> Answer {
    let bytes = body.whole(LARGEST).await?;
    let mut lines = Vec::new();
    for (at, line) in
        bytes.split(|b| *b == b'\n').enumerate().filter(|(_, line)| !line.trim_ascii().is_empty())
    {
        let bad = |e: serde_json::Error| Refusal::BadEvent { line: at + 1, why: e.to_string() };
        lines.push(Event::adopt(line, shared.image.as_deref()).map_err(bad)?);
    }
    block_in_place(|| {
        shared.budget.pay(lines.iter().map(|line| line.len() as u64 + 1).sum())?;
        if let Some(path) = &shared.event_log {
            append(path, &lines);
        }
        lines.iter().try_for_each(|line| Ok(shared.store.append_event(line)?))
    })
    .map(|()| (empty(StatusCode::NO_CONTENT), "stored"))
}
