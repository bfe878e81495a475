//! `vcache config`: every setting in force with where it came from, and what follows from them.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::ValueEnum as _;
use serde::Serialize;
use vcache_shim::policy::Component;
use vcache_shim::{OnMismatch, PinDigest, Policy};

use crate::commands::image::Transport;
use crate::context::Context;
use crate::output;

/// Show each setting in force, where it came from, and what follows
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache config\n         VCACHE_OFFLINE=y vcache config --json")]
pub(crate) struct Config {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    settings: Vec<Setting>,
    cache: Option<Cache>,
    /// For each component that shims serve.
    policy: Vec<Effective>,
    /// Values that are not understood, and what is used instead.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Setting {
    name: &'static str,
    /// Empty: not set.
    value: String,
    /// `environment`, `file:line`, `default`, or `--cache`.
    origin: String,
    help: &'static str,
}

#[derive(Serialize)]
struct Cache {
    dir: PathBuf,
    why: String,
    exists: bool,
}

#[derive(Serialize)]
struct Effective {
    component: &'static str,
    /// False: every shim of it is a plain exec.
    active: bool,
    read: bool,
    write: bool,
    versioned: bool,
    offline: bool,
    strict: bool,
    on_mismatch: &'static str,
    retry: u32,
    pin_digest: &'static str,
}

/// The components whose shims exist.
const COMPONENTS: [Component; 2] = [Component("web"), Component("git")];

