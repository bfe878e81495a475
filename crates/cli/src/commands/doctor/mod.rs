//! `vcache doctor`: looks at everything that a cached build stands on, and says what to do about what is wrong.
//!
//! Checks only look: nothing is made or repaired, but for probe files that are gone at once. A warning is something
//! that costs speed or may surprise; a failure is something that keeps the cache from working, or a build from being
//! right.

mod cache;
mod system;
mod tiers;
mod tools;

use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use crate::context::Context;
use crate::output;

/// Check cache, shims, settings and version files, and say what to do
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache doctor\nExit status: 1 when a check fails; warnings do not count.")]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// How a check ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Warn,
    Fail,
}

/// One check.
#[derive(Clone, PartialEq, Debug, Serialize)]
struct Check {
    name: String,
    status: Status,
    /// What was found.
    detail: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Check {
    fn ok(name: impl Into<String>, detail: impl Into<String>) -> Check {
        Check { name: name.into(), status: Status::Ok, detail: detail.into(), advice: None }
    }

    fn warn(name: impl Into<String>, detail: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name: name.into(), status: Status::Warn, detail: detail.into(), advice: Some(advice.into()) }
    }

    fn fail(name: impl Into<String>, detail: impl Into<String>, advice: impl Into<String>) -> Check {
        Check { name: name.into(), status: Status::Fail, detail: detail.into(), advice: Some(advice.into()) }
    }
}

#[derive(Serialize)]
struct Facts {
    checks: Vec<Check>,
    warnings: usize,
    failures: usize,
}

impl Doctor {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let mut checks = cache::checks(context);
        checks.extend(tiers::checks(context));
        checks.extend(tools::checks(context));
        checks.extend(system::checks(context));
        let number = |status| checks.iter().filter(|check| check.status == status).count();
        let facts = Facts { warnings: number(Status::Warn), failures: number(Status::Fail), checks };
        output::facts(self.json, &facts, render)?;
        Ok(if facts.failures > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

fn render(facts: &Facts) -> String {
    let mut rows = Vec::new();
    for check in &facts.checks {
        let word = match check.status {
            Status::Ok => "ok",
            Status::Warn => "warn",
            Status::Fail => "FAIL",
        };
        rows.push(vec![word.to_owned(), check.name.clone(), check.detail.clone()]);
        rows.extend(
            check.advice.iter().map(|advice| vec![String::new(), String::new(), format!("-> {advice}")]),
        );
    }
    let (checks, warnings, failures) = (facts.checks.len(), facts.warnings, facts.failures);
    format!("{}{checks} checks: {warnings} to look at, {failures} failed\n", output::table(&rows, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_stands_below_what_was_found() {
        let checks = vec![Check::ok("a", "fine"), Check::fail("bcd", "broken", "mend it")];
        let text = render(&Facts { checks, warnings: 0, failures: 1 });
        let expected =
            "ok    a    fine\nFAIL  bcd  broken\n           -> mend it\n2 checks: 0 to look at, 1 failed\n";
        assert_eq!(text, expected);
    }
}
