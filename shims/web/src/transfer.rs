//! A miss: the real tool is run once, with the caller's own options, and what it brought is handed to `keep`. When its
//! network fails, what was recorded last is served.

use std::io;
use std::process::{ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use vcache_shim::journal::Outcome;
use vcache_shim::real_tool::{self, RealTool};
use vcache_shim::{OnMismatch, child};

use crate::Tool;
use crate::answer::Wanted;
use crate::keep::Fetched;
use crate::plan::{Job, Service};
use crate::reason::{Code, Reason};
use crate::request::Existing;
use crate::run::{Attempt, Run};
use crate::session::{Served, Session};
use crate::target::{Target, Targets};
use crate::undo::Attempts;

/// Retries that `VCACHE_RETRY` adds end after this time.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

impl Session<'_> {
    /// Fetches with the real tool, keeps what it brought, and ends as it ended.
    pub(crate) fn fetch(&self, service: &Service) -> ExitCode {
        child::survive_file_limit();
        let mut targets = Targets::new(self.host.cwd());
        let targets: Vec<Target> = service.jobs.iter().map(|j| targets.next(&j.transfer, None)).collect();
        if let Some(index) = targets.iter().position(Target::is_special) {
            return self.pass_through_special(service, &targets[index]);
        }
        let tool = match real_tool::find(self.host) {
            Ok(tool) => tool,
            Err(missing) => {
                self.messages.error(&missing);
                return ExitCode::from(missing.status());
            }
        };
        let mut attempts = Attempts::once(targets);
        let mut run = match self.run(service, &tool, &mut attempts) {
            Ok(run) => run,
            Err(e) => {
                self.messages
                    .warn(format_args!("{}: {e}; running it without the cache", tool.path.display()));
                self.warn_unchecked(service, "it runs without the cache");
                return tool.exec(self.host);
            }
        };
        let targets = attempts.targets;
        if !run.status.success() {
            return self.failed(service, run, &targets);
        }
        run.pass_on_report();
        let end = match run.output_failed {
            true => child::End::Status(self.tool.write_failure()),
            false => child::End::like(run.status),
        };
        let responses = self.responses(service, &run.headers);
        self.keep(service, Fetched { targets, responses, captured: run.captured, end })
    }

    /// Asks mirrors, then the origin, then once more where `VCACHE_RETRY` says so.
    fn run(&self, service: &Service, tool: &RealTool, attempts: &mut Attempts) -> io::Result<Run> {
        let mut mirrors = self.mirrors(service);
        let repeatable = !service.call.retries_given && !service.jobs.iter().any(Job::is_named_by_header);
        let mut retries = if repeatable { self.policy.retry } else { 0 };
        if (mirrors.is_some() || retries > 0)
            && let Err(e) = attempts.save(self)
        {
            self.messages.warn(format_args!("what is there can't be saved ({e}); asking the origin once"));
            (mirrors, retries) = (None, 0);
        }
        if let Some(mirrors) = mirrors
            && let Some(run) = self.run_by_mirrors(service, tool, &mirrors, attempts)?
        {
            return Ok(run);
        }
        self.run_with_retries(service, tool, retries, attempts)
    }

    /// A pipe or a device: what goes there can't be read back.
    fn pass_through_special(&self, service: &Service, target: &Target) -> ExitCode {
        let why = format!("{} is not a regular file", target.display());
        self.warn_unchecked(service, &why);
        let url = service.jobs.first().map(|job| job.url.as_str());
        self.pass_through(&Reason::new(Code::OutputName, why), url)
    }

    /// Says which pin is not checked since the real tool does the call by itself.
    pub(crate) fn warn_unchecked(&self, service: &Service, why: &str) {
        if let Some((job, pin)) = service.jobs.iter().find_map(|job| Some((job, job.pin.as_ref()?))) {
            self.messages.warn(format_args!(
                "the pin of {} ({}) is not checked in this call: {why}",
                job.url, pin.place
            ));
        }
    }

    /// The tool has failed: the cache may still have an answer, and what came whole is checked all the same.
    fn failed(&self, service: &Service, mut run: Run, targets: &[Target]) -> ExitCode {
        if let Some(code) = self.fall_back(service, &run, targets) {
            return code;
        }
        run.pass_on_report();
        // One of several that is missing does not excuse another that is wrong. After a failure of the network a file
        // may just be incomplete, as a resumed download expects it.
        let check = service.jobs.len() > 1
            && self.policy.on_mismatch == OnMismatch::Fail
            && !self.is_network_failure(run.status);
        let mut end = child::End::like(run.status);
        for (job, target) in service.jobs.iter().zip(targets) {
            match job.pin.as_ref().filter(|_| check && target.was_written()) {
                Some(pin) if let Some(found) = self.found_instead(target, pin) => {
                    end = child::End::Status(self.violated(job, target, &found));
                }
                _ => self.note(Outcome::Failed, job, 0, None),
            }
        }
        end.now()
    }

    /// The network has failed: what was recorded last is better than no build.
    fn fall_back(&self, service: &Service, run: &Run, targets: &[Target]) -> Option<ExitCode> {
        if !self.is_network_failure(run.status) || run.passed_on > 0 {
            return None;
        }
        let answers = self.answers(service, Wanted::Fallback)?;
        for (job, answer) in service.jobs.iter().zip(&answers) {
            let fetched = answer.record.as_ref().map_or(self.started, |record| record.fetched);
            let days = self.started.saturating_sub(fetched) / 86400;
            self.messages.warn(format_args!(
                "{}: the network failed; using the copy that was fetched {}",
                job.url,
                match days {
                    0 => "within the last day".to_owned(),
                    1 => "a day ago".to_owned(),
                    days => format!("{days} days ago"),
                }
            ));
        }
        // What the tool has left of a file that was there is no file to be current, or to be continued.
        let mut service = service.clone();
        for (job, target) in service.jobs.iter_mut().zip(targets).filter(|(_, target)| target.was_written()) {
            target.put_back(job.transfer.existing);
            if job.transfer.existing == Existing::Timestamp {
                job.transfer.existing = Existing::Truncate;
            }
        }
        match self.deliver_all(&service, &answers, Some(targets)) {
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

    fn run_with_retries(
        &self,
        service: &Service,
        tool: &RealTool,
        mut left: u32,
        attempts: &mut Attempts,
    ) -> io::Result<Run> {
        let begun = Instant::now();
        let mut pause = Duration::from_secs(1);
        loop {
            let run = self.run_once(service, tool, self.host.args(), Attempt::Origin)?;
            let again = self.is_network_failure(run.status)
                && run.passed_on == 0
                && left > 0
                && begun.elapsed() + pause < RETRY_LIMIT;
            if !again {
                return Ok(run);
            }
            let (path, seconds) = (tool.path.display(), pause.as_secs());
            self.messages.warn(format_args!("{path} failed; again in {seconds} s"));
            attempts.take_back()?;
            std::thread::sleep(pause);
            left -= 1;
            pause *= 2;
        }
    }
}
