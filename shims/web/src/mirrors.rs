//! Asking mirrors before the origin, as the rules of [`vcache_shim::mirrors`] say.
//!
//! Each attempt is a run of the real tool with the URLs in its argv rewritten, so that its options count there too, and a
//! limit on the time that a silent mirror may take. What a mirror does not have, or has with other content than the pin
//! says, is asked for at the next one and at last at the origin; the caller sees nothing of it ([`crate::undo`]), and
//! standard output is held back until it is whole.
//!
//! Left to the origin: URLs from lists and configuration files ([`crate::request::Call::url_words`]), URLs and calls that
//! hold something secret, which is nobody else's business, and `curl -J`, whose file's name is not known beforehand.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::ExitStatusExt;

use vcache_shim::mirrors::Mirrors;
use vcache_shim::real_tool::RealTool;

use crate::keep::found_instead;
use crate::plan::{Job, Service};
use crate::run::{Attempt, Captured, Run};
use crate::session::Session;
use crate::target::Target;
use crate::undo::Attempts;

impl Session<'_> {
    /// The rules in force, where one of them applies to the call.
    pub(crate) fn mirrors(&self, service: &Service) -> Option<Mirrors> {
        let mirrors = Mirrors::load(self.host, self.settings);
        for problem in &mirrors.problems {
            self.messages.warn(problem);
        }
        // The limits on a mirror's time go to the end of the call, so of the last operation alone.
        let one_operation = service.call.option_slots.len() <= 1;
        let allowed =
            one_operation && !service.call.credentials && !service.jobs.iter().any(Job::is_named_by_header);
        (allowed && self.rewritten(&mirrors, service, 0).is_some()).then_some(mirrors)
    }

    /// The first run against a mirror that brought everything; none where no mirror has it all.
    ///
    /// # Errors
    /// What an attempt has left can't be taken back.
    pub(crate) fn run_by_mirrors(
        &self,
        service: &Service,
        tool: &RealTool,
        mirrors: &Mirrors,
        attempts: &mut Attempts,
    ) -> io::Result<Option<Run>> {
        for n in 0.. {
            let Some(argv) = self.rewritten(mirrors, service, n) else { break };
            let run = self.run_once(service, tool, &argv, Attempt::Mirror);
            let run = match run {
                Ok(run) if run.status.signal().is_some() => return Ok(Some(run)),
                other => other.map_err(|e| e.to_string()),
            };
            match run.and_then(|run| self.has_all(service, &run, &attempts.targets).map(|()| run)) {
                Ok(run) => return Ok(Some(run)),
                Err(why) => {
                    let asked = service.call.url_words.iter().filter_map(|index| argv.get(*index)?.to_str());
                    let asked = asked.map(vcache_store::public_url).collect::<Vec<_>>().join(" ");
                    self.messages.warn(format_args!("mirror: {asked}: {why}; going on without it"));
                    attempts.take_back()?;
                }
            }
        }
        Ok(None)
    }

    /// The argv for the `n`th mirror of each rule; none when no URL has so many.
    fn rewritten(&self, mirrors: &Mirrors, service: &Service, n: usize) -> Option<Vec<OsString>> {
        let mut argv = self.host.args().to_vec();
        let mut any = false;
        for index in &service.call.url_words {
            let word = argv.get_mut(*index)?;
            let rewritten = word.to_str().filter(|url| holds_no_secret(url));
            if let Some(url) = rewritten.and_then(|url| mirrors.rule(url)?.rewritten(url, n)) {
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
        for (response, target) in responses.iter().zip(targets).filter(|_| service.jobs.len() > 1) {
            let size = target.path.as_ref().and_then(|path| Some(path.metadata().ok()?.len()));
            if size.is_some_and(|size| !self.is_whole(size, Some(response), true)) {
                return Err("one of its answers is not known to be whole".to_owned());
            }
        }
        for (job, target) in service.jobs.iter().zip(targets) {
            let Some(pin) = &job.pin else { continue };
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

fn holds_no_secret(url: &str) -> bool {
    let plain = url.split('#').next().unwrap_or_default();
    let query = plain.split_once('?').map_or("", |(_, query)| query).to_ascii_lowercase();
    let odd = ["auth", "key", "pass", "pwd", "secret", "sess", "sig", "token"];
    vcache_store::public_url(url) == plain && !odd.iter().any(|word| query.contains(word))
}
