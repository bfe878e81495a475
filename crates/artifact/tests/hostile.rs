//! Artifacts that nobody here has made: whatever they say, nothing appears outside of the destination, and nothing in it.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::fs;
use std::path::Path;

use common::*;
use tar::EntryType;
use vcache_artifact::Error;

/// A tar in the making.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    fn add(mut self, kind: EntryType, name: &[u8], link: &[u8], data: &[u8]) -> Self {
        let mut header = tar::Header::new_ustar();
        let ustar = header.as_ustar_mut().unwrap();
        ustar.name[..name.len()].copy_from_slice(name);
        ustar.linkname[..link.len()].copy_from_slice(link);
        ustar.set_device_major(1);
        ustar.set_device_minor(3);
        header.set_mode(0o755);
        header.set_uid(rustix::process::geteuid().as_raw().into());
        header.set_gid(rustix::process::getegid().as_raw().into());
        header.set_mtime(1);
        header.set_size(data.len() as u64);
        header.set_entry_type(kind);
        header.set_cksum();
        self.0.extend(header.as_bytes());
        self.0.extend(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    fn folder(self, name: &str) -> Self {
        self.add(EntryType::Directory, name.as_bytes(), b"", b"")
    }

    fn file(self, name: &str) -> Self {
        self.add(EntryType::Regular, name.as_bytes(), b"", b"evil")
    }

    fn link(self, name: &str, target: &str) -> Self {
        self.add(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
    }

    fn hard(self, name: &str, target: &str) -> Self {
        self.add(EntryType::Link, name.as_bytes(), target.as_bytes(), b"")
    }

    fn pax(self, records: &[u8]) -> Self {
        self.add(EntryType::XHeader, b"PaxHeaders", b"", records)
    }

    fn end(mut self) -> Vec<u8> {
        self.0.extend([0; 1024]);
        self.0
    }

    fn packed(self) -> Vec<u8> {
        zstd::encode_all(self.end().as_slice(), 1).unwrap()
    }
}

fn top() -> Tar {
    Tar::default().folder("t/")
}

#[test]
fn what_leads_elsewhere_is_refused() {
    let place = Place::new();
    fs::write(place.path("victim"), "good").unwrap();
    let outside = place.folder("outside");
    let out = outside.to_str().unwrap().to_owned();
    let rows: Vec<(&str, Tar)> = vec![
        ("up", top().file("t/../evil")),
        ("up at the end", top().folder("t/..")),
        ("up at once", Tar::default().file("../evil")),
        ("up within", top().folder("t/a").file("t/a/../evil")),
        ("absolute", top().file("/evil")),
        ("absolute top", Tar::default().folder("/t")),
        ("dot", top().file("t/./evil")),
        ("two slashes", top().file("t//evil")),
        ("a slash at the end of a file", top().file("t/evil/")),
        ("nothing", top().file("")),
        ("below a link", top().link("t/l", &out).file("t/l/evil")),
        ("below a link that was a folder's", top().folder("t/l").link("t/l", &out).file("t/l/evil")),
        ("a folder in a link's place", top().link("t/l", &out).folder("t/l").file("t/l/evil")),
        ("a file in a link's place", top().link("t/l", "../victim").file("t/l")),
        ("a device in a link's place", top().link("t/l", "../victim").add(EntryType::Fifo, b"t/l", b"", b"")),
        ("a top that is a link", Tar::default().link("t", &out).file("t/evil")),
        ("a top twice", top().file("t/a").link("t", &out)),
        ("a file twice", top().file("t/a").file("t/a")),
        ("a folder twice", top().folder("t/a").file("t/b").folder("t/a")),
        ("back to a folder that is done", top().folder("t/a").file("t/b").file("t/a/c")),
        ("without its folder", top().file("t/a/b")),
        ("without a top", Tar::default().file("t/a")),
        ("below a file", top().file("t/a").file("t/a/b")),
        ("a hard link to what is outside", top().hard("t/a", "../victim")),
        ("a hard link to what is above", top().hard("t/a", "t/../../victim")),
        ("a hard link to an absolute name", top().hard("t/a", place.path("victim").to_str().unwrap())),
        ("a hard link through a link", top().link("t/l", "../..").hard("t/a", "t/l/victim")),
        (
            "a hard link through a top",
            Tar::default().link("t", "..").hard("u", "t/victim").hard("t/a", "t/victim"),
        ),
        ("a hard link to another output", Tar::default().file("u").folder("t").hard("t/a", "u")),
        ("a hard link to what is not there", top().hard("t/a", "t/b")),
        ("a hard link to the top", top().hard("t/a", "t")),
        ("a hard link to nothing", top().hard("t/a", "")),
        ("a link to nothing", top().link("t/a", "")),
        ("a pax name that leads up", top().pax(b"22 path=t/a/../../evil\n").file("t/a")),
        ("a pax name with a zero", top().pax(b"14 path=t/\0ev\n").file("t/a")),
        ("a pax header that is none", top().pax(b"99 path=t/b\n").file("t/a")),
        ("a sparse name", top().pax(b"22 GNU.sparse.major=1\n").file("t/a")),
        ("a time that is none", top().pax(b"11 mtime=x\n").file("t/a")),
        ("a kind that is not known", top().add(EntryType::new(b'9'), b"t/a", b"", b"")),
        (
            "a long name of GNU's",
            top().add(EntryType::GNULongName, b"././@LongLink", b"", b"t/evil").file("t/a"),
        ),
        ("a global header", top().add(EntryType::XGlobalHeader, b"g", b"", b"13 path=evil\n").file("t/a")),
    ];
    for (what, tar) in rows {
        publish(&place.store, &tar.packed());
        for there in [false, true] {
            let path = place.path("restored");
            if there {
                fs::create_dir(&path).unwrap();
            }
            let before = there.then(|| seen(&path));
            let error = place.restore(&path).expect_err(what);
            assert!(matches!(error, Error::Malformed { .. }), "{what}: {error:?}");
            match before {
                Some(before) => {
                    assert_same_seen(&before, &seen(&path));
                    fs::remove_dir(&path).unwrap();
                }
                None => assert!(path.symlink_metadata().is_err(), "{what}"),
            }
        }
        place.assert_clean();
        assert_eq!(fs::read(place.path("victim")).unwrap(), b"good", "{what}");
        assert_eq!(entries(&outside), [] as [&Path; 0], "{what}");
        assert_eq!(entries(place.root.path()).len(), 3, "{what}: {:?}", entries(place.root.path()));
    }
    publish(&place.store, &top().folder("t/a").file("t/a/b").hard("t/c", "t/a/b").packed());
    place.restore(&place.path("restored")).unwrap().unwrap();
    assert_eq!(fs::read(place.path("restored/c")).unwrap(), b"evil", "what does no harm is no harm");
}

#[test]
fn what_is_cut_off_or_no_tar_is_refused() {
    let place = Place::new();
    let whole = top().file("t/a").packed();
    let tar = top().add(EntryType::Regular, b"t/a", b"", &noise(1, 5000)).end();
    let pack = |tar: &[u8]| zstd::encode_all(tar, 1).unwrap();
    let mut damaged_header = tar.clone();
    damaged_header[512 + 150] ^= 1;
    let mut huge = tar.clone();
    huge[512 + 124..512 + 136].copy_from_slice(b"77777777777\0");
    let rows = [
        ("empty", Vec::new()),
        ("no zstd", b"no zstd at all".to_vec()),
        ("cut zstd", whole[..whole.len() - 4].to_vec()),
        ("half of zstd", whole[..whole.len() / 2].to_vec()),
        ("bytes behind", [whole.as_slice(), b"more"].concat()),
        ("cut in a header", pack(&tar[..700])),
        ("cut in data", pack(&tar[..1500])),
        ("a checksum that is wrong", pack(&damaged_header)),
        ("more data than there is", pack(&huge)),
        ("a pax header of many bytes", pack(&top().pax(&vec![b'x'; 17 << 20]).file("t/a").end())),
    ];
    for (what, packed) in rows {
        publish(&place.store, &packed);
        let error = place.restore(&place.path("restored")).expect_err(what);
        let is_it = matches!(error, Error::Malformed { .. })
            || (what == "empty" && matches!(error, Error::NoOutput { .. }));
        assert!(is_it, "{what}: {error:?}");
        assert!(place.path("restored").symlink_metadata().is_err(), "{what}");
        place.assert_clean();
    }
}

#[test]
fn a_tar_of_gnus_without_an_end_is_whole_enough() {
    let place = Place::new();
    let mut tar = top().file("t/a").end();
    tar.truncate(tar.len() - 1024);
    publish(&place.store, &zstd::encode_all(tar.as_slice(), 1).unwrap());
    assert!(place.restore(&place.path("restored")).unwrap().is_some());
}
