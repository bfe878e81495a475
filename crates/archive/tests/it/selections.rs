//! What is selected.

use std::collections::HashSet;

use vcache_archive::{Manifest, Selection};
use vcache_store::{Key, Kind};

use crate::cache::{Cache, record};

/// The URLs of the records, then the number of contents.
fn what(manifest: &Manifest) -> (Vec<&str>, usize) {
    let urls = manifest.records.iter().map(|entry| entry.record.key.strip_prefix("https://h/").unwrap());
    (urls.collect(), manifest.content.len())
}

#[test]
fn restrictions_restrict_and_combine() {
    let cache = Cache::new();
    let a = cache.keep("https://h/a", b"abc", 10);
    let base = cache.select(&Selection::default());
    let b = cache.keep("https://h/b", b"b", u64::from(u32::MAX));
    cache.keep("https://h/c", b"abc", 30);
    cache.put("", b"nobody asked for it", true);
    let urls = |names: &[&str]| Some(names.iter().map(|n| format!("https://h/{n}")).collect::<HashSet<_>>());
    let pin = |url: &str, digest: &str| (format!("https://h/{url}"), digest.parse().unwrap());
    let all = Selection::default;
    for (selection, expected) in [
        (all(), (vec!["a", "b", "c"], 3)),
        (Selection { without: Some(base.clone()), ..all() }, (vec!["b", "c"], 2)),
        (Selection { without: Some(cache.select(&all())), ..all() }, (vec![], 0)),
        (Selection { kinds: vec![Kind::Web], ..all() }, (vec!["a", "b", "c"], 2)),
        (Selection { urls: urls(&["b", "none"]), ..all() }, (vec!["b"], 1)),
        (Selection { since: Some(u64::from(u32::MAX)), ..all() }, (vec!["b"], 1)),
        (Selection { since: Some(u64::MAX), ..all() }, (vec![], 0)),
        (Selection { since: Some(5), ..all() }, (vec!["a", "b", "c"], 3)),
        (Selection { pins: Some(vec![pin("x", &format!("sha256:{a}"))]), ..all() }, (vec!["a", "c"], 1)),
        (
            Selection { pins: Some(vec![pin("x", "900150983cd24fb0d6963f7d28e17f72")]), ..all() },
            (vec!["a", "c"], 1),
        ),
        (Selection { pins: Some(vec![]), ..all() }, (vec![], 0)),
        (
            Selection {
                pins: Some(vec![pin("x", &format!("sha256:{a}")), pin("b", &format!("sha256:{b}"))]),
                urls: urls(&["c", "b"]),
                without: Some(base),
                ..all()
            },
            (vec!["b", "c"], 1),
        ),
    ] {
        assert_eq!(what(&cache.select(&selection)), expected, "{selection:?}");
    }
}

#[test]
fn a_pinned_md5_that_nobody_has_asked_for_is_computed() {
    let cache = Cache::new();
    let id = cache.put("https://h/a", b"abc", false);
    cache.store.publish(&Key::web("https://h/a", ""), &record("https://h/a", id, 3, 1)).unwrap();
    let pins = |url: &str| Some(vec![(url.to_owned(), "900150983cd24fb0d6963f7d28e17f72".parse().unwrap())]);
    assert_eq!(what(&cache.select(&Selection { pins: pins("https://h/b"), ..Selection::default() })).1, 0);
    assert_eq!(what(&cache.select(&Selection { pins: pins("https://h/a"), ..Selection::default() })).1, 1);
}

#[test]
fn what_leads_nowhere_is_left_out() {
    let cache = Cache::new();
    let id = cache.keep("https://h/a", b"abc", 1);
    std::fs::remove_file(cache.store.peek(&id).unwrap().unwrap().path()).unwrap();
    assert!(cache.select(&Selection::default()).is_empty());
}

#[test]
fn selecting_is_no_use() {
    let cache = Cache::new();
    let id = cache.keep("https://h/a", b"abc", 1);
    let path = cache.store.peek(&id).unwrap().unwrap().path().to_owned();
    let then = std::time::SystemTime::now() - std::time::Duration::from_secs(9 * 3600);
    std::fs::File::open(&path).unwrap().set_modified(then).unwrap();
    cache.export();
    assert_eq!(path.metadata().unwrap().modified().unwrap(), then);
}
