//! What is saved comes back: every kind of file, every attribute, in every way of giving it a place.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests make and break files")]

mod common;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::*;
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, XattrFlags};
use vcache_artifact::{Destination, Error, LeftOut, Reason, Source, restore, save};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn xattr(path: &Path, name: &str, value: &[u8]) {
    rustix::fs::lsetxattr(path, name, value, XattrFlags::empty()).unwrap();
}

fn mtime(path: &Path, tv_sec: i64, tv_nsec: i64) {
    let at = Timespec { tv_sec, tv_nsec };
    let times = Timestamps { last_access: at, last_modification: at };
    rustix::fs::utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

/// A tree that any user may make.
fn tree_of_a_user(top: &Path) {
    fs::create_dir_all(top.join("d/e/f")).unwrap();
    fs::create_dir(top.join("empty-folder")).unwrap();
    fs::write(top.join("empty"), "").unwrap();
    fs::write(top.join("d/one"), noise(1, 100_000)).unwrap();
    fs::hard_link(top.join("d/one"), top.join("d/e/linked")).unwrap();
    fs::hard_link(top.join("d/one"), top.join("aaa-linked-before")).unwrap();
    for length in [99, 100, 101, 255] {
        fs::write(top.join("n".repeat(length)), length.to_string()).unwrap();
        fs::create_dir(top.join(format!("{}d", "n".repeat(length - 1)))).unwrap();
    }
    let deep = top.join(vec!["x".repeat(200); 5].join("/"));
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("far"), "far").unwrap();
    fs::hard_link(deep.join("far"), top.join("near")).unwrap();
    for name in [&b"\xff\xfe"[..], b"line\nend", b" ", b"-rf", b"a=b", b"\\", &[0xe9; 150]] {
        fs::write(top.join(OsStr::from_bytes(name)), name).unwrap();
    }
    for (name, target) in [
        ("link", "d/one"),
        ("dangling", "/nowhere"),
        ("up", "../../.."),
        ("long", &"t/".repeat(2000)),
        ("to-folder", "d"),
    ] {
        symlink(target, top.join(name)).unwrap();
    }
    symlink(OsStr::from_bytes(b"\xff\n"), top.join("not-utf8")).unwrap();
    fs::hard_link(top.join("dangling"), top.join("dangling-too")).unwrap();
    rustix::fs::mknodat(CWD, top.join("fifo"), FileType::Fifo, Mode::from_raw_mode(0o640), 0).unwrap();

    let sparse = File::create(top.join("sparse")).unwrap();
    sparse.set_len(4 << 20).unwrap();
    sparse.write_all_at(b"in the middle", 2 << 20).unwrap();
    let sparse = File::create(top.join("sparse-with-end")).unwrap();
    sparse.write_all_at(b"start", 0).unwrap();
    sparse.write_all_at(b"end", 1 << 20).unwrap();
    File::create(top.join("only-a-hole")).unwrap().set_len(3 << 20).unwrap();
    fs::write(top.join("zeros"), vec![0; 1 << 20]).unwrap();

    for (name, bits) in
        [("empty", 0o4755), ("d/one", 0o444), ("d/e", 0o1777), ("empty-folder", 0o2750), ("zeros", 0)]
    {
        mode(&top.join(name), bits);
    }
    mode(&top.join("d"), 0o555);
    for (at, name) in
        ["empty", "link", "fifo", "d/e/f", "d/e", "d", "sparse", "empty-folder"].iter().enumerate()
    {
        mtime(&top.join(name), 1_000_000_000 + at as i64, 123_456_700 + at as i64);
    }
    mtime(&top.join("zeros"), -5, 999_999_999);
    mtime(&top.join("near"), 1 << 33, 0);
    mtime(top, 7, 7);
}

