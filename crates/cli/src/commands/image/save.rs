//! `vcache image save`: the list of what an image's builds have asked for, kept under the key of what it is made of.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use vcache_archive::{Manifest, Selection};
use vcache_store::{Key, Mtime, Record, Store};

use super::args::ImageArgs;
use super::list_of;
use crate::context::Context;
use crate::{output, selection, units};

/// Save what the recorded builds of an image asked for, under its key
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache image save docker-base dockers/docker-base\n\n\
                  Nothing is saved from a dirty tree: nobody else could come to the same key.")]
pub(super) struct Save {
    #[command(flatten)]
    image: ImageArgs,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    key: String,
    blobs: usize,
    /// Bytes of content.
    bytes: u64,
}

impl Save {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode> {
        let name = &self.image.name;
        let keys = self.image.keys(context)?;
        if !keys.changed.is_empty() {
            let changed = keys.changed.join(", ");
            bail!("{name}: not saved from a dirty tree; commit or undo what was changed: {changed}");
        }
        let store = context.store_to_fill()?;
        let urls = selection::urls_of(&store, name)?;
        let mut list = Selection { urls: Some(urls), ..Selection::default() }.of(&store)?;
        let key = Key::image(name, &keys.now);
        // Steps that docker took from its own cache made no calls this time.
        if let Some(saved) = store.lookup(&key)?
            && let Some(saved) = list_of(&store, &saved)?
        {
            list = together(list, saved);
        }
        if list.is_empty() {
            bail!("{name}: nothing of what its builds asked for is in {}", store.dir().display());
        }
        keep(&store, &key, &list)?;
        let facts = Facts { key: keys.now, blobs: list.content.len(), bytes: list.bytes() };
        output::facts(self.json, &facts, |facts| {
            let (blobs, bytes) = (units::count(facts.blobs as u64, "blob"), units::size(facts.bytes));
            format!("{name}: {blobs}, {bytes}, under {}\n", facts.key)
        })?;
        Ok(ExitCode::SUCCESS)
    }
}

/// What either lists; where both have a record of a key, the first one's, and no content that no record means any more.
fn together(first: Manifest, second: Manifest) -> Manifest {
    let records = second.records.into_iter().chain(first.records);
    let records: BTreeMap<_, _> =
        records.map(|entry| ((entry.kind.bucket(), entry.record.key.clone()), entry)).collect();
    let meant: BTreeSet<_> = records.values().map(|entry| entry.record.sha256).collect();
    let content = second.content.into_iter().chain(first.content).filter(|one| meant.contains(&one.sha256));
    let content: BTreeMap<_, _> = content.map(|one| (one.sha256, one)).collect();
    Manifest::new(content.into_values().collect(), records.into_values().collect())
}

fn keep(store: &Store, key: &Key, list: &Manifest) -> Result<()> {
    let mut text = Vec::new();
    list.write(&mut text)?;
    let what = || format!("{}: it can't be saved there", store.dir().display());
    let mut writer = store.writer(false).with_context(what)?;
    writer.write_all(&text).with_context(what)?;
    let origin = key.text().lines().next().unwrap_or_default();
    let blob = writer.seal().and_then(|sealed| sealed.publish(origin)).with_context(what)?;
    let record = Record {
        key: key.text().to_owned(),
        sha256: blob.id(),
        size: text.len() as u64,
        name: None,
        mtime: Mtime::Unknown,
        redirects: None,
        content_type: None,
        origin: origin.to_owned(),
        fetched: units::now().as_secs(),
    };
    store.publish(key, &record).with_context(what)
}
