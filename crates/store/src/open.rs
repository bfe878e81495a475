//! Opening a cache: one look at the directory and one at its version, nothing else, so that a hit stays cheap. What is
//! missing is made when it is first needed; only the version and the tag are written here, at the first opening.
//!
//! A cache that cannot be written to opens all the same: reads work, and each write says itself why it failed.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::dirs::make_cache_dir;
use crate::layer::Layer;
use crate::layout::{FORMAT, Layout};
use crate::tier::Tier;
use crate::{OpenError, Store};

/// Its signature line is what backup programs look for (bford.info/cachedir).
const TAG: &str = "Signature: 8a477f597d28d172789f06886806bc55\n\
    # This directory is a cache of downloads, made by sonic-vcache. All of it can be fetched again.\n";

/// Where the cache is, and whom to believe.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The own cache directory; made when missing.
    pub dir: PathBuf,
    /// Read-only cache directories, looked into after the own one, in this order.
    pub lower: Vec<PathBuf>,
    /// Users whose records are believed, besides root, ourselves and the owner of the cache directory.
    pub trusted_uids: Vec<u32>,
    /// What becomes of content.
    pub keeping: Keeping,
    /// What is asked after the directories, in this order.
    pub tiers: Vec<Arc<dyn Tier>>,
    /// What is noted as the time at which content was stored, in seconds since 1970, instead of the clock's. With the same one the same content
    /// makes the same files.
    pub stored_at: Option<u64>,
}

/// What becomes of content that was fetched, or found in a lower layer or a tier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Keeping {
    /// It is kept in the cache directory, and waits there for the tiers.
    #[default]
    Here,
    /// It goes to the tiers at once, and the directory serves for locks alone: for a container whose file system is
    /// about to become an image.
    Tiers,
    /// Nothing is stored: the directory is not made (one that is missing is as good as an empty one). Times of use and
    /// events are still noted.
    Nowhere,
}

impl Store {
    /// Whether things are kept in the own cache.
    pub fn keeps_here(&self) -> bool {
        self.keeping == Keeping::Here
    }
    /// Opens the cache, and makes it when it is missing and to be written to. Lower layers are opened when they are first needed.
    ///
    /// # Errors
    /// [`OpenError::NotADirectory`], [`OpenError::NewerFormat`], or the system's own reason.
    pub fn open(config: &Config) -> Result<Self, OpenError> {
        let read_only = config.keeping == Keeping::Nowhere;
        let open = || open_layer(&config.dir, &config.trusted_uids, true, read_only);
        let missing = |error: &OpenError| matches!(error, OpenError::Io { source, .. } if source.kind() == ErrorKind::NotFound);
        let mut layer = match open() {
            Err(error) if missing(&error) && read_only => nothing(config)?,
            Err(error) if missing(&error) => {
                let made = make_cache_dir(&config.dir).map_err(|source| failure("make", &config.dir, source));
                match made.and_then(|()| open()) {
                    // Only locks would have been there.
                    Err(_) if config.keeping == Keeping::Tiers => nothing(config)?,
                    other => other?,
                }
            }
            other => other?,
        };
        layer.stored_at = config.stored_at;
        Ok(Self::of(layer, config))
    }
}

/// A directory that is not there. Whoever would have made it: there is nothing in it to believe.
fn nothing(config: &Config) -> Result<Layer, OpenError> {
    let anyone = fs::metadata("/").map_err(|source| failure("open", &config.dir, source))?;
    Ok(Layer::new(&config.dir, &anyone, &config.trusted_uids, true))
}

/// Opens one cache directory that is there.
pub(crate) fn open_layer(
    dir: &Path,
    trusted_uids: &[u32],
    own: bool,
    read_only: bool,
) -> Result<Layer, OpenError> {
    let metadata = fs::metadata(dir).map_err(|source| failure("open", dir, source))?;
    if !metadata.is_dir() {
        return Err(OpenError::NotADirectory { path: dir.to_owned() });
    }
    let layer = Layer::new(dir, &metadata, trusted_uids, own);
    match found_format(&layer.layout) {
        Some(found) if found > FORMAT => {
            return Err(OpenError::NewerFormat { path: dir.to_owned(), found, known: FORMAT });
        }
        Some(_) => {}
        None if own && !read_only => initialise(&layer),
        None => {}
    }
    Ok(layer)
}

/// `None` for no version file, and for one that a crash left empty.
fn found_format(layout: &Layout) -> Option<u32> {
    fs::read_to_string(layout.version()).ok()?.trim().parse().ok()
}

/// Best effort: what cannot be written now is not needed for reading.
fn initialise(layer: &Layer) {
    let version = format!("{FORMAT}\n");
    let _ = layer.put(&layer.layout.tag(), TAG.as_bytes());
    let _ = layer.put(&layer.layout.version(), version.as_bytes());
}

fn failure(action: &'static str, dir: &Path, source: std::io::Error) -> OpenError {
    match source.kind() {
        ErrorKind::NotADirectory | ErrorKind::AlreadyExists => {
            OpenError::NotADirectory { path: dir.to_owned() }
        }
        _ => OpenError::Io { action, path: dir.to_owned(), source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    fn config(dir: &Path) -> Config {
        Config { dir: dir.to_owned(), ..Config::default() }
    }

    #[test]
    fn a_missing_cache_is_made_with_version_and_tag() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("a/b");
        Store::open(&config(&dir)).unwrap();
        assert_eq!(fs::read_to_string(dir.join("vcache.version")).unwrap(), "1\n");
        assert!(
            fs::read_to_string(dir.join("CACHEDIR.TAG")).unwrap().starts_with("Signature: 8a477f597d28d172")
        );
        let inode = fs::metadata(dir.join("vcache.version")).unwrap().ino();
        Store::open(&config(&dir)).unwrap();
        assert_eq!(fs::metadata(dir.join("vcache.version")).unwrap().ino(), inode, "written once");
    }

    #[test]
    fn a_file_is_no_cache() {
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(
            matches!(Store::open(&config(&file)), Err(OpenError::NotADirectory { path }) if path == file)
        );
        assert!(matches!(Store::open(&config(&file.join("x"))), Err(OpenError::NotADirectory { .. })));
    }

    #[test]
    fn a_newer_cache_is_left_alone() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("vcache.version"), "2\n").unwrap();
        let opened = Store::open(&config(root.path()));
        assert!(matches!(opened, Err(OpenError::NewerFormat { found: 2, known: 1, .. })));
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
    }
}
