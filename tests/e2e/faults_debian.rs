//! Faults of what apt gets from the cache or the origin: damaged, wrong or no content, a full disk, a cache that can't be written or read.
//! Whatever happens, no wrong byte is installed, and apt does what it would do without the cache.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use vcache_testkit::debian::{Picture, SandboxUser, native};
use vcache_testkit::{Fault, Need, missing, sha256_hex};
use vcache_tests::debian::{Setup, World, files};
use vcache_tests::entries;

/// Nobody, who owns nothing.
const NOBODY: u32 = 65_534;

fn world(test: &str) -> Option<World> {
    let world = World::new(test)?;
    world.link_shims();
    world.sandbox.clear();
    Some(world)
}

fn get(world: &World, line: &str, code: i32) -> String {
    let done = world.shim(line).finish();
    done.expect_code(code).stderr_text()
}

/// The blob of a file of the archive.
fn blob_of(world: &World, path: &Path) -> PathBuf {
    let digest = sha256_hex(&fs::read(path).unwrap());
    let found = world.blobs().into_iter().find(|blob| blob.to_string_lossy().contains(&digest[2..]));
    found.unwrap_or_else(|| panic!("no blob of {}", path.display()))
}

/// The deb of a package, in the archive's folder.
fn deb(world: &World, name: &str) -> PathBuf {
    world.mirror.folder().join(world.mirror.deb_path(name).trim_start_matches("/debian/"))
}

/// How often a path of the origin was asked for since its log was taken.
fn asked_for(world: &World, part: &str) -> usize {
    let counts = world.mirror.origin().counts();
    counts.iter().filter(|(path, _)| path.contains(part)).map(|(_, count)| count).sum()
}

fn is_installed(world: &World, name: &str) -> bool {
    world.installed().iter().any(|line| line.starts_with(&format!("{name}:")))
}

fn flip(bytes: &mut [u8]) {
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
}

fn cut(bytes: &mut Vec<u8>) {
    bytes.truncate(bytes.len() / 2);
}

#[test]
fn damaged_content_is_fetched_again() {
    let Some(mut world) = world("damaged_content_is_fetched_again") else { return };
    get(&world, "apt-get update", 0);
    get(&world, "apt-get install -y tool", 0);
    let index = world.mirror.folder().join(format!("dists/stable/main/binary-{}/Packages.xz", native()));
    for (file, line, asked) in [
        (deb(&world, "tool"), "apt-get install -y tool", "/tool_1.0_all.deb"),
        (index, "apt-get update", "/by-hash/"),
    ] {
        // What has another length than its record says is gone without a word.
        for (damage, is_told) in [((|bytes| flip(bytes)) as fn(&mut Vec<u8>), true), (cut, false)] {
            let harm = |world: &World| {
                let blob = blob_of(world, &file);
                let mut bytes = fs::read(&blob).unwrap();
                damage(&mut bytes);
                // Another file: names that were given out keep what they had.
                fs::remove_file(&blob).unwrap();
                fs::write(&blob, bytes).unwrap();
            };
            harm(&world);
            world.empty();
            if line.ends_with("update") {
                world.new_root(&Setup::default());
            }
            fs::remove_file(world.sandbox.build_log()).unwrap();
            world.mirror.origin().take_log();
            let said = get(&world, line, 0);
            assert_eq!(said.contains("it is put aside and fetched again"), is_told, "{line}: {said}");
            assert_eq!(asked_for(&world, asked), 1, "{line}");
            assert_eq!(is_installed(&world, "tool"), line.ends_with("tool"));
            assert!(!files(&world.sandbox.cache().join("quarantine")).is_empty(), "{line}");
            blob_of(&world, &file);
            let events = entries(&world.sandbox);
            assert_eq!(events.iter().any(|entry| entry.outcome == "corrupt"), is_told, "{line}");
            // Without an origin it is as if the cache had nothing.
            harm(&world);
            world.empty();
            if line.ends_with("update") {
                world.new_root(&Setup::default());
            }
            world.mirror.stop();
            // An index that can't be had is passed over by apt for now.
            get(&world, line, if line.ends_with("update") { 0 } else { 100 });
            assert!(!is_installed(&world, "tool"));
            let lists = Picture::of(&world.root).section("lists").join("\n");
            assert_eq!(lists.contains("_Packages"), !line.ends_with("update"), "{lists}");
            world.mirror.resume();
            get(&world, line, 0);
        }
    }
}

