//! `vcache image`: what an image is made of, what its builds asked for, and its builds themselves.
//!
//! For each image and [key](vcache_image::key) the cache holds a list of what was asked for: an archive's manifest, as content of the kind
//! *image*. So what a later build will want can be put into its context before it starts.

mod args;
mod build;
mod key;
mod list;
mod load;
mod save;
mod strip;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Subcommand;
use vcache_archive::{Manifest, manifest_of};
use vcache_store::{Digest, Record, Store};

pub(crate) use self::build::Transport;
use crate::context::Context;

/// The caches of single images: what their builds ask for, saved and loaded
#[derive(clap::Args, Debug)]
pub(crate) struct Image {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Build(build::Build),
    Key(key::Key),
    Save(save::Save),
    Load(load::Load),
    Ls(list::List),
    Strip(strip::Strip),
}

impl Image {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        match self.command {
            Command::Build(command) => command.run(context),
            Command::Key(command) => command.run(context),
            Command::Save(command) => command.run(context),
            Command::Load(command) => command.run(context),
            Command::Ls(command) => command.run(context),
            Command::Strip(command) => command.run(context),
        }
    }
}

/// The list that a record of the kind *image* leads to; none where it has gone.
///
/// # Errors
/// It can't be read, or is no list.
fn list_of(store: &Store, record: &Record) -> Result<Option<Manifest>> {
    let Some(blob) = store.find(&Digest::Sha256(record.sha256))? else { return Ok(None) };
    let what = || format!("what is saved for `{}` can't be read", record.key.replace('\n', " "));
    let mut text = Vec::new();
    blob.write_to(&mut text).with_context(what)?;
    manifest_of(&mut &text[..]).map(Some).with_context(what)
}
