//! `vcache image strip`: an image without the cache that its build was given.

use std::io::{BufReader, BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use vcache_shim::handover::FOLDER;

use crate::context::Context;
use crate::{files, output, units};

/// Take the cache of its build out of the layers of an image
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: docker save built | vcache image strip --tag final | docker load\n\n\
                  Reads an image from standard input and writes it to standard output. Folders named vcache-for-this-build go, with all in them;\n\
                  nothing else changes, and layers without one stay as they are.")]
pub(super) struct Strip {
    /// A name for the image; may be given several times
    #[arg(short, long, value_name = "NAME", required = true)]
    tag: Vec<String>,
}

impl Strip {
    pub(super) fn run(self, _: &Context) -> Result<ExitCode> {
        if std::io::stdout().is_terminal() {
            output::error("an image is nothing for a terminal: redirect standard output");
            return Ok(ExitCode::from(2));
        }
        let mut input = BufReader::with_capacity(1 << 20, files::input(Path::new("-"))?);
        let mut out = BufWriter::with_capacity(1 << 20, files::raw_stdout()?);
        let stripped = vcache_image::strip(&mut input, &mut out, FOLDER, &self.tag)?;
        out.flush().context("writing to stdout")?;
        let (bytes, layers) = (units::size(stripped.bytes), units::count(stripped.layers as u64, "layer"));
        output::note(format_args!("{bytes} taken out of {layers}: {}", stripped.id));
        Ok(ExitCode::SUCCESS)
    }
}