#[test]
fn what_the_origin_has_wrong_is_not_kept() {
    let Some(mut world) = world("what_the_origin_has_wrong_is_not_kept") else { return };
    get(&world, "apt-get update", 0);
    let before = world.blobs();
    let tool = world.mirror.deb_path("tool");
    let mut bytes = fs::read(deb(&world, "tool")).unwrap();
    flip(&mut bytes);
    for fault in [
        Fault::Bytes(bytes),
        Fault::Truncated(2_000),
        Fault::Bytes(Vec::new()),
        Fault::Status(404),
        Fault::Status(503),
    ] {
        world.mirror.origin().fault(&tool, fault.clone());
        let is_lie = matches!(fault, Fault::Bytes(_));
        for line in ["apt-get install -y tool", "apt-get download tool"] {
            let real = world.real(line).finish();
            world.empty();
            let said = get(&world, line, 100);
            assert_eq!(real.code, 100);
            let tells = |said: &str| said.contains("Hash Sum mismatch") || said.contains("unexpected size");
            assert_eq!(tells(&said), tells(&real.stderr_text()), "{fault:?}: {said}");
            assert!(!is_lie || tells(&said), "{fault:?}: {said}");
            assert!(!is_installed(&world, "tool"));
        }
        assert_eq!(world.blobs(), before, "{fault:?}");
        assert_eq!(files(&world.sandbox.cache().join("tmp")).len(), 1, "{fault:?}");
    }
    world.mirror.origin().mend();
    get(&world, "apt-get install -y tool", 0);
    // An index.
    world.sandbox.clear();
    world.new_root(&Setup { by_hash: false, ..Setup::default() });
    let index = format!("/debian/dists/stable/main/binary-{}/by-hash/SHA256/", native());
    let xz = world.mirror.folder().join(format!("dists/stable/main/binary-{}/Packages.xz", native()));
    world
        .mirror
        .origin()
        .fault(&format!("{index}{}", sha256_hex(&fs::read(xz).unwrap())), Fault::Bytes(b"x".to_vec()));
    let said = get(&world, "apt-get update", 100);
    assert!(said.contains("Hash Sum mismatch") || said.contains("unexpected size"), "{said}");
    assert!(!world.blobs().iter().any(|blob| fs::read(blob).unwrap() == b"x"));
}

#[test]
fn a_full_disk_costs_the_cache_and_not_the_build() {
    if missing("a full disk", &[Need::Root, Need::Mounts]) {
        return;
    }
    let Some(world) = world("a_full_disk_costs_the_cache_and_not_the_build") else { return };
    fs::create_dir_all(world.sandbox.cache()).unwrap();
    let mount = format!("mount -t tmpfs -o size=200k none {}", world.sandbox.cache().display());
    world.shim("apt-get update").in_mounts(&mount).finish().expect_code(0);
    let done = world.shim("apt-get install -y big").in_mounts(&mount).finish();
    assert!(done.expect_code(0).stderr_text().contains("is not kept"), "{}", done.stderr_text());
    assert!(is_installed(&world, "big"));
    // Not even folders.
    world.empty();
    let full = format!("{mount} && head -c 1M /dev/zero > {}/full || true", world.sandbox.cache().display());
    world.shim("apt-get update").in_mounts(&full).finish().expect_code(0);
    world.shim("apt-get install -y tool").in_mounts(&full).finish().expect_code(0);
    assert!(is_installed(&world, "tool"));
}

