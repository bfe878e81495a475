//! `vcache ls`: what the cache holds, by what it was asked for.

use std::cmp::Reverse;
use std::process::ExitCode;
use std::time::UNIX_EPOCH;

use anyhow::Result;
use serde::Serialize;
use vcache_shim::Chain;
use vcache_store::{Key, Kind, Record, Sha256Id, Store, Tier};

use crate::context::Context;
use crate::{output, selection, units};

/// List what the cache holds
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache ls --sort size\n         vcache ls '*.tar.gz' --json\n         \
                  vcache ls --kind deb 'libc6=*'")]
pub(crate) struct Ls {
    /// The order
    #[arg(long, value_enum, default_value_t = Sort::LastUse)]
    sort: Sort,
    /// Only what requests of this kind brought; may be given several times
    #[arg(long, value_name = "KIND", value_parser = selection::parse_kind)]
    kind: Vec<Kind>,
    /// Ask the second tiers which of it they have
    #[arg(long)]
    tiers: bool,
    /// Only URLs (of packages NAME=VERSION:ARCH) that hold this text; with `*` or `?`, those that match as a whole
    pattern: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// The order of the list.
#[derive(clap::ValueEnum, Clone, Copy, PartialEq, Debug)]
enum Sort {
    /// The last used first
    LastUse,
    /// The largest first
    Size,
    /// By name
    Url,
}

#[derive(Serialize)]
struct Facts {
    entries: Vec<Entry>,
    /// Bytes in all entries; content that several of them share counts once.
    bytes: u64,
    unreadable: u64,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
struct Entry {
    kind: &'static str,
    /// Of a package `NAME=VERSION:ARCH`.
    url: String,
    /// What else decides which content is meant, such as a header.
    variant: Option<String>,
    size: u64,
    /// Unix seconds.
    last_use: u64,
    /// Unix seconds.
    fetched: u64,
    sha256: String,
    /// The second tiers that have the content; none where they were not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    tiers: Option<Vec<String>>,
}

impl Ls {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let store = context.store()?;
        let (mut entries, unreadable) =
            store.as_ref().map_or_else(Default::default, |store| gather(store, &self.kind));
        if let Some(pattern) = &self.pattern {
            entries.retain(|entry| matches(pattern, &entry.url));
        }
        sort(&mut entries, self.sort);
        if let Some(store) = store.filter(|_| self.tiers) {
            entries.iter_mut().for_each(|entry| entry.tiers = Some(tiers_with(&store, &entry.sha256)));
        }
        let facts = Facts { bytes: bytes(&entries), entries, unreadable };
        if unreadable > 0 {
            let records = units::count(unreadable, "record");
            output::warn(format_args!("{records} can't be read; try: vcache verify"));
        }
        let now = units::now().as_secs();
        output::facts(self.json, &facts, |facts| render(facts, now))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn gather(store: &Store, kinds: &[Kind]) -> (Vec<Entry>, u64) {
    let mut entries = Vec::new();
    let mut unreadable = 0;
    for kind in Kind::ALL.into_iter().filter(|kind| kinds.is_empty() || kinds.contains(kind)) {
        for (path, record) in store.records_of(kind) {
            match record {
                // A use touches the record.
                Ok(record) => {
                    let touched = path.metadata().and_then(|m| m.modified()).ok();
                    let touched = touched.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
                    entries.push(Entry::of(kind, record, touched.map(|since| since.as_secs())));
                }
                Err(_) => unreadable += 1,
            }
        }
    }
    (entries, unreadable)
}

impl Entry {
    /// `touched` in seconds since 1970.
    fn of(kind: Kind, record: Record, touched: Option<u64>) -> Entry {
        let variant = record.key.split_once('\n').map(|(_, variant)| variant.trim_end().to_owned());
        Entry {
            kind: kind.name(),
            url: shown(&record.key).to_owned(),
            variant,
            size: record.size,
            last_use: touched.unwrap_or(record.fetched),
            fetched: record.fetched,
            sha256: record.sha256.to_string(),
            tiers: None,
        }
    }
}

/// What people see of a key: its URL, or the package.
pub(super) fn shown(key: &str) -> &str {
    match Key::package_of(key) {
        Some(_) => key.trim_start_matches("deb:"),
        None => key.lines().next().unwrap_or_default(),
    }
}

/// The tiers that have this content. Trouble with one is said.
fn tiers_with(store: &Store, sha256: &str) -> Vec<String> {
    let Ok(id) = sha256.parse::<Sha256Id>() else { return Vec::new() };
    let has = |tier: &dyn Tier| {
        tier.has_content(&id).unwrap_or_else(|error| {
            output::warn(format_args!("{}: {}", tier.name(), Chain(error.as_ref())));
            false
        })
    };
    let tiers = store.tiers().iter().filter(|tier| has(tier.as_ref()));
    tiers.map(|tier| tier.name().to_owned()).collect()
}

fn sort(entries: &mut [Entry], by: Sort) {
    entries.sort_by(|a, b| (&a.url, &a.variant).cmp(&(&b.url, &b.variant)));
    match by {
        Sort::LastUse => entries.sort_by_key(|e| Reverse(e.last_use)),
        Sort::Size => entries.sort_by_key(|e| Reverse(e.size)),
        Sort::Url => {}
    }
}

fn bytes(entries: &[Entry]) -> u64 {
    let mut seen = std::collections::HashSet::new();
    entries.iter().filter(|e| seen.insert(&e.sha256)).map(|e| e.size).sum()
}

/// A text without `*` and `?` is looked for anywhere; else the whole of `url` must match.
fn matches(pattern: &str, url: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return url.contains(pattern);
    }
    let (pattern, url): (Vec<char>, Vec<char>) = (pattern.chars().collect(), url.chars().collect());
    let (mut p, mut u) = (0, 0);
    // Where the last star was, and what it has taken so far.
    let mut star: Option<(usize, usize)> = None;
    while u < url.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, u));
                p += 1;
            }
            Some(&c) if c == '?' || c == url[u] => (p, u) = (p + 1, u + 1),
            _ => match star {
                Some((at, taken)) => {
                    star = Some((at, taken + 1));
                    (p, u) = (at + 1, taken + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

fn render(facts: &Facts, now: u64) -> String {
    let mut rows = vec![["SIZE", "LAST USE", "SHA256", "URL"].map(str::to_owned).to_vec()];
    rows.extend(facts.entries.iter().map(|entry| {
        let variant =
            entry.variant.as_ref().map(|v| format!(" [{}]", v.replace('\n', "; "))).unwrap_or_default();
        vec![
            units::size(entry.size),
            units::age(now.saturating_sub(entry.last_use)),
            entry.sha256.chars().take(12).collect(),
            format!("{}{variant}{}", entry.url, in_tiers(entry.tiers.as_deref())),
        ]
    }));
    let table = if facts.entries.is_empty() { String::new() } else { output::table(&rows, &[0, 1]) };
    let number = facts.entries.len();
    let entries = if number == 1 { "entry" } else { "entries" };
    format!("{table}{number} {entries}, {}\n", units::size(facts.bytes))
}

fn in_tiers(tiers: Option<&[String]>) -> String {
    match tiers {
        None => String::new(),
        Some([]) => " (in no tier)".to_owned(),
        Some(names) => format!(" (in {})", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(url: &str, size: u64, last_use: u64) -> Entry {
        let sha256 = format!("{size:064x}");
        Entry { kind: "web", url: url.into(), variant: None, size, last_use, fetched: 0, sha256, tiers: None }
    }

    #[test]
    fn patterns() {
        for (pattern, url, expected) in [
            ("example", "http://h.example/a", true),
            ("xample/b", "http://h.example/a", false),
            ("*.tgz", "http://h/a.tgz", true),
            ("*.tgz", "http://h/a.tgz?x", false),
            ("http://?/*", "http://h/a", true),
            ("*a*b*", "xaab", true),
            ("?", "", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, url), expected, "{pattern} {url}");
        }
    }

    #[test]
    fn orders() {
        let mut entries = [entry("b", 1, 5), entry("a", 1, 5), entry("c", 2, 1)];
        for (by, expected) in [(Sort::LastUse, "abc"), (Sort::Size, "cab"), (Sort::Url, "abc")] {
            sort(&mut entries, by);
            assert_eq!(entries.iter().map(|e| e.url.as_str()).collect::<String>(), expected, "{by:?}");
        }
    }

    #[test]
    fn keys_are_shown_without_what_tells_them_apart() {
        for (key, expected) in [
            (Key::package("libc6", "1:2.41-12", "amd64"), "libc6=1:2.41-12:amd64"),
            (Key::web("http://h/a", "accept: x"), "http://h/a"),
            (Key::deb_index("http://h/InRelease", ""), "http://h/InRelease"),
        ] {
            assert_eq!(shown(key.text()), expected);
        }
    }

    #[test]
    fn shared_content_counts_once() {
        let mut entries = vec![entry("http://h/a", 2048, 100), entry("http://h/b", 2048, 40)];
        entries[0].tiers = Some(vec![]);
        entries[1].tiers = Some(vec!["file:/t".into()]);
        entries[1].variant = Some("accept: x".into());
        let facts = Facts { bytes: bytes(&entries), entries, unreadable: 0 };
        let expected = "   SIZE  LAST USE  SHA256        URL\n\
                        2.0 KiB        0s  000000000000  http://h/a (in no tier)\n\
                        2.0 KiB        1m  000000000000  http://h/b [accept: x] (in file:/t)\n2 entries, 2.0 KiB\n";
        assert_eq!(render(&facts, 100), expected);
        assert_eq!(render(&Facts { entries: vec![], bytes: 0, unreadable: 0 }, 0), "0 entries, 0 B\n");
    }
}
