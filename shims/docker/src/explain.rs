//! What a call would lead to, without doing it.

use vcache_shim::family::Explanation;
use vcache_shim::{Host, Policy, Settings, settings};

use crate::COMPONENT;
use crate::invocation::{Call, Tool, parse};
use crate::plan::{Plan, Way, plan};
use crate::reason::{Code, Reason};
use crate::surroundings;

pub(crate) fn explain(host: &Host, settings: &Settings) -> Explanation {
    let tool = Tool::of(host.name());
    let (policy, _) = Policy::new(settings, COMPONENT);
    let mut explanation = Explanation::exec(host);
    let call = parse(tool, host.args().get(1..).unwrap_or_default());
    let plan = match call {
        Call::Other => {
            explanation.detail = Some("not an image build".to_owned());
            return explanation;
        }
        _ if settings::hook_skipped(settings) || !(policy.read || policy.write) => {
            explanation.detail = Some("no cache is configured".to_owned());
            return explanation;
        }
        Call::Unclear(word) => Plan::Passthrough(Reason::new(Code::UnknownOption, word)),
        Call::Build(build) => plan(tool, &build, &surroundings::look(host, settings, tool, &build)),
    };
    match plan {
        Plan::Passthrough(reason) => {
            explanation.plan = "passthrough".to_owned();
            explanation.reason = Some(reason.code.name().to_owned());
            explanation.detail = Some(reason.detail).filter(|detail| !detail.is_empty());
        }
        Plan::HandOver { entry, reach } => {
            explanation.plan = "hand-over".to_owned();
            explanation.detail = Some(format!("{reach}, told by {}", entry.variables.join(" and ")));
        }
        Plan::Carry { way, instead, .. } => {
            explanation.plan = "carry".to_owned();
            let out = match way {
                Way::Stage => "a last stage",
                Way::Log => "the log of a last stage",
            };
            explanation.reason = instead.as_ref().map(|reason| reason.code.name().to_owned());
            let why = instead.map(|reason| format!(", since {}", reason.code.help())).unwrap_or_default();
            explanation.detail = Some(format!("it gives back what it fetches by {out}{why}"));
        }
    }
    explanation
}
