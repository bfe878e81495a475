//! One run of the real tool, and what came of it.
//!
//! Files go where the tool puts them. Standard output goes through us: unpinned content streams on while it is stored,
//! so that a pipe to `tar` or a shell starts before the download ends; pinned content is held back until it is checked,
//! because a shell at the other end would have run it by the time that the last byte contradicts the pin.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::PathBuf;
use std::process::{ChildStdout, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use vcache_shim::real_tool::RealTool;
use vcache_shim::{Chain, OnMismatch, child};
use vcache_store::{BlobWriter, Ingested, KeyLock};

use crate::Tool;
use crate::curl::headers::{Response, final_responses};
use crate::header_dumps::HeaderDumps;
use crate::plan::{Job, Service};
use crate::request::Destination;
use crate::session::Session;

/// What came through standard output.
#[derive(Default)]
pub(crate) enum Captured {
    /// Nothing was meant to, or it could not be kept.
    #[default]
    Nothing,
    /// It has been passed on, and stands in the store, not yet published.
    Stored(Ingested),
    /// It is held back in this file.
    Held(File),
}

/// Whom a run asks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// The URLs that were given.
    Origin,
    /// Those of a mirror, which must not keep us waiting.
    Mirror,
}

/// One run of the real tool.
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) captured: Captured,
    /// Bytes that the caller has seen on standard output.
    pub(crate) passed_on: u64,
    /// Our standard output took no more, be it that its reader went away or that a disk is full.
    pub(crate) output_failed: bool,
    /// What curl's `-D` has written.
    pub(crate) headers: Vec<u8>,
    /// What curl has printed by `-w` about files, held back: when its network fails and the cache steps in, the caller is
    /// to see the report of what it gets.
    report: Option<File>,
}

impl Run {
    fn of(status: ExitStatus) -> Run {
        Run {
            status,
            captured: Captured::Nothing,
            passed_on: 0,
            output_failed: false,
            headers: Vec::new(),
            report: None,
        }
    }

    pub(crate) fn pass_on_report(&mut self) {
        if let Some(mut report) = self.report.take() {
            // A reader that went away is not the download's trouble.
            let _ = pass_on(&mut report);
        }
    }
}

impl Tool {
    /// The exit status for content that can't be written (wget(1), "EXIT STATUS"; curl(1), "EXIT CODES").
    pub(crate) fn write_failure(self) -> u8 {
        match self {
            Tool::Wget => 3,
            Tool::Curl => 23,
        }
    }
}