/// And what only root may make.
fn tree_of_root(top: &Path) {
    tree_of_a_user(top);
    for (name, kind, major, minor) in [
        ("null", FileType::CharacterDevice, 1, 3),
        ("large", FileType::CharacterDevice, 4095, 1_048_575),
        ("disk", FileType::BlockDevice, 8, 1),
        ("whiteout", FileType::CharacterDevice, 0, 0),
    ] {
        let device = rustix::fs::makedev(major, minor);
        rustix::fs::mknodat(CWD, top.join(name), kind, Mode::from_raw_mode(0o600), device).unwrap();
        mode(&top.join(name), 0o666);
    }
    fs::hard_link(top.join("null"), top.join("null-too")).unwrap();
    for (name, uid, gid) in [("empty", 1, 2), ("empty-folder", 3_000_000, 4_000_000_000), ("null", 0, 5)] {
        chown(top.join(name), Some(uid), Some(gid)).unwrap();
    }
    lchown(top.join("link"), Some(1234), Some(2_097_152)).unwrap();
    // A change of owner has cleared the bits.
    mode(&top.join("empty"), 0o6711);
    mode(&top.join("empty-folder"), 0o2750);
    // cap_net_raw+ep: version 2, little endian.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    xattr(&top.join("empty"), "security.capability", &capability);
    xattr(&top.join("d/e"), "trusted.of-folder", b"");
    xattr(&top.join("link"), "trusted.of-link", b"\0\n\xff=\n");
    xattr(&top.join("null"), "trusted.of-device", b"x");
    xattr(&top.join("fifo"), "trusted.of-fifo", b"x");
    xattr(top, "trusted.of-top", &noise(1, 1000));
    mtime(&top.join("link"), 5, 6);
    mtime(top, -7, 7);
}

fn user_xattrs(top: &Path) -> bool {
    let file = top.join("near");
    let works = rustix::fs::lsetxattr(&file, "user.a%=\u{e9}", b"\n\0\n", XattrFlags::empty()).is_ok();
    if !works {
        eprintln!("SKIPPED: this file system has no extended attributes of users");
    }
    works
}

#[test]
fn every_kind_of_file_comes_back() {
    if !is_root("every_kind_of_file_comes_back") {
        return;
    }
    let place = Place::new();
    let tree = place.folder("tree");
    tree_of_root(&tree);
    user_xattrs(&tree);
    let before = seen(&tree);
    let saved = place.save(&tree);
    assert_eq!(saved.left_out, []);
    assert_eq!(saved.entries, before.len() as u64);
    assert_same_seen(&before, &seen(&tree));

    let absent = place.path("absent");
    let restored = place.restore(&absent).unwrap().unwrap();
    assert_eq!((restored.id, restored.entries, restored.bytes), (saved.id, saved.entries, saved.bytes));
    assert!(saved.bytes < 2 << 20, "holes are no content: {}", saved.bytes);
    assert_same(&tree, &absent);
    let there = place.folder("there");
    let inode = there.metadata().unwrap().ino();
    place.restore(&there).unwrap().unwrap();
    assert_same(&tree, &there);
    assert_eq!(there.metadata().unwrap().ino(), inode, "it is filled, not replaced");
    place.assert_clean();
    assert_eq!(place.save(&absent).id, saved.id, "the same tree is the same blob");
}

#[test]
fn what_a_folder_hands_on_does_not_get_into_a_tree() {
    if !is_root("what_a_folder_hands_on_does_not_get_into_a_tree") {
        return;
    }
    let place = Place::new();
    let tree = place.folder("tree");
    tree_of_root(&tree);
    place.save(&tree);
    let parent = place.folder("parent");
    chown(&parent, Some(77), Some(77)).unwrap();
    mode(&parent, 0o2777);
    // user::rwx, user:1:rwx, group::rwx, mask::rwx, other::rwx, as in acl(5).
    let mut acl = vec![2, 0, 0, 0];
    for (tag, id) in [(1u16, u32::MAX), (2, 1), (4, u32::MAX), (16, u32::MAX), (32, u32::MAX)] {
        acl.extend(tag.to_le_bytes());
        acl.extend(7u16.to_le_bytes());
        acl.extend(id.to_le_bytes());
    }
    if rustix::fs::lsetxattr(&parent, "system.posix_acl_default", &acl, XattrFlags::empty()).is_err() {
        eprintln!("SKIPPED: access lists; this file system has none");
    }
    place.restore(&parent.join("absent")).unwrap().unwrap();
    assert_same(&tree, &parent.join("absent"));
    xattr(&tree.join("d/e/f"), "system.posix_acl_default", &acl);
    place.save(&tree);
    place.restore(&place.path("with-list")).unwrap().unwrap();
    assert_same(&tree, &place.path("with-list"));
}

