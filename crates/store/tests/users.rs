//! Several users, one cache: who is believed, who may write, and what a read-only cache does. Each test has a child that
//! runs as another user, so they need root.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;

use common::*;
use vcache_store::{Config, Digest, Error, Key, Store};

const ALICE: u32 = 54_321;
const BOB: u32 = 54_322;
const ABC: &str = "900150983cd24fb0d6963f7d28e17f72";

fn run(name: &str, dir: &Path, uid: u32) {
    assert!(child(name, dir, Some(uid)).wait().unwrap().success(), "{name}");
}

/// A cache directory with these bits, in a place where other users can reach it.
fn shared(mode: u32) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(mode)).unwrap();
    root
}

#[test]
fn child_keeps_abc() {
    let Some(dir) = child_cache() else { return };
    keep(&open(&dir), "https://h/a", b"abc");
}

#[test]
fn child_of_bob_trusts_content_and_not_records() {
    let Some(dir) = child_cache() else { return };
    let store = open(&dir);
    let key = Key::web("https://h/a", "");
    assert!(store.lookup(&key).unwrap().is_none(), "alice's record");
    let blob = store.find(&ABC.parse::<Digest>().unwrap()).unwrap().expect("alice's alias, after a look");
    assert_eq!(read_all(&blob), b"abc");
    let trusting = Config { dir, trusted_uids: vec![ALICE], ..Config::default() };
    assert!(Store::open(&trusting).unwrap().lookup(&key).unwrap().is_some());

    // What alice has stored stays; our own record goes beside hers.
    keep(&store, "https://h/a", b"abc");
    assert!(store.lookup(&key).unwrap().is_some());
    assert!(fs::remove_file(blob.path()).is_err() && blob.path().exists());
    let ours = files_below(&store.dir().join("alias")).into_iter().find(|path| path.extension().is_some());
    assert!(ours.unwrap().ends_with(format!("{ABC}.{BOB}")));
    let report = vcache_store::verify::run(&store, false, &mut |_| {}).unwrap();
    assert!(report.is_clean() && report.foreign.is_empty(), "{report:?}");
    drop(store.lock(key.text(), hours(0), &mut |_| {}).unwrap().unwrap());
    store.append_event("{}").unwrap();
}

#[test]
fn users_share_a_sticky_cache() {
    if !can_change_user() {
        return;
    }
    let root = shared(0o1777);
    run("child_keeps_abc", root.path(), ALICE);
    let lock = open(root.path()).lock("https://h/a", hours(0), &mut |_| {}).unwrap();
    drop(lock);
    run("child_of_bob_trusts_content_and_not_records", root.path(), BOB);
    assert_eq!(fs::metadata(root.path().join("blobs/sha256/ba")).unwrap().mode() & 0o7777, 0o1777);
    assert!(
        open(root.path()).lookup(&Key::web("https://h/a", "")).unwrap().is_none(),
        "root believes neither"
    );
}

#[test]
fn an_alias_that_lies_is_not_believed() {
    if !can_change_user() {
        return;
    }
    let root = shared(0o1777);
    let store = open(root.path());
    let evil = put(&store, b"evil").id();
    put(&store, b"abc");
    let alias = root.path().join("alias/md5/90").join(ABC);
    fs::write(&alias, format!("{ABC} {evil}\n")).unwrap();
    assert_eq!(store.find(&ABC.parse().unwrap()).unwrap().unwrap().id(), evil, "root's own word is taken");
    chown(&alias, Some(ALICE), None).unwrap();
    assert!(store.find(&ABC.parse().unwrap()).unwrap().is_none());
}

#[test]
fn child_reads_only() {
    let Some(dir) = child_cache() else { return };
    let store = open(&dir);
    let key = Key::web("https://h/a", "");
    let found = store.lookup(&key).unwrap().expect("root's record is believed");
    let blob = store.find(&found.sha256.into()).unwrap().unwrap();
    assert_eq!(read_all(&blob), b"abc");
    assert!(matches!(store.writer(false), Err(Error::Io { .. })));
    assert!(matches!(store.publish(&key, &found), Err(Error::Io { .. })));
    assert!(matches!(store.quarantine(&blob), Err(Error::Io { .. })));
    assert!(matches!(store.append_event("{}"), Err(Error::Io { .. })));
    assert!(matches!(store.lock("https://h/b", hours(0), &mut |_| {}), Err(Error::Io { .. })));
    let missing = open(&dir).find(&ABC.replace('9', "8").parse().unwrap()).unwrap();
    assert!(missing.is_none());
}

#[test]
fn a_cache_that_may_only_be_read_serves() {
    if !can_change_user() {
        return;
    }
    let root = shared(0o755);
    let id = keep(&open(root.path()), "https://h/a", b"abc");
    let blob = root.path().join("blobs/sha256/ba").join(id.to_string());
    age(&blob, hours(50));
    run("child_reads_only", root.path(), ALICE);
    // An empty directory that cannot be written opens as well.
    let empty = shared(0o755);
    run("child_opens_empty", empty.path(), ALICE);
}

#[test]
fn child_opens_empty() {
    let Some(dir) = child_cache() else { return };
    assert!(open(&dir).lookup(&Key::web("https://h/a", "")).unwrap().is_none());
}

#[test]
fn root_leaves_a_users_cache_to_the_user() {
    if !can_change_user() {
        return;
    }
    let root = shared(0o700);
    chown(root.path(), Some(ALICE), Some(ALICE)).unwrap();
    let cache = root.path().join(".cache/vcache");
    keep(&open(&cache), "https://h/b", b"b");
    for dir in [".cache", ".cache/vcache", ".cache/vcache/blobs/sha256", ".cache/vcache/tmp"] {
        let metadata = fs::metadata(root.path().join(dir)).unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (ALICE, ALICE), "{dir}");
    }
    run("child_keeps_abc", &cache, ALICE);
    assert!(open(&cache).lookup(&Key::web("https://h/a", "")).unwrap().is_some(), "the owner is believed");
}
