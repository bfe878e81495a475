//! Damage, full disks, kills, and several at once: a destination has all of its tree or is as it was.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::*;
use vcache_artifact::{Destination, Error, Source, restore, save};
use vcache_store::{Key, Sha256Id};

fn blob_of(place: &Place, id: Sha256Id) -> PathBuf {
    place.store.find(&id.into()).unwrap().unwrap().path().to_owned()
}

fn overwrite(path: &Path, change: impl Fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    change(&mut bytes);
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_key_that_means_nothing_is_a_miss() {
    let place = Place::new();
    assert_eq!(place.restore(&place.path("t")).unwrap(), None);
    plain_tree(&place.folder("tree"), 3, 10);
    let saved = place.save(&place.path("tree"));
    let other = Key::artifact("test", "2");
    let destination = Destination { name: "t", path: &place.path("t") };
    assert_eq!(restore(&place.store, &other, &[destination]).unwrap(), None);
    fs::remove_file(blob_of(&place, saved.id)).unwrap();
    assert_eq!(place.restore(destination.path).unwrap(), None);
    assert!(destination.path.symlink_metadata().is_err());
}

#[test]
fn a_damaged_blob_is_put_aside_and_nothing_restored() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 100, 20_000);
    for at in [0, 100, 1_000_000, 1_999_999] {
        for there in [false, true] {
            let saved = place.save(&tree);
            overwrite(&blob_of(&place, saved.id), |bytes| bytes[at] ^= 1);
            let path = place.path("restored");
            if there {
                fs::create_dir(&path).unwrap();
            }
            let before = there.then(|| seen(&path));
            let error = place.restore(&path).unwrap_err();
            assert!(matches!(error, Error::Store(vcache_store::Error::Corrupt { .. })), "{at}: {error:?}");
            assert_eq!(place.restore(&path).unwrap(), None, "{at}: a miss by now");
            if let Some(before) = before {
                assert_same_seen(&before, &seen(&path));
                fs::remove_dir(&path).unwrap();
            }
            assert!(path.symlink_metadata().is_err());
            place.assert_clean();
        }
    }
}

#[test]
fn what_is_in_the_way_stays() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 3, 10);
    place.save(&tree);
    let full = place.folder("full");
    fs::write(full.join("own"), "own").unwrap();
    fs::write(place.path("file"), "own").unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    let before = ["full", "file", "dangling"].map(|name| seen(&place.path(name)));
    assert!(matches!(place.restore(&full), Err(Error::NotEmpty { found, .. }) if found == "own"));
    for name in ["file", "dangling"] {
        assert!(matches!(place.restore(&place.path(name)), Err(Error::InTheWay { .. })), "{name}");
    }
    assert!(matches!(place.restore(&place.path("no/such")), Err(Error::Output { .. })));
    let after = ["full", "file", "dangling"].map(|name| seen(&place.path(name)));
    assert_eq!(before, after);
    place.assert_clean();
    for name in ["", ".", "..", "a/b", "/"] {
        let source = Source { name, path: &tree };
        assert!(matches!(save(&place.store, &key(), &[source]), Err(Error::Name { .. })), "{name}");
        let destination = Destination { name, path: &place.path("x") };
        assert!(matches!(restore(&place.store, &key(), &[destination]), Err(Error::Name { .. })), "{name}");
    }
    let other = Destination { name: "other", path: &place.path("x") };
    assert!(matches!(restore(&place.store, &key(), &[other]), Err(Error::NoOutput { .. })));
    let twice = [Source { name: "t", path: &tree }; 2];
    assert!(matches!(save(&place.store, &key(), &twice), Err(Error::Name { .. })));
    place.assert_clean();
}

#[test]
fn what_can_t_be_saved_leaves_the_record_that_was() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 3, 10);
    let saved = place.save(&tree);
    let gone = Source { name: "t", path: &place.path("gone") };
    assert!(matches!(save(&place.store, &key(), &[gone]), Err(Error::Input { .. })));
    place.assert_clean();
    assert_eq!(place.restore(&place.path("restored")).unwrap().unwrap().id, saved.id);
}

#[test]
fn what_changes_while_it_is_saved_is_not_kept() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 3, 10);
    let file = tree.join("grows");
    fs::write(&file, vec![0; 10 << 20]).unwrap();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut file = fs::File::options().append(true).open(&file).unwrap();
            while !stop.load(Ordering::Relaxed) {
                file.write_all(b"x").unwrap();
            }
        });
        // A busy machine may give one of the two all of its time.
        let save_at = |at: u64| {
            let key = Key::artifact("test", &at.to_string());
            (save(&place.store, &key, &[Source { name: "t", path: &tree }]), key)
        };
        let refused = (0..100).map(save_at).find(|(saved, _)| saved.is_err());
        stop.store(true, Ordering::Relaxed);
        let (error, key) = refused.expect("it grows all the time");
        assert!(matches!(error, Err(Error::Changed { path }) if path == file));
        let destination = Destination { name: "t", path: &place.path("restored") };
        assert_eq!(restore(&place.store, &key, &[destination]).unwrap(), None);
    });
    place.assert_clean();
}