#[test]
fn whoever_is_not_root_restores_what_is_his() {
    if !is_root("whoever_is_not_root_restores_what_is_his") {
        return;
    }
    let place = Place::new();
    mode(place.root.path(), 0o777);
    let status = child("child_of_a_user", place.root.path(), Some(4321)).wait().unwrap();
    assert!(status.success());
}

#[test]
fn child_of_a_user() {
    let Some(root) = child_folder() else { return };
    let (tree, store) = (root.join("mine"), open(&root.join("cache-of-user")));
    fs::create_dir(&tree).unwrap();
    tree_of_a_user(&tree);
    // What one may not read oneself can't be saved.
    mode(&tree.join("zeros"), 0o400);
    mode(&tree, 0o555);
    user_xattrs(&tree);
    save(&store, &key(), &[Source { name: "t", path: &tree }]).unwrap();
    let there = root.join("there");
    fs::create_dir(&there).unwrap();
    for path in [&root.join("absent"), &there] {
        restore(&store, &key(), &[Destination { name: "t", path }]).unwrap().unwrap();
        assert_same(&tree, path);
    }
}

#[test]
fn what_needs_root_is_an_error_without() {
    if !is_root("what_needs_root_is_an_error_without") {
        return;
    }
    let place = Place::new();
    mode(place.root.path(), 0o777);
    for (name, change) in [("owner", 0), ("device", 1), ("capability", 2), ("group", 3)] {
        let tree = place.folder(name);
        fs::write(tree.join("before"), "x").unwrap();
        fs::write(tree.join("file"), "x").unwrap();
        for path in [&tree, &tree.join("before"), &tree.join("file")] {
            chown(path, Some(4321), Some(4321)).unwrap();
        }
        match change {
            0 => chown(tree.join("file"), Some(0), None).unwrap(),
            1 => {
                let device = rustix::fs::makedev(1, 3);
                let mode = Mode::from_raw_mode(0o666);
                rustix::fs::mknodat(CWD, tree.join("null"), FileType::CharacterDevice, mode, device).unwrap();
            }
            2 => xattr(
                &tree.join("file"),
                "security.capability",
                &[1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
            _ => chown(tree.join("file"), None, Some(0)).unwrap(),
        }
        place.save(&tree);
        let status = child("child_without_rights", place.root.path(), Some(4321)).wait().unwrap();
        assert!(status.success(), "{name}");
        assert!(place.path("there-not").symlink_metadata().is_err());
        fs::remove_file(place.path("test-executable-child_without_rights")).unwrap();
    }
    place.assert_clean();
}

#[test]
fn child_without_rights() {
    let Some(root) = child_folder() else { return };
    let path = root.join("there-not");
    let error =
        restore(&open(&root.join("cache")), &key(), &[Destination { name: "t", path: &path }]).unwrap_err();
    assert!(matches!(&error, Error::Privilege { path: of, .. } if of.starts_with(&path)), "{error:?}");
}

#[test]
fn gnu_tar_unpacks_it_as_well() {
    if !is_root("gnu_tar_unpacks_it_as_well") {
        return;
    }
    let place = Place::new();
    let tree = place.folder("tree");
    tree_of_root(&tree);
    user_xattrs(&tree);
    let saved = place.save(&tree);
    let packed = place.store.find(&saved.id.into()).unwrap().unwrap();
    let tar = place.path("t.tar");
    zstd::stream::copy_decode(packed.reader().unwrap(), File::create(&tar).unwrap()).unwrap();
    let folder = place.folder("by-tar");
    let mut program = Command::new("tar");
    // The last two: times before 1970, and that names of other than UTF-8 are so on purpose.
    program.args(["--xattrs", "--xattrs-include=*", "--numeric-owner", "-xpf"]).arg(&tar);
    program.args(["--warning=no-timestamp", "--warning=no-unknown-keyword"]).current_dir(&folder);
    let done = program.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&done.stderr), "");
    assert!(done.status.success());
    assert_same(&tree, &folder.join("t"));
}

