//! `vcache prefetch`, `check`, `ls` and `gc` with packages: the real apt, and an archive that is served on loopback.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, SystemTime};

use serde_json::Value;
use vcache_store::{Config, Kind, Store};
use vcache_testkit::debian::{SandboxUser, Sources, Trust, foreign, native};
use vcache_testkit::{Fault, Need, Run, bin_dir, missing};
use vcache_tests::debian::{Setup, World};

/// What a command did.
struct Done {
    stdout: String,
    stderr: String,
}

impl Done {
    #[track_caller]
    fn says(&self, text: &str) -> &Done {
        assert!(self.stdout.contains(text), "{text}:\n{}\n{}", self.stdout, self.stderr);
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.stdout, self.stderr))
    }
}

/// `vcache`, where the machine's apt is the one of the root.
fn command(world: &World, args: &str) -> Run {
    let mut run = world.shim(args).env("VCACHE_SHIMS", world.sandbox.shims());
    run = run.wrapped([bin_dir().join("vcache")]);
    run
}

#[track_caller]
fn expect(run: &Run, code: i32) -> Done {
    let done = run.finish();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&done.stdout), text(&done.stderr));
    assert_eq!((done.code, done.timed_out), (code, false), "{run:?}\n{stdout}\n{stderr}");
    Done { stdout, stderr }
}

#[track_caller]
fn vcache(world: &World, args: &str, code: i32) -> Done {
    expect(&command(world, args), code)
}

fn pin(world: &World, file: &str, text: &str) {
    world.sandbox.write(format!("work/pins/{file}"), text.as_bytes());
}

/// The files that were asked for, without the folders.
fn asked(world: &World, ending: &str) -> Vec<String> {
    let log = world.mirror.origin().take_log();
    let names = log.iter().filter_map(|request| request.target.rsplit('/').next());
    let mut names: Vec<String> = names.filter(|name| name.ends_with(ending)).map(str::to_owned).collect();
    names.sort();
    names
}

fn versions(architecture: &str) -> String {
    format!("versions-deb-stable-{architecture}")
}

const PINS: &str = "hello==1.0-1\nlibhello==1:1.0~rc1-1\ntool==1.0+fips\ntwo==1.0\n";