impl Config {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let facts = gather(context);
        output::facts(self.json, &facts, render)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn gather(context: &Context) -> Facts {
    let settings = context.settings.iter().map(|(variable, value, _)| Setting {
        name: variable.name,
        value: without_credentials(value),
        origin: context.origin(variable.name),
        help: variable.help,
    });
    let mut problems = problems(context);
    let cache =
        context.cache_dir().map(|dir| Cache { exists: dir.path.is_dir(), dir: dir.path, why: dir.why });
    if cache.is_none() {
        problems.push("no cache directory: set VCACHE_DIR or HOME".to_owned());
    }
    let policy = COMPONENTS.into_iter().map(|c| effective(c, &Policy::new(&context.settings, c).0)).collect();
    Facts { settings: settings.collect(), cache, policy, problems }
}

/// What is wrong with the settings: each a line that names value and origin.
pub(crate) fn problems(context: &Context) -> Vec<String> {
    let mut problems: Vec<String> = Vec::new();
    for component in COMPONENTS {
        problems.extend(Policy::new(&context.settings, component).1);
    }
    problems.dedup();
    let transport = context.settings.get("VCACHE_TRANSPORT");
    if !transport.is_empty() && Transport::from_str(transport, false).is_err() {
        let origin = context.settings.origin("VCACHE_TRANSPORT");
        problems.push(format!("VCACHE_TRANSPORT={transport:?} ({origin}) is none of serve, stage, log"));
    }
    if vcache_shim::settings::hook_skipped(&context.settings) {
        problems.push("SKIP_BUILD_HOOK=y: every shim is a plain exec of its real tool".to_owned());
    }
    problems
}

fn effective(component: Component, policy: &Policy) -> Effective {
    Effective {
        component: component.0,
        active: policy.active(),
        read: policy.read,
        write: policy.write,
        versioned: policy.versioned,
        offline: policy.offline,
        strict: policy.strict,
        on_mismatch: match policy.on_mismatch {
            OnMismatch::Fail => "fail",
            OnMismatch::Warn => "warn",
        },
        retry: policy.retry,
        pin_digest: match policy.pin_digest {
            PinDigest::Md5 => "md5",
            PinDigest::Sha256 => "sha256",
        },
    }
}

/// A setting may be a URL with a password, and what is printed here ends in logs.
fn without_credentials(value: &str) -> String {
    if value.contains("://") { vcache_store::public_url(value) } else { value.to_owned() }
}

fn render(facts: &Facts) -> String {
    let rows: Vec<_> = facts
        .settings
        .iter()
        .map(|s| {
            let value = if s.value.is_empty() { "-" } else { &s.value };
            vec![s.name.to_owned(), value.to_owned(), s.origin.clone()]
        })
        .collect();
    let mut text = output::table(&rows, &[]);
    let cache = facts.cache.as_ref().map_or_else(
        || "none".to_owned(),
        |cache| {
            let state = if cache.exists { "" } else { "; not made yet" };
            format!("{} ({}{state})", cache.dir.display(), cache.why)
        },
    );
    text.push_str(&format!("\ncache: {cache}\n"));
    for policy in &facts.policy {
        text.push_str(&format!("{}: {}\n", policy.component, words(policy)));
    }
    for problem in &facts.problems {
        text.push_str(&format!("problem: {problem}\n"));
    }
    text
}

fn words(policy: &Effective) -> String {
    if !policy.active {
        return "nothing is asked for, so shims are a plain exec (SONIC_VERSION_CACHE_METHOD=cache turns the cache \
                on, SONIC_VERSION_CONTROL_COMPONENTS=all the pins)"
            .to_owned();
    }
    let cache = match (policy.read, policy.write) {
        (true, true) => "cache read and written",
        (true, false) => "cache read only",
        (false, true) => "cache refreshed",
        (false, false) => "cache off",
    };
    let mut words = vec![cache.to_owned()];
    words.push(if policy.versioned {
        format!(
            "pins hold ({} on mismatch) and new ones are recorded as {}",
            policy.on_mismatch, policy.pin_digest
        )
    } else {
        "versions float".to_owned()
    });
    words.extend(policy.offline.then(|| "offline".to_owned()));
    words.extend(policy.strict.then(|| "strict".to_owned()));
    words.extend((policy.retry > 0).then(|| format!("up to {} retries", policy.retry)));
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use vcache_shim::Host;

    fn facts(env: &[(&str, &str)]) -> Facts {
        let nowhere = ("VCACHE_BUILDINFO".into(), "/nonexistent".into());
        let env = env.iter().map(|(k, v)| ((*k).into(), (*v).into())).chain([nowhere]);
        gather(&Context::new(&Host::new(vec!["vcache".into()], env, "/".into()), None))
    }

    #[test]
    fn values_origins_and_what_follows() {
        let text = render(&facts(&[("SONIC_VERSION_CACHE_METHOD", "rcache"), ("VCACHE_DIR", "/c")]));
        assert!(text.starts_with("SONIC_VERSION_CACHE_METHOD        rcache"), "{text}");
        assert!(text.contains("cache: /c (VCACHE_DIR (environment); not made yet)\n"), "{text}");
        assert!(text.contains("web: cache read only, versions float\n"), "{text}");
        assert!(!text.contains("problem"), "{text}");
    }

    #[test]
    fn problems_and_no_settings_are_said() {
        let text = render(&facts(&[("SONIC_VERSION_CACHE_METHOD", "fast"), ("VCACHE_LOG", "loud")]));
        assert!(text.contains("problem: SONIC_VERSION_CACHE_METHOD=\"fast\""), "{text}");
        assert!(text.contains("problem: VCACHE_LOG=\"loud\""), "{text}");
        assert!(text.contains("web: nothing is asked for"), "{text}");
        assert!(
            render(&facts(&[("VCACHE_TRANSPORT", "smoke")])).contains("problem: VCACHE_TRANSPORT=\"smoke\"")
        );
        assert!(render(&facts(&[("SKIP_BUILD_HOOK", "y")])).contains("problem: SKIP_BUILD_HOOK=y"));
    }

    #[test]
    fn passwords_are_not_shown() {
        let text = render(&facts(&[("BUILD_PACKAGES_URL", "https://user:secret@h.example/p")]));
        assert!(text.contains("h.example/p") && !text.contains("secret"), "{text}");
    }
}
