//! Asking mirrors before the origin, as the rules of [`vcache_shim::mirrors`] say.
//!
//! Each attempt is a run of the real tool with the URLs in its argv rewritten, so that its options count there too. What
//! a mirror does not have, or has with other content than the pin says, is asked for at the next one and at last at the
//! origin. A file that was not there is then taken away again, and standard output is held back until it is whole. URLs
//! from lists and configuration files are left as they are ([`crate::request::Call::url_words`]), and a caller who shows
//! credentials is not taken to another server.

use std::ffi::OsString;

use vcache_shim::mirrors::Mirrors;
use vcache_shim::real_tool::RealTool;

use crate::keep::found_instead;
use crate::plan::Service;
use crate::run::{Attempt, Captured, Run};
use crate::session::Session;
use crate::target::Target;

impl Session<'_> {
    /// The first run against a mirror that brought everything; none where no rule applies, or no mirror has it all.
    pub(crate) fn run_by_mirrors(
        &self,
        service: &Service,
        tool: &RealTool,
        targets: &[Target],
    ) -> Option<Run> {
        let mirrors = Mirrors::load(self.host, self.settings);
        for problem in &mirrors.problems {
            self.messages.warn(problem);
        }
        if mirrors.rules.is_empty() || service.call.credentials {
            return None;
        }
        for n in 0.. {
            let argv = self.rewritten(&mirrors, service, n)?;
            let run = self.run_once(service, tool, &argv, Attempt::Mirror).map_err(|e| e.to_string());
            match run.and_then(|run| self.has_all(service, &run, targets).map(|()| run)) {
                Ok(run) => return Some(run),
                Err(why) => {
                    self.messages.warn(format_args!("mirror {}: {why}; going on without it", n + 1));
                    service
                        .jobs
                        .iter()
                        .zip(targets)
                        .for_each(|(job, target)| target.put_back(job.transfer.existing));
                }
            }
        }
        None
    }

    /// The argv for the `n`th mirror of each rule; none when no URL has so many.
    fn rewritten(&self, mirrors: &Mirrors, service: &Service, n: usize) -> Option<Vec<OsString>> {
        let mut argv = self.host.args().to_vec();
        let mut any = false;
        for index in &service.call.url_words {
            let word = argv.get_mut(*index)?;
            let rewritten = word.to_str().and_then(|url| mirrors.rule(url)?.rewritten(url, n));
            if let Some(url) = rewritten {
                self.messages.info(format_args!("asking the mirror: {}", vcache_store::public_url(&url)));
                *word = url.into();
                any = true;
            }
        }
        any.then_some(argv)
    }

    /// Whether a run has brought every content, and none that contradicts its pin.
    fn has_all(&self, service: &Service, run: &Run, targets: &[Target]) -> Result<(), String> {
        if !run.status.success() {
            return Err(format!("{}: {}", self.host.name().display(), run.status));
        }
        let responses = self.responses(service, &run.headers).ok_or("its answers can't be told apart")?;
        if let Some(other) = responses.iter().find(|response| response.status != 200) {
            return Err(format!("it answered {}", other.status));
        }
        for (job, target) in service.jobs.iter().zip(targets) {
            let Some(pin) = job.pin.as_ref().filter(|_| !job.is_named_by_header()) else { continue };
            let contradicts = match &run.captured {
                Captured::Held(held) if target.path.is_none() => found_instead(held, pin),
                _ => self.found_instead(target, pin),
            };
            if contradicts.is_some() {
                return Err(format!("its content contradicts the pin of {} ({})", job.url, pin.place));
            }
        }
        Ok(())
    }
}
