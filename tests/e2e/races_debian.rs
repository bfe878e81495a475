//! apt in a crowd, and apt killed: each content is fetched once, and nothing wrong or half remains, no process either.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use vcache_testkit::debian::{AptRoot, Place, SandboxUser, Sources, Trust};
use vcache_testkit::{Fault, sha256_hex};
use vcache_tests::debian::{World, files};

fn world(test: &str) -> Option<World> {
    let world = World::new(test)?;
    world.link_shims();
    world.sandbox.clear();
    Some(world)
}

/// Roots for the same archive, side by side.
fn roots(world: &World, count: usize) -> Vec<AptRoot> {
    let make = |number: usize| {
        let root = AptRoot::make(world.sandbox.root().join(format!("root{number}")), SandboxUser::Root);
        let places = [Place { url: world.mirror.url(), suite: "stable".to_owned() }];
        root.sources(Sources::OneLine, &places, Trust::Parts, world.mirror.key());
        root
    };
    (0..count).map(make).collect()
}

/// Runs a line in all roots at once, each in a working folder of its own.
fn all(world: &World, roots: &[AptRoot], line: &str) {
    std::thread::scope(|scope| {
        for root in roots {
            let folder = root.dir().join("tmp");
            scope.spawn(move || {
                let run = root.confine(world.shim(line)).env("TMPDIR", &folder).cwd(folder);
                run.finish().expect_code(0);
            });
        }
    });
}

/// What the origin was asked for, with how often, since its log was taken.
fn counts(world: &World) -> BTreeMap<String, usize> {
    world.mirror.origin().counts()
}

/// Every blob in the cache is what its name says.
#[track_caller]
fn blobs_are_whole(world: &World) {
    for blob in world.blobs() {
        let name = blob.file_name().unwrap().to_string_lossy().into_owned();
        assert_eq!(sha256_hex(&fs::read(&blob).unwrap()), name);
    }
}

#[test]
fn of_many_at_once_one_fetches() {
    let Some(world) = world("of_many_at_once_one_fetches") else { return };
    let roots = roots(&world, 20);
    world.mirror.origin().take_log();
    all(&world, &roots, "apt-get update");
    for (path, count) in counts(&world) {
        // What has no digest each one asks for.
        assert_eq!(count, if path.ends_with("/InRelease") { 20 } else { 1 }, "{path}");
    }
    world.mirror.origin().take_log();
    all(&world, &roots, "apt-get download tool");
    all(&world, &roots[..2], "apt-get install -y hello tool");
    let debs = counts(&world);
    assert_eq!(debs.values().copied().collect::<Vec<_>>(), [1; 4], "{debs:?}");
    for root in &roots {
        let deb = fs::read(root.dir().join("tmp/tool_1.0_all.deb")).unwrap();
        assert!(deb == fs::read(world.mirror.folder().join("pool/main/t/tool/tool_1.0_all.deb")).unwrap());
    }
    assert!(roots[..2].iter().all(|root| root.dir().join("usr/share/hello/payload").exists()));
    blobs_are_whole(&world);
    assert_eq!(world.litter(), Vec::<PathBuf>::new());
}

/// The processes below one, with their executables.
fn descendants(of: u32) -> BTreeMap<u32, PathBuf> {
    let mut parents = BTreeMap::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1)?.parse().ok());
        parents.insert(pid, parent.unwrap_or(0u32));
    }
    let mut found = BTreeMap::new();
    let mut left = vec![of];
    while let Some(pid) = left.pop() {
        found.insert(pid, fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default());
        left.extend(parents.iter().filter(|(_, parent)| **parent == pid).map(|(child, _)| *child));
    }
    found
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}: not within ten seconds");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // Z: ended, and waits for its parent to look.
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

#[test]
fn whoever_is_killed_leaves_nothing_wrong() {
    let Some(mut world) = world("whoever_is_killed_leaves_nothing_wrong") else { return };
    world.shim("apt-get update").finish().expect_code(0);
    let big = world.mirror.deb_path("big");
    let is_method = |exe: &Path| exe.starts_with("/usr/lib/apt/methods");
    let is_shim = |exe: &Path| exe.ends_with("vcache-shim");
    for (signal, victim) in [
        ("KILL", "shim"),
        ("KILL", "apt"),
        ("KILL", "our method"),
        ("KILL", "method"),
        ("TERM", "shim"),
        ("INT", "our method"),
    ] {
        for fault in [Fault::Hang, Fault::Truncated(100_000)] {
            let what = format!("SIG{signal} for {victim}, {fault:?}");
            let is_hanging = fault == Fault::Hang;
            world.mirror.origin().fault(&big, fault);
            world.mirror.origin().take_log();
            let run = world.shim("apt-get install -y big");
            let mut child = run.spawn_silent();
            wait_until(&what, || counts(&world).contains_key(&big));
            let all = descendants(child.id());
            let pick = |wanted: &dyn Fn(u32, &Path) -> bool| {
                all.iter().find(|(pid, exe)| wanted(**pid, exe)).map(|(pid, _)| *pid)
            };
            let own = child.id();
            let picked = match victim {
                "shim" => Some(own),
                "apt" => pick(&|_, exe| exe.ends_with("apt-get")),
                "our method" => pick(&|pid, exe| pid != own && is_shim(exe)),
                _ => pick(&|_, exe| is_method(exe)),
            };
            // An origin that breaks off may have ended it all by now.
            assert!(picked.is_some() || !is_hanging, "{what}: {all:?}");
            if let Some(pid) = picked {
                Command::new("kill").args([format!("-{signal}"), pid.to_string()]).output().unwrap();
            }
            wait_until(&what, || child.try_wait().unwrap().is_some());
            assert!(!child.wait().unwrap().success(), "{what}");
            wait_until(&format!("{what}: {all:?}"), || !all.keys().any(|pid| is_alive(*pid)));
            blobs_are_whole(&world);
            assert!(!world.installed().iter().any(|line| line.starts_with("big:")), "{what}");
        }
        world.mirror.origin().mend();
        world.shim("apt-get install -y big").finish().expect_code(0);
        world.empty();
        // What the killed ones have left is no part of the next one's.
        world.mirror.stop();
        world.shim("apt-get install -y big").finish().expect_code(0);
        world.mirror.resume();
        world.empty();
        fs::remove_dir_all(world.sandbox.cache()).unwrap();
    }
}

/// A first one that dies in the middle lets go of what others wait for.
#[test]
fn one_that_waits_goes_on_when_the_other_one_is_killed() {
    let Some(world) = world("one_that_waits_goes_on_when_the_other_one_is_killed") else { return };
    let roots = roots(&world, 2);
    all(&world, &roots, "apt-get update");
    let big = world.mirror.deb_path("big");
    world.mirror.origin().fault(&big, Fault::Hang);
    world.mirror.origin().take_log();
    let start = |root: &AptRoot| root.confine(world.shim("apt-get install -y big")).spawn_silent();
    let mut first = start(&roots[0]);
    wait_until("the first one asks", || counts(&world).contains_key(&big));
    let mut second = start(&roots[1]);
    wait_until("the second one waits", || descendants(second.id()).len() >= 4);
    world.mirror.origin().mend();
    first.kill().unwrap();
    first.wait().unwrap();
    wait_until("the second one ends", || second.try_wait().unwrap().is_some());
    assert!(second.wait().unwrap().success());
    assert!(roots[1].dir().join("usr/share/big/payload").exists());
    assert_eq!(counts(&world)[&big], 2);
    blobs_are_whole(&world);
    assert!(files(&world.sandbox.cache().join("tmp")).len() <= 1);
}
