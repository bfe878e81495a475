//! Runs the real tool for a call that the cache can't answer, with the tool's own options.
//!
//! Files go where the tool puts them. Standard output goes through us: unpinned content streams on while it is stored,
//! so that a pipe to `tar` or a shell starts before the download ends; pinned content is held back until it is checked,
//! because a shell at the other end would have run it by the time that the last byte contradicts the pin.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{ChildStdout, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use vcache_shim::journal::Outcome;
use vcache_shim::real_tool::{self, RealTool};
use vcache_shim::{Chain, OnMismatch, child};
use vcache_store::{BlobWriter, Ingested};

use crate::Tool;
use crate::answer::Wanted;
use crate::curl::headers::{Response, final_responses};
use crate::keep::{Fetched, pass_on};
use crate::plan::{Job, Service};
use crate::reason::{Code, Reason};
use crate::request::Destination;
use crate::session::{Served, Session};
use crate::target::{Target, Targets};

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

/// What a run of the real tool is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Attempt {
    /// With the URLs that were given.
    Origin,
    /// With those of a mirror: an answer that is an error must leave no trace.
    Mirror,
}

/// One run of the real tool.
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) captured: Captured,
    /// Bytes that the caller has seen on standard output.
    passed_on: u64,
    /// Nobody reads our standard output any more.
    broken_pipe: bool,
    pub(crate) headers: Vec<u8>,
    /// What curl has printed by `-w` about files, held back: when its network fails and the cache steps in, the caller is
    /// to see the report of what it gets.
    report: Option<File>,
}

/// Retries that `VCACHE_RETRY` adds end after this time.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// Fetches with the real tool, keeps what it brought, and ends as it ended.
    pub(crate) fn fetch(&self, service: &Service) -> ExitCode {
        let url = service.jobs.first().map(|j| j.url.as_str());
        let mut targets = Targets::new(self.host.cwd());
        let targets: Vec<Target> = service.jobs.iter().map(|j| targets.next(&j.transfer, None)).collect();
        if let Some(special) = targets.iter().find(|t| t.is_special()) {
            let reason =
                Reason::new(Code::OutputName, format!("{} is not a regular file", special.display()));
            return self.pass_through(&reason, url);
        }
        let tool = match real_tool::find(self.host) {
            Ok(tool) => tool,
            Err(missing) => {
                self.messages.error(&missing);
                return ExitCode::from(missing.status());
            }
        };
        let mirrored = self.run_by_mirrors(service, &tool, &targets);
        let mut run = match mirrored.map_or_else(|| self.run_with_retries(service, &tool), Ok) {
            Ok(run) => run,
            Err(e) => {
                self.messages
                    .warn(format_args!("{}: {e}; running it without the cache", tool.path.display()));
                return tool.exec(self.host);
            }
        };
        if run.status.success() || run.broken_pipe {
            run.pass_on_report();
            let responses = self.responses(service, &run.headers);
            return self
                .keep(service, Fetched { targets, responses, captured: run.captured, status: run.status });
        }
        self.fall_back(service, &run, &targets).unwrap_or_else(|| {
            run.pass_on_report();
            for job in &service.jobs {
                self.note(Outcome::Failed, job, 0, None);
            }
            child::End::like(run.status).now()
        })
    }

    /// The network has failed: what was recorded last is better than no build.
    fn fall_back(&self, service: &Service, run: &Run, targets: &[Target]) -> Option<ExitCode> {
        if !self.is_network_failure(run.status) || run.passed_on > 0 {
            return None;
        }
        let answers = self.answers(service, Wanted::Fallback)?;
        for (job, answer) in service.jobs.iter().zip(&answers) {
            let days =
                self.started.saturating_sub(answer.record.as_ref().map_or(self.started, |r| r.fetched))
                    / 86400;
            self.messages.warn(format_args!(
                "{}: the network failed; using the copy that was fetched {days} days ago",
                job.url
            ));
        }
        match self.deliver_all(service, &answers, Some(targets)) {
            Served::Done(code) => Some(code),
            Served::Not => None,
        }
    }

    /// Exit statuses by which the tools say that the origin could not be reached or broke off (their manuals, "EXIT
    /// STATUS" and "EXIT CODES"); an answer such as 404 is none of these.
    fn is_network_failure(&self, status: ExitStatus) -> bool {
        match self.tool {
            Tool::Wget => status.code() == Some(4),
            Tool::Curl => matches!(status.code(), Some(5 | 6 | 7 | 16 | 18 | 28 | 35 | 52 | 55 | 56 | 92)),
        }
    }

    fn run_with_retries(&self, service: &Service, tool: &RealTool) -> io::Result<Run> {
        let begun = Instant::now();
        let mut left = if service.retries_given { 0 } else { self.policy.retry };
        let mut pause = Duration::from_secs(1);
        loop {
            let run = self.run_once(service, tool, self.host.args(), Attempt::Origin)?;
            let again = !run.status.success()
                && self.is_network_failure(run.status)
                && run.passed_on == 0
                && left > 0
                && begun.elapsed() + pause < RETRY_LIMIT;
            if !again {
                return Ok(run);
            }
            self.messages.warn(format_args!(
                "{} failed; again in {} s",
                tool.path.display(),
                pause.as_secs()
            ));
            std::thread::sleep(pause);
            left -= 1;
            pause *= 2;
        }
    }

    /// Runs the tool with `argv`, whose first word is its name.
    pub(crate) fn run_once(
        &self,
        service: &Service,
        tool: &RealTool,
        argv: &[OsString],
        attempt: Attempt,
    ) -> io::Result<Run> {
        let dumps = HeaderDumps::new(&service.option_slots)?;
        let args = dumps.put_into(argv, if attempt == Attempt::Mirror { &["-f"] } else { &[] });
        let hold_back = |job: &Job| {
            attempt == Attempt::Mirror || (job.pin.is_some() && self.policy.on_mismatch == OnMismatch::Fail)
        };
        let job = service.jobs.iter().find(|j| j.transfer.destination == Destination::Stdout);
        let reports = service.jobs.iter().any(|j| j.transfer.write_out.is_some());
        let report = if reports && job.is_none() { Some(tempfile::tempfile()?) } else { None };
        let (status, captured, passed_on, broken_pipe) = match job {
            None if let Some(report) = &report => {
                let status = self.start(tool, &args, child::Stdout::File(report.try_clone()?))?.wait()?;
                (status, Captured::Nothing, 0, false)
            }
            None => (self.start(tool, &args, child::Stdout::Inherit)?.wait()?, Captured::Nothing, 0, false),
            Some(job) if hold_back(job) => {
                let held = tempfile::tempfile()?;
                let status = self.start(tool, &args, child::Stdout::File(held.try_clone()?))?.wait()?;
                (status, Captured::Held(held), 0, false)
            }
            Some(job) => self.stream(tool, &args, job)?,
        };
        Ok(Run { status, captured, passed_on, broken_pipe, headers: dumps.read(), report })
    }

    fn start(
        &self,
        tool: &RealTool,
        args: &[OsString],
        stdout: child::Stdout,
    ) -> io::Result<std::process::Child> {
        child::start(self.host, tool, args, stdout)
    }

    fn stream(
        &self,
        tool: &RealTool,
        args: &[OsString],
        job: &Job,
    ) -> io::Result<(ExitStatus, Captured, u64, bool)> {
        let mut child = self.start(tool, args, child::Stdout::Pipe)?;
        let writer = self.store().filter(|_| self.policy.write).and_then(|store| {
            let writer = store.writer(self.wants_md5(job));
            writer
                .map_err(|e| self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url)))
                .ok()
        });
        let pipe = child.stdout.take().expect("stdout was asked to be a pipe");
        let tee = self.tee(pipe, writer, job);
        let status = child.wait()?;
        let complete = tee.writer.filter(|_| !tee.broken_pipe && status.success());
        let captured = match complete.map(BlobWriter::seal) {
            Some(Ok(ingested)) => Captured::Stored(ingested),
            Some(Err(e)) => {
                self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url));
                Captured::Nothing
            }
            None => Captured::Nothing,
        };
        Ok((status, captured, tee.passed_on, tee.broken_pipe))
    }

    /// Copies the tool's output to ours and to the store. When our reader goes away the pipe is closed, so that the tool
    /// learns of it as it would have; when the store fails the copying goes on without it.
    fn tee(&self, mut pipe: ChildStdout, mut writer: Option<BlobWriter>, job: &Job) -> Tee {
        let mut out = io::stdout().lock();
        let mut buffer = vec![0; 64 * 1024];
        let mut passed_on = 0;
        loop {
            let length = match pipe.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) => length,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                Err(_) => return Tee { writer: None, passed_on, broken_pipe: false },
            };
            let chunk = &buffer[..length];
            if out.write_all(chunk).and_then(|()| out.flush()).is_err() {
                return Tee { writer: None, passed_on, broken_pipe: true };
            }
            passed_on += length as u64;
            if let Some(Err(e)) = writer.as_mut().map(|w| w.write_all(chunk)) {
                self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), job.url));
                writer = None;
            }
        }
        Tee { writer, passed_on, broken_pipe: false }
    }

    /// The final answer of each request, where that can be told. wget says by its exit status that all went well.
    pub(crate) fn responses(&self, service: &Service, headers: &[u8]) -> Option<Vec<Response>> {
        match self.tool {
            Tool::Wget => Some(vec![Response { status: 200, ..Response::default() }; service.jobs.len()]),
            Tool::Curl => Some(final_responses(headers)).filter(|r| r.len() == service.jobs.len()),
        }
    }
}

