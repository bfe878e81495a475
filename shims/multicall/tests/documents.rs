//! House rules and generated documents, as tests: what CONTRIBUTING.md promises is held here.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this test reads the source tree, and writes README.md when it is told to bless it"
)]

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use vcache_shim::{exit, settings};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Every Rust file of the workspace.
fn sources() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ["crates", "shims", "tests"].iter().map(|f| root().join(f)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn every_module_says_what_it_is_for() {
    let silent: Vec<_> =
        sources().into_iter().filter(|p| !fs::read_to_string(p).unwrap().starts_with("//!")).collect();
    assert!(silent.is_empty(), "these do not begin with `//!`: {silent:#?}");
}

#[test]
fn every_file_can_be_read_in_one_sitting() {
    let long: Vec<_> = sources()
        .into_iter()
        .map(|p| (fs::read_to_string(&p).unwrap().lines().count(), p))
        .filter(|(lines, _)| *lines > 400)
        .collect();
    assert!(long.is_empty(), "more than 400 lines: {long:#?}");
}

#[test]
fn nothing_is_left_for_later() {
    let marks = [
        "TO".to_owned() + "DO",
        "FIX".to_owned() + "ME",
        "todo".to_owned() + "!",
        "#[ig".to_owned() + "nore",
    ];
    let marked: Vec<_> = sources()
        .into_iter()
        .filter(|p| marks.iter().any(|m| fs::read_to_string(p).unwrap().contains(m.as_str())))
        .collect();
    assert!(marked.is_empty(), "{marked:#?}");
}

#[test]
fn readme_tables_are_those_of_the_code() {
    let path = root().join("README.md");
    let old = fs::read_to_string(&path).unwrap();
    let mut new = old.clone();
    for (name, table) in [("variables", variables()), ("statuses", statuses()), ("reasons", reasons())] {
        let begin = format!("<!-- generated: {name} -->\n");
        let start = new.find(&begin).unwrap_or_else(|| panic!("README.md has no {begin}")) + begin.len();
        let end = start + new[start..].find("<!-- end -->").expect("an end mark");
        new.replace_range(start..end, &table);
    }
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, new).unwrap();
    } else {
        assert!(
            old == new,
            "README.md is not up to date: run `BLESS=1 cargo test -p vcache-multicall --test documents`"
        );
    }
}

fn variables() -> String {
    let mut table = String::from("| variable | default | meaning |\n|---|---|---|\n");
    for v in settings::VARIABLES {
        let default = if v.default.is_empty() { String::new() } else { format!("`{}`", v.default) };
        writeln!(table, "| `{}` | {default} | {} |", v.name, v.help).unwrap();
    }
    table
}

fn statuses() -> String {
    let mut table = String::from("| status | meaning |\n|---|---|\n");
    for (status, meaning) in exit::TABLE {
        writeln!(table, "| {status} | {meaning} |").unwrap();
    }
    table
}

fn reasons() -> String {
    let mut table = String::from("| reason | meaning |\n|---|---|\n");
    for (name, meaning) in [&vcache_web::FAMILY, &vcache_git::FAMILY, &vcache_docker::FAMILY]
        .into_iter()
        .flat_map(|family| (family.reasons)())
    {
        writeln!(table, "| `{name}` | {meaning} |").unwrap();
    }
    table
}