#[test]
fn what_is_pinned_is_fetched_once_and_found_without_the_network() {
    let Some(mut world) = World::new("what_is_pinned_is_fetched_once_and_found_without_the_network") else {
        return;
    };
    pin(&world, &versions(native()), PINS);
    pin(&world, &versions(foreign()), "foreign==1.0\nlibhello==1:1.0~rc1-1\n");
    pin(&world, "sub/versions-deb", &format!("two==1.0\ntwo:{}==9\n", foreign()));
    vcache(&world, "prefetch --dry-run pins", 0).says("7 packages would be fetched; 0 there already");
    assert!(!world.sandbox.cache().exists(), "only looked");
    vcache(&world, "check pins", 1).says("7 pins, 0 there: 7 missing; to fetch what is: vcache prefetch\n");
    world.mirror.origin().take_log();

    let missing = format!("two 9 ({}, ", foreign());
    let done = vcache(&world, "prefetch --only deb pins", 1);
    done.says(&missing).says("/pins/sub/versions-deb:2): no index of the apt sources offers it\n");
    done.says("6 packages fetched, ").says("; 0 there already; 1 failed\n");
    let came = asked(&world, ".deb");
    assert_eq!(came.len(), 6, "each once: {came:?}");
    let left: Vec<_> = std::fs::read_dir(world.root.dir().join("tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(std::fs::read_dir(world.root.dir().join("var/lib/apt/lists")).unwrap().count(), 1, "partial");

    pin(&world, "sub/versions-deb", "two==1.0\n");
    // Content that came in another way is not fetched again.
    let store = Store::open(&Config { dir: world.sandbox.cache(), ..Config::default() }).unwrap();
    for (path, record) in store.records_of(Kind::Deb) {
        if record.unwrap().key.starts_with("deb:") {
            std::fs::remove_file(path).unwrap();
        }
    }
    vcache(&world, "check pins", 1).says("6 pins, 0 there");
    vcache(&world, "prefetch pins", 0).says("0 packages fetched, 0 B; 6 there already\n");
    assert_eq!(asked(&world, ".deb"), [""; 0]);
    world.mirror.stop();
    vcache(&world, "prefetch pins", 0).says("0 packages fetched, 0 B; 6 there already\n");
    let facts = vcache(&world, "check --json pins", 0).json();
    assert_eq!((&facts["pins"], &facts["held"]), (&6.into(), &6.into()), "{facts:#}");
    vcache(&world, &format!("check --arch {} pins", native()), 0).says("4 pins, 4 there");
    // The indexes came, too.
    assert!(world.link_shims());
    expect(&world.shim("apt-get update").env("VCACHE_OFFLINE", "y"), 0);
    expect(
        &world.shim("apt-get install -y --no-install-recommends hello tool").env("VCACHE_OFFLINE", "y"),
        0,
    );
}

#[test]
fn what_cannot_be_had_is_named_and_stops_nothing() {
    let Some(mut world) = World::new("what_cannot_be_had_is_named_and_stops_nothing") else { return };
    pin(&world, "versions-deb", &format!("{PINS}none==1\nbig==1.0\nhello-doc==1.0-1\nno pin\n"));
    world.mirror.origin().fault(&world.mirror.deb_path("big"), Fault::Status(404));
    let done = vcache(&world, "prefetch --json pins/versions-deb", 1);
    let facts = done.json();
    let failed = facts["failed"].as_array().unwrap();
    let names: Vec<_> = failed.iter().filter_map(|of| of["package"].as_str()).collect();
    assert_eq!(names, ["none", "big"], "{facts:#}\n{}", done.stderr);
    assert!(failed[1]["why"].as_str().unwrap().contains("404"), "{facts:#}");
    assert!(failed[0]["place"].as_str().unwrap().ends_with("versions-deb:5"), "{facts:#}");
    assert_eq!(facts["packages"].as_array().unwrap().len(), 5, "{facts:#}");
    assert!(done.stderr.contains("versions-deb:8: "), "{}", done.stderr);
    vcache(&world, "check pins", 1).says(&format!("missing: none 1 ({}, ", native()));

    // Without the network, as with a package that no origin has.
    world.mirror.origin().mend();
    let offline = command(&world, "prefetch pins").env("VCACHE_OFFLINE", "y");
    expect(&offline, 1).says("big 1.0 (").says("not in the cache, and the network must not be touched");
    vcache(&world, "prefetch pins", 1).says("1 package fetched, ").says("; 5 there already; 1 failed\n");
    // Nor with an archive that is away: what the cache has of its indexes does.
    world.mirror.stop();
    let away = vcache(&world, "prefetch pins", 1);
    away.says("no index of the apt sources offers it");
}

#[test]
fn sources_and_keys_can_be_named() {
    let Some(mut world) = World::new("sources_and_keys_can_be_named") else { return };
    world.prepare(&Setup { form: Sources::Deb822, ..Setup::default() });
    pin(&world, "versions-deb", PINS);
    let etc = world.root.dir().join("etc/apt");
    let named = world.sandbox.work().join("named");
    std::fs::create_dir(&named).unwrap();
    std::fs::rename(etc.join("sources.list.d/test.sources"), named.join("x.sources")).unwrap();
    std::fs::rename(etc.join("trusted.gpg.d/test.asc"), named.join("x.asc")).unwrap();
    vcache(&world, "prefetch pins", 1).says("4 failed");
    let unsigned = vcache(&world, "prefetch --apt-sources named pins", 1);
    assert!(unsigned.stderr.contains("NO_PUBKEY"), "{}", unsigned.stderr);
    vcache(&world, "prefetch --apt-sources named --apt-keyring named/x.asc pins", 0)
        .says("4 packages fetched");
    assert!(vcache(&world, "prefetch --apt-sources none pins", 0).says("4 there already").stderr.is_empty());
    std::fs::remove_dir_all(world.sandbox.cache()).unwrap();
    let none = vcache(&world, "prefetch --apt-sources none pins", 1);
    assert!(none.stderr.contains("work/none: "), "{}", none.stderr);
}

#[test]
fn without_apt_get_it_is_said_before_anything_is_done() {
    let Some(world) = World::new("without_apt_get_it_is_said_before_anything_is_done") else { return };
    pin(&world, "versions-deb", PINS);
    let done = expect(&command(&world, "prefetch pins").env("PATH", world.sandbox.shims()), 1);
    assert!(done.stderr.contains("apt-get: command not found"), "{}", done.stderr);
    assert!(done.stderr.contains("--only git"), "{}", done.stderr);
}

#[test]
fn who_ends_apt_ends_the_rest() {
    let Some(world) = World::new("who_ends_apt_ends_the_rest") else { return };
    pin(&world, "versions-deb", PINS);
    let tools = world.sandbox.root().join("tools");
    let path = world.sandbox.write("tools/apt-get", b"#!/bin/sh\necho run >>\"$HOME/runs\"\nkill -TERM $$\n");
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let run = command(&world, "prefetch pins").env("PATH", format!("{}:/usr/bin:/bin", tools.display()));
    let done = expect(&run, 1);
    assert!(done.stderr.contains("apt-get was ended by signal 15"), "{}", done.stderr);
    assert_eq!(std::fs::read_to_string(world.sandbox.home().join("runs")).unwrap(), "run\n");
}

#[test]
fn methods_may_become_another_user() {
    if missing("methods_may_become_another_user", &[Need::Root]) {
        return;
    }
    let Some(mut world) = World::new("methods_may_become_another_user") else { return };
    world.prepare(&Setup { user: SandboxUser::Apt, trust: Trust::SignedBy, ..Setup::default() });
    pin(&world, "versions-deb", PINS);
    let done = vcache(&world, "prefetch pins", 0);
    done.says("4 packages fetched");
    assert_eq!(done.stderr, "");
}

/// Everything in the cache was last used this long ago.
fn age(world: &World, days: u64) {
    let time = SystemTime::now() - Duration::from_secs(days * 86_400);
    let mut left = vec![world.sandbox.cache()];
    while let Some(dir) = left.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            match entry.path().is_dir() {
                true => left.push(entry.path()),
                false => std::fs::File::open(entry.path()).unwrap().set_modified(time).unwrap(),
            }
        }
    }
}