impl Run {
    fn pass_on_report(&mut self) {
        if let Some(mut report) = self.report.take() {
            // A reader that went away is not the download's trouble.
            let _ = pass_on(&mut report);
        }
    }
}

struct Tee {
    writer: Option<BlobWriter>,
    passed_on: u64,
    broken_pipe: bool,
}

/// The files into which curl's `-D` writes the headers: one for each operation, since curl begins the file anew with each.
struct HeaderDumps<'a> {
    slots: &'a [usize],
    folder: Option<TempDir>,
}

impl HeaderDumps<'_> {
    fn new(slots: &[usize]) -> io::Result<HeaderDumps<'_>> {
        let folder = if slots.is_empty() { None } else { Some(tempfile::tempdir()?) };
        Ok(HeaderDumps { slots, folder })
    }

    fn file(&self, operation: usize) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.path().join(operation.to_string()))
    }

    /// The words after argv[0], with `-D FILE` and `more` put in at each slot.
    fn put_into(&self, argv: &[OsString], more: &[&str]) -> Vec<OsString> {
        let mut args = Vec::with_capacity(argv.len() + 3 * self.slots.len());
        for index in 1..=argv.len() {
            for (operation, _) in self.slots.iter().enumerate().filter(|(_, slot)| **slot == index) {
                if let Some(file) = self.file(operation) {
                    args.extend([OsString::from("-D"), file.into()]);
                    args.extend(more.iter().map(OsString::from));
                }
            }
            args.extend(argv.get(index).cloned());
        }
        args
    }

    /// What was written, in the order of the operations; an operation that was not begun has no file.
    fn read(&self) -> Vec<u8> {
        let files = (0..self.slots.len()).filter_map(|operation| self.file(operation));
        files.filter_map(|file| std::fs::read(file).ok()).flatten().collect()
    }
}
