//! `vcache hooks`: the links by which tools are found to be shims, put in place and taken away.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use vcache_shim::links::{self, Change, EXECUTABLE};

use crate::context::Context;
use crate::output;
use crate::shims::{self, Names};

/// Put the shims ahead of the real tools, or take them away again
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache hooks enable\n         vcache hooks disable --dir /usr/local/sbin")]
pub(crate) struct Hooks {
    /// What to do
    action: Action,
    /// The folder that holds vcache-shim [default: the first in PATH that does, else the installed one]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Links are made or removed.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// Link every tool to vcache-shim; some only where the tool is installed, since scripts look for them
    Enable,
    /// Remove these links; every call is the real tool's again
    Disable,
}

#[derive(Serialize)]
struct Facts {
    action: Action,
    folder: PathBuf,
    links: Vec<Link>,
}

#[derive(Serialize)]
struct Link {
    path: PathBuf,
    /// `made`, `kept`, `removed`, or `foreign`: something else that was left alone.
    change: &'static str,
}

impl Hooks {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let folder = self.dir.map(|dir| context.host.cwd().join(dir));
        let folder = folder
            .or_else(|| shims::in_path(&context.host))
            .or_else(shims::installed)
            .unwrap_or_else(|| "/usr/local/sbin".into());
        let facts = Facts { action: self.action, links: change(self.action, &folder)?, folder };
        output::facts(self.json, &facts, render)?;
        let foreign: Vec<_> = facts.links.iter().filter(|link| link.change == "foreign").collect();
        for link in &foreign {
            output::warn(format_args!("{}: is not one of our links and was left alone", link.path.display()));
        }
        // Disabling has done its work when no link of ours is left; enabling has not when a tool is not linked.
        let failed = self.action == Action::Enable && !foreign.is_empty();
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn change(action: Action, folder: &Path) -> Result<Vec<Link>> {
    let executable = folder.join(EXECUTABLE);
    if !executable.exists() {
        bail!(
            "{}: there is no {EXECUTABLE}; name its folder with --dir, or run ./install.sh",
            folder.display()
        );
    }
    let all = shims::names(&executable, Names::All)?;
    let (changes, doing) = match action {
        Action::Enable => {
            let here = shims::names(&executable, Names::Here)?;
            // Their tools have gone since they were linked.
            let gone: Vec<_> = all.into_iter().filter(|name| !here.contains(name)).collect();
            (links::arrange(folder, &here, &gone), "made")
        }
        Action::Disable => (links::disable(folder, &all), "removed"),
    };
    let changes =
        changes.with_context(|| format!("{}: links can't be {doing}; are you root?", folder.display()))?;
    Ok(changes
        .into_iter()
        .map(|change| match change {
            Change::Made(path) => Link { path, change: "made" },
            Change::Kept(path) => Link { path, change: "kept" },
            Change::Removed(path) => Link { path, change: "removed" },
            Change::Foreign(path) => Link { path, change: "foreign" },
        })
        .collect())
}

fn render(facts: &Facts) -> String {
    if facts.links.is_empty() {
        return format!("{}: no links to change\n", facts.folder.display());
    }
    let rows: Vec<_> = facts
        .links
        .iter()
        .map(|link| vec![link.change.to_owned(), link.path.display().to_string()])
        .collect();
    output::table(&rows, &[])
}
