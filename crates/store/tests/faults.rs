//! Damage, loss, and what a build may do to a cache by hand.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use common::*;
use vcache_store::{Config, Digest, Error, Key, Store};

fn flip_last_bit(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_flipped_bit_is_found_by_every_way_out_and_fetched_again() {
    for size in [1000, 2 << 20, 6 << 20] {
        for with_meta in [true, false] {
            let cache = Cache::new();
            let bytes = content(1, size);
            let blob = put(&cache.store, &bytes);
            flip_last_bit(blob.path());
            if !with_meta {
                fs::remove_file(cache.shard("meta", &blob.id().to_string())).unwrap();
            }
            let blob = cache.store.find(&blob.id().into()).unwrap().unwrap();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(b"before").unwrap();
            assert!(matches!(blob.copy_to(&mut file), Err(Error::Corrupt { .. })));
            assert_eq!(file.metadata().unwrap().len(), 6, "cut back");
            let mut empty = tempfile::tempfile().unwrap();
            assert!(matches!(blob.copy_to(&mut empty), Err(Error::Corrupt { .. })));
            assert_eq!(empty.metadata().unwrap().len(), 0, "also where data can be shared");
            assert!(matches!(blob.verify(), Err(Error::Corrupt { .. })));
            let mut out = Vec::new();
            assert!(matches!(blob.stream_to(&mut out), Err(Error::Corrupt { .. })));
            assert!(out.is_empty(), "not one byte");

            cache.store.quarantine(&blob).unwrap();
            assert!(cache.store.find(&blob.id().into()).unwrap().is_none());
            assert_eq!(files_below(&cache.dir().join("quarantine")).len(), 1);
            assert!(files_below(&cache.dir().join("meta")).is_empty());
            assert_eq!(read_all(&put(&cache.store, &bytes)), bytes);
            cache.store.quarantine(&blob).unwrap();
            assert!(cache.store.find(&blob.id().into()).unwrap().is_some(), "the new one stays");
        }
    }
}

#[test]
fn a_truncated_blob_is_a_miss_and_put_aside() {
    let cache = Cache::new();
    let blob = put(&cache.store, &content(1, 1000));
    File::options().write(true).open(blob.path()).unwrap().set_len(10).unwrap();
    assert!(cache.store.find(&blob.id().into()).unwrap().is_none());
    assert_eq!(files_below(&cache.dir().join("quarantine")).len(), 1);
}

#[test]
fn publishing_replaces_what_has_the_wrong_size_or_is_no_file() {
    let cache = Cache::new();
    let bytes = content(1, 1000);
    let path = put(&cache.store, &bytes).path().to_owned();
    let inode = fs::metadata(&path).unwrap().ino();
    assert_eq!(put(&cache.store, &bytes).path().metadata().unwrap().ino(), inode, "a good one stays");
    fs::remove_file(cache.shard("meta", path.file_name().unwrap().to_str().unwrap())).unwrap();
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"x").unwrap();
    assert_eq!(read_all(&put(&cache.store, &bytes)), bytes);
    fs::remove_file(&path).unwrap();
    symlink("/etc/passwd", &path).unwrap();
    assert!(cache.store.find(&blob_digest(&path)).unwrap().is_none(), "links are not followed");
    assert_eq!(read_all(&put(&cache.store, &bytes)), bytes);
    assert_eq!(path.symlink_metadata().unwrap().mode() & 0o7777, 0o444);
}

fn blob_digest(path: &Path) -> Digest {
    format!("sha256:{}", path.file_name().unwrap().to_str().unwrap()).parse().unwrap()
}

#[test]
fn what_was_deleted_by_hand_is_a_miss() {
    let cache = Cache::new();
    let id = keep(&cache.store, "https://h/a", b"abc");
    let md5: Digest = "900150983cd24fb0d6963f7d28e17f72".parse().unwrap();
    assert_eq!(cache.store.find(&md5).unwrap().unwrap().id(), id);
    fs::remove_file(cache.shard("blobs/sha256", &id.to_string())).unwrap();
    assert!(cache.store.find(&id.into()).unwrap().is_none());
    assert!(cache.store.find(&md5).unwrap().is_none());
    assert!(cache.store.lookup(&Key::web("https://h/a", "")).unwrap().is_some());

    for bucket in ["blobs", "tmp", "index", "meta", "alias", "locks"] {
        let _ = fs::remove_dir_all(cache.dir().join(bucket));
    }
    let key = Key::web("https://h/a", "");
    assert!(cache.store.lookup(&key).unwrap().is_none());
    keep(&cache.store, "https://h/a", b"abc");
    assert!(cache.store.find(&md5).unwrap().is_some());
    assert!(cache.store.lock(key.text(), hours(0), &mut |_| {}).unwrap().is_some());
}

