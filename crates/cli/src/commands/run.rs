//! `vcache run`: a build with pins and cache, whatever it is and without Docker.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::commands::flush;
use crate::context::{self, Context};
use crate::surroundings::{Project, Surroundings};
use crate::tally::Tally;
use crate::{files, output, process};

/// Run a build whose downloads are pinned and cached
///
/// What was downloaded is pinned in the project's lock folder, so that the next run gets the same bytes, from the
/// cache, with the network or without. Keep the folder with the sources.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache run -- ./build.sh\n         vcache run --offline -- make -j4\n\
                        Exit status: that of the command; 128 and the signal's number when a signal ended it; \
                        126 or 127 when it can't be started.")]
pub(crate) struct Run {
    #[command(flatten)]
    project: Project,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// For another build of this user that sends what both have fetched.
const FLUSH_PATIENCE: Duration = Duration::from_secs(600);
const LOG: &str = "VCACHE_BUILD_LOG";

impl Run {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let lock = files::make_folder(&context.host.cwd().join(&self.project.versions))?;
        for kind in ["web", "git"] {
            for file in files::version_files(&lock, kind)? {
                files::read(&file).context("its pins can't be read, so none would hold")?;
            }
        }
        let mut around = Surroundings::new(context, &self.project, &lock)?;
        if vcache_shim::settings::hook_skipped(&context.settings) {
            output::warn(
                "SKIP_BUILD_HOOK=y: every shim is a plain exec, nothing is pinned or cached; unset it",
            );
        }
        let (log, seen) = log(context, &around);
        around.env.push((LOG.into(), log.clone().into()));
        let status = match process::run(&self.command, &around.env) {
            Ok(status) => process::status(status),
            Err(error) => return Ok(ExitCode::from(not_started(&self.command[0], &error))),
        };
        if !context::is_quiet(&context.settings) {
            // No shim was called where there is no log.
            let lines = files::lines_from(&log, seen).into_iter().flatten();
            let tally = Tally::of(lines, 0);
            output::note(tally.line());
            if tally.requests == 0 {
                output::note(
                    "no shim was called here: tools called by an absolute path, or with another PATH, go past them",
                );
            }
        }
        if flush::has_tiers(&context.settings)
            && let Some(store) = context.store()?
        {
            flush::flush(&store, FLUSH_PATIENCE)?;
        }
        Ok(ExitCode::from(status))
    }
}

/// The log that the build writes, and how long it is before. The user's own log stays in use where there is one.
fn log(context: &Context, around: &Surroundings) -> (PathBuf, u64) {
    match context.settings.path(LOG) {
        Some(path) => {
            let path = context.host.cwd().join(path);
            let length = files::length(&path);
            (path, length)
        }
        None => (around.buildinfo.path().join("build.jsonl"), 0),
    }
}

fn not_started(program: &OsString, error: &io::Error) -> u8 {
    let program = program.display();
    if error.kind() == io::ErrorKind::NotFound {
        output::error(format_args!(
            "{program}: command not found; look for it in PATH, or check its spelling"
        ));
        vcache_shim::exit::NO_REAL_TOOL
    } else {
        output::error(format_args!("{program}: can't be executed: {error}"));
        vcache_shim::exit::CANNOT_EXECUTE
    }
}
