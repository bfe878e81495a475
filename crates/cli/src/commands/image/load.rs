//! `vcache image load`: a cache with what the build of an image will ask for.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use vcache_archive::{Content, Manifest, Selection};
use vcache_image::key::{self, Keys};
use vcache_store::{Config, Digest, Key, Store};

use super::args::ImageArgs;
use super::list_of;
use crate::context::Context;
use crate::{files, output, selection, units};

/// Make a cache of what the build of an image will ask for
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache image load docker-base dockers/docker-base --into context/cache\n\n\
                  What was saved under the key of what the image is made of now, else of what it was made of at HEAD, HEAD~1, HEAD~2;\n\
                  else what its recorded builds asked for. Exit status 1 where nothing is known of the image.")]
pub(super) struct Load {
    #[command(flatten)]
    image: ImageArgs,
    /// The cache: a new folder, or an empty one
    #[arg(long, value_name = "DIR")]
    into: PathBuf,
    /// That nothing is known of the image is no error: an empty cache is made
    #[arg(long)]
    allow_empty: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    /// What it was found by: `key`, a revision (`HEAD~1`), `calls`; none where nothing is known.
    by: Option<&'static str>,
    blobs: usize,
    /// Bytes of content.
    bytes: u64,
    /// Content that was in the list and is in the cache no more.
    missing: usize,
}

impl Load {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode> {
        let store = context.store_or_empty()?;
        let found = self.find(context, &store)?;
        if found.is_none() && !self.allow_empty {
            bail!(
                "nothing is known of the image {:?} in {}: it was not built with this cache yet",
                self.image.name,
                store.dir().display()
            );
        }
        let into = context.host.cwd().join(&self.into);
        let (by, list) = found.unzip();
        let mut facts = Facts { by, blobs: 0, bytes: 0, missing: 0 };
        let target = target(&store, &into)?;
        let mut copied = HashSet::new();
        for content in list.iter().flat_map(|list| &list.content) {
            if copy(&store, &target, content)? {
                copied.insert(content.sha256);
                facts.blobs += 1;
                facts.bytes += content.size;
            } else {
                facts.missing += 1;
            }
        }
        for entry in list.iter().flat_map(|list| &list.records) {
            if copied.contains(&entry.record.sha256) {
                target.publish(&entry.key(), &entry.record)?;
            }
        }
        output::facts(self.json, &facts, |facts| render(&self.image.name, facts, &into))?;
        Ok(ExitCode::SUCCESS)
    }

    /// The list, and by what it was found.
    fn find(&self, context: &Context, store: &Store) -> Result<Option<(&'static str, Manifest)>> {
        let name = &self.image.name;
        let keys = match self.image.parts(context)?.keys() {
            // One of another owner, one with SHA-256 names: what its builds asked for is still known.
            Err(e @ key::Error::Git { .. }) => {
                output::warn(&e);
                Keys::default()
            }
            keys => keys.with_context(|| format!("no key for {name}"))?,
        };
        let now = std::iter::once(("key", keys.now));
        for (by, key) in now.chain(keys.earlier) {
            if let Some(record) = store.lookup(&Key::image(name, &key))?
                && let Some(list) = list_of(store, &record)?
            {
                return Ok(Some((by, list)));
            }
        }
        let Ok(urls) = selection::urls_of(store, name) else { return Ok(None) };
        let list = Selection { urls: Some(urls), ..Selection::default() }.of(store)?;
        Ok((!list.is_empty()).then_some(("calls", list)))
    }
}

/// An empty cache, over the one that it is filled from. Whoever a build makes of itself may write into it.
fn target(store: &Store, dir: &Path) -> Result<Store> {
    if !files::entries(dir).is_empty() {
        bail!("{}: is not empty; name a new folder", dir.display());
    }
    files::make_for_all(dir)?;
    let lower = vec![store.dir().to_owned()];
    // Docker takes a layer that is the same for the one that it has already.
    let config = Config { dir: dir.to_owned(), lower, stored_at: Some(1), ..Config::default() };
    Store::open(&config).with_context(|| format!("{}: no cache can be made there", dir.display()))
}

/// Copies one content, checked on its way; false where it has gone.
fn copy(store: &Store, target: &Store, content: &Content) -> Result<bool> {
    let sha256 = Digest::Sha256(content.sha256);
    // From lower caches and tiers into the cache that the target is filled from.
    if store.find(&sha256)?.is_none() {
        return Ok(false);
    }
    // Asked for by its md5 it will be found by that, too.
    if let Some(md5) = content.md5 {
        target.find(&Digest::Md5(md5))?;
    }
    match target.find(&sha256)? {
        Some(blob) if blob.path().starts_with(target.dir()) => Ok(true),
        Some(_) => bail!("{}: can't be written, or has no room for {sha256}", target.dir().display()),
        None => Ok(false),
    }
}

fn render(name: &str, facts: &Facts, into: &Path) -> String {
    let missing = match facts.missing as u64 {
        0 => String::new(),
        missing => format!("; {} no longer in the cache", units::count(missing, "blob")),
    };
    let by = match facts.by {
        Some("key") => "exactly this image".to_owned(),
        Some("calls") => "what its builds asked for".to_owned(),
        Some(revision) => format!("the image of {revision}"),
        None => "nothing is known of it".to_owned(),
    };
    let (blobs, bytes) = (units::count(facts.blobs as u64, "blob"), units::size(facts.bytes));
    format!("{name}: {blobs}, {bytes} -> {} ({by}){missing}\n", into.display())
}
