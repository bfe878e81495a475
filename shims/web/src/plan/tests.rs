//! Rows: a call, the pins and the policy in; the plan out, as one line.

use std::ffi::OsString;
use std::io::ErrorKind;

use vcache_shim::{OnMismatch, PinDigest};

use super::*;
use crate::Tool;
use crate::surroundings::Surroundings;

const MD5: &str = "0123456789abcdef0123456789abcdef";

/// The policy of `words`; `cache` is what most builds have.
fn policy(words: &str) -> Policy {
    let has = |word: &str| words.split(' ').any(|w| w == word);
    Policy {
        read: has("cache") || has("rcache") || has("offline"),
        write: has("cache") || has("wcache"),
        versioned: has("pins") || has("strict"),
        offline: has("offline"),
        strict: has("strict"),
        on_mismatch: OnMismatch::Fail,
        retry: 0,
        lock_wait: std::time::Duration::ZERO,
        pin_digest: PinDigest::Md5,
    }
}

/// URLs that end in `pinned` are pinned, those that end in `torn` twice.
fn pins(url: &str) -> Found {
    let pin = Pin { digest: MD5.parse().unwrap(), text: MD5.to_owned(), place: "versions-web:7".to_owned() };
    let contradictory = url.ends_with("torn");
    let problems = contradictory.then(|| "versions-web:8: two".to_owned()).into_iter().collect();
    Found { pin: url.ends_with("pinned").then_some(pin), problems, contradictory }
}

fn shown(plan: Plan) -> String {
    match plan {
        Plan::Passthrough { reason, unchecked: None } => format!("passthrough {}", reason.code.name()),
        Plan::Passthrough { reason, unchecked: Some(pin) } => {
            format!("passthrough {}, unchecked {pin}", reason.code.name())
        }
        Plan::Refuse { status, .. } => format!("refuse {status}"),
        Plan::Serve(service) => {
            let jobs = service.jobs.iter().map(|job| {
                let pinned = if job.pin.is_some() { " pinned" } else { "" };
                format!("{:?} {}{pinned}", job.order, job.url)
            });
            let inseparable = service.inseparable.map(|reason| format!("inseparable {}", reason.code.name()));
            jobs.chain(inseparable).collect::<Vec<_>>().join("; ")
        }
    }
}

#[track_caller]
fn check(words: &str, line: &str, expect: &str) {
    let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
    let around = Surroundings { env: &|_| None, read: &|_| Err(ErrorKind::NotFound.into()) };
    let tool = if args[0] == "curl" { Tool::Curl } else { Tool::Wget };
    let parsed = tool.read(&args, &around);
    assert_eq!(
        shown(plan(parsed, &policy(words), &pins, words.contains("proxied"))),
        expect,
        "{words}: {line}"
    );
}

#[test]
fn where_an_answer_comes_from() {
    let (url, pinned) = ("http://h.example/a", "http://h.example/pinned");
    for (words, free, held) in [
        ("cache", "CacheFirst", "CacheFirst"),
        ("rcache", "CacheFirst", "CacheFirst"),
        ("wcache", "OriginOnly", "OriginOnly"),
        ("pins", "OriginOnly", "OriginOnly"),
        ("cache pins", "OriginFirst", "CacheFirst"),
        ("cache pins offline", "CacheFirst", "CacheFirst"),
        ("wcache pins", "OriginOnly", "OriginOnly"),
    ] {
        let mark = if words.contains("pins") { " pinned" } else { "" };
        check(words, &format!("wget {url}"), &format!("{free} {url}"));
        check(words, &format!("wget {pinned}"), &format!("{held} {pinned}{mark}"));
    }
}

#[test]
fn what_policy_forbids_is_refused() {
    check("cache strict", "curl http://h.example/a", "refuse 117");
    check("cache strict", "curl http://h.example/pinned", "CacheFirst http://h.example/pinned pinned");
    check("cache strict", "curl -o x http://h.example/pinned -o y http://h.example/a", "refuse 117");
    check("cache pins", "wget http://h.example/torn", "refuse 119");
    check("cache", "wget http://h.example/torn", "CacheFirst http://h.example/torn");
    check("cache offline", "curl -I http://h.example/a", "refuse 118");
    check("cache offline", "curl -T file http://h.example/a", "refuse 118");
    check("cache offline", "curl -I http://127.0.0.1:8080/a", "passthrough headers-only");
    check("cache offline", "curl -I http://[::1]/a", "passthrough headers-only");
    check("cache offline proxied", "curl -I http://127.0.0.1:8080/a", "refuse 118");
    check("cache offline", "curl --connect-to ::a:1 http://127.0.0.1:8080/a", "refuse 118");
    check("cache offline", "wget -i http://h.example/list http://127.0.0.1/a", "refuse 118");
    check("cache", "curl -o /dev/null http://h.example/a", "passthrough discarded");
    check("cache offline", "curl -o /dev/null http://h.example/a", "CacheFirst http://h.example/a");
    check("cache offline", "curl --version", "passthrough no-url");
    check("cache strict", "curl -I http://h.example/a", "passthrough headers-only");
    check("cache strict", "curl -X POST http://h.example/a", "refuse 117");
}

#[test]
fn a_pin_that_nobody_checks_is_said() {
    let pinned = "http://h.example/pinned";
    check(
        "cache pins",
        &format!("curl -r 0-9 {pinned}"),
        &format!("passthrough range, unchecked {pinned} (versions-web:7)"),
    );
    check("cache pins", &format!("curl -I {pinned}"), "passthrough headers-only");
    check("cache", &format!("curl -r 0-9 {pinned}"), "passthrough range");
    check("cache pins", "wget -r http://h.example/", "passthrough recursion");
}

#[test]
fn contents_that_meet_in_one_place_are_told() {
    let (a, b) = ("http://h.example/a", "http://h.example/b");
    let both = format!("CacheFirst {a}; CacheFirst {b}");
    check("cache", &format!("curl {a} {b}"), &format!("{both}; inseparable shared-output"));
    check("cache", &format!("curl -o x {a} -o x {b}"), &format!("{both}; inseparable shared-output"));
    check("cache", &format!("curl -o x {a} -o y {b}"), &both);
    check("cache", &format!("curl -o /dev/stdout {a} {b}"), &format!("{both}; inseparable shared-output"));
    check("cache", &format!("wget {a} {b}"), &both);
    check("cache", &format!("wget {a} {a}"), &format!("CacheFirst {a}; CacheFirst {a}"));
    check("cache", &format!("curl -w %{{http_code}} {a}"), &format!("CacheFirst {a}; inseparable write-out"));
}

#[test]
fn urls_are_named_without_their_secrets() {
    check("cache", "wget http://me:pw@h.example/a?token=t#top", "CacheFirst http://h.example/a");
    check("cache pins", "curl http://u:p@h.example/pinned", "CacheFirst http://h.example/pinned pinned");
}
