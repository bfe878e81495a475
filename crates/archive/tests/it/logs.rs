//! Exports in a build log.

use std::io::BufReader;

use vcache_archive::log::{self, Report};
use vcache_archive::{Options, Selection};
use vcache_store::Sha256Id;

use crate::cache::{Cache, content};

fn print(cache: &Cache) -> Vec<String> {
    let mut out = Vec::new();
    let printed =
        log::write(&cache.store, &cache.select(&Selection::default()), &mut out, &mut |_| {}).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert_eq!(printed, text.len() as u64);
    text.lines().map(str::to_owned).collect()
}

fn take(cache: &Cache, log: &str) -> Report {
    log::import(&cache.store, &mut BufReader::new(log.as_bytes()), Options::default(), &mut |_| {}).unwrap()
}

#[track_caller]
fn check_whole(from: &Cache, log: &str) {
    let to = Cache::new();
    let report = take(&to, log);
    assert_eq!(report.lost, [], "{log}");
    assert_eq!((report.exports, report.taken.blobs, report.taken.records), (1, 5, 6));
    assert_eq!(to.holds(), from.holds());
}

/// Two contents of which the second needs 40 chunks, and its name.
fn two() -> (Cache, Sha256Id) {
    let cache = Cache::new();
    cache.keep("https://h/small", b"abc", 1);
    let id = cache.keep("https://h/large", &content(1, 40 * 3072 - 2000), 2);
    (cache, id)
}

fn start_of<'a>(lines: &'a [String], what: &str) -> Vec<&'a str> {
    let line = lines.iter().find(|line| line.starts_with("VCSTART") && line.contains(what)).unwrap();
    line.split(' ').collect()
}

#[test]
fn a_log_brings_everything_whatever_else_is_in_it() {
    let from = Cache::filled();
    let lines = print(&from);
    assert!(lines.iter().all(|line| line.len() < 5 << 10));
    check_whole(&from, &lines.join("\n"));
    check_whole(&from, &lines.join("\r\n"));
    let dressed = lines.iter().enumerate().map(|(at, line)| match at % 4 {
        0 => format!("#12 {at}.456 {line}\n"),
        1 => format!("2024-02-29T00:00:00Z gcc -c VC x.c{line}\r\n"),
        2 => format!("100 % [====>] \r50 %{line}\nVC 0123456789abcdef x y\nVCSTART\nVCEND of it\n"),
        _ => format!("{{\"log\":\"{line}\\n\",\"stream\":\"stdout\"}}\n"),
    });
    check_whole(&from, &dressed.collect::<String>());
    let long = "x".repeat(200_000);
    check_whole(&from, &lines.iter().map(|line| format!("{long}{line}\n")).collect::<String>());
}

#[test]
fn lines_may_come_twice_and_in_any_order() {
    let from = Cache::filled();
    let mut lines = print(&from);
    lines.reverse();
    check_whole(&from, &lines.join("\n"));
    lines.sort();
    check_whole(&from, &[lines.join("\n"), lines.join("\n")].join("\n"));
    let ends: Vec<_> = lines.iter().filter(|line| !line.starts_with("VCSTART")).map(String::as_str).collect();
    check_whole(&from, &ends.join("\n"));
    let starts: Vec<_> = lines.iter().filter(|line| !line.starts_with("VCEND")).map(String::as_str).collect();
    check_whole(&from, &starts.join("\n"));
}

#[test]
fn two_exports_in_one_log() {
    let (one, other) = (Cache::filled(), two().0);
    let (mut a, mut b) = (print(&one).into_iter(), print(&other).into_iter());
    let mut log = String::new();
    loop {
        match (a.next(), b.next()) {
            (None, None) => break,
            (a, b) => log.extend(a.into_iter().chain(b).map(|line| line + "\n")),
        }
    }
    let to = Cache::new();
    let report = take(&to, &log);
    assert_eq!((report.exports, report.taken.blobs, report.lost.len()), (2, 7, 0));
}

