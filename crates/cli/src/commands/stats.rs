//! `vcache stats`: what the shims did, from the cache's events or from the log of one build.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Serialize;
use vcache_shim::mirrors::Mirrors;

use crate::context::Context;
use crate::tally::{OfKind, OfTier, Tally};
use crate::{files, output, shims, units};

/// Show what was answered from the cache, what was not, and why
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache stats --since 7d\n         vcache stats --log build.jsonl --json")]
pub(crate) struct Stats {
    /// Read the log of one build (a file that VCACHE_BUILD_LOG named) instead of the cache's events
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Only what happened in this time: 90s, 15m, 12h, 7d, 2w
    #[arg(long, value_name = "AGE", value_parser = units::parse_age)]
    since: Option<Duration>,
    /// How many URLs to list
    #[arg(long, value_name = "N", default_value_t = 10)]
    top: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Facts {
    #[serde(flatten)]
    tally: Tally,
    /// Why calls were passed through, most frequent first.
    reasons: Vec<Reason>,
    /// URLs by the bytes that went through the shims for them.
    top_urls: Vec<Url>,
    /// What was asked for and could not be kept, most frequent first.
    top_uncached: Vec<Uncached>,
    /// Rules for mirrors that no URL matched.
    idle_mirror_rules: Vec<String>,
}

#[derive(Serialize)]
struct Reason {
    reason: String,
    calls: u64,
    /// One line for people, where the executable knows the reason.
    help: Option<String>,
}

#[derive(Serialize)]
struct Url {
    url: String,
    calls: u64,
    hits: u64,
    bytes: u64,
}

#[derive(Serialize)]
struct Uncached {
    url: String,
    why: String,
    calls: u64,
}

impl Stats {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let since = self
            .since
            .map_or(0, |age| u64::try_from(units::now().saturating_sub(age).as_millis()).unwrap_or(0));
        let tally = match &self.log {
            Some(file) => {
                let file = context.host.cwd().join(file);
                let lines = files::lines_from(&file, 0)
                    .with_context(|| format!("{}: the log can't be read", file.display()))?;
                Tally::of(lines, since)
            }
            None => match context.store()? {
                Some(store) => {
                    let dir = store.dir().display();
                    let events =
                        store.events().with_context(|| format!("{dir}: its events can't be read"))?;
                    Tally::of(events, since)
                }
                None => Tally::default(),
            },
        };
        let known = if tally.reasons.is_empty() { Vec::new() } else { shims::reasons(&context.host) };
        let mirrors = Mirrors::load(&context.host, &context.settings);
        let idle = idle_rules(&mirrors, &tally);
        let facts = Facts { idle_mirror_rules: idle, ..gather(tally, &known, self.top) };
        if facts.tally.malformed_lines > 0 {
            let lines = units::count(facts.tally.malformed_lines, "line");
            output::warn(format_args!("{lines} could not be understood and did not count"));
        }
        output::facts(self.json, &facts, render)?;
        Ok(ExitCode::SUCCESS)
    }
}

fn gather(mut tally: Tally, known: &[(String, String)], top: usize) -> Facts {
    let help = |reason: &str| known.iter().find(|(name, _)| name == reason).map(|(_, help)| help.clone());
    let mut reasons: Vec<_> = std::mem::take(&mut tally.reasons)
        .into_iter()
        .map(|(reason, calls)| Reason { help: help(&reason), reason, calls })
        .collect();
    // The sorts are stable, so that equals stay in the order of their names.
    reasons.sort_by_key(|r| std::cmp::Reverse(r.calls));
    let mut top_urls: Vec<_> = std::mem::take(&mut tally.urls)
        .into_iter()
        .filter(|(_, of_url)| of_url.bytes > 0)
        .map(|(url, of_url)| Url { url, calls: of_url.calls, hits: of_url.hits, bytes: of_url.bytes })
        .collect();
    top_urls.sort_by_key(|u| std::cmp::Reverse(u.bytes));
    top_urls.truncate(top);
    let mut top_uncached: Vec<_> = std::mem::take(&mut tally.uncached)
        .into_iter()
        .map(|((url, why), calls)| Uncached { url, why, calls })
        .collect();
    top_uncached.sort_by_key(|u| std::cmp::Reverse(u.calls));
    top_uncached.truncate(top);
    Facts { tally, reasons, top_urls, top_uncached, idle_mirror_rules: Vec::new() }
}

/// Rules that no URL of the tally begins with, as `file:line: prefix`: most likely mistyped.
pub(crate) fn idle_rules(mirrors: &Mirrors, tally: &Tally) -> Vec<String> {
    let used = |prefix: &str| {
        tally.urls.range(prefix.to_owned()..).next().is_some_and(|(url, _)| url.starts_with(prefix))
    };
    let idle = mirrors.rules.iter().filter(|rule| !used(&rule.prefix));
    idle.map(|rule| format!("{}:{}: {}", mirrors.file.display(), rule.line, rule.prefix)).collect()
}

