//! The `vcache` command: what a person or a CI job runs beside the shims.
//!
//! Life cycle: argv is parsed by clap ([`cli`]), the surroundings are read once ([`context`]), one command runs
//! ([`commands`]) and ends in an exit status: 0 done, 1 failed or problems found, 2 wrong usage; `run` ends as its
//! child does.
//!
//! Invariants: results go to stdout and everything else to stderr ([`output`]); looking at a cache never makes or
//! changes one; no tool's command line is known here (what one means is asked of `vcache-shim`), and repositories are `vcache_git`'s. Files and
//! processes are touched through [`files`] and [`process`] only.

mod cli;
mod commands;
mod context;
mod files;
mod output;
mod pinned;
mod process;
mod progress;
mod selection;
mod shims;
mod surroundings;
mod tally;
mod units;

use std::process::ExitCode;

use clap::Parser;
use vcache_shim::{Chain, Host};

fn main() -> ExitCode {
    let host = Host::from_process();
    let cli = match cli::Cli::try_parse_from(host.args()) {
        Ok(cli) => cli,
        Err(usage) => {
            // Help goes to stdout and is no error; a reader that went away is not our trouble.
            let _ = usage.print();
            return ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2));
        }
    };
    match cli.run(&host) {
        Ok(status) => status,
        Err(error) if output::is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::error(Chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
