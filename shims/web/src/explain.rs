//! What a call would lead to, without doing it.

use vcache_shim::family::{Explanation, RequestExplanation};
use vcache_shim::{Host, Level, Messages, Policy, Settings, settings};

use crate::COMPONENT;
use crate::answer::Wanted;
use crate::plan::{Job, Order, Plan};
use crate::session::Session;
use crate::target::Targets;

pub(crate) fn explain(host: &Host, settings: &Settings) -> Explanation {
    let (policy, _) = Policy::new(settings, COMPONENT);
    let mut explanation = Explanation::exec(host);
    if settings::hook_skipped(settings) || !policy.active() {
        explanation.detail = Some(match settings::hook_skipped(settings) {
            true => "SKIP_BUILD_HOOK=y".to_owned(),
            false => "neither cache nor version control is configured".to_owned(),
        });
        return explanation;
    }
    let session = Session::new(host, settings, policy, Messages::new(Level::Warn)).only_looking();
    match session.plan().0 {
        Plan::Passthrough { reason, .. } => {
            explanation.plan = "passthrough".to_owned();
            explanation.reason = Some(reason.code.name().to_owned());
            explanation.detail = Some(reason.detail).filter(|d| !d.is_empty());
        }
        Plan::Refuse { message, .. } => {
            explanation.plan = "refuse".to_owned();
            explanation.detail = Some(message);
        }
        Plan::Serve(service) => {
            explanation.plan = "serve".to_owned();
            let mut targets = Targets::new(host.cwd());
            let request = |job: &Job| request(&session, job, targets.next(&job.transfer, None).display());
            explanation.requests = service.jobs.iter().map(request).collect();
            if session.policy.offline && explanation.requests.iter().any(|request| request.cache == "miss") {
                explanation.plan = "refuse".to_owned();
                explanation.detail = Some("offline, and not in the cache: exit status 118".to_owned());
            }
        }
    }
    explanation
}

fn request(session: &Session, job: &Job, destination: String) -> RequestExplanation {
    let answer = session.answer(job, Wanted::Known);
    RequestExplanation {
        url: job.url.clone(),
        destination,
        pin: job.pin.as_ref().map(|p| p.text.clone()),
        pinned_by: job.pin.as_ref().map(|p| p.place.clone()),
        cache: match (&answer, job.order) {
            (None, _) => "miss",
            (Some(_), Order::CacheFirst) => "hit",
            (Some(_), Order::OriginFirst | Order::OriginOnly) => "refresh",
        }
        .to_owned(),
        sha256: answer.map(|a| a.blob.id().to_string()),
    }
}
