//! Pins in force and pins recorded: the files of SONiC's buildinfo folder.
//!
//! `versions/versions-web` and its siblings hold the pins in force; they are only read. What a build used is recorded in
//! `build-versions/` under the same name, sorted and without duplicates, by way of a temporary file and a rename, with
//! a lock file beside it, which goes again, held for the while, so that twenty writers lose nothing and a reader never sees half a file.

mod debian;

pub use debian::{Release, Version, record_debs, record_release};

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use vcache_store::{Digest, public_url};
use vcache_versions::{Lookup, Malformed, WebDigest, WebPin};

/// A version file is held for a few milliseconds by each writer.
const LOCK_PATIENCE: Duration = Duration::from_secs(30);

/// The pins in force for one kind.
#[derive(Clone, Debug, Default)]
pub struct Pins {
    file: PathBuf,
    text: Vec<u8>,
}

/// A pin and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pin {
    /// What the content must be.
    pub digest: Digest,
    /// As the file has it.
    pub text: String,
    /// `file:line`, for messages.
    pub place: String,
}

/// A commit to which a repository is pinned, and where that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Commit {
    /// Lower-case hexadecimal digits.
    pub id: String,
    /// `file:line`, for messages.
    pub place: String,
}

/// What a version file says about one URL.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<P = Pin> {
    /// The pin in force.
    pub pin: Option<P>,
    /// What is wrong with the lines that are about the URL, each as `file:line: what`.
    pub problems: Vec<String>,
    /// Two of them contradict each other: no content can satisfy both, so neither is `pin`.
    pub contradictory: bool,
}

impl<P> Default for Found<P> {
    fn default() -> Self {
        Found { pin: None, problems: Vec::new(), contradictory: false }
    }
}

impl Pins {
    /// Reads `<buildinfo>/versions/versions-<kind>`. A file that is not there has no pins.
    ///
    /// # Errors
    /// The file is there and can't be read.
    pub fn load(buildinfo: &Path, kind: &str) -> io::Result<Pins> {
        let file = buildinfo.join("versions").join(format!("versions-{kind}"));
        // Where it really is: under `vcache run` the folder is a link that is gone when the message is read.
        let file = file.canonicalize().unwrap_or(file);
        let text = read_or_empty(&file)?;
        Ok(Pins { file, text })
    }

    /// What the file says about exactly this URL as it was typed, less its fragment; else about the URL without its
    /// secrets, since a signature is another one each time.
    pub fn web(&self, typed: &str) -> Found {
        let plain = typed.split('#').next().unwrap_or_default();
        let mut found = vcache_versions::find(&self.text, plain);
        if found == Lookup::default() {
            let public = public_url(typed);
            found = vcache_versions::find_by(&self.text, &|url| public_url(url) == public);
        }
        let contradictory = found.conflict().is_some();
        let problems = self.told(&found.problems);
        let pin = found.pin.and_then(|WebPin { digest, line }| {
            let text = digest.to_string();
            Some(Pin { digest: text.parse().ok()?, text, place: self.place(line) })
        });
        Found { pin, problems, contradictory }
    }

    /// What the file says about a repository, as git tells one from another; `url` holds no secret.
    pub fn git(&self, url: &str) -> Found<Commit> {
        let found = vcache_versions::find_git(&self.text, url);
        let contradictory = found.conflict().is_some();
        let problems = self.told(&found.problems);
        let pin = found.pin.map(|pin| Commit { id: pin.commit, place: self.place(pin.line) });
        Found { pin, problems, contradictory }
    }

    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.file.display())
    }

    fn told(&self, problems: &[Malformed]) -> Vec<String> {
        problems.iter().map(|p| format!("{}: {}", self.place(p.line), p.what)).collect()
    }
}

/// Records in `<buildinfo>/build-versions/versions-<kind>` that `url` was used with `digest`.
///
/// # Errors
/// The folder or file can't be made, locked, read or replaced; the file is as it was.
pub fn record_web(buildinfo: &Path, kind: &str, url: &str, digest: &WebDigest) -> io::Result<()> {
    record(buildinfo, kind, &|text| vcache_versions::insert(text, url, digest))
}

