//! The environment that makes any build a cached one, without its knowing: what `run` gives to its child, and what
//! `explain` assumes.
//!
//! Shims know SONiC's buildinfo folder, with pins in force in `versions/` and new ones in `build-versions/`. A project
//! has one lock folder instead; so a temporary buildinfo folder is made whose two halves are links to it. With
//! `--update` the first half is empty: nothing is pinned, everything is asked for anew, and what comes is recorded.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::context::Context;
use crate::{files, output, shims};

/// What the user asked for.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Project {
    /// The project's lock folder: pins are read from it, and what has none yet is added to it
    #[arg(long, value_name = "DIR", default_value = "vcache-versions")]
    pub(crate) versions: PathBuf,
    /// Take no notice of the pins, look for what is newest, and record it
    #[arg(long, conflicts_with = "offline")]
    pub(crate) update: bool,
    /// Touch no network: what is not in the cache is an error (exit status 118)
    #[arg(long)]
    pub(crate) offline: bool,
}

/// An environment in force as long as this value lives.
pub(crate) struct Surroundings {
    /// What is added to the environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The temporary buildinfo folder.
    pub(crate) buildinfo: tempfile::TempDir,
    _shims: shims::Folder,
}

impl Surroundings {
    /// The environment for the lock folder `lock` (absolute; it need not exist).
    ///
    /// # Errors
    /// There are no shims, or no temporary folder can be made.
    pub(crate) fn new(context: &Context, project: &Project, lock: &Path) -> Result<Surroundings> {
        let shims = shims::folder(&context.host)?;
        let buildinfo = files::temporary_folder()?;
        files::link(lock, &buildinfo.path().join("build-versions"))?;
        let versions = buildinfo.path().join("versions");
        if project.update {
            files::make_empty(&versions)?;
        } else {
            files::link(lock, &versions)?;
        }
        let path = std::iter::once(shims.path.clone()).chain(context.host.path());
        let path = std::env::join_paths(path).with_context(|| {
            format!("{}: a folder with `:` in its name can't be in PATH", shims.path.display())
        })?;
        let mut env: Vec<(OsString, OsString)> = vec![
            ("PATH".into(), path),
            ("VCACHE_BUILDINFO".into(), buildinfo.path().into()),
            // What is newest is on the network or nowhere.
            ("SONIC_VERSION_CACHE_METHOD".into(), if project.update { "wcache" } else { "cache" }.into()),
            ("SONIC_VERSION_CONTROL_COMPONENTS".into(), "all".into()),
            ("VCACHE_PIN_DIGEST".into(), "sha256".into()),
        ];
        if project.offline {
            env.push(("VCACHE_OFFLINE".into(), "y".into()));
        }
        match context.cache_dir() {
            Some(dir) => env.push(("VCACHE_DIR".into(), dir.path.into())),
            None => output::warn(
                "no cache directory, so nothing is kept: give --cache DIR, or set VCACHE_DIR or HOME",
            ),
        }
        Ok(Surroundings { env, buildinfo, _shims: shims })
    }
}
