//! Faults of git's cache: a crowd, a kill, damage, no room, no right to write, an origin that goes away. Whatever happens, no clone is
//! wrong and the build goes on.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use vcache_testkit::{Need, bin_dir, kill_group, missing};
use vcache_tests::git::World;

/// Asserts that `vcache verify` finds nothing.
fn verify(world: &World) {
    let vcache = bin_dir().join("vcache");
    let done = world.sandbox.real([vcache.as_os_str(), "verify".as_ref()]);
    done.env("VCACHE_DIR", world.sandbox.cache()).finish().expect_code(0);
}

#[test]
fn of_twenty_at_once_one_fetches() {
    let Some(world) = World::new("of_twenty_at_once_one_fetches") else { return };
    let small = format!("{}/plain.git", world.origin.git());
    for (url, repository) in [(world.url("big.git"), "big.git"), (small, "plain.git")] {
        world.sandbox.clear();
        world.origin.take_packs();
        std::thread::scope(|scope| {
            for number in 0..20 {
                let (world, url) = (&world, &url);
                scope.spawn(move || {
                    let limit = Duration::from_secs(120);
                    let words = ["clone", "-q", "-n", url, &format!("a{number}")];
                    world.git(&words).limit(limit).finish().expect_code(0);
                });
            }
        });
        assert_eq!(world.origin.take_packs(), [repository]);
        let head = world.origin.id(repository, "main");
        for number in 0..20 {
            let place = format!("a{number}");
            let said = world.real(&["-C", &place, "rev-parse", "HEAD"]).finish();
            assert_eq!(String::from_utf8_lossy(&said.stdout).trim(), head);
            world.real(&["-C", &place, "fsck", "--connectivity-only"]).finish().expect_code(0);
        }
        verify(&world);
    }
}

#[test]
fn of_six_with_submodules_one_fetches_each() {
    let Some(world) = World::new("of_six_with_submodules_one_fetches_each") else { return };
    let url = world.url("deep.git");
    std::thread::scope(|scope| {
        for number in 0..6 {
            let (world, url) = (&world, &url);
            scope.spawn(move || {
                let words = ["clone", "-q", "-j", "4", "--recurse-submodules", url, &format!("a{number}")];
                world.git(&words).limit(Duration::from_secs(120)).finish().expect_code(0);
            });
        }
    });
    assert_eq!(world.origin.take_packs(), ["deep.git", "sub.git", "subsub.git"]);
}

/// Kills clones at moments that are spread over the length of one: with all that they have started, or the shim alone.
fn killed(test: &str, options: &[&str], kill: impl Fn(&mut std::process::Child)) {
    let Some(mut world) = World::new(test) else { return };
    let url = world.url("big.git");
    let head = world.origin.id("big.git", "main");
    // Files in a work tree are the real git's alone.
    let options = &[&["-n"], options].concat()[..];
    let start = Instant::now();
    world.clone(options, &url).expect_code(0);
    let length = start.elapsed();
    for moment in 0..18 {
        if moment % 3 == 0 {
            fs::remove_dir_all(world.sandbox.cache()).ok();
        }
        world.sandbox.clear_work();
        let words = [&["clone", "-q"], options, &[url.as_str(), "a"]].concat();
        let mut child = world.git(&words).spawn_silent();
        // Neighbours are far apart, so that each third is spread too.
        std::thread::sleep(length * (moment * 7 % 18) / 18);
        kill(&mut child);
        child.wait().expect("a child can be waited for");
        nobody_is_left(&world);
        if moment % 6 == 5 {
            verify(&world);
            world.clone(options, &url).expect_code(0);
            world.expect_objects(&head);
        }
    }
    world.origin.stop();
    world.clone(&options[1..], &url).expect_code(0);
    world.expect_clone(&head);
    verify(&world);
}

