//! `vcache image key`.

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::args::ImageArgs;
use crate::context::Context;
use crate::output;

/// Print the key of what an image is made of
#[derive(clap::Args, Debug)]
#[command(
    after_help = "Example: vcache image key docker-base dockers/docker-base --common rules/config --env DISTRO\n\n\
                  The key is a digest over the Dockerfile (or its template Dockerfile.j2), Makefile, buildinfo/versions and vcache-versions in\n\
                  CONTEXT as far as they are there, what --common names, and the values of what --env names."
)]
pub(super) struct Key {
    #[command(flatten)]
    image: ImageArgs,
    /// Print JSON, with the files that were changed since the last revision and the keys of the last revisions
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    key: String,
    /// Since the last revision of the git tree.
    changed: Vec<String>,
    earlier: Vec<Earlier>,
}

#[derive(Serialize)]
struct Earlier {
    revision: &'static str,
    key: String,
}

impl Key {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode> {
        let keys = self.image.keys(context)?;
        let earlier = keys.earlier.into_iter().map(|(revision, key)| Earlier { revision, key });
        let facts = Facts { key: keys.now, changed: keys.changed, earlier: earlier.collect() };
        output::facts(self.json, &facts, |facts| format!("{}\n", facts.key))?;
        Ok(ExitCode::SUCCESS)
    }
}
