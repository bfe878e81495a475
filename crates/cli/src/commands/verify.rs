//! `vcache verify`: every blob against its name, every record against its blob, every repository against its packs. It reports; `--repair` also mends.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde::Serialize;
use vcache_git::Examined;
use vcache_shim::Chain;
use vcache_store::tier::{self, Held};
use vcache_store::verify::{self, Progress as Step, Report};
use vcache_store::{Sha256Id, Store, Tier};

use crate::context::Context;
use crate::progress::Progress;
use crate::{output, units};

/// Check everything in the cache, and report what is wrong
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache verify\n         vcache verify --repair\n\n\
                  Exit status: 1 when something is wrong (with --repair: and could not be mended).")]
pub(crate) struct Verify {
    /// Move corrupt blobs to quarantine/, and remove records and aliases that lead nowhere, and states of damaged repositories
    #[arg(long)]
    repair: bool,
    /// Check what the second tiers hold of it too: all of it is fetched (with --repair: and replaced where it is wrong)
    #[arg(long)]
    tiers: bool,
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
    /// That were looked at.
    repositories: usize,
    damaged: Vec<Damaged>,
    /// Why repositories were not put together and looked at as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    unchecked: Option<String>,
    repaired: usize,
    /// What the second tiers hold of the cache's content; none where they were not asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tiers: Vec<OfTier>,
    sound: bool,
}

/// A repository that is not whole.
#[derive(Serialize)]
struct Damaged {
    url: String,
    record: PathBuf,
    why: String,
}

#[derive(Serialize)]
struct OfTier {
    tier: String,
    sound: usize,
    absent: usize,
    wrong: Vec<String>,
    failed: Vec<String>,
    repaired: usize,
}

#[derive(Serialize)]
struct Corrupt {
    path: PathBuf,
    expected_sha256: String,
    found_sha256: String,
}

impl Verify {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let store = context.store()?;
        let report = match &store {
            Some(store) => {
                let mut progress = Progress::new();
                let mut show = |step: Step| {
                    let (done, total) = (units::size(step.done_bytes), units::size(step.total_bytes));
                    progress.show(|| format!("verifying: {done} of {total}"));
                };
                verify::run(store, self.repair, &mut show)
                    .context("the cache can't be walked; try: vcache doctor")?
            }
            None => Report::default(),
        };
        let mut facts = Facts::of(&report);
        if let Some(store) = &store {
            let mut progress = Progress::new();
            let mut show = |done, total| {
                progress.show(|| format!("verifying: {done} of {total} states of repositories"))
            };
            facts.add(vcache_git::examine(&context.host, store, self.repair, &mut show), self.repair);
        }
        if let Some(store) = store.filter(|_| self.tiers) {
            facts.tiers =
                store.tiers().iter().map(|tier| in_tier(&store, tier.as_ref(), self.repair)).collect();
        }
        let tiers_mended = facts.tiers.iter().all(|of| of.failed.is_empty() && of.repaired == of.wrong.len());
        let mended = self.repair && facts.failed.is_empty() && tiers_mended;
        facts.sound &= facts.tiers.iter().all(|of| of.failed.is_empty() && of.wrong.is_empty());
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
            repositories: 0,
            damaged: Vec::new(),
            unchecked: None,
            repaired: report.repaired,
            tiers: Vec::new(),
            sound: report.is_clean(),
        }
    }

    fn add(&mut self, examined: Examined, repair: bool) {
        self.repositories = examined.repositories;
        self.unchecked = examined.skipped;
        self.sound &= examined.faults.is_empty();
        for fault in examined.faults {
            self.repaired += usize::from(fault.repaired);
            if repair && !fault.repaired {
                self.failed.push(format!("{}: can't be removed", fault.record.display()));
            }
            self.damaged.push(Damaged { url: fault.url, record: fault.record, why: fault.why });
        }
    }
}

/// Content that a tier lacks is no fault: it may not have been sent, or evicted there.
fn in_tier(store: &Store, tier: &dyn Tier, repair: bool) -> OfTier {
    let name = tier.name().to_owned();
    let mut of = OfTier { tier: name, sound: 0, absent: 0, wrong: vec![], failed: vec![], repaired: 0 };
    let ids: BTreeSet<Sha256Id> =
        store.records().filter_map(|(_, record)| Some(record.ok()?.sha256)).collect();
    let mut progress = Progress::new();
    for (number, id) in ids.iter().enumerate() {
        progress.show(|| format!("verifying {}: {number} of {}", of.tier, ids.len()));
        match tier::check(tier, id) {
            Ok(Held::Sound) => of.sound += 1,
            Ok(Held::Absent) => of.absent += 1,
            Ok(Held::Wrong) => {
                of.wrong.push(id.to_string());
                let mend = || match store.find(&(*id).into()) {
                    Ok(Some(blob)) => tier.put_content(&blob).is_ok(),
                    _ => false,
                };
                of.repaired += usize::from(repair && tier.is_written() && mend());
            }
            Err(error) => of.failed.push(format!("{id}: {}", Chain(error.as_ref()))),
        }
    }
    of
}

fn render(facts: &Facts, repair: bool) -> String {
    let mut text = String::new();
    let mut line = |what: &str, detail: &str| text.push_str(&format!("{what}: {detail}\n"));
    for blob in &facts.corrupt {
        line("corrupt", &format!("{} is sha256:{}", blob.path.display(), blob.found_sha256));
    }
    facts.dangling.iter().for_each(|path| line("leads nowhere", &path.display().to_string()));
    facts.damaged.iter().for_each(|of| line("damaged repository", &format!("{}: {}", of.url, of.why)));
    if let Some(why) = &facts.unchecked {
        line(
            "not looked at as a whole",
            &format!("{} ({why})", units::count(facts.repositories as u64, "repository")),
        );
    }
    facts.foreign.iter().for_each(|path| line("not ours, left alone", &path.display().to_string()));
    facts.failed.iter().for_each(|what| line("failed", what));
    for of in &facts.tiers {
        of.wrong.iter().for_each(|id| line("wrong in tier", &format!("{} {id}", of.tier)));
        of.failed.iter().for_each(|what| line("failed", &format!("{} {what}", of.tier)));
        let (sound, absent, wrong) = (of.sound, of.absent, of.wrong.len());
        line(&of.tier, &format!("{sound} sound, {absent} not there, {wrong} wrong, {} mended", of.repaired));
    }
    let in_tiers: usize = facts.tiers.iter().map(|of| of.wrong.len() + of.failed.len()).sum();
    let repaired = facts.repaired + facts.tiers.iter().map(|of| of.repaired).sum::<usize>();
    let wrong =
        facts.corrupt.len() + facts.dangling.len() + facts.damaged.len() + facts.failed.len() + in_tiers;
    let end = match (wrong, repair) {
        (0, _) => "all sound".to_owned(),
        (_, true) => format!("{}, {} mended", units::count(wrong as u64, "fault"), repaired),
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
