//! File systems that are full or read-only. Each test has a child in a mount namespace of its own with a small tmpfs
//! over the cache directory, so they need root and `unshare`.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use common::*;
use vcache_store::{Blob, Error, Key, Store};

const WITH_TMPFS: &str = r#"mount -t tmpfs -o size=2m tmpfs "$1" && exec "$2" --exact "$3" --nocapture"#;

/// Runs a test of this executable with a tmpfs of 2 MiB as its cache; says so when that cannot be done here.
fn run_on_tmpfs(name: &str) {
    let works = Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|status| status.success());
    if !can_change_user() || !works {
        eprintln!("SKIPPED: {name} needs root and a mount namespace");
        return;
    }
    let cache = tempfile::tempdir().unwrap();
    let mut command = Command::new("unshare");
    command.args(["-m", "sh", "-c", WITH_TMPFS, "sh"]).arg(cache.path());
    command.arg(std::env::current_exe().unwrap()).arg(name).env(CHILD, cache.path());
    assert!(command.status().unwrap().success(), "{name}");
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull)
}

fn assert_tmp_is_empty(dir: &Path) {
    let left = files_below(&dir.join("tmp"));
    assert!(left.iter().all(|path| path.ends_with(".swept")), "{left:?}");
}

#[test]
fn a_full_cache_fails_cleanly_and_serves_on() {
    run_on_tmpfs("child_on_full");
}

#[test]
fn child_on_full() {
    let Some(dir) = child_cache() else { return };
    let store = open(&dir);
    let id = keep(&store, "https://h/a", b"abc");
    for size in [3 << 20, 6 << 20] {
        let mut source = tempfile::tempfile_in("/tmp").unwrap();
        source.write_all(&content(1, size)).unwrap();
        assert!(is_full(&store.ingest(&mut source, true).unwrap_err()), "{size}");
        assert_tmp_is_empty(&dir);
    }
    let mut writer = store.writer(false).unwrap();
    let error = writer.write_all(&content(2, 3 << 20)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    drop(writer);
    assert_tmp_is_empty(&dir);

    std::fs::write(dir.join("ballast"), vec![0; 4 << 20]).unwrap_err();
    let (key, record) = record("https://h/b", id, 3);
    assert!(is_full(&store.publish(&key, &record).unwrap_err()));
    assert_tmp_is_empty(&dir);
    assert_serves(&open(&dir), &store.find(&id.into()).unwrap().unwrap());
}

#[test]
fn a_read_only_file_system_serves_root_too() {
    run_on_tmpfs("child_on_read_only");
}

#[test]
fn child_on_read_only() {
    let Some(dir) = child_cache() else { return };
    let id = keep(&open(&dir), "https://h/a", b"abc");
    for path in files_below(&dir) {
        age(&path, hours(50));
    }
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(&dir).status().unwrap();
    assert!(remounted.success());
    let store = open(&dir);
    let blob = store.find(&id.into()).unwrap().unwrap();
    assert_serves(&store, &blob);
    let key = Key::web("https://h/b", "");
    let read_only = |error: &Error| matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::ReadOnlyFilesystem);
    assert!(read_only(&store.writer(false).unwrap_err()));
    assert!(read_only(&store.quarantine(&blob).unwrap_err()));
    assert!(read_only(&store.append_event("{}").unwrap_err()));
    assert!(read_only(&store.lock(key.text(), hours(0), &mut |_| {}).unwrap_err()));

    let options = vcache_store::gc::Options { max_size: Some(0), ..Default::default() };
    drop(blob);
    let report = vcache_store::gc::run(&store, &options).unwrap();
    assert!(report.removed.is_empty() && !report.failed.is_empty());
}

fn assert_serves(store: &Store, blob: &Blob) {
    let found = store.lookup(&Key::web("https://h/a", "")).unwrap().unwrap();
    assert_eq!(found.sha256, blob.id());
    assert_eq!(read_all(blob), b"abc");
}
