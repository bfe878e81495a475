//! `/cas/<sha256>`: content.

use std::io::Write;
use std::sync::Arc;

use bytes::Bytes;
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};
use hyper::{Response, StatusCode};
use sha2::{Digest, Sha256};
use tokio::task::block_in_place;
use vcache_remote::wire::BLAKE3_HEADER;
use vcache_store::{Error, Sha256Id};

use crate::Shared;
use crate::body::{self, Out};
use crate::intake::Intake;
use crate::refusal::Refusal;
use crate::routes::{Answer, empty, miss};
use crate::warm::SMALL;

/// GET, and HEAD when `with_body` is false.
pub(crate) fn get(shared: &Arc<Shared>, id: Sha256Id, with_body: bool) -> Answer {
    if let Some(kept) = shared.warm.get(&id) {
        let size = kept.content.len() as u64;
        return answer(size, kept.blake3, text(shared, kept.content, with_body));
    }
    let Some(blob) = shared.look(|store| store.find(&id.into()))? else { return Ok(miss()) };
    let (size, blake3) = (blob.size(), blob.blake3());
    let body = match blob.file() {
        _ if !with_body => Out::Text(None),
        Some(_) if size <= SMALL => {
            let content = body::whole(&blob).map_err(|e| Refusal::of_io(&e))?;
            shared.warm.keep(&blob, &content);
            text(shared, content, true)
        }
        _ => Out::blob(blob, shared).map_err(|e| Refusal::of_io(&e))?,
    };
    answer(size, blake3, body)
}

fn text(shared: &Shared, content: Bytes, with_body: bool) -> Out {
    if !with_body {
        return Out::Text(None);
    }
    shared.counts.sent(content.len() as u64);
    Out::text(content)
}

fn answer(size: u64, blake3: Option<[u8; 32]>, body: Out) -> Answer {
    let mut answer = Response::builder()
        .header(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"))
        .header(CONTENT_LENGTH, size);
    if let Some(blake3) = blake3 {
        answer = answer.header(BLAKE3_HEADER, hex::encode(blake3));
    }
    let answer = answer.body(body).map_err(|e| Refusal::Trouble(e.to_string()))?;
    Ok((answer, "hit"))
}

/// PUT. What is there and sound stays, and then the body is only looked at.
pub(crate) async fn put(shared: &Shared, id: Sha256Id, body: &mut Intake<'_>) -> Answer {
    if let Some(limit) = shared.budget.limit()
        && body.length().is_some_and(|length| length > limit)
    {
        return Err(Refusal::Full { limit });
    }
    if block_in_place(|| is_sound(shared, id))? {
        if !body.can_be_spared() {
            check(id, body).await?;
        }
        return Ok((empty(StatusCode::OK), "present"));
    }
    let mut hold = shared.budget.hold();
    let mut writer = shared.store.writer(false)?;
    let mut size = 0;
    while let Some(piece) = body.next().await? {
        size += piece.len() as u64;
        hold.grow_to(size)?;
        // Hashing and a disk that is busy: others of this thread go on elsewhere.
        block_in_place(|| writer.write_all(&piece)).map_err(|e| Refusal::of_io(&e))?;
    }
    let sealed = writer.seal()?;
    if sealed.id != id {
        return Err(Refusal::Mismatch { named: id, found: sealed.id });
    }
    // Empty content, too, has a file.
    hold.grow_to(size)?;
    block_in_place(|| sealed.publish(""))?;
    hold.commit();
    Ok((empty(StatusCode::OK), "stored"))
}

/// Whether the content is there and is what its name says; a client may put it since what it got was not. One that is not
/// goes aside.
fn is_sound(shared: &Shared, id: Sha256Id) -> Result<bool, Refusal> {
    let Some(blob) = shared.store.find(&id.into())? else { return Ok(false) };
    match blob.verify() {
        Ok(()) => Ok(true),
        Err(Error::Corrupt { .. }) => {
            shared.store.quarantine(&blob)?;
            Ok(false)
        }
        Err(error) => Err(error.into()),
    }
}

/// Reads a body that is not needed, so that a wrong one is told from a right one all the same.
async fn check(id: Sha256Id, body: &mut Intake<'_>) -> Result<(), Refusal> {
    let mut hasher = Sha256::new();
    while let Some(piece) = body.next().await? {
        hasher.update(&piece);
    }
    let found = Sha256Id::from_bytes(hasher.finalize().into());
    if found == id { Ok(()) } else { Err(Refusal::Mismatch { named: id, found }) }
}
