//! What version files name: what `gc` never removes, what `export --versions` takes, what `prefetch` fetches and `check` looks for.

use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use vcache_store::{Digest, Store};
use vcache_versions::{Malformed, is_architecture, repository};

use crate::context::Context;
use crate::{files, output};

mod debian;

pub(crate) use debian::Package;

/// The kinds of pins that can be brought into the cache without a build.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Git,
    Deb,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Git, Kind::Deb];

    /// As it is in the names of version files.
    fn name(self) -> &'static str {
        match self {
            Kind::Git => "git",
            Kind::Deb => "deb",
        }
    }
}

/// Which version files, and which pins of them.
#[derive(clap::Args, Debug, Default)]
pub(crate) struct Chosen {
    /// Only pins of these kinds, separated by commas: git, deb
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = parse_kind)]
    only: Vec<Kind>,
    /// Only packages for this architecture: files whose name has another one are left out, and those whose name has none are
    /// for this one (otherwise: for this machine's)
    #[arg(long, value_name = "ARCH", value_parser = parse_architecture)]
    arch: Option<String>,
    /// Version files, or folders with them in it and below (otherwise: versions/ of the buildinfo folder, else vcache-versions)
    #[arg(value_name = "DIR|FILE")]
    paths: Vec<PathBuf>,
}

/// What the chosen version files pin, each thing once, in the order of the files.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Pins {
    /// Commits to which repositories are pinned.
    pub(crate) commits: Vec<Commit>,
    /// Packages in the versions to which they are pinned.
    pub(crate) packages: Vec<Package>,
}

impl Pins {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.commits.len() + self.packages.len()
    }
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
    /// What is pinned.
    ///
    /// # Errors
    /// A file can't be read, or there is none.
    pub(crate) fn pins(&self, context: &Context) -> Result<Pins> {
        let paths = match self.paths.is_empty() {
            true => vec![default_folder(context)?],
            false => self.paths.iter().map(|path| context.host.cwd().join(path)).collect(),
        };
        let mut pins = Pins::default();
        for path in paths {
            for (kind, file) in self.files(&path)? {
                match kind {
                    Kind::Git => pins.commits.extend(commits(&file)?),
                    Kind::Deb => pins.packages.extend(debian::packages(&file, self.arch.as_deref())?),
                }
            }
        }
        let mut seen = HashSet::new();
        pins.commits.retain(|commit| seen.insert((repository(&commit.url).to_owned(), commit.id.clone())));
        let mut seen = HashSet::new();
        pins.packages.retain(|package| seen.insert(package.wanted.clone()));
        Ok(pins)
    }

    /// The version files that a path stands for. A file whose name does not tell its kind is of the one that was chosen, else of git.
    fn files(&self, path: &Path) -> Result<Vec<(Kind, PathBuf)>> {
        let kinds = if self.only.is_empty() { Kind::ALL.to_vec() } else { self.only.clone() };
        let mut found = Vec::new();
        if path.is_dir() {
            for kind in &kinds {
                found.extend(files::version_files(path, kind.name())?.into_iter().map(|file| (*kind, file)));
            }
        } else {
            let named = Kind::ALL.into_iter().find(|kind| is_named(path, kind.name()));
            let kind = named.or_else(|| kinds.first().copied()).filter(|kind| kinds.contains(kind));
            found.extend(kind.map(|kind| (kind, path.to_owned())));
        }
        found.retain(|(kind, file)| *kind == Kind::Git || debian::is_for(file, self.arch.as_deref()));
        if found.is_empty() {
            let names = kinds.iter().map(|kind| format!("versions-{}*", kind.name())).collect::<Vec<_>>();
            let of = self.arch.as_ref().map(|arch| format!(" for {arch}")).unwrap_or_default();
            let (path, names) = (path.display(), names.join(" or "));
            bail!("{path}: has no file named {names}{of}; nothing was done");
        }
        Ok(found)
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

fn parse_kind(text: &str) -> Result<Kind, String> {
    let names = Kind::ALL.map(Kind::name);
    let known = Kind::ALL.into_iter().find(|kind| kind.name() == text);
    known.ok_or_else(|| format!("what is known: {}", names.join(", ")))
}

fn parse_architecture(text: &str) -> Result<String, String> {
    match is_architecture(text) {
        true => Ok(text.to_owned()),
        false => Err("expected an architecture as dpkg calls it, such as amd64".to_owned()),
    }
}

fn commits(file: &Path) -> Result<Vec<Commit>> {
    let (pins, problems) = vcache_versions::parse_git(&files::read(file)?);
    warn(file, &problems);
    let commit = |(url, pin): (String, vcache_versions::GitPin)| Commit {
        url,
        id: pin.commit,
        place: format!("{}:{}", file.display(), pin.line),
    };
    Ok(pins.into_iter().map(commit).collect())
}

fn is_named(file: &Path, kind: &str) -> bool {
    let begin = format!("versions-{kind}");
    file.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(begin.as_bytes()))
}

fn warn(file: &Path, problems: &[Malformed]) {
    for problem in problems {
        output::warn(format_args!("{}:{}: {}", file.display(), problem.line, problem.what));
    }
}

/// What `gc` keeps and `export` takes of a version file, or of all those in a folder and below: URL or name, and digest. Of a URL that is pinned to a
/// digest, that, and of all else what the cache has: of a repository everything, whatever the pin; of a package that version; of an archive's state
/// the Release file and the indexes that it names. Lines that are no pins are warned of.
///
/// # Errors
/// It can't be read, or there is no version file: nothing would be meant, which is not what was asked for.
pub(crate) fn pins(path: &Path, store: Option<&Store>) -> Result<Vec<(String, Digest)>> {
    const KINDS: [&str; 4] = ["web", "git", "deb", "mirror"];
    let mut files = Vec::new();
    if path.is_dir() {
        for kind in KINDS {
            files.extend(files::version_files(path, kind)?.into_iter().map(|file| (kind, file)));
        }
    } else {
        let kind = KINDS.into_iter().find(|kind| is_named(path, kind)).unwrap_or(KINDS[0]);
        files.push((kind, path.to_owned()));
    }
    if files.is_empty() {
        let names = KINDS.map(|kind| format!("versions-{kind}*")).join(", ");
        bail!("{}: has no file named one of {names}; nothing was done", path.display());
    }
    let mut all = Vec::new();
    let (mut urls, mut debian) = (Vec::new(), debian::Named::default());
    for (kind, file) in files {
        match kind {
            "git" => urls.extend(commits(&file)?.into_iter().map(|commit| commit.url)),
            "deb" => debian.add_packages(&file)?,
            "mirror" => debian.add_releases(&file)?,
            _ => {
                let (pins, problems) = vcache_versions::parse(&files::read(&file)?);
                warn(&file, &problems);
                let pin = |(url, pin): (String, vcache_versions::WebPin)| {
                    Some((url, pin.digest.to_string().parse().ok()?))
                };
                all.extend(pins.into_iter().filter_map(pin));
            }
        }
    }
    if let Some(store) = store {
        let of_url = |(url, digests): (String, BTreeSet<Digest>)| {
            digests.into_iter().map(move |digest| (url.clone(), digest))
        };
        all.extend(vcache_git::content(store, &urls).into_iter().flat_map(of_url));
        all.extend(debian.content(store));
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
