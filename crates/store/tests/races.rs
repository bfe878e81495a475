//! Many at once, and the dead.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::io::{Seek, Write};
use std::sync::Barrier;
use std::time::Duration;

use common::*;
use vcache_store::{Digest, Sha256Id};

#[test]
fn twenty_threads_publish_one_blob_and_each_reads_it() {
    let cache = Cache::new();
    let bytes = content(1, 300_000);
    let start = Barrier::new(20);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                start.wait();
                let blob = put(&cache.store, &bytes);
                assert_eq!(read_all(&blob), bytes);
            });
        }
    });
    assert_eq!(files_below(&cache.dir().join("blobs")).len(), 1);
    let left = files_below(&cache.dir().join("tmp"));
    assert!(left.iter().all(|path| path.ends_with(".swept")), "{left:?}");
}

#[test]
fn child_publishes_many() {
    let Some(dir) = child_cache() else { return };
    for seed in 0..20 {
        let bytes = content(seed, 50_000);
        let store = open(&dir);
        let id = keep(&store, &format!("https://h/{seed}"), &bytes);
        assert_eq!(read_all(&store.find(&id.into()).unwrap().unwrap()), bytes);
        let (key, _) = record(&format!("https://h/{seed}"), id, 0);
        assert_eq!(store.lookup(&key).unwrap().unwrap().sha256, id);
    }
}

#[test]
fn twenty_processes_fill_a_new_cache_together() {
    let root = tempfile::tempdir().unwrap();
    let cache = root.path().join("made/by/all");
    let children: Vec<_> = (0..20).map(|_| child("child_publishes_many", &cache, None)).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(files_below(&cache.join("blobs")).len(), 20);
    let report = vcache_store::verify::run(&open(&cache), false, &mut |_| {}).unwrap();
    assert!(report.is_clean() && report.foreign.is_empty(), "{report:?}");
}

#[test]
fn child_writes_for_ever() {
    let Some(dir) = child_cache() else { return };
    let store = open(&dir);
    let mut writer = store.writer(true).unwrap();
    loop {
        writer.write_all(&[7; 4096]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_killed_writer_leaves_nothing_visible_and_is_swept() {
    let cache = Cache::new();
    let mut child = child("child_writes_for_ever", cache.dir(), None);
    let left = loop {
        let found = files_below(&cache.dir().join("tmp"));
        match found.into_iter().find(|path| path.metadata().is_ok_and(|file| file.len() > 10_000)) {
            Some(path) => break path,
            None => std::thread::sleep(Duration::from_millis(5)),
        }
    };
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(left.exists());
    assert!(files_below(&cache.dir().join("blobs")).is_empty());

    put(&cache.store, b"the sweep was less than an hour ago");
    assert!(left.exists());
    age(&left, hours(2));
    age(&cache.dir().join("tmp/.swept"), hours(2));
    put(&cache.store, b"the next writer sweeps");
    assert!(!left.exists());
}

#[test]
fn readers_of_a_record_that_is_replaced_all_the_time_see_one_or_the_other() {
    let cache = Cache::new();
    let ids = [Sha256Id::of(b"a"), Sha256Id::of(b"b")];
    let (key, first) = record("https://h/a", ids[0], 1);
    cache.store.publish(&key, &first).unwrap();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for turn in 0..100 {
                let (key, record) = record("https://h/a", ids[turn % 2], 1);
                cache.store.publish(&key, &record).unwrap();
            }
        });
        while !writer.is_finished() {
            let found = cache.store.lookup(&key).unwrap().expect("never absent");
            assert!(ids.contains(&found.sha256));
        }
    });
}

#[test]
fn gc_and_readers_do_not_disturb_each_other() {
    let cache = Cache::new();
    let bytes = content(3, 100_000);
    let all = vcache_store::gc::Options { max_size: Some(0), ..Default::default() };
    std::thread::scope(|scope| {
        let gc = scope.spawn(|| {
            for _ in 0..200 {
                vcache_store::gc::run(&cache.store, &all).unwrap();
            }
        });
        while !gc.is_finished() {
            let blob = put(&cache.store, &bytes);
            let mut file = tempfile::tempfile().unwrap();
            blob.copy_to(&mut file).unwrap();
            assert_eq!(file.stream_position().unwrap(), bytes.len() as u64);
        }
    });
}

#[test]
fn ingest_and_stream_agree_whatever_the_size() {
    let cache = Cache::new();
    for size in [0, 1, 4096, 1 << 20, (4 << 20) + 1, 9_000_001] {
        let bytes = content(size as u64, size);
        let mut source = tempfile::tempfile().unwrap();
        source.write_all(&bytes).unwrap();
        let ingested = cache.store.ingest(&mut source, true).unwrap();
        assert_eq!(ingested.id, Sha256Id::of(&bytes));
        let md5 = Digest::Md5(ingested.md5.unwrap());
        assert_eq!(ingested.matches(&md5), Some(true));
        assert!(cache.store.find(&md5).unwrap().is_none(), "not before it is published");
        ingested.publish("").unwrap();
        let blob = cache.store.find(&md5).unwrap().unwrap();
        assert_eq!(read_all(&blob), bytes);
        assert_eq!(put(&cache.store, &bytes).id(), blob.id());
    }
}
