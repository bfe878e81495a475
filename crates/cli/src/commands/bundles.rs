//! `vcache export --git` and what `vcache import` does with such an archive: a repository with its submodules as bundles of git.

use std::io::{IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, Result, anyhow};
use serde::Serialize;
use vcache_archive::Counted;
use vcache_git::{Bundle, Packed};
use vcache_store::Store;

use crate::commands::export::{to_file, to_stdout_alone};
use crate::commands::flush;
use crate::context::Context;
use crate::{output, units};

/// The options of `export` that are about a repository.
#[derive(clap::Args, Debug)]
pub(super) struct OfRepository {
    /// Write the bundles of this repository and of its submodules, as a gzip'd tar
    #[arg(long = "git", value_name = "URL", conflicts_with_all = ["delta", "since", "kind", "versions", "image", "mark", "calls", "log", "allow_empty"])]
    pub(super) url: Option<String>,
    /// Of this commit (otherwise of what is checked out by default)
    #[arg(long, value_name = "COMMIT", requires = "url", value_parser = parse_commit)]
    commit: Option<String>,
}

#[derive(Serialize)]
struct Exported {
    /// None: standard output.
    file: Option<PathBuf>,
    /// Bytes written.
    written: u64,
    repositories: Vec<Bundle>,
    /// Submodules that no cache has.
    left: Vec<String>,
}

#[derive(Serialize)]
struct Imported {
    dry_run: bool,
    repositories: Vec<Repository>,
}

#[derive(Serialize)]
struct Repository {
    #[serde(flatten)]
    bundle: Bundle,
    /// All of it was there already.
    held: bool,
}

fn parse_commit(text: &str) -> Result<String, String> {
    match vcache_versions::is_commit(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a commit has 40 hexadecimal digits".to_owned()),
    }
}

/// Writes the archive of a repository; into a folder, by the name that it has there.
pub(super) fn export(
    context: &Context,
    url: &str,
    wanted: &OfRepository,
    output: &Path,
    json: bool,
) -> Result<ExitCode> {
    let to_stdout = output == Path::new("-");
    if to_stdout && (json || std::io::stdout().is_terminal()) {
        output::error(
            "standard output is for the archive, and no terminal: name a file or a folder with --output",
        );
        return Ok(ExitCode::from(2));
    }
    let context = context.with("SONIC_VERSION_CACHE_METHOD", "cache");
    let store = Arc::new(context.store_or_empty()?);
    let packed = vcache_git::pack(&context.host, &context.settings, &store, url, wanted.commit.as_deref());
    let packed = packed.map_err(|error| {
        let of = error.submodule.as_ref().map(|path| format!(" (submodule `{path}`)")).unwrap_or_default();
        anyhow!("{}{of}: {}; to fetch it: vcache prefetch", error.url, error.why)
    })?;
    for error in &packed.left {
        let path = error.submodule.as_deref().unwrap_or_default();
        output::warn(format_args!("submodule `{path}` is left out: {}", error.why));
    }
    let file = (!to_stdout).then(|| {
        let path = context.host.cwd().join(output);
        if path.is_dir() { path.join(packed.name()) } else { path }
    });
    let pack = |out: &mut (dyn Write + Send)| write(&packed, out);
    let written = match &file {
        Some(file) => to_file(file, pack)?,
        None => to_stdout_alone(pack)?,
    };
    let left = packed.left.iter().map(ToString::to_string).collect();
    let facts = Exported { file, written, repositories: packed.bundles, left };
    match facts.file {
        Some(_) => output::facts(json, &facts, rendered)?,
        None => output::note(rendered(&facts).trim_end()),
    }
    Ok(ExitCode::SUCCESS)
}

fn write(packed: &Packed, out: &mut (dyn Write + Send)) -> Result<u64, vcache_archive::Error> {
    let mut counted = Counted::new(out);
    packed.write(&mut counted).map_err(vcache_archive::Error::Write)?;
    Ok(counted.bytes())
}

fn rendered(facts: &Exported) -> String {
    let to = facts.file.as_ref().map_or("standard output".into(), |file| file.display().to_string());
    let number = facts.repositories.len() as u64;
    format!("{} -> {to}, {}\n", units::count(number, "repository"), units::size(facts.written))
}

/// Takes such an archive in.
pub(super) fn import(
    context: &Context,
    store: &Arc<Store>,
    name: &str,
    input: &mut dyn Read,
    dry_run: bool,
    json: bool,
) -> Result<ExitCode> {
    let context = context.with("SONIC_VERSION_CACHE_METHOD", "cache");
    let taken = vcache_git::take(&context.host, &context.settings, store, input, dry_run)
        .with_context(|| format!("{name}: nothing was imported"))?;
    let repositories =
        taken.into_iter().map(|taken| Repository { bundle: taken.bundle, held: taken.held }).collect();
    flush::note_waiting(store);
    output::facts(json, &Imported { dry_run, repositories }, |facts| {
        let (held, new): (Vec<_>, Vec<_>) = facts.repositories.iter().partition(|of| of.held);
        let verb = if facts.dry_run { "would come in" } else { "imported" };
        let bytes = new.iter().map(|of| of.bundle.size).sum();
        format!(
            "{}, {} {verb}; skipped as they were there: {}\n",
            units::count(new.len() as u64, "repository"),
            units::size(bytes),
            held.len()
        )
    })?;
    Ok(ExitCode::SUCCESS)
}