#[test]
fn what_is_missing_or_damaged_is_named_and_the_rest_is_kept() {
    let (from, large) = two();
    let lines = print(&from);
    let id = start_of(&lines, &large.to_string())[1];
    let chunk = |n: u32| format!("VC {id} {n} ");
    type Change<'a> = Box<dyn Fn(&str) -> Option<String> + 'a>;
    let without = |marks: Vec<String>| -> Change<'_> {
        Box::new(move |line| marks.iter().all(|m| !line.starts_with(m)).then(|| line.to_owned()))
    };
    let damage: Change<'_> = Box::new(|line| {
        Some(if line.starts_with(&chunk(8)) { line.replace('A', "B") + "x" } else { line.to_owned() })
    });
    for (change, says) in [
        (without(vec![chunk(3), chunk(4), chunk(5), chunk(39)]), "chunks missing: 3-5, 39 of 40"),
        (without(vec![chunk(0)]), "chunks missing: 0 of 40"),
        (damage, "chunks missing: 8 of 40; damaged: 8"),
        (without(vec![format!("VCSTART {id}"), format!("VCEND {id}")]), "none of its lines"),
        (
            without(vec![format!("VCSTART {id}"), format!("VCEND {id}"), format!("VC {id}")]),
            "none of its lines",
        ),
        (without(vec![format!("VC {id}")]), "chunks missing: 0-39 of 40"),
    ] {
        let to = Cache::new();
        let log: Vec<_> = lines.iter().filter_map(|line| change(line)).collect();
        let report = take(&to, &log.join("\n"));
        let lost = report.lost.iter().find(|loss| loss.content == Some(large)).expect(says);
        assert!(lost.why.contains(says), "{says}: {}", lost.why);
        assert_eq!(lost.url.as_deref(), Some("https://h/large"), "{says}");
        assert_eq!((report.taken.blobs, report.taken.records), (1, 1), "{says}");
    }
}

#[test]
fn a_log_that_was_clipped_says_so() {
    let (from, _) = two();
    let lines = print(&from);
    let manifest = start_of(&lines, " manifest ")[1];
    let rest: Vec<_> =
        lines.iter().filter(|line| !line.starts_with(&format!("VC {manifest}"))).cloned().collect();
    let report = take(&Cache::new(), &rest.join("\n"));
    assert_eq!(report.taken.blobs, 2);
    assert!(report.lost[0].why.contains("can't be said whether all"), "{}", report.lost[0].why);
    let rest: Vec<_> = lines.iter().filter(|line| !line.contains(manifest)).cloned().collect();
    assert_eq!(take(&Cache::new(), &rest.join("\n")).exports, 0);
    for kept in 0..lines.len() - 1 {
        let report = take(&Cache::new(), &lines[..kept].join("\n"));
        assert!(report.exports == 0 || !report.lost.is_empty(), "{kept} of {} lines", lines.len());
    }
}

#[test]
fn a_log_of_a_strangers_costs_nothing_and_changes_nothing() {
    let to = Cache::new();
    to.keep("https://h/a", b"abc", 1);
    let before = to.files();
    assert_eq!(take(&to, "no export\n").exports, 0);
    let big = u32::MAX;
    take(
        &to,
        &format!("VC 0123456789abcdef {big} 0123456789abcdef AAAA\nVC 0123456789abcdef 99999999999 x y\n"),
    );
    let (from, large) = two();
    let lines = print(&from);
    let id = start_of(&lines, &large.to_string())[1];
    // The same chunk number with other content, and a sound check.
    let other = Cache::new();
    other.keep("https://h/other", &content(9, 4000), 1);
    let stolen: Vec<_> = lines.iter().filter(|line| line.starts_with(&format!("VC {id} "))).collect();
    let mut log = lines.clone();
    log.push(stolen[1].replacen(&format!("{id} 1 "), &format!("{id} 2 "), 1));
    let report = take(&Cache::new(), &log.join("\n"));
    assert_eq!(report.lost, [], "a chunk under another's number fails its check");
    assert_eq!(to.files(), before);
}
