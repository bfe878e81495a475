//! Every call of wget and curl that a SONiC image build makes, its hosts replaced by the origin.
//!
//! The calls are read from the corpus, and the tests skipped, loudly, where it is not there.

#![allow(clippy::disallowed_methods, reason = "tests own their files")]

use std::path::PathBuf;

use serde_json::Value;
use vcache_tests::{Expect, Row, check, corpus};

#[test]
fn curl_calls_first_half() {
    check(part("curl", 0, 2));
}

#[test]
fn curl_calls_second_half() {
    check(part("curl", 1, 2));
}

#[test]
fn wget_calls() {
    check(part("wget", 0, 1));
}

/// Every `of`th row of a tool's, from the `first`.
fn part(tool: &str, first: usize, of: usize) -> Vec<Row> {
    let Some(text) = corpus("corpus_web") else { return Vec::new() };
    let calls =
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("the corpus is JSON lines"));
    let rows: Vec<Row> = calls.filter(|call| call["tool"] == tool).map(|call| row(&call)).collect();
    assert!(rows.len() > 50, "the corpus has {} calls of {tool}", rows.len());
    rows.into_iter().skip(first).step_by(of).collect()
}

/// A record as a row. Absolute outputs move below the working folder, and so does nothing else.
fn row(call: &Value) -> Row {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let outputs = texts(&call["outputs"]);
    let words: Vec<String> =
        texts(&call["argv"]).iter().enumerate().map(|(at, word)| replaced(at, word)).collect();
    let env = call["env"].as_object().into_iter().flatten();
    let env: Vec<(String, String)> =
        env.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect();
    let skips_hooks = env.iter().any(|(name, value)| name == "SKIP_BUILD_HOOK" && value == "y");
    let expect = match call["cacheable"].as_bool() {
        _ if skips_hooks => Expect::Live,
        Some(true) => Expect::Cached,
        // The real tool's own calls of a list, a query or a head: what is right is to be like it.
        _ if words.iter().any(|word| word == "--head") => Expect::Uncached("headers-only"),
        _ => Expect::Any,
    };
    let mut row = Row::of(words, expect);
    for output in outputs.iter().filter(|output| output.contains('/')) {
        let folder = output.trim_start_matches('/').rsplit_once('/').map_or("", |(folder, _)| folder);
        row = row.put(vcache_tests::Setup::Folder(PathBuf::from("work").join(folder), 0o755));
    }
    row = env.iter().filter(|(name, _)| name != "LANG").fold(row, |row, (name, value)| row.env(name, value));
    let retries =
        call["argv"].as_array().is_some_and(|argv| argv.iter().any(|word| word == "--retry-connrefused"));
    if retries { row.patient() } else { row }
}

fn replaced(at: usize, word: &str) -> String {
    if at == 0 {
        return word.rsplit('/').next().unwrap_or(word).to_owned();
    }
    for scheme in ["https://", "http://"] {
        if let Some(rest) = word.strip_prefix(scheme) {
            return format!("{{o}}/{rest}");
        }
    }
    match word {
        "=https" => "=http".to_owned(),
        path if path.starts_with('/') => format!("{{w}}{path}"),
        other => other.to_owned(),
    }
}
