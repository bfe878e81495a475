//! Lock modes, with threads: who waits for whom, for how long, and who does not.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::*;
use vcache_store::Key;

const LONG: Duration = Duration::from_secs(60);

#[test]
fn one_at_a_time_for_a_key_and_all_at_once_for_others() {
    let cache = Cache::new();
    let inside = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let lock = cache.store.lock("https://h/a", LONG, &mut |_| {}).unwrap().unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                std::thread::sleep(Duration::from_millis(2));
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(lock);
            });
        }
    });
    let _a = cache.store.lock("https://h/a", LONG, &mut |_| {}).unwrap().unwrap();
    let _b = cache.store.lock("https://h/b", Duration::ZERO, &mut |_| {}).unwrap().unwrap();
}

#[test]
fn patience_ends_and_the_wait_is_told_of() {
    let cache = Cache::new();
    let key = Key::web("https://h/a", "");
    let _held = cache.store.lock(key.text(), LONG, &mut |_| {}).unwrap().unwrap();
    let start = Instant::now();
    let mut told = Vec::new();
    let patience = Duration::from_millis(1300);
    assert!(cache.store.lock(key.text(), patience, &mut |wait| told.push(wait.clone())).unwrap().is_none());
    assert!(start.elapsed() >= patience && start.elapsed() < patience * 3);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].what.as_str(), told[0].patience), ("https://h/a", patience));
    assert!(told[0].waited >= Duration::from_secs(1) && told[0].path.exists());
}

#[test]
fn readers_and_writers_do_not_wait_for_the_lock() {
    let cache = Cache::new();
    let key = Key::web("https://h/a", "");
    let _held = cache.store.lock(key.text(), LONG, &mut |_| {}).unwrap().unwrap();
    let id = keep(&cache.store, "https://h/a", b"abc");
    assert_eq!(read_all(&cache.store.find(&id.into()).unwrap().unwrap()), b"abc");
    assert!(cache.store.lookup(&key).unwrap().is_some());
}

#[test]
fn deleting_the_file_by_hand_does_not_let_two_in() {
    let cache = Cache::new();
    let key = Key::web("https://h/a", "");
    let path = cache.dir().join("locks").join(key.name());
    let inside = AtomicU32::new(0);
    let held = cache.store.lock(key.text(), LONG, &mut |_| {}).unwrap().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let lock = cache.store.lock(key.text(), LONG, &mut |_| {}).unwrap().unwrap();
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                std::thread::sleep(Duration::from_millis(10));
                inside.fetch_sub(1, Ordering::SeqCst);
                drop(lock);
            });
        }
        std::thread::sleep(Duration::from_millis(50));
        // All wait on the old file now; whoever comes next makes a new one.
        std::fs::remove_file(&path).unwrap();
        drop(held);
    });
}

#[test]
fn child_holds_the_lock() {
    let Some(dir) = child_cache() else { return };
    let _lock = open(&dir).lock("https://h/a", LONG, &mut |_| {}).unwrap().unwrap();
    std::fs::write(dir.join("locked"), "").unwrap();
    std::thread::sleep(LONG);
}

#[test]
fn a_killed_holder_lets_go() {
    let cache = Cache::new();
    let mut child = child("child_holds_the_lock", cache.dir(), None);
    while !cache.dir().join("locked").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let key = Key::web("https://h/a", "");
    assert!(cache.store.lock(key.text(), Duration::ZERO, &mut |_| {}).unwrap().is_none());
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(cache.store.lock(key.text(), LONG, &mut |_| {}).unwrap().is_some());
}