/// Asserts that no process works in the sandbox any more, or soon none will.
fn nobody_is_left(world: &World) {
    let begin = Instant::now();
    loop {
        let left: Vec<String> = fs::read_dir("/proc")
            .expect("processes can be listed")
            .flatten()
            .filter(|entry| {
                fs::read_link(entry.path().join("cwd")).is_ok_and(|cwd| cwd.starts_with(world.sandbox.root()))
            })
            .map(|entry| {
                fs::read_to_string(entry.path().join("cmdline")).unwrap_or_default().replace('\0', " ")
            })
            .filter(|line| !line.is_empty())
            .collect();
        if left.is_empty() {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(10), "still there: {left:#?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn clones_killed_at_any_moment_leave_nothing_wrong() {
    killed("clones_killed_at_any_moment_leave_nothing_wrong", &[], |child| kill_group(child));
}

#[test]
fn shallow_clones_killed_at_any_moment_leave_nothing_wrong() {
    let test = "shallow_clones_killed_at_any_moment_leave_nothing_wrong";
    killed(test, &["--depth", "2"], |child| kill_group(child));
}

#[test]
fn a_shim_killed_alone_takes_git_with_it() {
    killed("a_shim_killed_alone_takes_git_with_it", &[], |child| child.kill().expect("kill a child"));
}

/// Damages every blob in the cache, and clones again: with the origin, and once more without it.
fn damaged(test: &str, damage: impl Fn(&Path)) {
    let Some(mut world) = World::new(test) else { return };
    let url = world.url("big.git");
    let head = world.origin.id("big.git", "main");
    for options in [&["-n"][..], &["-n", "--depth", "1"]] {
        world.origin.resume();
        world.sandbox.clear();
        world.clone(options, &url).expect_code(0);
        world.blobs().iter().for_each(|blob| damage(blob));
        world.clone(options, &url).expect_code(0);
        world.expect_objects(&head);
        // And mended.
        world.origin.stop();
        world.clone(options, &url).expect_code(0);
        world.expect_objects(&head);
        world.blobs().iter().for_each(|blob| damage(blob));
        let done = world.clone(options, &url);
        assert_ne!(done.code, 0, "{options:?}: {}", done.stderr_text());
        assert!(!world.sandbox.work().join("a").exists(), "{options:?} left a clone");
    }
}

fn flip(blob: &Path, at: impl Fn(usize) -> usize) {
    fs::set_permissions(blob, fs::Permissions::from_mode(0o644)).expect("chmod");
    let mut bytes = fs::read(blob).expect("read a blob");
    let at = at(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1;
    }
    fs::write(blob, bytes).expect("write a blob");
}

#[test]
fn a_flipped_bit_is_never_served() {
    damaged("a_flipped_bit_is_never_served", |blob| flip(blob, |size| size / 2));
}

#[test]
fn a_flipped_bit_at_the_end_is_never_served() {
    damaged("a_flipped_bit_at_the_end_is_never_served", |blob| flip(blob, |size| size.saturating_sub(3)));
}

#[test]
fn truncated_blobs_are_never_served() {
    damaged("truncated_blobs_are_never_served", |blob| {
        fs::set_permissions(blob, fs::Permissions::from_mode(0o644)).expect("chmod");
        let size = fs::metadata(blob).expect("stat").len();
        fs::OpenOptions::new()
            .write(true)
            .open(blob)
            .and_then(|file| file.set_len(size / 2))
            .expect("truncate");
    });
}

#[test]
fn deleted_blobs_are_a_miss() {
    damaged("deleted_blobs_are_a_miss", |blob| fs::remove_file(blob).expect("delete a blob"));
}

#[test]
fn a_full_disk_costs_the_cache_and_not_the_build() {
    let test = "a_full_disk_costs_the_cache_and_not_the_build";
    if missing(test, &[Need::Root, Need::Mounts]) {
        return;
    }
    let Some(world) = World::new(test) else { return };
    fs::create_dir_all(world.sandbox.cache()).expect("make the cache");
    let mount = format!("mount -t tmpfs -o size=64k none {}", world.sandbox.cache().display());
    let url = world.url("big.git");
    for options in [&[][..], &["--depth", "1"], &["--filter=blob:none"]] {
        world.sandbox.clear_work();
        let words = [&["clone"], options, &[url.as_str(), "a"]].concat();
        let done = world.git(&words).in_mounts(&mount).finish();
        done.expect_code(0);
        assert!(done.stderr_text().contains("vcache: warning: "), "{options:?}: {}", done.stderr_text());
        world.expect_clone(&world.origin.id("big.git", "main"));
    }
    // Where the real git can't do it in our stead: what is pinned, and a submodule.
    let pin = world.origin.id("big.git", "main~1");
    world.sandbox.pin_git(&format!("{url}=={pin}\n"));
    world.sandbox.clear_work();
    world.git(&["clone", "-q", &url, "a"]).in_mounts(&mount).finish().expect_code(0);
    world.expect_clone(&pin);
    world.origin.with_submodule_of("roomy.git", "big.git");
    world.sandbox.clear_work();
    let words = ["clone", "-q", "--recurse-submodules", &world.url("roomy.git"), "a"];
    world.git(&words).in_mounts(&mount).finish().expect_code(0);
    assert_eq!(world.ask(&["-C", "s", "rev-parse", "HEAD"]), world.origin.id("big.git", "main"));
}

#[test]
fn a_full_temporary_folder_costs_the_cache_and_not_the_build() {
    let test = "a_full_temporary_folder_costs_the_cache_and_not_the_build";
    if missing(test, &[Need::Root, Need::Mounts]) {
        return;
    }
    let Some(world) = World::new(test) else { return };
    let mount = format!("mount -t tmpfs -o size=64k none {}", world.sandbox.tmp().display());
    let url = world.url("big.git");
    for options in [&[][..], &["--depth", "1"]] {
        let words = [&["clone", "-q"], options, &[url.as_str(), "a"]].concat();
        world.sandbox.clear_work();
        world.git(&words).in_mounts(&mount).finish().expect_code(0);
        world.expect_clone(&world.origin.id("big.git", "main"));
        world.sandbox.clear_work();
        world.git(&words).env("TMPDIR", "/nonexistent").finish().expect_code(0);
        world.expect_clone(&world.origin.id("big.git", "main"));
    }
}

#[test]
fn a_read_only_cache_is_read() {
    if missing("a_read_only_cache_is_read", &[Need::Root, Need::Mounts]) {
        return;
    }
    let Some(mut world) = World::new("a_read_only_cache_is_read") else { return };
    let (plain, sub) = (world.url("plain.git"), world.url("sub.git"));
    world.clone(&[], &plain).expect_code(0);
    let mount =
        format!("mount --bind {0} {0} && mount -o remount,bind,ro {0}", world.sandbox.cache().display());
    let clone = |world: &World, url: &str| {
        world.sandbox.clear_work();
        world.git(&["clone", url, "a"]).in_mounts(&mount).finish()
    };
    clone(&world, &sub).expect_code(0);
    world.expect_clone(&world.origin.id("sub.git", "main"));
    world.origin.take_packs();
    clone(&world, &plain).expect_code(0);
    assert_eq!(world.origin.take_packs(), Vec::<String>::new());
    world.origin.stop();
    clone(&world, &plain).expect_code(0);
    world.expect_clone(&world.origin.id("plain.git", "main"));
    assert_ne!(clone(&world, &sub).code, 0);
}

#[test]
fn another_user_reads_the_cache_and_adds_to_it_where_it_is_shared() {
    let test = "another_user_reads_the_cache_and_adds_to_it_where_it_is_shared";
    if missing(test, &[Need::Root, Need::Tool("setpriv")]) {
        return;
    }
    let Some(mut world) = World::new(test) else { return };
    fs::create_dir_all(world.sandbox.cache()).expect("make the cache");
    fs::set_permissions(world.sandbox.cache(), fs::Permissions::from_mode(0o1777)).expect("chmod");
    let (plain, sub) = (world.url("plain.git"), world.url("sub.git"));
    world.clone(&[], &plain).expect_code(0);
    let as_nobody = |world: &World, url: &str| {
        world.sandbox.clear_work();
        let sandbox = &world.sandbox;
        let records = sandbox.buildinfo().join("build-versions");
        for folder in [sandbox.root().to_path_buf(), sandbox.work(), sandbox.home(), sandbox.tmp(), records] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).expect("chmod");
        }
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        world.git(&["clone", url, "a"]).wrapped(user).finish()
    };
    let done = as_nobody(&world, &sub);
    assert_eq!(done.expect_code(0).stderr_text(), "Cloning into 'a'...\n");
    world.origin.stop();
    for url in [&plain, &sub] {
        as_nobody(&world, url).expect_code(0);
    }
    // What just anybody has written down is not believed, nor is it in the way.
    world.origin.resume();
    world.clone(&[], &sub).expect_code(0);
    world.expect_clone(&world.origin.id("sub.git", "main"));
}

#[test]
fn an_origin_that_goes_away_leaves_nothing_wrong() {
    let Some(mut world) = World::new("an_origin_that_goes_away_leaves_nothing_wrong") else { return };
    let url = world.url("big.git");
    let head = world.origin.id("big.git", "main");
    let start = Instant::now();
    world.clone(&["-n"], &url).expect_code(0);
    let length = start.elapsed();
    for moment in 0..12 {
        world.origin.resume();
        world.sandbox.clear();
        let mut child = world.git(&["clone", "-q", "-n", &url, "a"]).spawn_silent();
        std::thread::sleep(length * (moment * 5 % 12) / 12);
        world.origin.stop();
        let status = child.wait().expect("a child can be waited for");
        if status.success() {
            world.expect_objects(&head);
        } else {
            assert!(!world.sandbox.work().join("a").exists(), "a failed clone is taken away");
        }
        verify(&world);
        world.origin.resume();
        world.clone(&["-n"], &url).expect_code(0);
        world.expect_objects(&head);
    }
}
