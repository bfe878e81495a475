//! `vcache gc`: brings the cache down to a size or an age, least recently used first.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use vcache_shim::Chain;
use vcache_store::gc::{self, Options, Report};

use crate::context::Context;
use crate::{output, pinned, units};

/// Remove what was not used for longest
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache gc --max-size 50G --older-than 30d\n         \
                  vcache gc --max-size 10G --keep-versions vcache-versions --dry-run\n\n\
                  Without --max-size and --older-than only leftovers go. What a running process uses always stays.")]
pub(crate) struct Gc {
    /// Bring the cache down to this size, such as 50G or 800M
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    max_size: Option<u64>,
    /// Remove what was last used longer ago, such as 7d or 12h
    #[arg(long, value_name = "AGE", value_parser = units::parse_age)]
    older_than: Option<Duration>,
    /// Never remove what the version files in this folder (and below) name; may be given several times
    #[arg(long, value_name = "DIR")]
    keep_versions: Vec<PathBuf>,
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    dry_run: bool,
    removed: Vec<Removed>,
    records_removed: usize,
    /// Blobs that were due but are named by a version file.
    kept: usize,
    /// Blobs that were due but wait for a second tier.
    waiting: usize,
    /// Blobs that were due but are in use.
    in_use: usize,
    /// Bytes.
    freed: u64,
    /// Bytes.
    remaining: u64,
    failed: Vec<String>,
}

#[derive(Serialize)]
struct Removed {
    sha256: String,
    urls: Vec<String>,
    /// Bytes.
    bytes: u64,
    /// Unix seconds.
    last_use: u64,
}

impl Gc {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let store = context.store()?;
        let mut keep = Vec::new();
        for folder in &self.keep_versions {
            let pins = pinned::pins(&context.host.cwd().join(folder), store.as_ref())?;
            keep.extend(pins.into_iter().map(|(_, digest)| digest));
        }
        let options =
            Options { max_size: self.max_size, older_than: self.older_than, dry_run: self.dry_run, keep };
        let mut report = match &store {
            Some(store) => {
                gc::run(store, &options).context("the cache can't be walked; try: vcache doctor")?
            }
            None => Report::default(),
        };
        // Of a repository of which a pack has gone nothing can be served.
        if let Some(store) = store.filter(|_| !self.dry_run) {
            report.records_removed += vcache_git::forget_incomplete(&store);
        }
        let facts = Facts::of(&report, self.dry_run);
        let now = units::now().as_secs();
        output::facts(self.json, &facts, |facts| render(facts, now))?;
        if let Some(wanted) = self.max_size.filter(|&wanted| facts.remaining > wanted) {
            let (is, wanted) = (units::size(facts.remaining), units::size(wanted));
            output::warn(format_args!(
                "{is} remain, more than the {wanted} asked for: the rest is in use or kept"
            ));
        }
        Ok(if facts.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl Facts {
    fn of(report: &Report, dry_run: bool) -> Facts {
        let removed = report.removed.iter().map(|r| Removed {
            sha256: r.id.to_string(),
            urls: r.urls.clone(),
            bytes: r.bytes,
            last_use: r.last_use,
        });
        Facts {
            dry_run,
            removed: removed.collect(),
            records_removed: report.records_removed,
            kept: report.kept,
            waiting: report.waiting,
            in_use: report.in_use,
            freed: report.freed,
            remaining: report.remaining,
            failed: report.failed.iter().map(|e| Chain(e).to_string()).collect(),
        }
    }
}

fn render(facts: &Facts, now: u64) -> String {
    let mut rows = vec![["SIZE", "LAST USE", "SHA256", "URL"].map(str::to_owned).to_vec()];
    rows.extend(facts.removed.iter().map(|blob| {
        vec![
            units::size(blob.bytes),
            units::age(now.saturating_sub(blob.last_use)),
            blob.sha256.chars().take(12).collect(),
            blob.urls.iter().map(|url| url.lines().next().unwrap_or_default()).collect::<Vec<_>>().join(" "),
        ]
    }));
    let table = if facts.removed.is_empty() { String::new() } else { output::table(&rows, &[0, 1]) };
    let failed: String = facts.failed.iter().map(|what| format!("failed: {what}\n")).collect();
    let verb = if facts.dry_run { "would go" } else { "removed" };
    let stayed = [
        (facts.kept, "named by version files"),
        (facts.waiting, "waiting for a second tier"),
        (facts.in_use, "in use"),
    ];
    let stayed: Vec<_> = stayed.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{n} {why}")).collect();
    let stayed =
        if stayed.is_empty() { String::new() } else { format!("; stayed though due: {}", stayed.join(", ")) };
    format!(
        "{table}{failed}{} {verb}, {}; {} remain{stayed}\n",
        units::count(facts.removed.len() as u64, "blob"),
        units::size(facts.freed),
        units::size(facts.remaining)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_is_listed_and_summed_up() {
        let mut facts = Facts::of(&Report::default(), true);
        assert_eq!(render(&facts, 100), "0 blobs would go, 0 B; 0 B remain\n");
        let urls = vec!["http://h/a\naccept: x".to_owned()];
        facts.removed.push(Removed { sha256: "ab".repeat(32), urls, bytes: 2048, last_use: 40 });
        (facts.kept, facts.dry_run) = (1, false);
        let text = render(&facts, 100);
        assert!(text.contains("2.0 KiB") && text.contains("1m") && text.contains("http://h/a\n"), "{text}");
        assert!(text.ends_with("; stayed though due: 1 named by version files\n"), "{text}");
    }
}