#[test]
fn empty_or_senseless_small_files_are_absent() {
    let cache = Cache::new();
    let id = keep(&cache.store, "https://h/a", b"abc");
    let key = Key::web("https://h/a", "");
    let md5 = "900150983cd24fb0d6963f7d28e17f72";
    for damage in ["", "{", "\0\0\0\0"] {
        for path in [
            cache.shard("index/web-v1", &key.name()),
            cache.shard("meta", &id.to_string()),
            cache.shard("alias/md5", md5),
        ] {
            fs::write(path, damage).unwrap();
        }
        assert!(cache.store.lookup(&key).unwrap().is_none());
        assert!(cache.store.find(&md5.parse().unwrap()).unwrap().is_none());
        assert_eq!(read_all(&cache.store.find(&id.into()).unwrap().unwrap()), b"abc", "checked by sha256");
        keep(&cache.store, "https://h/a", b"abc");
        assert!(cache.store.lookup(&key).unwrap().is_some());
        assert!(cache.store.find(&md5.parse().unwrap()).unwrap().is_some());
    }
}

#[test]
fn a_file_under_a_name_that_is_not_its_own_is_not_believed() {
    let cache = Cache::new();
    let (a, b) = (keep(&cache.store, "https://h/a", b"a"), keep(&cache.store, "https://h/b", b"b"));
    let swap = |bucket: &str, from: &str, to: &str| {
        let to = cache.shard(bucket, to);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(cache.shard(bucket, from), to).unwrap();
    };
    let (key_a, key_b) = (Key::web("https://h/a", ""), Key::web("https://h/b", ""));
    swap("index/web-v1", &key_a.name(), &key_b.name());
    assert!(cache.store.lookup(&key_b).unwrap().is_none());
    swap("meta", &a.to_string(), &b.to_string());
    fs::set_permissions(cache.shard("blobs/sha256", &b.to_string()), fs::Permissions::from_mode(0o644))
        .unwrap();
    swap("blobs/sha256", &a.to_string(), &b.to_string());
    let blob = cache.store.find(&b.into()).unwrap().unwrap();
    assert!(matches!(blob.verify(), Err(Error::Corrupt { .. })));
}

