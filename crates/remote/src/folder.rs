//! A folder as a tier: a shared file system, or a disk that is carried from machine to machine. `cas/ab/<64 hex>` and
//! `ac/ab/<64 hex>`, as Bazel's `--disk_cache` has them. Files are written beside and renamed; those of
//! the dead are removed after a day. The folder itself is never made: one that is not mounted must not be filled. Folders in it get its own mode, so
//! that who may write to it may write to them.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use vcache_store::{Blob, Incoming, Key, Kind, Record, Sha256Id, Tier, TierError};

use crate::address::Address;
use crate::wire::{Entry, LARGEST_ENTRY, alias_name};

/// Begins the name of what is being written.
const TMP: &str = ".vcache-";
/// Nobody still writes what is older.
const SETTLED: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug)]
pub(crate) struct Folder {
    address: Address,
    dir: PathBuf,
}

/// What went wrong with a file of the folder.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {}", path.display())]
struct FolderError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FolderError {
    move |source| FolderError { action, path: path.to_owned(), source }
}

impl Folder {
    pub(crate) fn new(address: Address, dir: PathBuf) -> Self {
        Self { address, dir }
    }

    fn path(&self, room: &str, name: &str) -> PathBuf {
        self.dir.join(room).join(&name[..2]).join(name)
    }

    /// `None`: it is not there, though the folder is.
    fn open(&self, path: &Path) -> Result<Option<File>, TierError> {
        match File::open(path) {
            Ok(file) if file.metadata().is_ok_and(|metadata| metadata.is_file()) => Ok(Some(file)),
            Ok(_) => Ok(None),
            Err(e) if e.kind() == ErrorKind::NotFound && self.dir.is_dir() => Ok(None),
            Err(e) => Err(failed("open", path)(e).into()),
        }
    }

    fn entry(&self, name: &str) -> Result<Option<Entry>, TierError> {
        let path = self.path("ac", name);
        let Some(file) = self.open(&path)? else { return Ok(None) };
        let mut bytes = Vec::new();
        file.take(LARGEST_ENTRY).read_to_end(&mut bytes).map_err(failed("read", &path))?;
        Ok(Some(Entry::decode(&bytes)?))
    }

    /// A folder of the tier.
    fn make(&self, folder: &Path) -> Result<(), TierError> {
        if folder.is_dir() || folder == self.dir {
            return Ok(());
        }
        folder.parent().map_or(Ok(()), |parent| self.make(parent))?;
        match std::fs::create_dir(folder) {
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(failed("make", folder)(e).into()),
            Ok(()) => {
                let like =
                    self.dir.metadata().and_then(|dir| std::fs::set_permissions(folder, dir.permissions()));
                Ok(like.map_err(failed("share", folder))?)
            }
        }
    }

    fn put(&self, path: &Path, content: &mut dyn Read) -> Result<(), TierError> {
        if !self.dir.is_dir() {
            return Err(failed("find", &self.dir)(ErrorKind::NotFound.into()).into());
        }
        let folder = path.parent().unwrap_or(&self.dir);
        self.make(folder)?;
        sweep(folder);
        let tmp = tempfile::Builder::new().prefix(TMP).tempfile_in(folder);
        let mut tmp = tmp.map_err(failed("make a file in", folder))?;
        io::copy(content, &mut tmp).map_err(failed("write", path))?;
        let readable = std::os::unix::fs::PermissionsExt::from_mode(0o444);
        tmp.as_file().set_permissions(readable).map_err(failed("write", path))?;
        tmp.persist(path).map_err(|e| failed("write", path)(e.error))?;
        Ok(())
    }
}

/// Removes what the dead have left.
fn sweep(folder: &Path) {
    let left = folder.read_dir().into_iter().flatten().flatten();
    for entry in left.filter(|entry| entry.file_name().as_encoded_bytes().starts_with(TMP.as_bytes())) {
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        if modified.is_ok_and(|then| then.elapsed().is_ok_and(|age| age > SETTLED)) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

impl Tier for Folder {
    fn name(&self) -> &str {
        &self.address.name
    }

    fn is_trusted(&self) -> bool {
        self.address.trusted
    }

    fn is_written(&self) -> bool {
        !self.address.read_only
    }

    fn record_named(&self, name: &str) -> Result<Option<(Kind, Record)>, TierError> {
        Ok(self.entry(name)?.and_then(Entry::into_record))
    }

    fn alias(&self, md5: &[u8; 16]) -> Result<Option<Sha256Id>, TierError> {
        Ok(self.entry(&alias_name(md5))?.map(|entry| entry.content()))
    }

    fn content(&self, id: &Sha256Id) -> Result<Option<Incoming>, TierError> {
        let path = self.path("cas", &id.to_string());
        let Some(file) = self.open(&path)? else { return Ok(None) };
        let size = file.metadata().map_err(failed("look at", &path))?.len();
        Ok(Some(Incoming { size, blake3: None, content: Box::new(file) }))
    }

    fn has_content(&self, id: &Sha256Id) -> Result<bool, TierError> {
        Ok(self.open(&self.path("cas", &id.to_string()))?.is_some())
    }

    fn put_content(&self, blob: &Blob) -> Result<(), TierError> {
        self.put(&self.path("cas", &blob.id().to_string()), &mut blob.reader()?)
    }

    fn put_alias(&self, md5: &[u8; 16], id: &Sha256Id, size: u64) -> Result<(), TierError> {
        self.put(&self.path("ac", &alias_name(md5)), &mut &Entry::Alias(*id, size).encode()[..])
    }

    fn put_record(&self, key: &Key, record: &Record) -> Result<(), TierError> {
        self.put(&self.path("ac", &key.name()), &mut &Entry::record(key, record).encode()[..])
    }

    fn event(&self, _line: &str) {}

    fn blame(&self, _id: &Sha256Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;
    use std::time::SystemTime;

    #[test]
    fn folders_are_shared_and_what_the_dead_have_left_goes() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), Permissions::from_mode(0o2777)).unwrap();
        let tier = Folder::new(format!("file:{}", dir.path().display()).parse().unwrap(), dir.path().into());
        let id = Sha256Id::of(b"");
        tier.put_alias(&[0; 16], &id, 0).unwrap();
        let room = tier.path("ac", &alias_name(&[0; 16])).parent().unwrap().to_owned();
        for folder in [room.as_path(), room.parent().unwrap()] {
            assert_eq!(folder.metadata().unwrap().permissions().mode() & 0o7777, 0o2777, "{folder:?}");
        }
        for (name, age) in [("old", 2 * SETTLED), ("new", Duration::ZERO)] {
            let file = File::create(room.join(format!("{TMP}{name}"))).unwrap();
            file.set_modified(SystemTime::now() - age).unwrap();
        }
        tier.put_alias(&[0; 16], &id, 0).unwrap();
        let left = |name: &str| room.join(format!("{TMP}{name}")).exists();
        assert!(left("new") && !left("old"));
        assert_eq!(tier.alias(&[0; 16]).unwrap(), Some(id));
    }
}
