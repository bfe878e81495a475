//! What stood where a call writes, so that an attempt which is followed by another one (a mirror, a retry) leaves no
//! trace: a part of a file would be taken for the whole, or decide what `-N` and `-c` do the next time.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Seek};
use std::path::Path;
use std::time::SystemTime;

use crate::session::Session;
use crate::target::{Before, Target};

/// The targets of a call that may be tried several times.
pub(crate) struct Attempts {
    /// As they are before the next attempt.
    pub(crate) targets: Vec<Target>,
    /// Copies of the files that are there; none where there will be no second attempt.
    saved: Option<Vec<Option<Saved>>>,
}

struct Saved {
    content: File,
    modified: SystemTime,
    mode: Permissions,
}

impl Attempts {
    /// For a call that is tried once.
    pub(crate) fn once(targets: Vec<Target>) -> Attempts {
        Attempts { targets, saved: None }
    }

    /// Saves what is there.
    ///
    /// # Errors
    /// It can't be read, or there is no room for it.
    pub(crate) fn save(&mut self, session: &Session<'_>) -> io::Result<()> {
        let save = |target: &Target| match (&target.path, &target.before) {
            (Some(path), Before::File(_)) => saved(path, session).map(Some),
            _ => Ok(None),
        };
        self.saved = Some(self.targets.iter().map(save).collect::<io::Result<_>>()?);
        Ok(())
    }

    /// Puts everything back.
    ///
    /// # Errors
    /// A file can't be written; then no further attempt should be made.
    pub(crate) fn take_back(&mut self) -> io::Result<()> {
        let Some(all) = &mut self.saved else { return Ok(()) };
        for (target, saved) in self.targets.iter_mut().zip(all) {
            match (&target.path, saved) {
                (Some(path), Some(saved)) if Before::of(path) != target.before => {
                    saved.content.rewind()?;
                    let mut file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
                    io::copy(&mut saved.content, &mut file)?;
                    file.set_permissions(saved.mode.clone())?;
                    file.set_modified(saved.modified)?;
                    target.before = Before::of(path);
                }
                (Some(path), None) if target.before == Before::Absent => remove_written(path),
                _ => {}
            }
        }
        Ok(())
    }
}

fn saved(path: &Path, session: &Session<'_>) -> io::Result<Saved> {
    let mut source = File::open(path)?;
    let metadata = source.metadata()?;
    let mut content = session.scratch_file()?;
    io::copy(&mut source, &mut content)?;
    Ok(Saved { content, modified: metadata.modified()?, mode: metadata.permissions() })
}

/// Removes what was written at `path`. A link that was there stays, and what it leads to goes.
pub(crate) fn remove_written(path: &Path) {
    if let Ok(written) = path.canonicalize() {
        let _ = fs::remove_file(written);
    }
}
