//! There and back.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;
use vcache_archive::{Error, Options, Selection, import};
use vcache_store::{Digest, Key, Sha256Id};

use crate::cache::{Cache, content, record, told};

#[test]
fn an_import_of_an_export_is_the_same_cache() {
    let (from, to) = (Cache::filled(), Cache::new());
    let archive = from.export();
    let report = to.take(&archive).unwrap();
    assert_eq!((report.blobs, report.records, report.blobs_held), (5, 6, 0));
    assert_eq!(to.holds(), from.holds());
    let again = to.take(&archive).unwrap();
    assert_eq!((again.blobs, again.blobs_held, again.records, again.records_held), (0, 5, 0, 6));
    assert_eq!(to.export(), archive, "and exports the same bytes");
    let tmp = to.store.dir().join("tmp").display().to_string();
    assert!(!to.files().keys().any(|name| name.starts_with(&tmp)));
}

#[test]
fn the_same_selection_gives_the_same_bytes_whatever_came_first() {
    let (one, other) = (Cache::filled(), Cache::new());
    other.keep("https://h/5-again", &content(5, 70_000), 1);
    for (seed, size) in [(5, 70_000), (4, 5 << 20), (3, 512), (2, 1), (1, 0)] {
        other.keep(&format!("https://h/{seed}"), &content(seed, size), 1000 + seed);
    }
    // The first origin that was noted differs; nothing else does.
    let mut manifest = other.select(&Selection::default());
    for content in &mut manifest.content {
        content.origin = one.store.origin(content.sha256);
    }
    assert_eq!(other.pack(&manifest), one.export());
    assert_eq!(one.export(), one.export());
}

#[test]
fn a_dry_run_checks_and_changes_nothing() {
    let (from, to) = (Cache::filled(), Cache::new());
    let archive = from.export();
    let before = to.files();
    let run = |archive: &[u8]| import(&to.store, &mut &archive[..], Options { dry_run: true }, &mut |_| {});
    let report = run(&archive).unwrap();
    assert_eq!((report.blobs, report.bytes, report.records), (5, (5 << 20) + 70_513, 6));
    run(&archive[..archive.len() - 1]).unwrap_err();
    assert_eq!(to.files(), before);
}

#[test]
fn a_corrupt_blob_is_named_and_not_exported() {
    let cache = Cache::filled();
    let id = Sha256Id::of(&content(5, 70_000));
    let path = cache.store.peek(&id).unwrap().unwrap().path().to_owned();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    std::fs::write(&path, content(6, 70_000)).unwrap();
    let manifest = cache.select(&Selection::default());
    let error = vcache_archive::write(&cache.store, &manifest, &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert!(
        matches!(&error, Error::Store(vcache_store::Error::Corrupt { id: named, .. }) if *named == id),
        "{error}"
    );
    std::fs::remove_file(&path).unwrap();
    let error = vcache_archive::write(&cache.store, &manifest, &mut Vec::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, Error::Gone { .. }), "{error}");
}

#[test]
fn the_record_that_was_fetched_later_stays() {
    let (from, to) = (Cache::new(), Cache::new());
    let old = from.keep("https://h/a", b"old", 10);
    let archive = from.export();
    let new = to.keep("https://h/a", b"new", 11);
    let key = Key::web("https://h/a", "");
    let report = to.take(&archive).unwrap();
    assert_eq!((report.blobs, report.records, report.records_held), (1, 0, 1));
    assert_eq!(to.store.lookup(&key).unwrap().unwrap().sha256, new);
    assert!(to.store.find(&old.into()).unwrap().is_some(), "its content is there for whoever pins it");
    // One whose content was deleted is no use to anyone.
    std::fs::remove_file(to.store.peek(&new).unwrap().unwrap().path()).unwrap();
    assert_eq!(to.take(&archive).unwrap().records, 1);
    assert_eq!(to.store.lookup(&key).unwrap().unwrap().sha256, old);
}

#[test]
fn no_record_comes_from_the_future() {
    let (from, to) = (Cache::new(), Cache::new());
    from.keep("https://h/a", b"a", u64::MAX);
    to.take(&from.export()).unwrap();
    assert!(to.store.lookup(&Key::web("https://h/a", "")).unwrap().unwrap().fetched < u64::MAX / 2);
}

#[test]
fn an_md5_is_learnt_for_content_that_was_there() {
    let (from, to) = (Cache::new(), Cache::new());
    from.keep("https://h/a", b"abc", 1);
    to.put("https://h/a", b"abc", false);
    let md5: Digest = "900150983cd24fb0d6963f7d28e17f72".parse().unwrap();
    assert!(to.store.find(&md5).unwrap().is_none());
    to.take(&from.export()).unwrap();
    assert!(to.store.find(&md5).unwrap().is_some());
}

#[test]
fn a_record_may_build_upon_what_is_there_and_on_nothing_else() {
    let (from, to) = (Cache::new(), Cache::new());
    from.keep("https://h/a", b"abc", 1);
    let base = from.select(&Selection::default());
    from.keep("https://h/b", b"abc", 2);
    let delta = from.pack(&from.select(&Selection { without: Some(base.clone()), ..Selection::default() }));
    let before = to.files();
    let error = to.take(&delta).unwrap_err();
    assert!(
        told(&error).contains("https://h/b") && told(&error).contains("import what it builds upon"),
        "{error}"
    );
    assert_eq!(to.files(), before);
    to.take(&from.pack(&base)).unwrap();
    to.take(&delta).unwrap();
    assert_eq!(to.holds(), from.holds());
}

#[test]
fn a_publication_that_fails_is_taken_back() {
    let (from, to) = (Cache::filled(), Cache::new());
    let old = to.keep("https://h/4", b"older", 1);
    let archive = from.export();
    let before = to.files();
    // The last record can't be written: something has the name of its folder.
    let keys = ["1", "2", "3", "5", "5-again"].map(|name| Key::web(&format!("https://h/{name}"), ""));
    let last = keys.iter().max_by_key(|key| key.text()).unwrap();
    let shard = to.store.dir().join("index/web-v1").join(&last.name()[..2]);
    std::fs::write(&shard, "in the way").unwrap();
    to.take(&archive).unwrap_err();
    std::fs::remove_file(&shard).unwrap();
    assert_eq!(to.files(), before);
    assert_eq!(to.store.lookup(&Key::web("https://h/4", "")).unwrap().unwrap().sha256, old);
    to.take(&archive).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_a_cache_holds_arrives(
        entries in prop::collection::vec((0_u8..6, prop::collection::vec(any::<u8>(), 0..3000), 0_u32..1_700_000_000), 0..8)
    ) {
        let (from, to) = (Cache::new(), Cache::new());
        let mut expected = BTreeMap::new();
        for (url, content, fetched) in entries {
            let url = format!("https://h/%20ü/{url}?a=b&c");
            let id = from.put(&url, &content, fetched % 2 == 0);
            let record = record(&url, id, content.len() as u64, fetched.into());
            from.store.publish(&Key::web(&url, "accept: x"), &record).unwrap();
            expected.insert(url, id);
        }
        to.take(&from.export()).unwrap();
        prop_assert_eq!(to.holds(), from.holds());
        for (url, id) in expected {
            prop_assert_eq!(to.store.lookup(&Key::web(&url, "accept: x")).unwrap().unwrap().sha256, id);
        }
    }
}
