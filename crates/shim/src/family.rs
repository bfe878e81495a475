//! What a family of shims gives to the multi-call executable.

use std::process::ExitCode;

use serde::{Deserialize, Serialize};

use crate::{Host, Settings, real_tool};

/// One folder under `shims/`: the names that it serves and how.
pub struct Family {
    /// The tools' names; unique among all families.
    pub names: &'static [&'static str],
    /// Other names of a real tool, which lead to us where a shim stands in its place; they are never linked, and always the real tool's.
    pub also: &'static [&'static str],
    /// A link of such a name without its real tool would change what scripts do (`command -v docker || …`), so there is one only
    /// where the tool is.
    pub only_with_tool: bool,
    /// Does the call in `host`. Returns only when the process was not replaced by the real tool.
    pub run: fn(&Host, &Settings) -> ExitCode,
    /// Says what [`Family::run`] would do, without doing it.
    pub explain: fn(&Host, &Settings) -> Explanation,
    /// The counted reasons for a passthrough: name and one line for people.
    pub reasons: fn() -> Vec<(&'static str, &'static str)>,
}

/// What would be done about a call.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Explanation {
    /// The tool's name.
    pub tool: String,
    /// `exec` (nothing is configured), `passthrough`, `serve`, `wait` (an exec, after others), or `refuse`; of an image build `hand-over` or `carry`.
    pub plan: String,
    /// The counted reason of a passthrough, or why the cache is carried and not handed over.
    pub reason: Option<String>,
    /// More about the reason, or the message of a refusal.
    pub detail: Option<String>,
    /// The real tool's path, where there is one.
    pub real_tool: Option<String>,
    /// One for each thing that is fetched.
    pub requests: Vec<RequestExplanation>,
}

impl Explanation {
    /// Of a call that is a plain exec of the real tool: what every explanation begins as.
    pub fn exec(host: &Host) -> Explanation {
        Explanation {
            tool: host.name().to_string_lossy().into_owned(),
            plan: "exec".to_owned(),
            reason: None,
            detail: None,
            real_tool: real_tool::find(host).ok().map(|tool| tool.path.display().to_string()),
            requests: Vec::new(),
        }
    }
}

/// One thing that is fetched, and where it would come from.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct RequestExplanation {
    /// What is asked for, without secrets.
    pub url: String,
    /// Where it goes, as a path or `-`.
    pub destination: String,
    /// The pin in force.
    pub pin: Option<String>,
    /// The version file and line of the pin.
    pub pinned_by: Option<String>,
    /// `hit`, `miss` or `refresh` (the origin is asked though something is cached).
    pub cache: String,
    /// SHA-256 of what the cache holds for it.
    pub sha256: Option<String>,
}