fn records(world: &World, kind: Kind) -> Vec<String> {
    let store = Store::open(&Config { dir: world.sandbox.cache(), ..Config::default() }).unwrap();
    let mut keys: Vec<String> = store.records_of(kind).map(|(_, record)| record.unwrap().key).collect();
    keys.sort();
    keys
}

#[test]
fn indexes_and_packages_are_told_apart_and_pinned_ones_kept() {
    let Some(mut world) = World::new("indexes_and_packages_are_told_apart_and_pinned_ones_kept") else {
        return;
    };
    pin(&world, "versions-deb", PINS);
    assert!(world.link_shims());
    let update = |world: &World| {
        expect(&world.shim("apt-get update").env("SONIC_VERSION_CONTROL_COMPONENTS", "deb"), 0)
    };
    update(&world);
    vcache(&world, "prefetch pins", 0);
    let recorded = world.sandbox.buildinfo().join("build-versions/versions-mirror");
    std::fs::rename(recorded, world.sandbox.work().join("pins/versions-mirror")).unwrap();
    let pinned = records(&world, Kind::DebIndex);
    world.mirror.move_on();
    world.new_root(&Setup::default());
    update(&world);
    assert!(records(&world, Kind::DebIndex).len() > pinned.len());

    let listed = vcache(&world, "ls --kind deb --sort url", 0);
    listed.says(&format!("  libhello=1:1.0~rc1-1:{}\n", native())).says("  tool=1.0:all\n");
    assert!(!listed.stdout.contains("InRelease"), "{}", listed.stdout);
    let facts = vcache(&world, "ls --kind deb-index --json", 0).json();
    let entries = facts["entries"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["kind"] == "deb-index"), "{facts:#}");
    assert!(entries.iter().any(|entry| entry["url"].as_str().unwrap().ends_with("/InRelease")), "{facts:#}");

    // Of all that is old, indexes alone.
    age(&world, 10);
    let text = vcache(&world, "gc --index-older-than 7d --keep-versions pins --dry-run", 0);
    text.says("KIND       WOULD GO").says("deb               0").says(" named by version files");
    let facts = vcache(&world, "gc --index-older-than 7d --keep-versions pins --json", 0).json();
    let of = |kind: &str, what: &str| {
        let kinds = facts["kinds"].as_array().unwrap();
        let found = kinds.iter().find(|of| of["kind"] == kind);
        found.unwrap_or_else(|| panic!("{facts:#}"))[what].as_u64().unwrap()
    };
    assert_eq!((of("deb", "removed_blobs"), of("deb", "remaining_blobs")), (0, 4), "{facts:#}");
    assert!(of("deb-index", "removed_blobs") > 0 && of("deb-index", "remaining_blobs") > 0, "{facts:#}");
    let removed = facts["removed"].as_array().unwrap();
    assert!(removed.iter().all(|of| of["kind"] == "deb-index"), "{facts:#}");
    vcache(&world, "check pins", 0);

    // The pinned state still serves an apt of its own.
    world.mirror.stop();
    let pins = world.sandbox.work().join("pins/versions-mirror");
    std::fs::copy(pins, world.sandbox.buildinfo().join("versions/versions-mirror")).unwrap();
    world.new_root(&Setup::default());
    let offline = |line: &str| {
        world.shim(line).env("VCACHE_OFFLINE", "y").env("SONIC_VERSION_CONTROL_COMPONENTS", "deb")
    };
    expect(&offline("apt-get update"), 0);
    expect(&offline("apt-get install -y --no-install-recommends hello=1.0-1"), 0);

    // Packages that are named stay, whatever their age; one that is not goes.
    pin(&world, "versions-deb", "hello==1.0-1\ntool==1.0\n");
    age(&world, 10);
    vcache(&world, "gc --older-than 7d --keep-versions pins/versions-deb", 0);
    let left: Vec<String> =
        records(&world, Kind::Deb).into_iter().filter(|key| key.starts_with("deb:")).collect();
    assert_eq!(left, [format!("deb:hello=1.0-1:{}", native()), "deb:tool=1.0:all".to_owned()]);
}
