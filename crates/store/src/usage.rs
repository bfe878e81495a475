//! How much is in the own cache, as `du` counts it: for whoever keeps it below a limit, and shows how full it is.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::layer::{entries, sharded_entries};
use crate::{Error, Store};

/// What `st_blocks` counts in (stat(2)).
const BLOCK: u64 = 512;

/// The size of a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Usage {
    /// How many blobs there are.
    pub blobs: u64,
    /// Bytes of their content.
    pub bytes: u64,
    /// Bytes on disk of everything but `tmp/`: blobs, records, folders, events, quarantine.
    pub disk: u64,
}

impl Store {
    /// Measures the own cache by a walk. `tmp/` is left out: what lies there is on its way, and its writer's to count.
    ///
    /// # Errors
    /// [`Error::Io`] when a folder cannot be listed.
    pub fn usage(&self) -> Result<Usage, Error> {
        let layout = &self.own.layout;
        let mut usage = Usage::default();
        for path in sharded_entries(&layout.blobs())? {
            if let Ok(metadata) = path.symlink_metadata() {
                usage.blobs += 1;
                usage.bytes += metadata.len();
            }
        }
        let tmp = layout.tmp();
        let mut folders: Vec<PathBuf> = vec![layout.root().to_owned()];
        while let Some(folder) = folders.pop() {
            usage.disk += blocks(&folder).unwrap_or(0);
            for path in entries(&folder)? {
                match path.symlink_metadata() {
                    Ok(metadata) if metadata.is_dir() && path != tmp => folders.push(path),
                    Ok(metadata) if !metadata.is_dir() => usage.disk += metadata.blocks() * BLOCK,
                    // What has gone meanwhile takes no room.
                    Ok(_) | Err(_) => {}
                }
            }
        }
        Ok(usage)
    }
}

fn blocks(path: &Path) -> Option<u64> {
    path.symlink_metadata().ok().map(|metadata| metadata.blocks() * BLOCK)
}
