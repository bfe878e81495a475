//! What gc removes and what it leaves; what verify finds.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;

use common::*;
use vcache_store::{Digest, Key, Kind, Sha256Id, gc, verify};

/// Three contents of 1,000 bytes, last used 30, 20 and 10 hours ago.
fn three() -> (Cache, [Sha256Id; 3]) {
    let cache = Cache::new();
    let ids = [1, 2, 3].map(|n| {
        let id = keep(&cache.store, &format!("https://h/{n}"), &content(n, 1000));
        let key = Key::web(&format!("https://h/{n}"), "");
        age(&cache.shard("blobs/sha256", &id.to_string()), hours(40));
        age(&cache.shard("index/web-v1", &key.name()), hours(40 - 10 * n));
        id
    });
    (cache, ids)
}

fn gone(report: &gc::Report) -> Vec<Sha256Id> {
    report.removed.iter().map(|removed| removed.id).collect()
}

fn files(cache: &Cache) -> usize {
    ["blobs", "meta", "alias", "index"]
        .iter()
        .map(|bucket| files_below(&cache.dir().join(bucket)).len())
        .sum()
}

#[test]
fn the_least_recently_used_goes_with_all_that_belongs_to_it() {
    let (cache, ids) = three();
    assert_eq!(files(&cache), 12);
    let record = files_below(&cache.dir().join("index"))[0].metadata().unwrap().len();
    let options = gc::Options { max_size: Some(2 * (1000 + record)), ..Default::default() };
    let dry = gc::run(&cache.store, &gc::Options { dry_run: true, ..options.clone() }).unwrap();
    assert_eq!(files(&cache), 12, "a dry run changes nothing");
    let report = gc::run(&cache.store, &options).unwrap();
    assert_eq!(gone(&report), [ids[0]]);
    assert_eq!(report.removed, dry.removed);
    assert_eq!((report.freed, report.remaining, report.records_removed), (dry.freed, dry.remaining, 1));
    assert_eq!((report.freed, report.remaining), (1000 + record, 2 * (1000 + record)));
    assert_eq!((report.pointers_removed, dry.pointers_removed), (2, 2));
    assert_eq!(report.removed[0].urls, ["https://h/1"]);
    assert_eq!(files(&cache), 8);
}

#[test]
fn age_keep_and_use_decide() {
    let (cache, ids) = three();
    let md5 = files_below(&cache.dir().join("alias")).into_iter().find_map(|path| {
        let text = fs::read_to_string(path).unwrap();
        text.contains(&ids[0].to_string()).then(|| text[..32].parse::<Digest>().unwrap())
    });
    let options = gc::Options {
        older_than: Some(hours(15)),
        max_size: Some(0),
        keep: vec![md5.unwrap()],
        ..Default::default()
    };
    let store = open(cache.dir());
    // Opening it would make it fresh, so the times are set back: only the lock speaks for it now.
    let used = store.find(&ids[1].into()).unwrap().unwrap();
    age(used.path(), hours(40));
    let report = gc::run(&cache.store, &options).unwrap();
    assert_eq!(gone(&report), [ids[2]]);
    assert_eq!((report.kept, report.in_use), (1, 1));
    drop(used);
    assert_eq!(gone(&gc::run(&cache.store, &options).unwrap()), [ids[1]]);
}