#[test]
fn outputs_of_every_kind_are_put_back_together() {
    let place = Place::new();
    let tree = place.folder("tree");
    tree_of_a_user(&tree);
    fs::write(place.path("file"), "content").unwrap();
    symlink("../x", place.path("link")).unwrap();
    mtime(&place.path("link"), 1, 2);
    let names = ["tree", "file", "link"];
    let paths = names.map(|name| place.path(name));
    let sources: Vec<_> = names.iter().zip(&paths).map(|(name, path)| Source { name, path }).collect();
    save(&place.store, &key(), &sources).unwrap();
    let out = place.folder("out");
    let into = names.map(|name| out.join(name));
    let destinations: Vec<_> =
        names.iter().zip(&into).map(|(name, path)| Destination { name, path }).collect();
    restore(&place.store, &key(), &destinations).unwrap().unwrap();
    for (one, other) in paths.iter().zip(&into) {
        assert_same(one, other);
    }
    let one = Destination { name: "file", path: &place.path("alone") };
    restore(&place.store, &key(), &[one]).unwrap().unwrap();
    assert_same(&place.path("file"), one.path);
    place.assert_clean();

    let undone: [(&str, PathBuf); 2] =
        [("tree", place.folder("filled")), ("file", place.folder("in-the-way"))];
    fs::write(place.path("in-the-way/x"), "").unwrap();
    let before = [seen(&place.path("filled")), seen(&place.path("in-the-way"))];
    let destinations = undone.each_ref().map(|(name, path)| Destination { name, path });
    assert!(matches!(restore(&place.store, &key(), &destinations), Err(Error::NotEmpty { .. })));
    fs::remove_file(place.path("in-the-way/x")).unwrap();
    mtime(&place.path("in-the-way"), 5, 5);
    let error = restore(&place.store, &key(), &destinations).unwrap_err();
    assert!(
        matches!(&error, Error::InTheWay { path } if *path == undone[1].1),
        "a file in a folder's place: {error:?}"
    );
    mtime(&place.path("in-the-way"), 5, 5);
    assert_same_seen(&before[0], &seen(&place.path("filled")));
    assert_eq!(entries(&undone[1].1).len(), 0);
    place.assert_clean();
}

#[test]
fn sockets_and_mounts_are_left_out_and_told() {
    run_on_tmpfs("child_with_mount", "1m");
}

#[test]
fn child_with_mount() {
    let Some(root) = child_folder() else { return };
    let store = open(&root.join("cache"));
    let tree = root.join("full");
    fs::write(tree.join("file"), "x").unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).unwrap();
    fs::create_dir(root.join("tree")).unwrap();
    fs::rename(root.join("socket"), root.join("tree/socket")).unwrap();
    fs::create_dir(root.join("tree/mounted")).unwrap();
    let bound =
        Command::new("mount").arg("--bind").args([&tree, &root.join("tree/mounted")]).status().unwrap();
    assert!(bound.success());
    let path = &root.join("tree");
    let saved = save(&store, &key(), &[Source { name: "t", path }]).unwrap();
    let left_out = |name: &str, reason| LeftOut { path: path.join(name), reason };
    assert_eq!(saved.left_out, [left_out("mounted", Reason::Mounted), left_out("socket", Reason::Socket)]);
    let destination = &root.join("restored");
    restore(&store, &key(), &[Destination { name: "t", path: destination }]).unwrap().unwrap();
    assert_eq!(entries(destination), [destination.join("mounted")]);

    // A mount point is a source, and a destination, as any folder is.
    save(&store, &key(), &[Source { name: "t", path: &tree }]).unwrap();
    let before = seen(&tree);
    fs::remove_file(tree.join("file")).unwrap();
    restore(&store, &key(), &[Destination { name: "t", path: &tree }]).unwrap().unwrap();
    assert_same_seen(&before, &seen(&tree));
}
