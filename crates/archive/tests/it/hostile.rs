//! Archives that are not what they should be: each is refused, and the cache is as it was.

use std::io::Write;

use tar::{EntryType, Header};

use crate::cache::{Cache, content, told};

const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// A member as it stands in the archive.
struct Member {
    name: Vec<u8>,
    kind: EntryType,
    link: &'static str,
    size: u64,
    data: Vec<u8>,
}

fn member(name: &str, data: &[u8]) -> Member {
    let data = data.to_vec();
    Member { name: name.into(), kind: EntryType::Regular, link: "", size: data.len() as u64, data }
}

fn abc() -> Member {
    member(&format!("cas/{ABC}"), b"abc")
}

fn manifest() -> Member {
    manifest_of(&format!(r#"{{"sha256":"{ABC}","size":3}}"#), "")
}

fn manifest_of(content: &str, records: &str) -> Member {
    let text = format!(r#"{{"vcache_archive":1,"content":[{content}],"records":[{records}]}}"#);
    member("manifest.json", text.as_bytes())
}

fn record(kind: &str, key: &str, sha256: &str, size: u64) -> String {
    format!(
        r#"{{"kind":"{kind}","record":{{"key":"{key}","sha256":"{sha256}","size":{size},"origin":"https://h/a","fetched":1}}}}"#
    )
}

fn tar(members: &[Member]) -> Vec<u8> {
    let mut out = Vec::new();
    for member in members {
        let mut header = Header::new_gnu();
        // By hand, since the tar crate refuses to write such names.
        header.as_old_mut().name[..member.name.len()].copy_from_slice(&member.name);
        header.as_old_mut().linkname[..member.link.len()].copy_from_slice(member.link.as_bytes());
        header.set_entry_type(member.kind);
        header.set_size(member.size);
        header.set_cksum();
        out.extend(header.as_bytes());
        out.extend(&member.data);
        out.resize(out.len().next_multiple_of(512), 0);
    }
    out.resize(out.len() + 1024, 0);
    out
}

fn pack(tar: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(tar).unwrap();
    encoder.finish().unwrap()
}

#[track_caller]
fn check_refused(archive: &[u8], says: &str) {
    let cache = Cache::new();
    let before = cache.files();
    let error = cache.take(archive).expect_err(says);
    assert!(told(&error).contains(says), "{says}: {}", told(&error));
    assert_eq!(cache.files(), before, "{says}");
}

#[test]
fn the_plain_one_is_taken() {
    let cache = Cache::new();
    assert_eq!(cache.take(&pack(&tar(&[manifest(), abc()]))).unwrap().blobs, 1);
}

#[test]
fn members_that_do_not_belong() {
    let other = |name: &str| Member { name: name.into(), ..abc() };
    let special = |kind, link| Member { kind, link, size: 0, data: Vec::new(), ..abc() };
    for (members, says) in [
        (vec![], "the end where `manifest.json`"),
        (vec![abc(), manifest()], "where a plain file `manifest.json`"),
        (vec![manifest()], "the end where `cas/"),
        (vec![manifest(), other("../../etc/passwd")], "\"../../etc/passwd\""),
        (vec![manifest(), other("/etc/passwd")], "\"/etc/passwd\""),
        (vec![manifest(), other("./manifest.json")], "\"./manifest.json\""),
        (vec![manifest(), other("cas/../cas/x")], "\"cas/../cas/x\""),
        (vec![manifest(), other("cas/\u{1b}[31m")], "\\u{1b}[31m"),
        (vec![manifest(), abc(), abc()], "where the archive's end"),
        (vec![manifest(), abc(), other("extra")], "\"extra\""),
        (vec![manifest(), manifest(), abc()], "\"manifest.json\""),
        (vec![manifest(), special(EntryType::Symlink, "/etc/passwd")], "a symbolic link"),
        (vec![manifest(), special(EntryType::Link, "manifest.json")], "a hard link"),
        (vec![manifest(), special(EntryType::Directory, "")], "a folder"),
        (vec![manifest(), special(EntryType::Char, "")], "a device"),
        (vec![manifest(), special(EntryType::Block, "")], "a device"),
        (vec![manifest(), special(EntryType::Fifo, "")], "a strange kind"),
        (vec![manifest(), special(EntryType::GNULongName, "")], "a strange kind"),
        (vec![manifest(), special(EntryType::XHeader, "")], "a strange kind"),
        (vec![manifest(), special(EntryType::GNUSparse, "")], ""),
        (vec![Member { kind: EntryType::Symlink, ..manifest() }, abc()], "a symbolic link"),
        (vec![manifest(), Member { size: 30, data: vec![0; 30], ..abc() }], "of 3 bytes was expected"),
        (vec![manifest(), Member { size: 2, data: b"ab".to_vec(), ..abc() }], "of 3 bytes was expected"),
        (vec![manifest(), Member { size: u64::MAX, ..abc() }], ""),
        (vec![manifest(), Member { data: b"abd".to_vec(), ..abc() }], "its sha256 is"),
        (vec![manifest(), Member { data: b"abc".repeat(4000), ..abc() }], ""),
    ] {
        check_refused(&pack(&tar(&members)), says);
    }
}

#[test]
fn manifests_that_lie() {
    let abc_of = |size: u64| format!(r#"{{"sha256":"{ABC}","size":{size}}}"#);
    let zero = "0".repeat(64);
    let good = abc_of(3);
    for (manifest, says) in [
        (member("manifest.json", b""), "manifest is refused"),
        (member("manifest.json", b"[]"), "manifest is refused"),
        (member("manifest.json", b"{}"), "manifest is refused"),
        (member("manifest.json", br#"{"vcache_archive":2,"content":{},"records":7}"#), "it has format 2"),
        (member("manifest.json", br#"{"vcache_archive":1,"content":[],"records":[]} {}"#), "trailing"),
        (manifest_of(&format!("{good},{good}"), ""), "twice"),
        (manifest_of(&format!(r#"{good},{{"sha256":"{zero}","size":3}}"#), ""), "not in its order"),
        (manifest_of(r#"{"sha256":"../x","size":3}"#, ""), "is not a digest"),
        (manifest_of(&format!(r#"{{"sha256":"{ABC}","size":-3}}"#), ""), "manifest is refused"),
        (manifest_of(&abc_of(u64::MAX), ""), "more bytes than any disk"),
        (manifest_of(&abc_of(300), ""), "of 300 bytes was expected"),
        (
            manifest_of(&format!(r#"{{"sha256":"{ABC}","size":3,"md5":"{}"}}"#, "0".repeat(32)), ""),
            "its md5 is",
        ),
        (
            manifest_of(&format!(r#"{{"sha256":"{ABC}","size":3,"md5":"sha256:{ABC}"}}"#), ""),
            "md5 was expected",
        ),
        (manifest_of(&good, &record("web-v9", "https://h/a", ABC, 3)), "unknown kind `web-v9`"),
        (manifest_of(&good, &record("web-v1", "", ABC, 3)), "without a key"),
        (manifest_of(&good, &record("web-v1", "https://h/a", ABC, 4)), "differ in length"),
        (manifest_of(&good, &record("web-v1", "https://h/a", &zero, 4)), "neither in the archive nor"),
        (manifest_of(&good, &record("web-v1", "https://u:p@h/a", ABC, 3)), "holds a secret"),
        (
            manifest_of(
                &good,
                &[record("web-v1", "https://h/a", ABC, 3), record("web-v1", "https://h/a", ABC, 3)].join(","),
            ),
            "twice",
        ),
    ] {
        check_refused(&pack(&tar(&[manifest, abc()])), says);
    }
    let huge = Member { size: (64 << 20) + 1, ..member("manifest.json", b"{}") };
    check_refused(&pack(&tar(&[huge])), "more than");
}

#[test]
fn what_surrounds_the_members() {
    let whole = tar(&[manifest(), abc()]);
    let without_end = &whole[..whole.len() - 1024];
    check_refused(&pack(without_end), "the archive's end");
    check_refused(&pack(&whole[..whole.len() - 512]), "the archive's end");
    check_refused(&pack(&[&whole[..], &[0; 512]].concat()), "the archive's end");
    check_refused(&pack(&[&whole[..whole.len() - 512], b"x"].concat()), "the archive's end");
    check_refused(&[pack(&whole), pack(&whole)].concat(), "something follows the archive");
    check_refused(&[&pack(&whole)[..], b"x"].concat(), "something follows the archive");
    check_refused(&pack(&[]), "`manifest.json`");
    for odd in [&b""[..], b"x", b"not zstd at all", &whole[..], &[0; 4096]] {
        check_refused(odd, "cut off or damaged");
    }
}

#[test]
fn a_bomb_is_not_unpacked() {
    // Ten times what is declared, and a hundred thousand times.
    for size in [30, 300_000] {
        let data = vec![0; size];
        check_refused(&pack(&tar(&[manifest(), Member { size: size as u64, data, ..abc() }])), "of 3 bytes");
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.write_all(&tar(&[manifest(), abc()])).unwrap();
    check_refused(&encoder.finish().unwrap(), "cut off or damaged");
}

#[test]
fn cut_off_anywhere() {
    let archive = Cache::filled().export();
    let cache = Cache::new();
    let before = cache.files();
    for step in 0..50 {
        let length = archive.len() * step / 50;
        cache.take(&archive[..length]).expect_err("cut off");
    }
    for length in archive.len() - 50..archive.len() {
        cache.take(&archive[..length]).expect_err("cut off");
    }
    assert_eq!(cache.files(), before);
}

#[test]
fn bits_flipped_anywhere() {
    let from = Cache::new();
    from.keep("https://h/a", &content(1, 40_000), 1);
    from.keep("https://h/b", b"abc".repeat(300).as_slice(), 1);
    let archive = from.export();
    let cache = Cache::new();
    let before = cache.files();
    let near_the_ends = (0..600).chain(archive.len() - 300..archive.len());
    for at in near_the_ends.chain((600..archive.len() - 300).step_by(97)) {
        let mut flipped = archive.clone();
        flipped[at] ^= 1 << (at % 8);
        // The one thing that may change unnoticed is a bit of the frame's header that says nothing.
        if cache.take(&flipped).is_ok() {
            assert_eq!(cache.holds(), from.holds(), "bit in byte {at}");
            assert!(at < 10, "bit in byte {at}");
            std::fs::remove_dir_all(cache.store.dir()).unwrap();
            std::fs::create_dir(cache.store.dir()).unwrap();
            for (name, content) in &before {
                std::fs::write(name, content).unwrap();
            }
        }
    }
    assert_eq!(cache.files(), before);
}