fn render(facts: &Facts) -> String {
    let tally = &facts.tally;
    let rate = units::percent(tally.hits, tally.hits + tally.misses).unwrap_or_else(|| "-".to_owned());
    let mut text = output::pairs(&[
        ("requests", tally.requests.to_string()),
        ("hits", tally.hits.to_string()),
        ("misses", tally.misses.to_string()),
        ("passthroughs", tally.passthroughs.to_string()),
        ("refused", tally.refused.to_string()),
        ("failed", tally.failed.to_string()),
        ("corrupt blobs", tally.corrupt.to_string()),
        ("hit rate", rate),
        ("from the network", units::size(tally.network_bytes)),
        ("from the cache", units::size(tally.cache_bytes)),
    ]);
    let mut section = |title: &str, rows: Vec<Vec<String>>| {
        if !rows.is_empty() {
            text.push_str(&format!("\n{title}:\n{}", output::table(&rows, &[0])));
        }
    };
    let tier = |(name, of): (&String, &OfTier)| {
        vec![units::count(of.hits, "hit"), units::size(of.bytes), name.clone()]
    };
    section("From second tiers", tally.tiers.iter().map(tier).collect());
    let kind = |(name, of): (&String, &OfKind)| {
        vec![
            units::count(of.requests, "request"),
            format!("{}, {}", units::count(of.hits, "hit"), units::count(of.misses, "miss")),
            format!("{} from the network", units::size(of.network_bytes)),
            format!("{} from the cache", units::size(of.cache_bytes)),
            name.clone(),
        ]
    };
    section("By kinds of content", tally.kinds.iter().map(kind).collect());
    let reason = |r: &Reason| vec![r.calls.to_string(), r.reason.clone(), r.help.clone().unwrap_or_default()];
    section("Passthroughs by reason", facts.reasons.iter().map(reason).collect());
    let url = |u: &Url| {
        vec![
            units::size(u.bytes),
            format!("{}, {}", units::count(u.calls, "call"), units::count(u.hits, "hit")),
            u.url.clone(),
        ]
    };
    section("Most bytes", facts.top_urls.iter().map(url).collect());
    let uncached = |u: &Uncached| vec![u.calls.to_string(), u.why.clone(), u.url.clone()];
    section("Not cached", facts.top_uncached.iter().map(uncached).collect());
    let idle = |rule: &String| vec![rule.clone()];
    section("Rules for mirrors that nothing matched", facts.idle_mirror_rules.iter().map(idle).collect());
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> impl Iterator<Item = String> {
        let hit = r#"{"time":2,"tool":"wget","outcome":"hit","url":"http://h.example/a","bytes":2048,"tier":"http://t","kind":"deb"}"#;
        let miss = r#"{"time":1,"tool":"wget","outcome":"miss","url":"http://h.example/a","bytes":2048}"#;
        let range =
            r#"{"time":3,"tool":"curl","outcome":"passthrough","reason":"range","url":"http://h.example/b"}"#;
        let odd = r#"{"time":3,"tool":"curl","outcome":"passthrough","reason":"odd"}"#;
        [hit, miss, range, range, odd].into_iter().map(str::to_owned)
    }

    #[test]
    fn the_most_frequent_comes_first_and_is_explained() {
        let facts = gather(Tally::of(lines(), 0), &[("range".into(), "a part".into())], 10);
        let text = render(&facts);
        assert!(text.contains("hit rate:          50.0 %\n"), "{text}");
        assert!(text.contains("From second tiers:\n1 hit  2.0 KiB  http://t\n"), "{text}");
        let kinds = "By kinds of content:\n1 request  1 hit, 0 misses  0 B from the network  2.0 KiB from the cache  deb\n";
        assert!(text.contains(kinds), "{text}");
        assert!(text.contains("Passthroughs by reason:\n2  range  a part\n1  odd\n"), "{text}");
        assert!(text.contains("Most bytes:\n4.0 KiB  2 calls, 1 hit  http://h.example/a\n"), "{text}");
        assert!(text.contains("Not cached:\n2  range  http://h.example/b\n"), "{text}");
    }

    #[test]
    fn json_has_every_sum_and_nothing_is_listed_beyond_the_top() {
        let facts = gather(Tally::of(lines(), 0), &[], 0);
        let json = serde_json::to_value(&facts).unwrap();
        assert_eq!((&json["requests"], &json["hit_rate"]), (&5.into(), &0.5.into()));
        assert_eq!(json["reasons"][0]["reason"], "range");
        assert_eq!(json["top_urls"], serde_json::json!([]));
        assert!(!render(&gather(Tally::default(), &[], 10)).contains("Most bytes"));
    }
}
