//! `vcache completions` and `vcache man`: made from the definition of the command line, so that they can't be stale.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::CommandFactory;

use crate::cli::Cli;
use crate::{files, output};

/// Print completions for a shell
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache completions bash > /usr/share/bash-completion/completions/vcache")]
pub(crate) struct Completions {
    /// The shell
    shell: clap_complete::Shell,
}

/// Print the manual page, or write a page for each command into a folder
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache man --dir /usr/local/share/man/man1")]
pub(crate) struct Man {
    /// Where to put the pages
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

impl Completions {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "vcache", &mut text);
        output::bytes(&text)?;
        Ok(ExitCode::SUCCESS)
    }
}

impl Man {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match self.dir {
            Some(dir) => {
                let dir = files::make_folder(&dir)?;
                clap_mangen::generate_to(Cli::command(), &dir)
                    .with_context(|| format!("{}: the pages can't be written", dir.display()))?;
                output::note(format_args!("manual pages written to {}", dir.display()));
            }
            None => {
                let mut text = Vec::new();
                clap_mangen::Man::new(Cli::command()).render(&mut text).context("the manual page")?;
                output::bytes(&text)?;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}
