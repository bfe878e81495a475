//! Every call of git that a SONiC image build makes, its repositories replaced by stand-ins: by `url.STAND-IN.insteadOf`, so that URLs, and the
//! folders that git names after them, are those of the build.
//!
//! The calls are read from the corpus, and the tests skipped, loudly, where it is not there.

#![allow(clippy::disallowed_methods, reason = "tests own their files")]

use serde_json::Value;
use vcache_tests::corpus;
use vcache_tests::git::{Row, cached, check, local};

/// The options of clone before the branch that the stand-in has under another name.
const BRANCH: [&str; 2] = ["-b", "--branch"];

#[test]
fn calls_that_speak_to_remotes() {
    check(part(true));
}

#[test]
fn calls_that_do_not() {
    check(part(false));
}

fn part(network: bool) -> Vec<Row> {
    let Some(text) = corpus("corpus_git") else { return Vec::new() };
    let calls =
        text.lines().map(|line| serde_json::from_str::<Value>(line).expect("the corpus is JSON lines"));
    let calls = calls.filter(|call| call["tool"] == "git" && call["network"] == network);
    let rows: Vec<Row> = calls.map(|call| row(&call)).collect();
    assert!(rows.len() > 20, "the corpus has {} such calls of git", rows.len());
    rows
}

fn row(call: &Value) -> Row {
    let words = call["argv"].as_array().expect("argv is a list");
    let words: Vec<&str> = words.iter().filter_map(Value::as_str).skip(1).collect();
    let url = words.iter().find(|word| word.contains("://") || word.starts_with("git@"));
    let mut line = "git".to_owned();
    let before = match (url, call["subcommand"].as_str()) {
        (Some(url), _) => {
            line += &format!(" -c url.{{h}}/plain.git.insteadOf={url}");
            None
        }
        (None, Some("submodule")) => Some("git clone -q {h}/deep.git x"),
        (None, _) => Some("git clone -q {h}/plain.git x"),
    };
    if before.is_some() {
        line += " -C x";
    }
    let mut previous = "";
    for word in words {
        let replaced = match previous {
            _ if BRANCH.contains(&previous) => "v1.0".to_owned(),
            "-C" => ".".to_owned(),
            _ if word.starts_with('/') => format!("{{w}}{word}"),
            _ => word.to_owned(),
        };
        line += &format!(" '{replaced}'");
        previous = word;
    }
    let line: &'static str = Box::leak(line.into_boxed_str());
    let row = if call["network"] == true { cached(line) } else { local(line) };
    // What is written, and when, is told by time.
    let row = row.any_words();
    let row = before.into_iter().fold(row, Row::before);
    // The other tags on a shallow one come by themselves.
    if line.contains("'--depth'") { row.packs(&["plain.git"; 2]) } else { row }
}