/// Records in `<buildinfo>/build-versions/versions-git` that the repository was used at `commit`; `url` holds no secret.
///
/// # Errors
/// As [`record_web`].
pub fn record_git(buildinfo: &Path, url: &str, commit: &str) -> io::Result<()> {
    record(buildinfo, "git", &|text| vcache_versions::insert_git(text, url, commit))
}

fn record(buildinfo: &Path, kind: &str, insert: &dyn Fn(&[u8]) -> Option<Vec<u8>>) -> io::Result<()> {
    let folder = buildinfo.join("build-versions");
    let file = folder.join(format!("versions-{kind}"));
    // Most calls repeat what is there already: they need no lock.
    if insert(&read_or_empty(&file)?).is_none() {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    // Without locks (some NFS) the file is still whole at every moment, and only a racing writer's line may be lost.
    let lock = vcache_store::lock_file(&lock_path(&file), LOCK_PATIENCE);
    let recorded = read_or_empty(&file).and_then(|text| match insert(&text) {
        Some(text) => replace(&file, &text),
        None => Ok(()),
    });
    if matches!(lock, Ok(Some(_))) {
        // Nobody wants it in an image or a project. Who waits for it looks for its name once he has it, and makes another.
        let _ = fs::remove_file(lock_path(&file));
    }
    recorded
}

/// The lock stands beside the file, hidden, so that whoever collects `versions-*` does not take it along.
fn lock_path(file: &Path) -> PathBuf {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    file.with_file_name(format!(".{name}.lock"))
}

/// A planted pipe must not hang us, so only a regular file is read.
fn read_or_empty(file: &Path) -> io::Result<Vec<u8>> {
    use std::os::unix::fs::OpenOptionsExt;
    let open = OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(file);
    let mut opened = match open {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    if !opened.metadata()?.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let mut text = Vec::new();
    opened.read_to_end(&mut text)?;
    Ok(text)
}

fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    // A link stays a link: what it leads to is replaced.
    let file = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".versions-").tempfile_in(folder)?;
    temporary.write_all(text)?;
    let mode = fs::metadata(&file).map_or_else(|_| default_mode(), |m| m.permissions());
    temporary.as_file().set_permissions(mode)?;
    sync(temporary.as_file())?;
    temporary.persist(file)?;
    Ok(())
}

/// What a plain `open(2)` would give; the umask can't be read without being changed, and version files hold no secrets.
fn default_mode() -> fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o644)
}

fn sync(file: &File) -> io::Result<()> {
    file.sync_data()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_writers_lose_nothing() {
        let dir = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for i in 0..20 {
                let dir = dir.path();
                scope.spawn(move || {
                    let digest = WebDigest::Md5(format!("{i:032x}"));
                    record_web(dir, "web", &format!("http://h.example/{i:02}"), &digest).unwrap();
                });
            }
        });
        let text = fs::read_to_string(dir.path().join("build-versions/versions-web")).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 20);
        assert!(lines.is_sorted());
    }

    #[test]
    fn a_pin_is_found_with_its_place() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("versions")).unwrap();
        let md5 = "0123456789abcdef0123456789abcdef";
        let text = format!(
            "# pins\nhttp://h.example/a == {md5}\nhttp://h.example/b==12\nhttp://u:p@h.example/s?x=1&sig=old=={md5}\n"
        );
        fs::write(dir.path().join("versions/versions-web"), text).unwrap();
        let pins = Pins::load(dir.path(), "web").unwrap();
        let found = pins.web("http://h.example/a");
        let pin = found.pin.unwrap();
        assert_eq!(pin.text, md5);
        assert!(pin.place.ends_with("versions/versions-web:2"), "{}", pin.place);
        assert!(found.problems.is_empty());
        let place = |url: &str| pins.web(url).pin.map(|pin| pin.place.rsplit_once(':').unwrap().1.to_owned());
        for url in ["http://h.example/a#x", "http://u:p@h.example/a", "http://h.example/a?sig=new"] {
            assert_eq!(place(url).as_deref(), Some("2"), "{url}");
        }
        assert_eq!(place("http://h.example/s?x=1&sig=new").as_deref(), Some("4"));
        assert_eq!(place("http://h.example/s?x=2&sig=old"), None);
        let found = pins.web("http://h.example/b");
        assert_eq!(found.pin, None);
        assert!(found.problems[0].contains("versions-web:3: "), "{:?}", found.problems);
    }
}