#[test]
fn planted_pipes_and_links_neither_hang_nor_mislead() {
    let cache = Cache::new();
    let id = keep(&cache.store, "https://h/a", b"abc");
    cache.store.append_event("{}").unwrap();
    let key = Key::web("https://h/a", "");
    let events = files_below(&cache.dir().join("events")).remove(0);
    for pipe in [
        cache.shard("index/web-v1", &key.name()),
        cache.shard("meta", &id.to_string()),
        cache.shard("blobs/sha256", &id.to_string()),
        events.clone(),
    ] {
        fs::remove_file(&pipe).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    }
    assert!(cache.store.lookup(&key).unwrap().is_none());
    assert!(cache.store.find(&id.into()).unwrap().is_none());
    assert!(matches!(cache.store.append_event("{}"), Err(Error::Io { .. })));
    assert_eq!(cache.store.events().unwrap().count(), 0);

    let victim = cache.root.path().join("victim");
    fs::write(&victim, "").unwrap();
    for link in [&events, &cache.dir().join("locks").join(key.name())] {
        let _ = fs::remove_file(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(&victim, link).unwrap();
    }
    assert!(matches!(cache.store.append_event("{}"), Err(Error::Io { .. })));
    assert!(matches!(cache.store.lock(key.text(), hours(0), &mut |_| {}), Err(Error::Io { .. })));
    assert_eq!(fs::metadata(&victim).unwrap().len(), 0);
    keep(&cache.store, "https://h/a", b"abc");
    assert_eq!(read_all(&cache.store.find(&id.into()).unwrap().unwrap()), b"abc");
}

#[test]
fn the_rest_of_a_file_is_checked_with_its_beginning() {
    let cache = Cache::new();
    for size in [10_000, 6 << 20] {
        let bytes = content(size as u64, size);
        let blob = put(&cache.store, &bytes);
        let mut local = tempfile::tempfile().unwrap();
        local.write_all(&bytes[..size / 3]).unwrap();
        assert!(blob.prefix_matches(&mut local, (size / 3) as u64).unwrap());
        assert!(!blob.prefix_matches(&mut local, size as u64).unwrap(), "the local one is shorter");
        assert!(!blob.prefix_matches(&mut local, size as u64 + 1).unwrap());
        blob.copy_from((size / 3) as u64, &mut local).unwrap();
        let mut whole = Vec::new();
        local.seek(SeekFrom::Start(0)).unwrap();
        local.read_to_end(&mut whole).unwrap();
        assert!(whole == bytes);
        local.seek(SeekFrom::Start(5)).unwrap();
        local.write_all(b"other").unwrap();
        assert!(!blob.prefix_matches(&mut local, 100).unwrap());
    }
}

#[test]
fn a_full_destination_is_the_destinations_fault() {
    let cache = Cache::new();
    for size in [1000, 6 << 20] {
        let blob = put(&cache.store, &content(size as u64, size));
        let mut full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        assert!(matches!(blob.copy_to(&mut full), Err(Error::Output { .. })));
        assert!(matches!(blob.stream_to(&mut full), Err(Error::Output { .. })));
    }
}

#[test]
fn a_lower_layer_is_promoted_and_never_written() {
    let lower = Cache::new();
    let bytes = content(1, 5 << 20);
    let id = keep(&lower.store, "https://h/a", &bytes);
    let bad = keep(&lower.store, "https://h/bad", b"bad");
    flip_last_bit(&lower.shard("blobs/sha256", &bad.to_string()));
    let before = files_below(lower.dir()).len();
    let root = tempfile::tempdir().unwrap();
    let config = Config {
        dir: root.path().join("own"),
        lower: vec![root.path().join("missing"), lower.dir().to_owned()],
        ..Config::default()
    };
    let store = Store::open(&config).unwrap();
    let key = Key::web("https://h/a", "");
    assert_eq!(store.lookup(&key).unwrap().unwrap().sha256, id);
    let blob = store.find(&id.into()).unwrap().unwrap();
    assert!(blob.path().starts_with(&config.dir));
    assert_eq!(read_all(&blob), bytes);
    assert_eq!(store.origin(id).as_deref(), Some("https://h/origin"));
    assert!(store.find(&bad.into()).unwrap().is_none());
    assert_eq!(store.unusable_layers().len(), 1);
    assert_eq!(files_below(lower.dir()).len(), before);
    let alone = open(&config.dir);
    assert!(alone.lookup(&key).unwrap().is_some() && alone.find(&id.into()).unwrap().is_some());
}

#[test]
fn a_cache_that_is_only_read_serves_a_lower_layer_and_stores_nothing() {
    let lower = Cache::new();
    let id = keep(&lower.store, "https://h/a", b"abc");
    let own = Cache::new();
    let before = files_below(own.dir()).len();
    let lower = vec![lower.dir().to_owned()];
    let config = Config {
        dir: own.dir().to_owned(),
        lower,
        keeping: vcache_store::Keeping::Nowhere,
        ..Config::default()
    };
    let store = Store::open(&config).unwrap();
    let key = Key::web("https://h/a", "");
    assert_eq!(store.lookup(&key).unwrap().unwrap().sha256, id);
    assert_eq!(read_all(&store.find(&id.into()).unwrap().unwrap()), b"abc");
    assert_eq!(files_below(own.dir()).len(), before);
    let missing = Config { dir: own.root.path().join("missing"), ..config };
    let store = Store::open(&missing).unwrap();
    assert_eq!(read_all(&store.find(&id.into()).unwrap().unwrap()), b"abc");
    assert!(store.append_event("{}").is_err() && !missing.dir.exists());
}

#[test]
fn an_md5_without_alias_is_found_by_the_record() {
    let cache = Cache::new();
    let id = keep(&cache.store, "https://h/a", b"abc");
    let other = keep(&cache.store, "https://h/b", b"other");
    let digest = "900150983cd24fb0d6963f7d28e17f72".parse().unwrap();
    std::fs::remove_dir_all(cache.dir().join("alias")).unwrap();
    assert!(cache.store.find(&digest).unwrap().is_none());
    assert!(cache.store.find_or(&digest, other).unwrap().is_none());
    assert_eq!(read_all(&cache.store.find_or(&digest, id).unwrap().unwrap()), b"abc");
    assert!(cache.store.find(&digest).unwrap().is_some(), "the alias is there again");
}

#[test]
fn no_secret_reaches_the_disk() {
    let cache = Cache::new();
    let url = "https://user:s3cr3t@h/a?sig=s3cr3t&X-Amz-Credential=s3cr3t#s3cr3t";
    let id = keep(&cache.store, url, b"abc");
    put(&cache.store, b"other");
    for path in files_below(cache.dir()) {
        let text = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains("s3cr3t") && !text.contains("secret"), "{}: {text}", path.display());
    }
    assert_eq!(cache.store.origin(id).as_deref(), Some("https://h/origin"), "the first one stays");
}

#[test]
fn events_are_one_line_each() {
    let cache = Cache::new();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..50).for_each(|_| cache.store.append_event("{\"a\":\n1}").unwrap()));
        }
    });
    let lines: Vec<String> = cache.store.events().unwrap().collect();
    assert_eq!(lines.len(), 400);
    assert!(lines.iter().all(|line| line == "{\"a\": 1}"));
}
