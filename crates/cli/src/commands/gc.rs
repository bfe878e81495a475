//! `vcache gc`: brings the cache down to a size or an age, least recently used first.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use vcache_shim::Chain;
use vcache_store::Kind;
use vcache_store::gc::{self, Options, Report};

use crate::commands::ls;
use crate::context::Context;
use crate::{output, pinned, units};

/// Remove what was not used for longest
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache gc --max-size 50G --older-than 30d\n         \
                  vcache gc --max-size 10G --keep-versions vcache-versions --dry-run\n         \
                  vcache gc --older-than 90d --index-older-than 7d\n\n\
                  Without --max-size, --older-than and --index-older-than only leftovers go. What a running\n\
                  process uses always stays.\n\n\
                  Content that requests of several kinds brought counts for one of them, and for deb-index\n\
                  (what says which packages a repository has) only where no other kind has it.\n\n\
                  --keep-versions keeps of versions-git the repositories, of versions-deb the packages, and of\n\
                  versions-mirror the Release files with all indexes that they name.")]
pub(crate) struct Gc {
    /// Bring the cache down to this size, such as 50G or 800M
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    max_size: Option<u64>,
    /// Remove what was last used longer ago, such as 7d or 12h
    #[arg(long, value_name = "AGE", value_parser = units::parse_age)]
    older_than: Option<Duration>,
    /// Remove indexes of Debian repositories that were last used longer ago, besides: they are large and change daily
    #[arg(long, value_name = "AGE", value_parser = units::parse_age)]
    index_older_than: Option<Duration>,
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
    /// The blobs by the kinds of requests that brought them.
    kinds: Vec<OfKind>,
    failed: Vec<String>,
}

#[derive(Serialize)]
struct OfKind {
    /// `other`: content that no request leads to.
    kind: &'static str,
    removed_blobs: usize,
    removed_bytes: u64,
    remaining_blobs: usize,
    remaining_bytes: u64,
}

#[derive(Serialize)]
struct Removed {
    sha256: String,
    /// As in `kinds`.
    kind: &'static str,
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
        let options = Options {
            max_size: self.max_size,
            older_than: self.older_than,
            index_older_than: self.index_older_than,
            dry_run: self.dry_run,
            keep,
        };
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
            kind: name(r.kind),
            urls: r.urls.clone(),
            bytes: r.bytes,
            last_use: r.last_use,
        });
        let kinds = report.kinds.iter().map(|of| OfKind {
            kind: name(of.kind),
            removed_blobs: of.removed.blobs,
            removed_bytes: of.removed.bytes,
            remaining_blobs: of.remaining.blobs,
            remaining_bytes: of.remaining.bytes,
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
            kinds: kinds.collect(),
            failed: report.failed.iter().map(|e| Chain(e).to_string()).collect(),
        }
    }
}

fn name(kind: Option<Kind>) -> &'static str {
    kind.map_or("other", Kind::name)
}

fn render(facts: &Facts, now: u64) -> String {
    let verb = if facts.dry_run { "would go" } else { "removed" };
    let mut rows = vec![["SIZE", "LAST USE", "SHA256", "URL"].map(str::to_owned).to_vec()];
    rows.extend(facts.removed.iter().map(|blob| {
        vec![
            units::size(blob.bytes),
            units::age(now.saturating_sub(blob.last_use)),
            blob.sha256.chars().take(12).collect(),
            blob.urls.iter().map(|key| ls::shown(key)).collect::<Vec<_>>().join(" "),
        ]
    }));
    let table = if facts.removed.is_empty() { String::new() } else { output::table(&rows, &[0, 1]) };
    let mut kinds =
        vec![["KIND", &verb.to_uppercase(), "SIZE", "REMAIN", "SIZE"].map(str::to_owned).to_vec()];
    kinds.extend(facts.kinds.iter().map(|of| {
        vec![
            of.kind.to_owned(),
            of.removed_blobs.to_string(),
            units::size(of.removed_bytes),
            of.remaining_blobs.to_string(),
            units::size(of.remaining_bytes),
        ]
    }));
    // One kind is what the last line says.
    let kinds = if facts.kinds.len() < 2 { String::new() } else { output::table(&kinds, &[1, 2, 3, 4]) };
    let failed: String = facts.failed.iter().map(|what| format!("failed: {what}\n")).collect();
    let stayed = [
        (facts.kept, "named by version files"),
        (facts.waiting, "waiting for a second tier"),
        (facts.in_use, "in use"),
    ];
    let stayed: Vec<_> = stayed.iter().filter(|(n, _)| *n > 0).map(|(n, why)| format!("{n} {why}")).collect();
    let stayed =
        if stayed.is_empty() { String::new() } else { format!("; stayed though due: {}", stayed.join(", ")) };
    format!(
        "{table}{kinds}{failed}{} {verb}, {}; {} remain{stayed}\n",
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
        facts.removed.push(Removed { sha256: "ab".repeat(32), kind: "web", urls, bytes: 2048, last_use: 40 });
        (facts.kept, facts.dry_run) = (1, false);
        let text = render(&facts, 100);
        assert!(text.contains("2.0 KiB") && text.contains("1m") && text.contains("http://h/a\n"), "{text}");
        assert!(text.ends_with("; stayed though due: 1 named by version files\n"), "{text}");
        for (kind, removed_blobs) in [("deb", 1), ("other", 0)] {
            let (removed_bytes, remaining_blobs, remaining_bytes) = (2048, 12, 1 << 20);
            facts.kinds.push(OfKind { kind, removed_blobs, removed_bytes, remaining_blobs, remaining_bytes });
        }
        let text = render(&facts, 100);
        let table = "KIND   REMOVED     SIZE  REMAIN     SIZE\n\
                     deb          1  2.0 KiB      12  1.0 MiB\n\
                     other        0  2.0 KiB      12  1.0 MiB\n";
        assert!(text.contains(table), "{text}");
    }
}
