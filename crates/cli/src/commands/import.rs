//! `vcache import`: an archive into the cache, all of it or nothing; from a log what arrived whole. Archives of repositories are known by how
//! they begin (`bundles`).

use std::io::{BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use vcache_archive::{Options, Report, log};
use vcache_shim::journal::Event;
use vcache_store::Store;

use crate::commands::{bundles, flush};
use crate::context::Context;
use crate::progress::Progress;
use crate::{files, output, units};

/// Take an archive into the cache
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache import added.vcache\n         \
                  vcache import https___git.example_org_name.git-COMMIT.tgz\n         \
                  docker build --progress plain . 2>&1 | tee build.log; vcache import --log build.log\n\n\
                  Everything is checked before anything is taken: an import that fails leaves the cache as it was.\n\
                  With --log what arrived whole is kept, and what did not is named; exit status 1.\n\
                  What an archive says of unpinned URLs is believed: take only those of someone you trust.")]
pub(crate) struct Import {
    /// The archive, or the log; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// It is a build log with the lines of `vcache export --log` in it
    #[arg(long)]
    log: bool,
    /// Note the calls that it brings (`vcache export --calls`) as those of a build of this image
    #[arg(long, value_name = "NAME", conflicts_with = "dry_run")]
    image: Option<String>,
    /// Only check it, and say what would come in
    #[arg(long)]
    dry_run: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    dry_run: bool,
    blobs: u64,
    /// Bytes.
    bytes: u64,
    records: u64,
    /// What was there already.
    skipped: Skipped,
    /// What a log should have brought and did not.
    lost: Vec<Loss>,
}

#[derive(Serialize)]
struct Skipped {
    blobs: u64,
    /// Bytes.
    bytes: u64,
    records: u64,
}

#[derive(Serialize)]
struct Loss {
    sha256: Option<String>,
    url: Option<String>,
    why: String,
}

impl Import {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let stdin = self.file == Path::new("-");
        let path = if stdin { self.file.clone() } else { context.host.cwd().join(&self.file) };
        let name = if stdin { "standard input".to_owned() } else { path.display().to_string() };
        let mut input = files::input(&path)?;
        let store = match self.dry_run {
            true => context.store_or_empty()?,
            false => context.store_to_fill()?,
        };
        let mut begin = Vec::new();
        if !self.log {
            let read = (&mut input).take(4).read_to_end(&mut begin);
            read.with_context(|| format!("{name}: can't be read"))?;
        }
        let is_of_git = vcache_git::is_archive(&begin);
        let mut input = Cursor::new(begin).chain(input);
        if is_of_git {
            if self.image.is_some() {
                bail!("{name}: it has repositories and no calls, so --image says nothing");
            }
            return bundles::import(context, &Arc::new(store), &name, &mut input, self.dry_run, self.json);
        }
        let facts = if self.log {
            let report =
                self.take_log(&store, input).with_context(|| format!("{name}: the import was ended"))?;
            if report.exports == 0 && report.lost.is_empty() {
                bail!("{name}: no VCSTART line is in it; was it clipped, or is it the wrong log?");
            }
            self.note_calls(&store, &report.taken.calls)?;
            Facts::of(&report.taken, &report.lost, self.dry_run)
        } else {
            let report = self.take(&store, input).with_context(|| format!("{name}: nothing was imported"))?;
            self.note_calls(&store, &report.calls)?;
            Facts::of(&report, &[], self.dry_run)
        };
        output::facts(self.json, &facts, render)?;
        flush::note_waiting(&store);
        Ok(if facts.lost.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Without an image they would only tell of another cache.
    fn note_calls(&self, store: &Store, calls: &[String]) -> Result<()> {
        let Some(image) = &self.image else { return Ok(()) };
        for line in calls.iter().filter_map(|line| Event::adopt(line.as_bytes(), Some(image)).ok()) {
            store.append_event(&line).with_context(|| format!("{}: its events", store.dir().display()))?;
        }
        Ok(())
    }

    fn take(&self, store: &Store, mut input: impl Read + Send) -> Result<Report> {
        let mut progress = Progress::new();
        Ok(vcache_archive::import(store, &mut input, self.options(), &mut |at| show(&mut progress, at))?)
    }

    fn take_log(&self, store: &Store, input: impl Read) -> Result<log::Report> {
        let mut progress = Progress::new();
        let mut input = BufReader::with_capacity(1 << 20, input);
        Ok(log::import(store, &mut input, self.options(), &mut |at| show(&mut progress, at))?)
    }

    fn options(&self) -> Options {
        Options { dry_run: self.dry_run }
    }
}

fn show(progress: &mut Progress, at: vcache_archive::Progress) {
    progress.show(|| format!("importing: {} of {}", units::size(at.done), units::size(at.total)));
}

impl Facts {
    fn of(report: &Report, lost: &[log::Loss], dry_run: bool) -> Facts {
        let lost = lost.iter().map(|loss| Loss {
            sha256: loss.content.map(|id| id.to_string()),
            url: loss.url.clone(),
            why: loss.why.clone(),
        });
        Facts {
            dry_run,
            blobs: report.blobs,
            bytes: report.bytes,
            records: report.records,
            skipped: Skipped {
                blobs: report.blobs_held,
                bytes: report.bytes_held,
                records: report.records_held,
            },
            lost: lost.collect(),
        }
    }
}

fn render(facts: &Facts) -> String {
    let lost: String = facts.lost.iter().map(Loss::line).collect();
    let verb = if facts.dry_run { "would come in" } else { "imported" };
    let missing = match facts.lost.len() as u64 {
        0 => String::new(),
        lost => format!("; {} did not arrive", units::count(lost, "thing")),
    };
    format!(
        "{lost}{}, {}, {} {verb}; skipped as they were there: {}, {}{missing}\n",
        units::count(facts.blobs, "blob"),
        units::size(facts.bytes),
        units::count(facts.records, "record"),
        units::count(facts.skipped.blobs, "blob"),
        units::count(facts.skipped.records, "record"),
    )
}

impl Loss {
    fn line(&self) -> String {
        let what = match (&self.url, &self.sha256) {
            (Some(url), Some(id)) => format!("{url} (sha256:{id})"),
            (None, Some(id)) => format!("sha256:{id}"),
            (_, None) => "something".to_owned(),
        };
        format!("lost: {what}: {}\n", self.why)
    }
}
