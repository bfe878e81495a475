//! Adds events up: what `stats` shows at length and `run` in one line.
//!
//! A line that can't be understood is counted and passed over: a build that was killed leaves half a line, and a newer
//! version may write outcomes that this one does not know. Pure.

use std::collections::BTreeMap;

use serde::Serialize;
use vcache_shim::journal::{Event, Outcome};

use crate::units;

/// Sums over events.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub(crate) struct Tally {
    /// All of the below; a call may make several.
    pub(crate) requests: u64,
    /// Answered from the cache.
    pub(crate) hits: u64,
    /// Fetched by the real tool.
    pub(crate) misses: u64,
    /// Left to the real tool.
    pub(crate) passthroughs: u64,
    /// Exit status 117, 118 or 119.
    pub(crate) refused: u64,
    /// The real tool failed.
    pub(crate) failed: u64,
    /// hits / (hits + misses); none without either.
    pub(crate) hit_rate: Option<f64>,
    /// Blobs that were found corrupt on their way out.
    pub(crate) corrupt: u64,
    /// Bytes that came over the network, as far as the shims saw them.
    pub(crate) network_bytes: u64,
    /// Bytes that came from the cache.
    pub(crate) cache_bytes: u64,
    /// Hits whose content came from a second tier just then, by tier.
    pub(crate) tiers: BTreeMap<String, OfTier>,
    /// Of tools that ask for several kinds of content, requests by kind.
    pub(crate) kinds: BTreeMap<String, OfKind>,
    /// Lines that could not be understood.
    pub(crate) malformed_lines: u64,
    /// Unix milliseconds of the first and the last event.
    pub(crate) first: Option<u64>,
    pub(crate) last: Option<u64>,
    #[serde(skip)]
    pub(crate) reasons: BTreeMap<String, u64>,
    #[serde(skip)]
    pub(crate) urls: BTreeMap<String, Use>,
    #[serde(skip)]
    pub(crate) uncached: BTreeMap<(String, String), u64>,
}

/// What came from one tier.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct OfTier {
    pub(crate) hits: u64,
    pub(crate) bytes: u64,
}

/// What one kind of content was asked for.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize)]
pub(crate) struct OfKind {
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) network_bytes: u64,
    pub(crate) cache_bytes: u64,
}

/// What one URL was asked for.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(crate) struct Use {
    pub(crate) calls: u64,
    pub(crate) hits: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    /// Adds up the events in `lines` that are not older than `since` (Unix milliseconds).
    pub(crate) fn of(lines: impl Iterator<Item = String>, since: u64) -> Tally {
        let mut tally = Tally::default();
        for line in lines.filter(|line| !line.trim().is_empty()) {
            match serde_json::from_str::<Event>(&line) {
                Ok(event) if event.time >= since => tally.add(event),
                Ok(_) => {}
                Err(_) => tally.malformed_lines += 1,
            }
        }
        let answered = tally.hits + tally.misses;
        tally.hit_rate = (answered > 0).then(|| tally.hits as f64 / answered as f64);
        tally
    }

    fn add(&mut self, event: Event) {
        let count = match event.outcome {
            Outcome::Hit => &mut self.hits,
            Outcome::Miss => &mut self.misses,
            Outcome::Passthrough => &mut self.passthroughs,
            Outcome::Refused => &mut self.refused,
            Outcome::Failed => &mut self.failed,
            // Not a request: what became of that has an event of its own.
            Outcome::Corrupt => {
                self.corrupt += 1;
                return;
            }
        };
        *count += 1;
        self.requests += 1;
        self.first = Some(self.first.map_or(event.time, |t| t.min(event.time)));
        self.last = Some(self.last.map_or(event.time, |t| t.max(event.time)));
        let hit = event.outcome == Outcome::Hit;
        let sum = if hit { &mut self.cache_bytes } else { &mut self.network_bytes };
        *sum = sum.saturating_add(event.bytes);
        if event.outcome == Outcome::Passthrough {
            let reason = event.reason.clone().unwrap_or_else(|| "unknown".to_owned());
            *self.reasons.entry(reason).or_default() += 1;
        }
        if let Some(tier) = event.tier {
            let of_tier = self.tiers.entry(tier).or_default();
            of_tier.hits += 1;
            of_tier.bytes = of_tier.bytes.saturating_add(event.bytes);
        }
        if let Some(kind) = event.kind {
            let of_kind = self.kinds.entry(kind).or_default();
            of_kind.requests += 1;
            of_kind.hits += u64::from(hit);
            of_kind.misses += u64::from(event.outcome == Outcome::Miss);
            let sum = if hit { &mut of_kind.cache_bytes } else { &mut of_kind.network_bytes };
            *sum = sum.saturating_add(event.bytes);
        }
        // A first miss is how content comes into the cache; one with a reason was not kept.
        let kept = hit || (event.outcome == Outcome::Miss && event.reason.is_none());
        if let (false, Some(url)) = (kept, &event.url) {
            let why = event.reason.unwrap_or_else(|| word(event.outcome).to_owned());
            *self.uncached.entry((url.clone(), why)).or_default() += 1;
        }
        if let Some(url) = event.url {
            let of_url = self.urls.entry(url).or_default();
            of_url.calls += 1;
            of_url.hits += u64::from(hit);
            of_url.bytes = of_url.bytes.saturating_add(event.bytes);
        }
    }

    /// The line at the end of `vcache run`.
    pub(crate) fn line(&self) -> String {
        let mut parts = vec![
            units::count(self.hits, "hit"),
            units::count(self.misses, "miss"),
            units::count(self.passthroughs, "passthrough"),
        ];
        parts.extend((self.refused > 0).then(|| format!("{} refused", self.refused)));
        parts.extend((self.corrupt > 0).then(|| format!("{} corrupt", self.corrupt)));
        parts.extend((self.failed > 0).then(|| format!("{} failed", self.failed)));
        format!(
            "{}: {}; {} from the network, {} from the cache",
            units::count(self.requests, "request"),
            parts.join(", "),
            units::size(self.network_bytes),
            units::size(self.cache_bytes)
        )
    }
}

fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Hit => "hit",
        Outcome::Miss => "miss",
        Outcome::Passthrough => "passthrough",
        Outcome::Refused => "refused",
        Outcome::Failed => "failed",
        Outcome::Corrupt => "corrupt",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = r#"{"time":1000,"tool":"wget","outcome":"miss","url":"http://h.example/a","bytes":2048,"ms":5}
{"time":2000,"tool":"wget","outcome":"hit","url":"http://h.example/a","bytes":2048,"ms":1,"tier":"http://t","new":"field"}
{"time":3000,"tool":"curl","outcome":"passthrough","reason":"range","detail":"-r","url":"http://h.example/b","bytes":0,"ms":1}
{"time":3500,"tool":"curl","outcome":"miss","reason":"status","url":"http://h.example/c","kind":"deb","bytes":10,"ms":1}
{"time":4000,"tool":"curl","outcome":"refused","bytes":0,"ms":1}
{"time":5000,"tool":"curl","outco
{"time":5000,"tool":"curl","outcome":"later"}

"#;

    #[test]
    fn events_are_added_up_and_bad_lines_counted() {
        let tally = Tally::of(LOG.lines().map(str::to_owned), 0);
        let counts =
            (tally.requests, tally.hits, tally.misses, tally.passthroughs, tally.refused, tally.failed);
        assert_eq!(counts, (5, 1, 2, 1, 1, 0));
        assert_eq!((tally.network_bytes, tally.cache_bytes, tally.malformed_lines), (2058, 2048, 2));
        assert_eq!(tally.hit_rate, Some(1.0 / 3.0));
        assert_eq!(tally.tiers["http://t"], OfTier { hits: 1, bytes: 2048 });
        assert_eq!(tally.urls["http://h.example/a"], Use { calls: 2, hits: 1, bytes: 4096 });
        let kind = OfKind { requests: 1, misses: 1, network_bytes: 10, ..OfKind::default() };
        assert_eq!(tally.kinds, [("deb".to_owned(), kind)].into());
        assert_eq!(tally.reasons["range"], 1);
        let uncached: Vec<_> = tally.uncached.keys().map(|(u, r)| (u.as_str(), r.as_str())).collect();
        assert_eq!(uncached, [("http://h.example/b", "range"), ("http://h.example/c", "status")]);
        assert_eq!((tally.first, tally.last), (Some(1000), Some(4000)));
        assert_eq!(
            tally.line(),
            "5 requests: 1 hit, 2 misses, 1 passthrough, 1 refused; 2.0 KiB from the network, 2.0 KiB from the cache"
        );
    }

    #[test]
    fn older_events_do_not_count_and_nothing_is_a_whole_line() {
        assert_eq!(Tally::of(LOG.lines().map(str::to_owned), 3500).requests, 2);
        let none = Tally::of(std::iter::empty(), 0);
        assert_eq!(none.hit_rate, None);
        assert_eq!(
            none.line(),
            "0 requests: 0 hits, 0 misses, 0 passthroughs; 0 B from the network, 0 B from the cache"
        );
    }
}
