//! The command line of `vcache`: the list of commands, and nothing else. Each command's options are in its own file.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use vcache_shim::Host;

use crate::commands::{
    check, config, doctor, explain, export, flush, gc, generate, hooks, image, import, ls, prefetch, run,
    serve, stats, verify,
};
use crate::context::Context;

/// Pinned and cached downloads for builds that neither break nor drift
#[derive(Parser, Debug)]
#[command(
    name = "vcache",
    version,
    after_help = "Exit status: 0 done, 1 failed or problems found, 2 wrong usage; `run` ends as its command does.\n\
                  To begin with: vcache run -- ./build.sh"
)]
pub(crate) struct Cli {
    /// Use this cache directory (as VCACHE_DIR)
    #[arg(long, global = true, value_name = "DIR")]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Run(run::Run),
    Serve(serve::Serve),
    Explain(explain::Explain),
    Stats(stats::Stats),
    Ls(ls::Ls),
    Prefetch(prefetch::Prefetch),
    Check(check::Check),
    Verify(verify::Verify),
    Gc(gc::Gc),
    Flush(flush::Flush),
    Export(export::Export),
    Import(import::Import),
    Image(image::Image),
    Config(config::Config),
    Doctor(doctor::Doctor),
    Hooks(hooks::Hooks),
    Completions(generate::Completions),
    Man(generate::Man),
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    /// What ends the command, with what to do about it where that is known.
    pub(crate) fn run(self, host: &Host) -> Result<ExitCode> {
        let context = Context::new(host, self.cache.as_deref());
        match self.command {
            Command::Run(command) => command.run(&context),
            Command::Serve(command) => command.run(&context),
            Command::Explain(command) => command.run(&context),
            Command::Stats(command) => command.run(&context),
            Command::Ls(command) => command.run(&context),
            Command::Prefetch(command) => command.run(&context),
            Command::Check(command) => command.run(&context),
            Command::Verify(command) => command.run(&context),
            Command::Flush(command) => command.run(&context),
            Command::Gc(command) => command.run(&context),
            Command::Export(command) => command.run(&context),
            Command::Import(command) => command.run(&context),
            Command::Image(command) => command.run(&context),
            Command::Config(command) => command.run(&context),
            Command::Doctor(command) => command.run(&context),
            Command::Hooks(command) => command.run(&context),
            Command::Completions(command) => command.run(),
            Command::Man(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_and_option_is_explained_and_shows_an_example() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.contains("vcache ") || command.has_subcommands(), "{name} shows no example");
            for option in command.get_arguments() {
                assert!(option.get_help().is_some(), "{name}: {}", option.get_id());
            }
        }
    }
}