impl Session<'_> {
    /// Runs the tool with `argv`, whose first word is its name.
    pub(crate) fn run_once(
        &self,
        service: &Service,
        tool: &RealTool,
        argv: &[OsString],
        attempt: Attempt,
    ) -> io::Result<Run> {
        let dumps = HeaderDumps::new(&service.call.option_slots);
        let limits: &[&str] = match (attempt, self.tool) {
            (Attempt::Origin, _) => &[],
            // What the caller is ready to wait for is meant for the origin.
            (Attempt::Mirror, Tool::Wget) => &["--tries=1", "--timeout=30"],
            (Attempt::Mirror, Tool::Curl) => {
                &["--retry", "0", "--connect-timeout", "10", "--speed-time", "30"]
            }
        };
        let mut args = dumps.put_into(argv);
        let end = args.iter().position(|word| word == "--").unwrap_or(args.len());
        args.splice(end..end, limits.iter().map(OsString::from));
        let hold_back = |job: &Job| {
            attempt == Attempt::Mirror || (job.pin.is_some() && self.policy.on_mismatch == OnMismatch::Fail)
        };
        let to_stdout = service.jobs.iter().find(|j| j.transfer.destination == Destination::Stdout);
        let mut run = match to_stdout {
            Some(job) if hold_back(job) => {
                let (status, held) = self.run_held(tool, &args)?;
                Run { captured: Captured::Held(held), ..Run::of(status) }
            }
            Some(job) => self.stream(tool, &args, job)?,
            None if service.jobs.iter().any(|job| job.transfer.write_out.is_some()) => {
                let (status, report) = self.run_held(tool, &args)?;
                Run { report: Some(report), ..Run::of(status) }
            }
            None => Run::of(self.start(tool, &args, child::Stdout::Inherit)?.wait()?),
        };
        run.headers = dumps.read();
        Ok(run)
    }

    fn start(&self, tool: &RealTool, args: &[OsString], stdout: child::Stdout) -> io::Result<child::Running> {
        child::start(tool.command(self.host, args), stdout)
    }

    /// Runs the tool with its standard output in a temporary file; where there is no room for it, in one elsewhere.
    fn run_held(&self, tool: &RealTool, args: &[OsString]) -> io::Result<(ExitStatus, File)> {
        let mut ran = None;
        for folder in self.scratch_folders() {
            let Ok(mut held) = tempfile::tempfile_in(&folder) else { continue };
            let status = self.start(tool, args, child::Stdout::File(held.try_clone()?))?.wait()?;
            let full = status.code() == Some(self.tool.write_failure().into()) && !has_room(&mut held);
            ran = Some((status, held));
            if !full {
                break;
            }
        }
        ran.ok_or_else(no_scratch)
    }

    /// A temporary file without a name.
    pub(crate) fn scratch_file(&self) -> io::Result<File> {
        self.scratch_folders()
            .iter()
            .find_map(|folder| tempfile::tempfile_in(folder).ok())
            .ok_or_else(no_scratch)
    }

    pub(crate) fn scratch_folders(&self) -> Vec<PathBuf> {
        let named = self.host.env("TMPDIR").map_or_else(|| PathBuf::from("/tmp"), PathBuf::from);
        let of_cache =
            self.store().filter(|_| self.policy.write).and_then(|store| store.scratch_folder().ok());
        let others = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
        let mut folders: Vec<PathBuf> = std::iter::once(named).chain(of_cache).chain(others).collect();
        let mut seen = std::collections::HashSet::new();
        folders.retain(|folder| seen.insert(folder.clone()));
        folders
    }

    fn stream(&self, tool: &RealTool, args: &[OsString], job: &Job) -> io::Result<Run> {
        let mut child = self.start(tool, args, child::Stdout::Pipe)?;
        let writer = self.store().filter(|_| self.policy.write).and_then(|store| {
            let writer = store.writer(self.wants_md5(job));
            writer
                .map_err(|e| self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url)))
                .ok()
        });
        let pipe = child.stdout().expect("stdout was asked to be a pipe");
        let tee = self.tee(pipe, writer, job);
        let status = child.wait()?;
        let complete = tee.writer.filter(|_| !tee.output_failed && status.success());
        let captured = match complete.map(BlobWriter::seal) {
            Some(Ok(ingested)) => Captured::Stored(ingested),
            Some(Err(e)) => {
                self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url));
                Captured::Nothing
            }
            None => Captured::Nothing,
        };
        let (passed_on, output_failed) = (tee.passed_on, tee.output_failed);
        Ok(Run { captured, passed_on, output_failed, ..Run::of(status) })
    }

    /// Copies the tool's output to ours and to the store. When ours takes no more the pipe is closed, so that the tool
    /// learns of it as it would have; when the store fails the copying goes on without it.
    fn tee(&self, mut pipe: ChildStdout, mut writer: Option<BlobWriter>, job: &Job) -> Tee {
        let mut out = Watched::new(io::stdout().lock());
        let mut buffer = vec![0; 64 * 1024];
        std::thread::scope(|scope| {
            let (_ended, end) = mpsc::channel::<()>();
            let (steps, locks) = (Arc::clone(&out.steps), &self.key_locks);
            // Without another thread the locks stay until the end.
            let _ = std::thread::Builder::new()
                .spawn_scoped(scope, move || let_go_when_stalled(&end, &steps, locks));
            loop {
                let length = match pipe.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(length) => length,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                    Err(_) => return Tee { writer: None, passed_on: out.taken, output_failed: false },
                };
                let chunk = &buffer[..length];
                if let Err(e) = out.write_all(chunk).and_then(|()| out.flush()) {
                    if e.kind() != io::ErrorKind::BrokenPipe {
                        self.messages.error(format_args!("writing stdout: {e}"));
                    }
                    return Tee { writer: None, passed_on: out.taken, output_failed: true };
                }
                if let Some(Err(e)) = writer.as_mut().map(|w| w.write_all(chunk)) {
                    self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url));
                    writer = None;
                }
            }
            Tee { writer, passed_on: out.taken, output_failed: false }
        })
    }

    /// The final answer of each request, where that can be told. wget says by its exit status that all went well.
    pub(crate) fn responses(&self, service: &Service, headers: &[u8]) -> Option<Vec<Response>> {
        match self.tool {
            Tool::Wget => Some(vec![Response { status: 200, ..Response::default() }; service.jobs.len()]),
            Tool::Curl => Some(final_responses(headers)).filter(|r| r.len() == service.jobs.len()),
        }
    }
}

fn no_scratch() -> io::Error {
    io::Error::other("no folder for temporary files can be written to; set TMPDIR")
}

/// Whether more could be written to a file: then it is not what the tool has tripped over.
fn has_room(file: &mut File) -> bool {
    let Ok(end) = file.seek(io::SeekFrom::End(0)) else { return false };
    let wrote = file.write_all(&[0; 4096]).and_then(|()| file.sync_data()).is_ok();
    file.set_len(end).is_ok() && wrote
}

/// An output of which another thread can tell whether it takes nothing.
struct Watched<W> {
    inner: W,
    taken: u64,
    /// One more at the beginning of each write, and at its end: odd while there is one.
    steps: Arc<AtomicU64>,
}

impl<W: Write> Watched<W> {
    fn new(inner: W) -> Watched<W> {
        Watched { inner, taken: 0, steps: Arc::default() }
    }
}

impl<W: Write> Write for Watched<W> {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        self.steps.fetch_add(1, Ordering::Relaxed);
        let written = self.inner.write(piece);
        self.steps.fetch_add(1, Ordering::Relaxed);
        self.taken += *written.as_ref().unwrap_or(&0) as u64;
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Whoever reads us may itself be waiting for what we hold: when a write is not done within half a second the locks go.
/// Ends when the other end of `end` is gone.
fn let_go_when_stalled(end: &mpsc::Receiver<()>, steps: &AtomicU64, locks: &Mutex<Vec<KeyLock>>) {
    let mut before = 0;
    while end.recv_timeout(Duration::from_millis(500)) == Err(mpsc::RecvTimeoutError::Timeout) {
        let now = steps.load(Ordering::Relaxed);
        if now == before && now % 2 == 1 {
            locks.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        before = now;
    }
}

struct Tee {
    writer: Option<BlobWriter>,
    passed_on: u64,
    output_failed: bool,
}

/// Copies a file that was held back to standard output.
pub(crate) fn pass_on(held: &mut File) -> io::Result<()> {
    held.rewind()?;
    let mut out = io::stdout().lock();
    io::copy(held, &mut out)?;
    out.flush()
}
