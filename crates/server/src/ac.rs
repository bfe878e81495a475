//! `/ac/<64 hex>`: records, and what an md5 means. Both only for content that is here, so that a hit can be followed.
//!
//! Who may put is believed, as a user of the cache directory is: a record says which content a URL has. That is what the token
//! and `--read-only` are for. What a record says about itself is checked: its key has the name that it is put under, its
//! content is here and has that length, it holds no credentials, and it is not from the future (it would never give way).

use std::time::{SystemTime, UNIX_EPOCH};

use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE};
use hyper::{Response, StatusCode};
use tokio::task::block_in_place;
use vcache_remote::wire::{Entry, LARGEST_ENTRY, alias_of};
use vcache_store::{Digest, Key, Kind, Record, Sha256Id, Store, public_url};

use crate::Shared;
use crate::body::Out;
use crate::intake::Intake;
use crate::refusal::Refusal;
use crate::routes::{Answer, empty, miss};

/// GET, and HEAD when `with_body` is false.
pub(crate) fn get(shared: &Shared, name: &str, with_body: bool) -> Answer {
    let Some(entry) = shared.look(|store| entry(store, name))? else { return Ok(miss()) };
    let bytes = entry.encode();
    let answer = Response::builder()
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, bytes.len())
        .body(if with_body { Out::text(bytes) } else { Out::Text(None) })
        .map_err(|e| Refusal::Trouble(e.to_string()))?;
    Ok((answer, "hit"))
}

fn entry(store: &Store, name: &str) -> Result<Option<Entry>, vcache_store::Error> {
    if let Some(md5) = alias_of(name) {
        return Ok(store.find(&Digest::Md5(md5))?.map(|blob| Entry::Alias(blob.id(), blob.size())));
    }
    let own = store.lookup_named(name)?;
    let Some((kind, record)) = own.or_else(|| store.lookup_named_in_tiers(name)) else { return Ok(None) };
    let there = store.find(&record.sha256.into())?.is_some_and(|blob| blob.size() == record.size);
    Ok(there.then(|| Entry::record(&Key::of_text(kind, &record.key), &record)))
}

/// PUT.
pub(crate) async fn put(shared: &Shared, name: &str, body: &mut Intake<'_>) -> Answer {
    let bytes = body.whole(LARGEST_ENTRY).await?;
    let entry = Entry::decode(&bytes).map_err(|e| Refusal::BadEntry { why: e.to_string() })?;
    // A blob may have to be hashed for its md5.
    block_in_place(|| match entry {
        Entry::Record(kind, record) => put_record(shared, name, kind, record, bytes.len() as u64),
        Entry::Alias(id, size) => put_alias(shared, name, id, size),
    })
}

fn put_record(shared: &Shared, name: &str, kind: Kind, record: Record, length: u64) -> Answer {
    let bad = |why: &str| Refusal::BadEntry { why: why.to_owned() };
    let key = Key::of_text(kind, &record.key);
    if key.name() != name {
        return Err(bad("its key has another name than it is put under"));
    }
    let url = record.url();
    if public_url(url) != url {
        return Err(bad("its key holds credentials"));
    }
    must_be_here(shared, record.sha256, record.size)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let record = Record { fetched: record.fetched.min(now), ..record };
    // One that comes late must not replace what was fetched since.
    if let Some((_, old)) = shared.store.lookup_named(name)?
        && (old.fetched > record.fetched || old == record)
    {
        return Ok((empty(StatusCode::OK), "present"));
    }
    shared.budget.pay(length)?;
    shared.store.publish(&key, &record)?;
    shared.upstream.wake();
    Ok((empty(StatusCode::OK), "stored"))
}

fn put_alias(shared: &Shared, name: &str, id: Sha256Id, size: u64) -> Answer {
    let bad = |why: &str| Refusal::BadEntry { why: why.to_owned() };
    let md5 = alias_of(name).ok_or_else(|| bad("it describes no record, and its name is none of an md5"))?;
    must_be_here(shared, id, size)?;
    shared.budget.pay(0)?;
    match shared.store.find_or(&Digest::Md5(md5), id)? {
        Some(blob) if blob.id() == id => Ok((empty(StatusCode::OK), "stored")),
        _ => Err(bad("the content has another md5")),
    }
}

fn must_be_here(shared: &Shared, id: Sha256Id, size: u64) -> Result<(), Refusal> {
    match shared.store.find(&id.into())? {
        Some(blob) if blob.size() == size => Ok(()),
        Some(_) => Err(Refusal::BadEntry { why: "the content has another length".to_owned() }),
        None => Err(Refusal::NoContent { id }),
    }
}
