//! `vcache image ls`.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;
use vcache_store::{Key, Record, Store};

use super::list_of;
use crate::context::Context;
use crate::{output, units};

/// List the images of which something is saved
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache image ls\n         vcache image ls docker-base --json")]
pub(super) struct List {
    /// Only this image
    name: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Entry {
    name: String,
    key: String,
    /// Unix seconds.
    saved: u64,
    blobs: usize,
    /// Bytes of content.
    bytes: u64,
    /// Content that is in the cache no more.
    missing: usize,
}

impl List {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode> {
        let mut entries = Vec::new();
        if let Some(store) = context.store()? {
            for record in store.records().filter_map(|(_, record)| record.ok()) {
                let Some((name, key)) = Key::image_of(&record.key) else { continue };
                if self.name.as_ref().is_none_or(|wanted| wanted == name) {
                    entries.extend(entry(&store, &record, name, key)?);
                }
            }
        }
        entries.sort_by(|a, b| (&a.name, b.saved, &a.key).cmp(&(&b.name, a.saved, &b.key)));
        let now = units::now().as_secs();
        output::facts(self.json, &entries, |entries| render(entries, now))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// None where its list has gone.
fn entry(store: &Store, record: &Record, name: &str, key: &str) -> Result<Option<Entry>> {
    let Some(list) = list_of(store, record)? else { return Ok(None) };
    let missing = list.content.iter().filter(|content| !store.holds(&content.sha256, content.size)).count();
    let (blobs, bytes) = (list.content.len(), list.bytes());
    let (name, key) = (name.to_owned(), key.to_owned());
    Ok(Some(Entry { name, key, saved: record.fetched, blobs, bytes, missing }))
}

fn render(entries: &[Entry], now: u64) -> String {
    if entries.is_empty() {
        return "nothing is saved of any image\n".to_owned();
    }
    let head = ["IMAGE", "KEY", "SAVED", "BLOBS", "SIZE", "MISSING"].map(str::to_owned).to_vec();
    let rows = entries.iter().map(|entry| {
        vec![
            entry.name.clone(),
            entry.key.chars().take(12).collect(),
            units::age(now.saturating_sub(entry.saved)),
            entry.blobs.to_string(),
            units::size(entry.bytes),
            entry.missing.to_string(),
        ]
    });
    output::table(&std::iter::once(head).chain(rows).collect::<Vec<_>>(), &[3, 4, 5])
}