#[test]
fn of_two_at_once_one_restores() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 200, 10_000);
    place.save(&tree);
    for there in [false, true] {
        for round in 0..10 {
            let path = place.path("restored");
            if there {
                fs::create_dir(&path).unwrap();
            }
            let done: Vec<_> = std::thread::scope(|scope| {
                let started: Vec<_> = (0..4).map(|_| scope.spawn(|| place.restore(&path))).collect();
                started.into_iter().map(|one| one.join().unwrap()).collect()
            });
            assert_eq!(done.iter().filter(|one| one.is_ok()).count(), 1, "{there} {round}: {done:?}");
            for error in done.into_iter().filter_map(Result::err) {
                let is_it =
                    matches!(error, Error::InTheWay { .. } | Error::Busy { .. } | Error::NotEmpty { .. });
                assert!(is_it, "{there} {round}: {error:?}");
            }
            assert_same(&tree, &path);
            place.assert_clean();
            fs::remove_dir_all(&path).unwrap();
        }
    }
}

#[test]
fn many_restore_beside_each_other() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 100, 1000);
    place.save(&tree);
    std::thread::scope(|scope| {
        for at in 0..8 {
            let (place, tree) = (&place, &tree);
            scope.spawn(move || {
                for round in 0..5 {
                    let path = place.path(&format!("r{at}-{round}"));
                    place.restore(&path).unwrap().unwrap();
                    assert_same(tree, &path);
                }
            });
        }
    });
    place.assert_clean();
}

#[test]
fn who_is_killed_leaves_all_or_nothing() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 300, 1_000);
    place.save(&tree);
    let path = place.path("restored");
    let started = Instant::now();
    assert!(child("child_to_be_killed", place.root.path(), None).wait().unwrap().success());
    fs::remove_dir_all(&path).unwrap();
    let length = started.elapsed().as_micros() as u64;
    let (mut whole, mut none) = (0, 0);
    for moment in 0..40u64 {
        let mut running = child("child_to_be_killed", place.root.path(), None);
        // Spread over the length of a restore, and somewhat more, without any pattern.
        std::thread::sleep(Duration::from_micros(moment * 7919 * 97 % (length * 3 / 2)));
        let _ = running.kill();
        running.wait().unwrap();
        if path.symlink_metadata().is_ok() {
            assert_same(&tree, &path);
            fs::remove_dir_all(&path).unwrap();
            whole += 1;
        } else {
            none += 1;
        }
        assert!(leftovers(place.root.path()).len() <= 1, "the next one takes away what the last one left");
    }
    assert!(whole > 0 && none > 0, "{whole} whole, {none} none");
    place.restore(&path).unwrap().unwrap();
    place.assert_clean();
}

#[test]
fn child_to_be_killed() {
    let Some(root) = child_folder() else { return };
    let path = root.join("restored");
    restore(&open(&root.join("cache")), &key(), &[Destination { name: "t", path: &path }]).unwrap().unwrap();
}

#[test]
fn who_is_killed_while_filling_a_folder_leaves_a_trace_of_it() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 300, 1_000);
    place.save(&tree);
    let mut expected = seen(&tree);
    expected.remove(b"".as_slice());
    let path = place.path("restored");
    for moment in 0..20u64 {
        fs::create_dir(&path).unwrap();
        let mut running = child("child_to_be_killed", place.root.path(), None);
        std::thread::sleep(Duration::from_micros(moment * 7919 * 97 % 100_000));
        let _ = running.kill();
        running.wait().unwrap();
        if leftovers(place.root.path()).is_empty() && !entries(&path).is_empty() {
            let mut now = seen(&path);
            // It gets its time last.
            now.remove(b"".as_slice());
            assert_same_seen(&expected, &now);
        }
        fs::remove_dir_all(&path).unwrap();
    }
}

#[test]
fn what_was_left_in_a_folder_is_cleared_before_it_is_filled() {
    let place = Place::new();
    let tree = place.folder("tree");
    plain_tree(&tree, 3, 10);
    place.save(&tree);
    let path = place.folder("there");
    let left = path.join(".vcache-restoring-0123456789abcdef");
    plain_tree(&left, 3, 10);
    fs::set_permissions(left.join("d1"), fs::Permissions::from_mode(0o000)).unwrap();
    let held = fs::File::open(&left).unwrap();
    held.lock().unwrap();
    assert!(matches!(place.restore(&path), Err(Error::NotEmpty { .. })), "someone is at it");
    assert!(left.exists());
    drop(held);
    place.restore(&path).unwrap().unwrap();
    assert_same(&tree, &path);
}

#[test]
fn a_full_disk_is_an_error_and_leaves_nothing() {
    run_on_tmpfs("child_on_full", "3m");
}

#[test]
fn child_on_full() {
    let Some(root) = child_folder() else { return };
    let (tree, full) = (root.join("tree"), root.join("full"));
    plain_tree(&tree, 100, 100_000);
    let is_full = |error: &Error| match error {
        Error::Write { source, .. } | Error::Output { source, .. } => source.kind() == ErrorKind::StorageFull,
        Error::Store(vcache_store::Error::Io { source, .. }) => source.kind() == ErrorKind::StorageFull,
        _ => false,
    };
    let cache = full.join("cache");
    let error = save(&open(&cache), &key(), &[Source { name: "t", path: &tree }]).unwrap_err();
    assert!(is_full(&error), "{error:?}");
    assert!(entries(&cache.join("tmp")).iter().all(|path| path.ends_with(".swept")));
    fs::remove_dir_all(&cache).unwrap();

    let store = open(&root.join("cache"));
    save(&store, &key(), &[Source { name: "t", path: &tree }]).unwrap();
    let before = seen(&full);
    for path in [full.join("absent"), full.clone()] {
        let error = restore(&store, &key(), &[Destination { name: "t", path: &path }]).unwrap_err();
        assert!(is_full(&error), "{error:?}");
        assert_eq!(entries(&full), [] as [&Path; 0]);
    }
    let now = seen(&full);
    assert_eq!(before.len(), now.len());
}
