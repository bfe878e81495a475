//! Gives a cached blob to the caller as the tool would have left it: name, folder, mode, modification time, stdout.
//!
//! Content is checked on its way out. A regular file is written and checked in one pass; what the caller could act on
//! before the check is done (standard output, a pipe, a device) is checked first. When a blob turns out to be corrupt,
//! a file that we made is taken away again, and the caller falls back to the real tool.

use std::fs::{self, DirBuilder, File, FileTimes, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use vcache_store::{Blob, Error as StoreError, Mtime};

use crate::Tool;
use crate::keep::found_instead;
use crate::plan::Job;
use crate::reason::{Code, Reason};
use crate::request::{Existing, FileTime, Transfer};
use crate::target::{Before, Target};
use crate::undo::remove_written;

/// Why a blob was not delivered.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// Its bytes are not what its name says; nothing of it was left behind.
    Corrupt,
    /// The cache could not be read; nothing was left behind.
    Cache(StoreError),
    /// The tool itself has to deal with what is there.
    RealTool(Reason),
    /// The tool would fail in this way: its exit status and a message.
    Fails(u8, String),
    /// A file that is there was to be left as it is, and is not what the pin says but this.
    Contradicts(String),
}

/// Delivers `blob` for the request to `target`. `mtime` is the server's time, where it is known.
pub(crate) fn deliver(
    tool: Tool,
    job: &Job,
    target: &Target,
    blob: &Blob,
    mtime: Mtime,
) -> Result<(), Undelivered> {
    let transfer = &job.transfer;
    let Some(path) = &target.path else {
        return to_stdout(tool, blob);
    };
    match (transfer.existing, &target.before) {
        (Existing::Timestamp, Before::File(stamp)) if is_current(stamp.mtime, mtime) => {
            return left_alone(job, path);
        }
        (Existing::Continue, Before::File(stamp)) if stamp.size > 0 => {
            return continue_file(tool, job, path, stamp.size, blob, mtime);
        }
        (Existing::Keep, Before::File(_) | Before::Special) => {
            return Err(Undelivered::RealTool(Reason::new(Code::Kept, path.to_string_lossy())));
        }
        (Existing::Refuse, Before::File(_) | Before::Special) => {
            return Err(Undelivered::Fails(23, format!("{}: the file exists already", path.display())));
        }
        _ => {}
    }
    make_folder(tool, transfer, path).map_err(|e| cannot_write(tool, transfer, path, &e))?;
    let mut file = open(path).map_err(|e| cannot_write(tool, transfer, path, &e))?;
    let written =
        if target.before == Before::Special { blob.stream_to(&mut file) } else { blob.copy_to(&mut file) };
    if let Err(error) = written {
        if target.before == Before::Absent {
            remove_written(path);
        }
        return Err(match error {
            StoreError::Corrupt { .. } => Undelivered::Corrupt,
            StoreError::Output { source } => cannot_write(tool, transfer, path, &source),
            other => Undelivered::Cache(other),
        });
    }
    if target.before != Before::Special {
        set_time(transfer, &file, mtime);
    }
    Ok(())
}

fn to_stdout(tool: Tool, blob: &Blob) -> Result<(), Undelivered> {
    let mut out = io::stdout().lock();
    match blob.stream_to(&mut out).map(|()| out.flush()) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(source)) | Err(StoreError::Output { source }) => {
            Err(Undelivered::Fails(tool.write_failure(), format!("writing stdout: {source}")))
        }
        Err(StoreError::Corrupt { .. }) => Err(Undelivered::Corrupt),
        Err(other) => Err(Undelivered::Cache(other)),
    }
}

/// wget `-N`: the local file is as new as the server's.
fn is_current(local: i64, server: Mtime) -> bool {
    matches!(server, Mtime::At(server) if i64::try_from(server).is_ok_and(|server| local >= server))
}

/// `-c`: what is missing is appended, where the local file is the beginning of the content. A file that is as long as
/// the content, or longer, is left alone, as the tool does when the server says that there is nothing more.
fn continue_file(
    tool: Tool,
    job: &Job,
    path: &Path,
    have: u64,
    blob: &Blob,
    mtime: Mtime,
) -> Result<(), Undelivered> {
    let local = || Reason::new(Code::Resume, path.to_string_lossy());
    if have >= blob.size() {
        // curl's versions differ in what they make of it.
        return if tool == Tool::Wget { left_alone(job, path) } else { Err(Undelivered::RealTool(local())) };
    }
    let mut file =
        OpenOptions::new().read(true).append(true).open(path).map_err(|_| Undelivered::RealTool(local()))?;
    let store = |e| match e {
        StoreError::Corrupt { .. } => Undelivered::Corrupt,
        other => Undelivered::Cache(other),
    };
    if !blob.prefix_matches(&mut file, have).map_err(store)? {
        return Err(Undelivered::RealTool(local()));
    }
    // What the real tool has appended before its network failed comes again.
    file.set_len(have).map_err(|_| Undelivered::RealTool(local()))?;
    if let Err(error) = blob.copy_from(have, &mut file) {
        // What was appended is taken back, so that the real tool finds what the caller had.
        let _ = file.set_len(have);
        return Err(store(error));
    }
    set_time(&job.transfer, &file, mtime);
    Ok(())
}

/// The file stays as it is, if it is what the pin says.
fn left_alone(job: &Job, path: &Path) -> Result<(), Undelivered> {
    let Some(pin) = &job.pin else { return Ok(()) };
    let file = File::open(path)
        .map_err(|_| Undelivered::RealTool(Reason::new(Code::OutputName, path.to_string_lossy())))?;
    found_instead(&file, pin).map_or(Ok(()), |found| Err(Undelivered::Contradicts(found)))
}

fn make_folder(tool: Tool, transfer: &Transfer, path: &Path) -> io::Result<()> {
    let Some(folder) = path.parent().filter(|_| transfer.create_dirs) else { return Ok(()) };
    if tool == Tool::Wget && fs::metadata(folder).is_ok_and(|m| !m.is_dir()) {
        // wget takes away a file that is in the way of `-P`.
        fs::remove_file(folder)?;
    }
    let mode = match tool {
        Tool::Wget => 0o777,
        Tool::Curl => 0o750,
    };
    DirBuilder::new().recursive(true).mode(mode).create(folder)
}

/// As `fopen(path, "wb")`: an existing file keeps its inode, its mode and its other names.
fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o666).open(path)
}

/// What the tool does when it can't write there. wget opens the file of `-O` before it connects, so the real one can
/// say it itself; in the other cases the tools would have connected first, and with no network they would say that.
fn cannot_write(tool: Tool, transfer: &Transfer, path: &Path, error: &io::Error) -> Undelivered {
    use crate::request::Destination;
    let message = format!("{}: {error}", path.display());
    match (tool, &transfer.destination) {
        (Tool::Curl, _) => Undelivered::Fails(23, message),
        (Tool::Wget, Destination::Named { .. }) => Undelivered::Fails(3, message),
        (Tool::Wget, _) => Undelivered::RealTool(Reason::new(Code::OutputName, message)),
    }
}

fn set_time(transfer: &Transfer, file: &File, mtime: Mtime) {
    let (FileTime::Server, Mtime::At(seconds)) = (transfer.mtime, mtime) else { return };
    let Some(time) = UNIX_EPOCH.checked_add(Duration::from_secs(seconds)) else { return };
    // A file system that keeps no times is the tool's trouble as much as ours: neither fails for it.
    let _ = file.set_times(FileTimes::new().set_accessed(SystemTime::now()).set_modified(time));
}
