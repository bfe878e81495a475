//! What version files name: what `gc` never removes, what `export --versions` takes, what `prefetch` fetches and `check` looks for.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use vcache_store::{Digest, Store};
use vcache_versions::{Malformed, repository};

use crate::context::Context;
use crate::{files, output};

/// The kinds of pins that can be brought into the cache without a build.
const KINDS: [&str; 1] = ["git"];

/// Which version files, and which pins of them.
#[derive(clap::Args, Debug)]
pub(crate) struct Chosen {
    /// Only pins of these kinds, separated by commas; now there is git alone
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = parse_kind)]
    only: Vec<String>,
    /// Version files, or folders with them in it and below (otherwise: versions/ of the buildinfo folder, else vcache-versions)
    #[arg(value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
}

/// A commit to which a repository is pinned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Commit {
    /// As the file has it.
    pub(crate) url: String,
    pub(crate) id: String,
    /// `file:line`.
    pub(crate) place: String,
}

impl Chosen {
    /// The commits to which repositories are pinned, each once, in the order of the files.
    ///
    /// # Errors
    /// A file can't be read, or there is none.
    pub(crate) fn commits(&self, context: &Context) -> Result<Vec<Commit>> {
        let paths = match self.paths.is_empty() {
            true => vec![default_folder(context)?],
            false => self.paths.iter().map(|path| context.host.cwd().join(path)).collect(),
        };
        let mut seen = HashSet::new();
        let mut commits = Vec::new();
        for path in paths {
            commits.extend(self::commits(&path)?);
        }
        commits.retain(|commit| seen.insert((repository(&commit.url).to_owned(), commit.id.clone())));
        Ok(commits)
    }
}

fn default_folder(context: &Context) -> Result<PathBuf> {
    let buildinfo = context.settings.path("VCACHE_BUILDINFO").unwrap_or_default();
    let folders = [buildinfo.join("versions"), "vcache-versions".into()];
    let folders = folders.map(|folder| context.host.cwd().join(folder));
    match folders.iter().find(|folder| folder.is_dir()) {
        Some(folder) => Ok(folder.clone()),
        None => bail!(
            "neither {} nor {} is a folder; name the version files, or a folder of them",
            folders[0].display(),
            folders[1].display()
        ),
    }
}

fn parse_kind(text: &str) -> Result<String, String> {
    match KINDS.contains(&text) {
        true => Ok(text.to_owned()),
        false => Err(format!("what is known: {}", KINDS.join(", "))),
    }
}

fn commits(path: &Path) -> Result<Vec<Commit>> {
    let mut all = Vec::new();
    for file in named(path)? {
        let (pins, problems) = vcache_versions::parse_git(&files::read(&file)?);
        warn(&file, &problems);
        all.extend(pins.into_iter().map(|(url, pin)| Commit {
            url,
            id: pin.commit,
            place: format!("{}:{}", file.display(), pin.line),
        }));
    }
    Ok(all)
}

/// The version files of git that a path stands for.
fn named(path: &Path) -> Result<Vec<PathBuf>> {
    let found = if path.is_dir() { files::version_files(path, "git")? } else { vec![path.to_owned()] };
    if found.is_empty() {
        bail!("{}: has no file named versions-git*; nothing was done", path.display());
    }
    Ok(found)
}

fn warn(file: &Path, problems: &[Malformed]) {
    for problem in problems {
        output::warn(format_args!("{}:{}: {}", file.display(), problem.line, problem.what));
    }
}

/// The pins (URL and digest) in a version file, or in all those in a folder and below; of a repository that is pinned, whatever the cache has.
/// Lines that are no pins are warned of.
///
/// # Errors
/// It can't be read, or there is no version file: nothing would be meant, which is not what was asked for.
pub(crate) fn pins(path: &Path, store: Option<&Store>) -> Result<Vec<(String, Digest)>> {
    let is_git = |file: &Path| {
        file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"versions-git"))
    };
    let files = match path.is_dir() {
        true => [files::version_files(path, "web")?, files::version_files(path, "git")?].concat(),
        false => vec![path.to_owned()],
    };
    if files.is_empty() {
        bail!("{}: has no file named versions-web* or versions-git*; nothing was done", path.display());
    }
    let mut all = Vec::new();
    for file in files {
        if is_git(&file) {
            let urls: Vec<String> = commits(&file)?.into_iter().map(|commit| commit.url).collect();
            let held = store.map(|store| vcache_git::content(store, &urls)).unwrap_or_default();
            let of_url = |(url, digests): (String, BTreeSet<Digest>)| {
                digests.into_iter().map(move |digest| (url.clone(), digest))
            };
            all.extend(held.into_iter().flat_map(of_url));
            continue;
        }
        let (pins, problems) = vcache_versions::parse(&files::read(&file)?);
        warn(&file, &problems);
        all.extend(
            pins.into_iter().filter_map(|(url, pin)| Some((url, pin.digest.to_string().parse().ok()?))),
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_folder_without_version_files_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(pins(dir.path(), None).unwrap_err().to_string().contains("versions-web"));
    }

    #[test]
    fn a_file_or_a_folder_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let digest = "900150983cd24fb0d6963f7d28e17f72";
        let file = dir.path().join("versions-web");
        files::probe(dir.path())
            .and_then(|mut probe| {
                probe.write_all(format!("https://h/a=={digest}\nno pin\n").as_bytes())?;
                probe.persist(&file)?;
                Ok(())
            })
            .unwrap();
        for path in [dir.path(), &file] {
            assert_eq!(pins(path, None).unwrap(), [("https://h/a".to_owned(), digest.parse().unwrap())]);
        }
        assert!(pins(&dir.path().join("none"), None).is_err());
    }
}
