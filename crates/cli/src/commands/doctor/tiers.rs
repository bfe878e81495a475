//! The second tiers: each can be asked, and what waits for them is sent.

use vcache_shim::Chain;
use vcache_shim::cache::{self, Watch};
use vcache_store::Sha256Id;

use super::Check;
use crate::context::{self, Context};
use crate::units;

pub(super) fn checks(context: &Context) -> Vec<Check> {
    // What builds have counted out is asked all the same.
    let watch = Watch { markers: "/nonexistent".into(), counts: false };
    let (tiers, wrong) = cache::tiers(&context.host, &context.settings, &watch);
    let mut checks: Vec<Check> =
        wrong.into_iter().map(|line| Check::fail("second tier", line, "correct the setting")).collect();
    for tier in &tiers {
        let manner = match (tier.is_trusted(), tier.is_written()) {
            (true, true) => "trusted",
            (true, false) => "trusted, read-only",
            (false, true) => "for pinned content",
            (false, false) => "for pinned content, read-only",
        };
        let shown = format!("{} ({manner})", tier.name());
        checks.push(match tier.has_content(&Sha256Id::of(b"")) {
            Ok(_) => Check::ok("second tier", format!("{shown} answers")),
            Err(error) => {
                let detail = format!("{shown}: {}", Chain(error.as_ref()));
                Check::warn(
                    "second tier",
                    detail,
                    "builds go on without it; see that it runs and can be reached",
                )
            }
        });
    }
    checks.extend(waiting(context).filter(|_| !tiers.is_empty()));
    checks
}

fn waiting(context: &Context) -> Option<Check> {
    let is_cache = context.cache_dir().is_some_and(|dir| context::is_cache(&dir.path));
    let store = if is_cache { context.store().ok()?? } else { return None };
    let number = store.waiting().map_or(0, |waiting| waiting.len() as u64);
    let detail = format!("{} to be sent", units::count(number, "record"));
    Some(match number {
        0 => Check::ok("outbox", detail),
        _ => Check::warn("outbox", detail, "send them: vcache flush"),
    })
}
