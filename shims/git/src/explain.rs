//! What a call would lead to, without doing it.

use vcache_shim::family::{Explanation, RequestExplanation};
use vcache_shim::{Host, Policy, Settings, settings};

use crate::COMPONENT;
use crate::cached::Cached;
use crate::call::parse;
use crate::git::Git;
use crate::plan::{Plan, asked, plan};
use crate::run::{look, resolve};

pub(crate) fn explain(host: &Host, settings: &Settings) -> Explanation {
    let mut explanation = Explanation::exec(host);
    let (policy, _) = Policy::new(settings, COMPONENT);
    let words = host.args().get(1..).unwrap_or_default();
    let Ok(git) = Git::of(host) else { return explanation };
    if !policy.active() || settings::hook_skipped(settings) {
        return explanation;
    }
    let planned = match resolve(&git, parse(words), words) {
        Ok(None) => return explanation,
        Ok(Some((remote, words))) => {
            let situation = look(host, &git, &words[..remote.globals]);
            explanation.requests =
                asked(&remote, &situation).iter().map(|url| request(host, settings, url)).collect();
            plan(&remote, &situation)
        }
        Err(unserved) => Plan::Passthrough(unserved.reason),
    };
    match planned {
        Plan::Route { .. } => explanation.plan = "serve".to_owned(),
        Plan::Passthrough(reason) => {
            explanation.plan = "passthrough".to_owned();
            explanation.reason = Some(reason.code.name().to_owned());
            explanation.detail = Some(reason.to_string());
            explanation.requests.clear();
        }
    }
    explanation
}

fn request(host: &Host, settings: &Settings, url: &str) -> RequestExplanation {
    let cached = Cached::only_looking(host, settings, url);
    let pin = cached.as_ref().and_then(|cached| cached.pin().cloned());
    RequestExplanation {
        url: vcache_store::public_url(url),
        destination: String::new(),
        pin: pin.as_ref().map(|pin| pin.id.clone()),
        pinned_by: pin.map(|pin| pin.place),
        cache: cached.map_or("miss", |cached| cached.outlook()).to_owned(),
        sha256: None,
    }
}
