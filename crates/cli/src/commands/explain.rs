//! `vcache explain`: what a shim would do about one command line, and why, without doing it.
//!
//! The answer is the multi-call executable's own (`vcache-shim --explain TOOL ARGS…`, JSON): this command knows no tool
//! and shows what it is told.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use vcache_shim::Policy;
use vcache_shim::family::{Explanation, RequestExplanation};
use vcache_shim::policy::Component;

use crate::context::Context;
use crate::shims::{self, Names};
use crate::surroundings::{Project, Surroundings};
use crate::{output, process};

/// Say what a shim would do about one command line: pin, serve, pass through, and why
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache explain -- wget -qO- https://example.org/a.tgz\n         \
                        vcache explain --as-run --json -- curl -fsSLO https://example.org/a.tgz")]
pub(crate) struct Explain {
    /// Assume the environment that `vcache run` gives (this is so when nothing is configured)
    #[arg(long)]
    as_run: bool,
    #[command(flatten)]
    project: Project,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// The tool and its arguments
    #[arg(trailing_var_arg = true, required = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// What the executable tells, and whether the environment of `vcache run` was assumed.
#[derive(Serialize)]
struct Facts {
    as_run: bool,
    #[serde(flatten)]
    told: Explanation,
}

impl Explain {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let executable = shims::executable(&context.host)?;
        let typed = Path::new(&self.command[0]);
        let name = typed.file_name().unwrap_or(typed.as_os_str());
        let names = shims::names(&executable, Names::All)?;
        if !names.iter().any(|n| OsStr::new(n) == name) {
            bail!(
                "{}: has no shim, so it runs untouched; there are shims for: {}",
                name.display(),
                names.join(", ")
            );
        }
        if typed.components().count() > 1 {
            output::note(format_args!(
                "{}: a path goes by the shims in PATH (install.sh --divert puts them in its place); explaining {}",
                typed.display(),
                name.display()
            ));
        }
        let mut args = vec![OsStr::new("--explain"), name];
        args.extend(self.command[1..].iter().map(OsString::as_os_str));
        let chosen = self.as_run || self.project.update || self.project.offline;
        let facts = if chosen || !is_configured(context) {
            if !chosen {
                output::note(
                    "nothing is configured, so a shim is a plain exec of the real tool (see: vcache config); \
                     explaining as under `vcache run`",
                );
            }
            Facts { as_run: true, told: self.ask_as_run(context, &executable, &args)? }
        } else {
            let dir =
                context.cache_dir().map(|dir| (OsString::from("VCACHE_DIR"), dir.path.into_os_string()));
            Facts { as_run: false, told: ask(&executable, &args, dir.as_slice())? }
        };
        output::facts(self.json, &facts, |facts| render(&facts.told))?;
        Ok(ExitCode::SUCCESS)
    }

    fn ask_as_run(&self, context: &Context, executable: &Path, args: &[&OsStr]) -> Result<Explanation> {
        let lock = context.host.cwd().join(&self.project.versions);
        let around = Surroundings::new(context, &self.project, &lock)?;
        let mut facts = ask(executable, args, &around.env)?;
        // The temporary buildinfo folder is gone when this is read; the lock folder behind its link is not.
        let inside = around.buildinfo.path().join("versions").display().to_string();
        for request in &mut facts.requests {
            if let Some(rest) = request.pinned_by.as_deref().and_then(|place| place.strip_prefix(&inside)) {
                request.pinned_by = Some(format!("{}{rest}", lock.display()));
            }
        }
        Ok(facts)
    }
}

/// True where pins or cache are asked for, for any component.
pub(crate) fn is_configured(context: &Context) -> bool {
    let components = ["deb", "py2", "py3", "web", "git", "docker", "go"].map(Component);
    components.into_iter().any(|component| Policy::new(&context.settings, component).0.active())
}

fn ask(executable: &Path, args: &[&OsStr], env: &[(OsString, OsString)]) -> Result<Explanation> {
    let told = process::output(executable, args, env)?;
    serde_json::from_slice(&told).with_context(|| {
        format!("{}: its answer can't be read; is it of another version than vcache?", executable.display())
    })
}

fn render(facts: &Explanation) -> String {
    let meaning = match facts.plan.as_str() {
        "exec" => "a plain exec of the real tool",
        "passthrough" => "left to the real tool, and counted",
        "serve" => "answered from the cache, or fetched once and kept",
        "refuse" => "refused",
        "wait" => "a plain exec of the real tool, once the locks are free that it would fail for",
        "hand-over" => "the build gets the cache from a server",
        "carry" => "the build gets the cache in its context",
        other => other,
    };
    let mut rows = vec![("plan", meaning.to_owned())];
    rows.extend(facts.reason.clone().map(|reason| ("reason", reason)));
    rows.extend(facts.detail.clone().map(|detail| ("detail", detail)));
    let missing = || "none in PATH; the call would end with exit status 127".to_owned();
    rows.push(("real tool", facts.real_tool.clone().unwrap_or_else(missing)));
    let mut text = format!("{}\n{}", facts.tool, indent(&output::pairs(&rows)));
    for request in &facts.requests {
        text.push_str(&format!("{}\n{}", request.url, indent(&output::pairs(&rows_of(request)))));
    }
    text
}

fn rows_of(request: &RequestExplanation) -> Vec<(&'static str, String)> {
    let to = if request.destination == "-" { "stdout" } else { &request.destination };
    let pin = match (&request.pin, &request.pinned_by) {
        (Some(pin), Some(place)) => format!("{pin} ({place})"),
        (Some(pin), None) => pin.clone(),
        (None, _) => "none".to_owned(),
    };
    let cache = match request.cache.as_str() {
        "hit" => "hit: no network is needed",
        "miss" => "miss: it is fetched by the real tool, and kept",
        "refresh" => "refresh: it is cached, but the origin is asked",
        other => other,
    };
    let mut rows = vec![("to", to.to_owned()), ("pin", pin), ("cache", cache.to_owned())];
    rows.extend(request.sha256.clone().map(|sha256| ("sha256", sha256)));
    rows
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_shim_tells_is_understood_and_shown() {
        let told = Explanation {
            tool: "wget".into(),
            plan: "serve".into(),
            reason: None,
            detail: None,
            real_tool: Some("/usr/bin/wget".into()),
            requests: vec![RequestExplanation {
                url: "http://h.example/a".into(),
                destination: "-".into(),
                pin: Some("sha256:00".into()),
                pinned_by: Some("/w/versions-web:3".into()),
                cache: "hit".into(),
                sha256: Some("00".into()),
            }],
        };
        let told: Explanation = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
        let expected = "wget\n  plan:       answered from the cache, or fetched once and kept\n  \
                        real tool:  /usr/bin/wget\nhttp://h.example/a\n  to:      stdout\n  \
                        pin:     sha256:00 (/w/versions-web:3)\n  cache:   hit: no network is needed\n  sha256:  00\n";
        assert_eq!(render(&told), expected);
    }

    #[test]
    fn a_passthrough_gives_its_reason() {
        let told = Explanation {
            tool: "curl".into(),
            plan: "passthrough".into(),
            reason: Some("unknown-option".into()),
            detail: Some("--foo".into()),
            real_tool: None,
            requests: vec![],
        };
        let told: Explanation = serde_json::from_str(&serde_json::to_string(&told).unwrap()).unwrap();
        let text = render(&told);
        for part in ["left to the real tool", "unknown-option", "--foo", "127"] {
            assert!(text.contains(part), "{text}");
        }
    }
}
