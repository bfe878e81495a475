//! `vcache export`: what the cache holds, or a part of it, as one file or as lines of a log.

use std::collections::BTreeMap;
use std::io::{BufWriter, ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Error, Result, anyhow, bail};
use serde::Serialize;
use vcache_archive::{Destination, Manifest, Selection, log};
use vcache_store::Store;

use crate::commands::bundles;
use crate::context::Context;
use crate::progress::Progress;
use crate::selection::Wanted;
use crate::{files, output, units};

/// Write what the cache holds, or a part of it, into one archive
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache export -o all.vcache\n         \
                  vcache export --mark before; ./build.sh; vcache export --delta before -o added.vcache\n         \
                  vcache export --image sonic-slave --since 7d | ssh host vcache import -\n         \
                  vcache export --git https://git.example/org/name.git -o .\n\n\
                  Options that restrict combine: what is exported meets all of them.\n\
                  --log is for builds of which only the log comes out. BuildKit keeps 2 MiB of a step's output; more needs\n\
                  BUILDKIT_STEP_LOG_MAX_SIZE=-1 and BUILDKIT_STEP_LOG_MAX_SPEED=-1 in the builder's environment.")]
pub(crate) struct Export {
    /// The archive; `-` is standard output. With --git also a folder: there it is URL-COMMIT.tgz, with `_` for what no file name should have
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    output: PathBuf,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    repository: bundles::OfRepository,
    /// Write a marker of what is there now, for a later --delta, and nothing else
    #[arg(long, value_name = "FILE", conflicts_with_all = ["output", "delta", "since", "kind", "versions", "image", "calls", "log"])]
    mark: Option<PathBuf>,
    /// Take along which calls were recorded, for `vcache import --image`
    #[arg(long)]
    calls: bool,
    /// Write lines for a build log, which `vcache import --log` finds again
    #[arg(long)]
    log: bool,
    /// That there is nothing to export is no error
    #[arg(long)]
    allow_empty: bool,
    /// Print JSON (not beside an archive on standard output)
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    /// None: standard output.
    file: Option<PathBuf>,
    blobs: usize,
    /// Bytes of content.
    bytes: u64,
    records: usize,
    /// Bytes written.
    written: u64,
    content: Vec<Content>,
}

#[derive(Serialize)]
struct Content {
    sha256: String,
    size: u64,
    urls: Vec<String>,
}