#[test]
fn a_read_only_cache_is_read() {
    if missing("a read-only cache", &[Need::Root, Need::Mounts]) {
        return;
    }
    let Some(mut world) = world("a_read_only_cache_is_read") else { return };
    get(&world, "apt-get update", 0);
    get(&world, "apt-get install -y tool", 0);
    world.new_root(&Setup::default());
    let cache = world.sandbox.cache();
    let mount = format!("mount --bind {0} {0} && mount -o remount,bind,ro {0}", cache.display());
    world.mirror.origin().take_log();
    let run = |world: &World, line: &str, code: i32| {
        let done = world.shim(line).in_mounts(&mount).finish();
        done.expect_code(code).stderr_text()
    };
    run(&world, "apt-get update", 0);
    assert_eq!(run(&world, "apt-get install -y tool", 0), "");
    assert_eq!(asked_for(&world, ".deb"), 0);
    assert_eq!(asked_for(&world, "/by-hash/"), 0);
    run(&world, "apt-get install -y two", 0);
    assert_eq!(asked_for(&world, ".deb"), 1);
    world.empty();
    world.mirror.stop();
    run(&world, "apt-get install -y tool", 0);
    run(&world, "apt-get install -y two", 100);
    assert_eq!(world.installed(), ["tool:all 1.0"]);
}

#[test]
fn a_cache_that_only_root_can_read_serves_root_and_not_others() {
    if missing("other users", &[Need::Root, Need::Tool("setpriv")]) {
        return;
    }
    let Some(mut world) = world("a_cache_that_only_root_can_read_serves_root_and_not_others") else { return };
    let sandboxed = Setup { user: SandboxUser::Apt, ..Setup::default() };
    world.new_root(&sandboxed);
    fs::set_permissions(world.sandbox.work(), fs::Permissions::from_mode(0o777)).unwrap();
    fs::create_dir(world.sandbox.cache()).unwrap();
    fs::set_permissions(world.sandbox.cache(), fs::Permissions::from_mode(0o700)).unwrap();
    get(&world, "apt-get update", 0);
    get(&world, "apt-get install -y hello", 0);
    world.new_root(&sandboxed);
    world.mirror.origin().take_log();
    for line in ["apt-get update", "apt-get install -y hello", "apt-get download tool"] {
        assert_eq!(get(&world, line, 0), "", "{line}");
    }
    assert_eq!(asked_for(&world, "/hello"), 0);
    assert_eq!(asked_for(&world, "/by-hash/"), 0);
    // Somebody else has no part of it.
    fs::remove_file(world.sandbox.work().join("tool_1.0_all.deb")).unwrap();
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let done = world.shim("apt-get download tool").env("VCACHE_BUILD_LOG", "").wrapped(user).finish();
    done.expect_code(0);
    let tool = world.sandbox.work().join("tool_1.0_all.deb");
    assert!(fs::read(tool).unwrap() == fs::read(deb(&world, "tool")).unwrap());
    assert_eq!(asked_for(&world, "/tool"), 2);
}

#[test]
fn a_cache_of_another_user_is_used() {
    if missing("other users", &[Need::Root, Need::Tool("setpriv")]) {
        return;
    }
    let Some(mut world) = world("a_cache_of_another_user_is_used") else { return };
    get(&world, "apt-get update", 0);
    fs::remove_dir_all(world.sandbox.cache()).unwrap();
    fs::create_dir(world.sandbox.cache()).unwrap();
    for folder in [world.sandbox.cache(), world.sandbox.work(), world.sandbox.tmp()] {
        chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    }
    let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let theirs = world.shim("apt-get download tool").env("VCACHE_BUILD_LOG", "").wrapped(user);
    theirs.finish().expect_code(0);
    world.mirror.origin().take_log();
    get(&world, "apt-get install -y tool two", 0);
    assert_eq!((asked_for(&world, "/tool"), asked_for(&world, "/two")), (0, 1));
    world.empty();
    world.mirror.stop();
    get(&world, "apt-get install -y tool two", 0);
    theirs.finish().expect_code(0);
    assert_eq!(Picture::of(&world.root).section("packages").len(), 2);
}
