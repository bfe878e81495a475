//! `vcache verify`: every blob against its name, every record against its blob. It reports; `--repair` also mends.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;
use vcache_shim::Chain;
use vcache_store::verify::{self, Progress as Step, Report};

use crate::context::Context;
use crate::progress::Progress;
use crate::{output, units};

/// Check everything in the cache, and report what is wrong
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache verify\n         vcache verify --repair\n\n\
                  Exit status: 1 when something is wrong (with --repair: and could not be mended).")]
pub(crate) struct Verify {
    /// Move corrupt blobs to quarantine/, and remove records and aliases that lead nowhere
    #[arg(long)]
    repair: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    blobs: usize,
    bytes: u64,
    corrupt: Vec<Corrupt>,
    dangling: Vec<PathBuf>,
    /// Files in the cache's folders that are not ours; they are left alone and are no fault.
    foreign: Vec<PathBuf>,
    failed: Vec<String>,
    repaired: usize,
    sound: bool,
}

#[derive(Serialize)]
struct Corrupt {
    path: PathBuf,
    expected_sha256: String,
    found_sha256: String,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let report = match context.store()? {
            Some(store) => {
                let mut progress = Progress::new();
                let mut show = |step: Step| {
                    let (done, total) = (units::size(step.done_bytes), units::size(step.total_bytes));
                    progress.show(|| format!("verifying: {done} of {total}"));
                };
                verify::run(&store, self.repair, &mut show)
                    .context("the cache can't be walked; try: vcache doctor")?
            }
            None => Report::default(),
        };
        let mended = self.repair && report.failed.is_empty();
        let facts = Facts::of(&report);
        output::facts(self.json, &facts, |facts| render(facts, self.repair))?;
        Ok(if facts.sound || mended { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Facts {
    fn of(report: &Report) -> Facts {
        let corrupt = report.corrupt.iter().map(|c| Corrupt {
            path: c.path.clone(),
            expected_sha256: c.id.to_string(),
            found_sha256: c.found.to_string(),
        });
        Facts {
            blobs: report.blobs,
            bytes: report.bytes,
            corrupt: corrupt.collect(),
            dangling: report.dangling_records.iter().chain(&report.dangling_pointers).cloned().collect(),
            foreign: report.foreign.clone(),
            failed: report.failed.iter().map(|e| Chain(e).to_string()).collect(),
            repaired: report.repaired,
            sound: report.is_clean(),
        }
    }
}

fn render(facts: &Facts, repair: bool) -> String {
    let mut text = String::new();
    let mut line = |what: &str, detail: &str| text.push_str(&format!("{what}: {detail}\n"));
    for blob in &facts.corrupt {
        line("corrupt", &format!("{} is sha256:{}", blob.path.display(), blob.found_sha256));
    }
    facts.dangling.iter().for_each(|path| line("leads nowhere", &path.display().to_string()));
    facts.foreign.iter().for_each(|path| line("not ours, left alone", &path.display().to_string()));
    facts.failed.iter().for_each(|what| line("failed", what));
    let wrong = facts.corrupt.len() + facts.dangling.len() + facts.failed.len();
    let end = match (wrong, repair) {
        (0, _) => "all sound".to_owned(),
        (_, true) => format!("{}, {} mended", units::count(wrong as u64, "fault"), facts.repaired),
        (_, false) => format!("{}; to repair: vcache verify --repair", units::count(wrong as u64, "fault")),
    };
    text + &format!("{}, {}: {end}\n", units::count(facts.blobs as u64, "blob"), units::size(facts.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_to_do() {
        let mut facts = Facts::of(&Report::default());
        assert_eq!(render(&facts, false), "0 blobs, 0 B: all sound\n");
        facts.failed.push("x".into());
        assert_eq!(
            render(&facts, false),
            "failed: x\n0 blobs, 0 B: 1 fault; to repair: vcache verify --repair\n"
        );
        assert_eq!(render(&facts, true), "failed: x\n0 blobs, 0 B: 1 fault, 0 mended\n");
    }
}