#[test]
fn a_blob_is_of_one_kind_and_indexes_may_go_sooner() {
    let cache = Cache::new();
    let publish = |id: Sha256Id, key: &Key| {
        let (_, record) = record("https://h/x", id, 1000);
        cache.store.publish(key, &record).unwrap();
    };
    let index = |n: u64| Key::deb_index(&format!("https://h/{n}"), "");
    // Of an index, of the same and a file from the web, of a package with two names, and of nothing.
    let ids = [1, 2, 3, 4].map(|n| put(&cache.store, &content(n, 1000)).id());
    publish(ids[0], &index(1));
    publish(ids[1], &index(2));
    publish(ids[1], &Key::web("https://h/2", ""));
    publish(ids[2], &Key::deb("https://h/3", ""));
    publish(ids[2], &Key::package("three", "1", "all"));
    for bucket in ["blobs", "index"] {
        files_below(&cache.dir().join(bucket)).iter().for_each(|path| age(path, hours(20)));
    }
    let options = gc::Options { index_older_than: Some(hours(10)), ..Default::default() };
    let report = gc::run(&cache.store, &options).unwrap();
    assert_eq!(gone(&report), [ids[0]]);
    assert_eq!(report.removed[0].kind, Some(Kind::DebIndex));
    let counts: Vec<_> =
        report.kinds.iter().map(|of| (of.kind, of.removed.blobs, of.remaining.blobs)).collect();
    let expected =
        [(Some(Kind::Web), 0, 1), (Some(Kind::Deb), 0, 1), (Some(Kind::DebIndex), 1, 0), (None, 0, 1)];
    assert_eq!(counts, expected);
    let removed: u64 = report.kinds.iter().map(|of| of.removed.bytes).sum();
    let remaining: u64 = report.kinds.iter().map(|of| of.remaining.bytes).sum();
    assert_eq!((removed, remaining), (report.freed, report.remaining));
    // What is younger than the one age and older than the other goes, whichever it is.
    let options = gc::Options { older_than: Some(hours(10)), index_older_than: Some(hours(30)), ..options };
    assert_eq!(gone(&gc::run(&cache.store, &options).unwrap()).len(), 3);
}

#[test]
fn a_hit_makes_fresh() {
    let (cache, ids) = three();
    cache.store.find(&ids[0].into()).unwrap().unwrap();
    cache.store.lookup(&Key::web("https://h/2", "")).unwrap().unwrap();
    let options = gc::Options { older_than: Some(hours(5)), ..Default::default() };
    assert_eq!(gone(&gc::run(&cache.store, &options).unwrap()), [ids[2]]);
}

#[test]
fn dangling_things_and_odds_and_ends_go_without_being_asked() {
    let (cache, ids) = three();
    fs::remove_file(cache.shard("blobs/sha256", &ids[0].to_string())).unwrap();
    cache.store.append_event("{}").unwrap();
    drop(cache.store.lock("https://h/1", hours(0), &mut |_| {}).unwrap().unwrap());
    for (path, days) in
        [("events/0-2000-01-01.jsonl", 91), ("quarantine/x", 31), ("locks/old", 2), ("tmp/left", 1)]
    {
        let path = cache.dir().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "x").unwrap();
        age(&path, hours(24 * days + 1));
    }
    let report = gc::run(&cache.store, &gc::Options::default()).unwrap();
    assert_eq!((report.removed.len(), report.records_removed, report.pointers_removed), (0, 1, 2));
    assert!(report.failed.is_empty());
    assert_eq!(files(&cache), 8);
    for (bucket, left) in [("events", 1), ("quarantine", 0), ("locks", 1), ("tmp", 1)] {
        assert_eq!(files_below(&cache.dir().join(bucket)).len(), left, "{bucket}");
    }
}

#[test]
fn verify_reports_first_and_repairs_on_request() {
    let (cache, ids) = three();
    let paths = ids.map(|id| cache.shard("blobs/sha256", &id.to_string()));
    fs::set_permissions(&paths[0], fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&paths[0], content(9, 1000)).unwrap();
    fs::remove_file(&paths[1]).unwrap();
    let foreign = paths[2].with_file_name("README");
    fs::write(&foreign, "").unwrap();

    let mut seen = Vec::new();
    let report = verify::run(&cache.store, false, &mut |progress| seen.push(progress)).unwrap();
    assert_eq!(report.corrupt.iter().map(|corrupt| corrupt.id).collect::<Vec<_>>(), [ids[0]]);
    assert_eq!((report.dangling_records.len(), report.dangling_pointers.len()), (2, 4));
    assert_eq!(report.foreign, std::slice::from_ref(&foreign));
    assert_eq!((report.repaired, report.blobs, report.bytes), (0, 2, 2000));
    assert_eq!((seen.len(), seen[2].done_bytes, seen[2].total_bytes), (3, 2000, 2000));
    assert!(paths[0].exists());

    let report = verify::run(&cache.store, true, &mut |_| {}).unwrap();
    assert!(report.failed.is_empty() && report.repaired > 0);
    assert!(!paths[0].exists() && foreign.exists());
    assert!(verify::run(&cache.store, false, &mut |_| {}).unwrap().is_clean());
    assert_eq!(read_all(&cache.store.find(&ids[2].into()).unwrap().unwrap()), content(3, 1000));
}
