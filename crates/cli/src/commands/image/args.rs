//! What an image is made of, as options and settings say it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use vcache_image::key::{Keys, Parts};

use crate::context::Context;

/// Which of these is in the context counts without being named.
const USUAL: &[&str] = &["Makefile", "buildinfo/versions", "vcache-versions"];

/// What an image is made of.
#[derive(clap::Args, Debug)]
pub(crate) struct ImageArgs {
    /// The image's name, as in `docker build -t NAME`
    pub(crate) name: String,
    /// The folder that it is built from [default: .]
    #[arg(value_name = "CONTEXT")]
    folder: Option<PathBuf>,
    /// Its Dockerfile; where a template FILE.j2 lies beside it that one counts [default: Dockerfile in CONTEXT]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// More that counts: a file, or a folder with all in it; may be given several times (as VCACHE_IMAGE_FILES)
    #[arg(long, value_name = "PATH")]
    common: Vec<PathBuf>,
    /// A variable whose value counts; may be given several times (as VCACHE_IMAGE_ENV)
    #[arg(long, value_name = "NAME")]
    env: Vec<String>,
}

impl ImageArgs {
    /// The parts of the image.
    ///
    /// # Errors
    /// A file that is named is not there, or there is no Dockerfile.
    pub(crate) fn parts(&self, context: &Context) -> Result<Parts> {
        let cwd = context.host.cwd();
        let settings = &context.settings;
        if self.folder.is_none() && cwd.join(&self.name).is_dir() {
            bail!("{0}: that is a folder; name the image first: NAME {0}", self.name);
        }
        let folder = cwd.join(self.folder.as_deref().unwrap_or(Path::new(".")));
        let folder =
            folder.canonicalize().with_context(|| format!("{}: no such folder", folder.display()))?;
        let mut files = vec![self.dockerfile(cwd, &folder)?];
        files.extend(USUAL.iter().map(|name| folder.join(name)).filter(|path| path.exists()));
        let set = settings.get("VCACHE_IMAGE_FILES").split(':').filter(|name| !name.is_empty());
        for path in self.common.iter().cloned().chain(set.map(PathBuf::from)) {
            files.push(real(&cwd.join(path))?);
        }
        let set = settings.get("VCACHE_IMAGE_ENV").split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = self.env.iter().map(String::as_str).chain(set);
        let value = |name: &str| context.host.env(name).map(|value| value.to_string_lossy().into_owned());
        let env = names.map(|name| (name.to_owned(), value(name))).collect();
        Ok(Parts { context: folder, files, env })
    }

    /// Its keys.
    ///
    /// # Errors
    /// As [`Self::parts`], or a part can't be read.
    pub(crate) fn keys(&self, context: &Context) -> Result<Keys> {
        self.parts(context)?.keys().with_context(|| format!("no key for {}", self.name))
    }

    /// The template where there is one: what is made of it may not be there yet.
    fn dockerfile(&self, cwd: &Path, folder: &Path) -> Result<PathBuf> {
        let named = match &self.file {
            Some(file) => vec![cwd.join(file), folder.join(file)],
            None => vec![folder.join("Dockerfile"), folder.join("Containerfile")],
        };
        let template = |path: &PathBuf| {
            let mut name = path.clone().into_os_string();
            name.push(".j2");
            PathBuf::from(name)
        };
        let found = named.iter().flat_map(|path| [template(path), path.clone()]).find(|path| path.is_file());
        match found {
            Some(path) => real(&path),
            None => bail!("{}: there is no such file; name the Dockerfile with --file", named[0].display()),
        }
    }
}

/// Its folder without links, so that it is known to lie in a tree; the last name as it is.
fn real(path: &Path) -> Result<PathBuf> {
    let what = || format!("{}: can't be read", path.display());
    path.symlink_metadata().with_context(what)?;
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
        return path.canonicalize().with_context(what);
    };
    Ok(folder.canonicalize().with_context(what)?.join(name))
}
