//! Two caches with a bucket between them.

use std::time::Duration;

use vcache_remote::Flushed;
use vcache_store::{Digest, Store};

use crate::server::{SECRET, Server, blob, chain, content, record, store, variables};

fn flush(store: &Store) -> Flushed {
    vcache_remote::flush(store, Duration::ZERO, &mut |_| {}, &mut |_, _| {}).unwrap()
}

fn troubles(store: &Store) -> Vec<String> {
    store.tier_troubles().iter().map(|error| chain(error)).collect()
}

fn md5_of(blob: &vcache_store::Blob) -> Digest {
    Digest::Md5(vcache_store::Hashes::of(blob.file().unwrap(), true).unwrap().md5.unwrap())
}

#[test]
fn one_machine_fills_the_bucket_and_another_finds_it() {
    let (server, dir) = (Server::new(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    let a = store(&dir.join("a"), "s3://bucket/farm", &server.variables());
    let (small, large) = (content(1000), content(20 << 20));
    let (small_blob, large_blob) = (blob(&a, &small), blob(&a, &large));
    let (small_key, small_record) = record("https://h/small", &small_blob);
    let (large_key, large_record) = record("https://h/large", &large_blob);
    a.publish(&small_key, &small_record).unwrap();
    a.publish(&large_key, &large_record).unwrap();
    assert_eq!(server.objects(), Vec::<String>::new(), "a build does not wait for a bucket");
    let sent = flush(&a);
    assert_eq!((sent.sent, sent.left, sent.bytes), (2, 0, (20 << 20) + 1000), "{:?}", sent.failed);
    // Content, alias and record of each.
    assert_eq!(server.objects().len(), 6);

    let rows = [
        ("s3://bucket/farm", false),
        ("s3://bucket/farm#trusted", true),
        ("s3://bucket/other#trusted", false),
    ];
    for (number, (address, unpinned)) in rows.into_iter().enumerate() {
        let b = store(&dir.join(format!("b{number}")), address, &server.variables());
        assert_eq!(b.lookup(&small_key).unwrap().is_some(), unpinned, "{address}");
        let pinned = address.contains("farm");
        for (digest, bytes) in [(large_blob.id().into(), &large), (md5_of(&small_blob), &small)] {
            let found = b.find(&digest).unwrap();
            assert_eq!(found.is_some(), pinned, "{address}");
            if let Some(found) = found {
                assert_eq!(found.tier(), Some("s3://bucket/farm"));
                assert!(std::fs::read(found.path()).unwrap() == *bytes);
                assert!(b.find(&digest).unwrap().unwrap().tier().is_none(), "it is kept here from now on");
            }
        }
        if pinned {
            assert_eq!(b.lookup_of(&large_key, large_blob.id()).unwrap(), Some(large_record.clone()));
        }
        assert_eq!(troubles(&b), Vec::<String>::new());
    }
}

#[test]
fn nothing_is_put_where_it_is_only_read() {
    let (server, dir) = (Server::new(), tempfile::tempdir().unwrap());
    let a = store(dir.path(), "s3://bucket#read-only", &server.variables());
    let blob = blob(&a, b"x");
    let (key, record) = record("https://h/x", &blob);
    a.publish(&key, &record).unwrap();
    assert_eq!(flush(&a).sent, 0);
    assert_eq!(server.objects(), Vec::<String>::new());
}

#[test]
fn wrong_bytes_in_the_bucket_are_caught_blamed_and_replaced() {
    let (server, dir) = (Server::new(), tempfile::tempdir().unwrap());
    let dir = dir.path();
    let a = store(&dir.join("a"), "s3://bucket", &server.variables());
    let good = blob(&a, b"good content");
    let (key, record) = record("https://h/x", &good);
    a.publish(&key, &record).unwrap();
    flush(&a);
    let object = server.object(&format!("cas/{}", good.id()));
    std::fs::write(&object, "evil content").unwrap();

    let b = store(&dir.join("b"), "s3://bucket", &server.variables());
    assert!(b.find(&good.id().into()).unwrap().is_none());
    let said = troubles(&b);
    assert!(
        matches!(&said[..], [one] if one.contains("s3://bucket") && one.contains("what it has as")),
        "{said:?}"
    );
    // It then comes from its origin, and goes to the bucket though that seems to have it.
    blob(&b, b"good content");
    b.publish(&key, &record).unwrap();
    let sent = flush(&b);
    assert_eq!(sent.left, 0, "{:?}", sent.failed);
    assert_eq!(std::fs::read(&object).unwrap(), b"good content");
}

#[test]
fn a_dead_endpoint_is_dropped_after_three_failures_and_said_once() {
    let dir = tempfile::tempdir().unwrap();
    // Nobody listens on a port that was just given back.
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let variables = variables(&format!("http://{address}"), SECRET);
    let a = store(dir.path(), "s3://bucket", &variables);
    let found = blob(&a, b"x");
    let (key, record) = record("https://h/x", &found);
    a.publish(&key, &record).unwrap();
    let absent = vcache_store::Sha256Id::of(b"absent");
    for _ in 0..6 {
        assert!(a.find(&absent.into()).unwrap().is_none());
    }
    let said = troubles(&a);
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(said[0].contains("s3://bucket") && said[0].contains("refused"), "{said:?}");
    assert!(said[2].contains("not asked for the next"), "{said:?}");
    assert!(!said.concat().contains(SECRET), "{said:?}");
    let sent = flush(&a);
    assert_eq!((sent.sent, sent.left), (0, 1), "it goes on waiting");
    // Another process does not ask either, and says nothing.
    let b = store(dir.path(), "s3://bucket", &variables);
    assert!(b.find(&absent.into()).unwrap().is_none());
    assert_eq!(troubles(&b), Vec::<String>::new());
}
