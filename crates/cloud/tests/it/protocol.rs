//! A tier's own questions and answers, one by one.

use std::io::Read;

use vcache_store::{Sha256Id, Tier};

use crate::server::{SECRET, Server, blob, chain, content, record, store, variables};

fn read(tier: &dyn Tier, id: &Sha256Id) -> Option<Vec<u8>> {
    let mut incoming = tier.content(id).unwrap()?;
    let mut bytes = Vec::new();
    incoming.content.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, incoming.size);
    Some(bytes)
}

#[test]
fn what_is_absent_is_absent_and_what_was_put_is_there() {
    let (server, dir) = (Server::new(), tempfile::tempdir().unwrap());
    let cache = store(dir.path(), "", &[]);
    for (address, prefix) in [("s3://bucket", ""), ("s3://bucket/a/v1", "a/v1/")] {
        let tier = server.tier(address);
        let blob = blob(&cache, address.as_bytes());
        let ((key, record), md5) = (record("https://h/a", &blob), [7; 16]);
        assert_eq!(tier.record(&key).unwrap(), None);
        assert_eq!(tier.alias(&md5).unwrap(), None);
        assert!(read(tier.as_ref(), &blob.id()).is_none());
        assert!(!tier.has_content(&blob.id()).unwrap());

        tier.put_content(&blob).unwrap();
        tier.put_alias(&md5, &blob.id(), blob.size()).unwrap();
        tier.put_record(&key, &record).unwrap();
        assert_eq!(tier.record(&key).unwrap(), Some(record));
        assert_eq!(tier.alias(&md5).unwrap(), Some(blob.id()));
        assert_eq!(read(tier.as_ref(), &blob.id()).unwrap(), address.as_bytes());
        assert!(tier.has_content(&blob.id()).unwrap());
        for name in [format!("cas/{}", blob.id()), format!("ac/{}", key.name())] {
            assert!(server.object(&format!("{prefix}{name}")).is_file(), "{prefix}{name}");
        }
    }
}

#[test]
fn content_of_any_size_survives_a_round_trip() {
    let (server, dir) = (Server::new(), tempfile::tempdir().unwrap());
    let cache = store(dir.path(), "", &[]);
    let tier = server.tier("s3://bucket/p");
    // Around the length of a piece, and several of them.
    for size in [0, 1 << 10, 8 << 20, (8 << 20) + 1, 30 << 20] {
        let bytes = content(size);
        let blob = blob(&cache, &bytes);
        tier.put_content(&blob).unwrap();
        assert!(read(tier.as_ref(), &blob.id()).unwrap() == bytes, "{size} bytes came back otherwise");
    }
    assert_eq!(server.objects().len(), 5, "pieces are left: {:?}", server.objects());
}

#[test]
fn a_blob_that_went_bad_here_is_not_sent() {
    let (server, dir) = (Server::new(), tempfile::tempdir().unwrap());
    let cache = store(dir.path(), "", &[]);
    let blob = blob(&cache, b"good");
    std::fs::remove_file(blob.path()).unwrap();
    std::fs::write(blob.path(), "evil").unwrap();
    let bad = cache.find(&blob.id().into()).unwrap().unwrap();
    assert!(server.tier("s3://bucket").put_content(&bad).is_err());
    assert_eq!(server.objects(), Vec::<String>::new());
}

#[test]
fn what_is_refused_is_said_with_what_to_do_and_without_the_secret() {
    let server = Server::new();
    let endpoint = &server.variables()[2].1;
    let none = [("AWS_ENDPOINT_URL".to_owned(), endpoint.clone()), ("AWS_ALLOW_HTTP".into(), "true".into())];
    let https_only: Vec<_> = server.variables().into_iter().filter(|(n, _)| n != "AWS_ALLOW_HTTP").collect();
    let rows = [
        (
            "s3://bucket",
            variables(endpoint, "another"),
            "403 Forbidden (SignatureDoesNotMatch); are AWS_ACCESS_KEY_ID",
        ),
        (
            "s3://bucket",
            none.to_vec(),
            "no credentials in the environment; to use the role of this machine add #instance",
        ),
        ("s3://bucket", https_only, "cannot get cas/"),
        ("s3://bucket", variables("http://no address", SECRET), "the variable AWS_ENDPOINT_URL must be"),
        ("s3://bucket", variables("storage", SECRET), "the variable AWS_ENDPOINT_URL must be an address"),
        ("s3://bucket", variables("http://a<b", SECRET), "the variable AWS_ENDPOINT_URL must be an address"),
        ("s3://bucket", variables(endpoint, "another\n"), "the variable AWS_SECRET_ACCESS_KEY must be"),
        ("s3://bucket", vec![("AWS_ACCESS_KEY_ID".into(), SECRET.into())], "Missing SecretAccessKey"),
        ("az://c", Vec::new(), "Account must be specified"),
    ];
    for (address, variables, expected) in rows {
        let tier = vcache_cloud::open(address.parse().unwrap(), &variables);
        let error = tier.content(&Sha256Id::of(b"x")).err().expect(expected);
        let said = chain(error.as_ref());
        assert!(said.contains(expected), "{address}: {said}");
        assert!(!said.contains(SECRET) && !said.contains("another"), "{said}");
        assert!(!said.contains('\n') && !said.contains("<?xml"), "{said}");
        assert!(!format!("{tier:?}").contains(SECRET));
    }
}