impl Export {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        if let Some(url) = &self.repository.url {
            return bundles::export(context, url, &self.repository, &self.output, self.json);
        }
        if let Some(mark) = &self.mark {
            let store = context.store_or_empty()?;
            let file = context.host.cwd().join(mark);
            let manifest =
                Selection::default().of(&store).context("the cache can't be listed; try: vcache doctor")?;
            let written = to_file(&file, |out| {
                let mut counted = Vec::new();
                manifest.write(&mut counted)?;
                out.write_all(&counted).map_err(vcache_archive::Error::Write)?;
                Ok(counted.len() as u64)
            })?;
            return self.say(&Facts::of(Some(file), &manifest, written));
        }
        let to_stdout = self.output == Path::new("-");
        let usage = match (to_stdout, self.json, self.log) {
            (true, true, _) => Some("--json needs standard output for itself: name a file with --output"),
            (true, _, false) if std::io::stdout().is_terminal() => {
                Some("an archive is nothing for a terminal: name a file with --output, or redirect")
            }
            _ => None,
        };
        if let Some(usage) = usage {
            output::error(usage);
            return Ok(ExitCode::from(2));
        }
        let store = context.store_or_empty()?;
        let selection = self.wanted.selection(context, &store)?;
        let mut manifest = selection.of(&store).context("the cache can't be listed; try: vcache doctor")?;
        if self.calls {
            let events = store.events().with_context(|| format!("{}: its events", store.dir().display()))?;
            manifest.calls.extend(events);
        }
        if manifest.is_empty() && !self.allow_empty {
            bail!(
                "nothing to export from {}; if that is to be expected, give --allow-empty",
                store.dir().display()
            );
        }
        let file = (!to_stdout).then(|| context.host.cwd().join(&self.output));
        let mut progress = Progress::new();
        let pack = |out: &mut (dyn Write + Send)| self.pack(&store, &manifest, out, &mut progress);
        let written = match &file {
            Some(file) => to_file(file, pack)?,
            None => to_stdout_alone(pack)?,
        };
        drop(progress);
        if self.log && written > log::BUILDKIT_KEEPS {
            self.remark(&format!(
                "{} of log: BuildKit keeps {} of a step, unless BUILDKIT_STEP_LOG_MAX_SIZE says otherwise",
                units::size(written),
                units::size(log::BUILDKIT_KEEPS)
            ))?;
        }
        self.say(&Facts::of(file, &manifest, written))
    }

    fn pack(
        &self,
        store: &Store,
        manifest: &Manifest,
        out: &mut (dyn Write + Send),
        progress: &mut Progress,
    ) -> Result<u64, vcache_archive::Error> {
        let mut show = |at: vcache_archive::Progress| {
            progress.show(|| format!("exporting: {} of {}", units::size(at.done), units::size(at.total)));
        };
        match self.log {
            true => log::write(store, manifest, out, &mut show),
            false => vcache_archive::write(store, manifest, out, &mut show),
        }
    }

    /// To stdout, unless the archive is there.
    fn say(&self, facts: &Facts) -> Result<ExitCode> {
        match facts.file {
            Some(_) => output::facts(self.json, facts, |facts| render(facts) + "\n")?,
            None => self.remark(&render(facts))?,
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Beside an archive on standard output; behind a log there: docker puts what comes on standard error into the middle of its lines.
    fn remark(&self, text: &str) -> Result<()> {
        match self.log {
            true => output::print(&format!("vcache: {text}\n")),
            false => {
                output::note(text);
                Ok(())
            }
        }
    }
}

/// Writes a file that has its name when it is complete.
pub(super) fn to_file(
    path: &Path,
    pack: impl FnOnce(&mut (dyn Write + Send)) -> Result<u64, vcache_archive::Error>,
) -> Result<u64> {
    let failed = || format!("{}: can't be written; nothing is left there", path.display());
    let mut out = BufWriter::with_capacity(1 << 20, Destination::new(path).with_context(failed)?);
    let written = pack(&mut out).with_context(|| format!("{}: not written", path.display()))?;
    out.into_inner().map_err(|e| e.into_error()).and_then(Destination::finish).with_context(failed)?;
    Ok(written)
}

pub(super) fn to_stdout_alone(
    pack: impl FnOnce(&mut (dyn Write + Send)) -> Result<u64, vcache_archive::Error>,
) -> Result<u64> {
    let mut out = BufWriter::with_capacity(1 << 20, files::raw_stdout()?);
    let written = pack(&mut out).map_err(|error| match error {
        // Elsewhere a reader that has seen enough is no error; of an archive no part is enough.
        vcache_archive::Error::Write(e) if e.kind() == ErrorKind::BrokenPipe => gone(),
        error => Error::new(error).context("standard output has no whole archive"),
    })?;
    out.flush().map_err(|e| if e.kind() == ErrorKind::BrokenPipe { gone() } else { e.into() })?;
    Ok(written)
}

fn gone() -> Error {
    anyhow!("who was to read the archive from standard output has gone")
}

impl Facts {
    fn of(file: Option<PathBuf>, manifest: &Manifest, written: u64) -> Facts {
        let mut urls: BTreeMap<_, Vec<String>> = BTreeMap::new();
        for entry in &manifest.records {
            let url = entry.record.url().to_owned();
            urls.entry(entry.record.sha256).or_default().push(url);
        }
        let content = manifest.content.iter().map(|content| Content {
            sha256: content.sha256.to_string(),
            size: content.size,
            urls: urls.remove(&content.sha256).unwrap_or_default(),
        });
        Facts {
            file,
            blobs: manifest.content.len(),
            bytes: manifest.bytes(),
            records: manifest.records.len(),
            written,
            content: content.collect(),
        }
    }
}

fn render(facts: &Facts) -> String {
    let to = facts.file.as_ref().map_or("standard output".into(), |file| file.display().to_string());
    format!(
        "{}, {}, {} -> {to}, {}",
        units::count(facts.blobs as u64, "blob"),
        units::size(facts.bytes),
        units::count(facts.records as u64, "record"),
        units::size(facts.written)
    )
}
