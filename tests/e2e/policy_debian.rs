//! What variables make of a call of apt: strict, offline, the cache's methods, and what is written down before packages are removed.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use std::path::PathBuf;

use vcache_testkit::debian::{Package, Suite, native};
use vcache_testkit::{Finished, sha256_hex};
use vcache_tests::debian::{Setup, World, says};
use vcache_tests::entries;

/// A call of apt with the shims and the cache, and these variables.
fn with(world: &World, env: &[(&str, &str)], line: &str) -> Finished {
    env.iter().fold(world.shim(line), |run, (name, value)| run.env(name, value)).finish()
}

fn world(test: &str) -> Option<World> {
    let world = World::new(test)?;
    world.link_shims();
    world.sandbox.clear();
    Some(world)
}

#[test]
fn strict_wants_a_pin_for_each_package() {
    let Some(world) = world("strict_wants_a_pin_for_each_package") else { return };
    let strict = [("VCACHE_STRICT", "y")];
    with(&world, &strict, "apt-get update").expect_code(0);
    let install = "apt-get install -y --no-install-recommends hello";
    let done = with(&world, &strict, install);
    done.expect_code(117);
    says(&done, &["hello: not pinned in versions-deb", "`hello==1.0-1`", "`libhello==1:1.0~rc1-1`"]);
    assert_eq!(world.installed(), Vec::<String>::new());
    world.pin("deb", "hello==1.0-1\n");
    let done = with(&world, &strict, install);
    done.expect_code(117);
    says(&done, &["libhello: not pinned"]);
    assert!(!done.stderr_text().contains("vcache: error: hello:"), "{}", done.stderr_text());
    // What may be used although it is not the pinned one is another matter.
    with(&world, &[strict[0], ("VCACHE_ON_MISMATCH", "warn")], install).expect_code(117);
    // A version that is typed is as good as one in a file.
    let typed = "apt-get install -y --no-install-recommends hello libhello=1:1.0~rc1-1";
    with(&world, &strict, typed).expect_code(0);
    world.empty();
    world.pin("deb", "hello==1.0-1\nlibhello==1:1.0~rc1-1\n");
    with(&world, &strict, install).expect_code(0);
    assert_eq!(world.installed().len(), 2);
    // Simulated calls fetch nothing.
    with(&world, &strict, "apt-get -s install tool").expect_code(0);
}

#[test]
fn offline_nobody_is_asked() {
    let Some(mut world) = world("offline_nobody_is_asked") else { return };
    let offline = [("VCACHE_OFFLINE", "y")];
    world.build(&["apt-get update", "apt-get install -y hello", "apt-get source hello"]);
    world.new_root(&Setup::default());
    world.sandbox.clear_work();
    world.mirror.origin().take_log();
    for line in ["apt-get update", "apt-get install -y hello", "apt-get source hello", "apt-get upgrade -y"] {
        let done = with(&world, &offline, line);
        assert_eq!((done.code, done.stderr_text()), (0, String::new()), "{line}");
    }
    assert_eq!(world.asked(), 0);
    assert!(
        entries(&world.sandbox).iter().all(|entry| entry.outcome == "hit"),
        "{:?}",
        entries(&world.sandbox)
    );
    // What the cache has not.
    let done = with(&world, &offline, "apt-get install -y tool");
    done.expect_code(118);
    says(&done, &["vcache: error: ", "/debian/pool/main/t/tool/tool_1.0_all.deb", "VCACHE_OFFLINE=y"]);
    with(&world, &offline, "apt-get download tool").expect_code(118);
    with(&world, &offline, "apt-get source tool").expect_code(118);
    with(&world, &offline, "apt-get changelog hello").expect_code(118);
    // What apt has no idea of is its own failure.
    with(&world, &offline, "apt-get install -y nothing").expect_code(100);
    assert_eq!(world.asked(), 0);
    assert_eq!(world.litter(), Vec::<PathBuf>::new());
}

#[test]
fn offline_an_index_that_is_missing_is_told() {
    let Some(mut world) = world("offline_an_index_that_is_missing_is_told") else { return };
    let offline = [("VCACHE_OFFLINE", "y")];
    let done = with(&world, &offline, "apt-get update");
    done.expect_code(118);
    says(&done, &["/debian/dists/stable/Release: offline"]);
    // All but one.
    world.build(&["apt-get update"]);
    let index = world.mirror.folder().join(format!("dists/stable/main/binary-{}/Packages.xz", native()));
    let digest = sha256_hex(&std::fs::read(index).unwrap());
    let lost: Vec<PathBuf> =
        world.blobs().into_iter().filter(|blob| blob.to_string_lossy().contains(&digest[2..])).collect();
    assert_eq!(lost.len(), 1, "{:?}", world.blobs());
    std::fs::remove_file(&lost[0]).unwrap();
    world.new_root(&Setup::default());
    world.mirror.origin().take_log();
    let done = with(&world, &offline, "apt-get update");
    done.expect_code(118);
    says(&done, &[&format!("binary-{}", native())]);
    assert_eq!(world.asked(), 0);
}

#[test]
fn what_was_seen_last_is_given_where_the_origin_is_away() {
    let Some(mut world) = world("what_was_seen_last_is_given_where_the_origin_is_away") else { return };
    for valid_until in [None, Some(1_580_515_200)] {
        world.sandbox.clear();
        let suite = Suite::new("stable").packages([Package::new("odd", "1.0")]);
        let suite = valid_until.map_or(suite.clone(), |seconds| suite.valid_until(seconds));
        world.mirror.resume();
        world.mirror.publish(vec![suite]);
        world.new_root(&Setup::default());
        world.build(&["apt-get -o Acquire::Check-Valid-Until=false update", "apt-get install -y odd"]);
        for env in [&[][..], &[("VCACHE_OFFLINE", "y")]] {
            if env.is_empty() {
                world.mirror.stop();
            }
            world.new_root(&Setup::default());
            let done = with(&world, env, "apt-get update");
            done.expect_code(0);
            let text = done.stderr_text();
            assert_eq!(text.contains("what was last seen of it"), env.is_empty(), "{text}");
            assert_eq!(
                text.contains("Test: its Release file is no longer valid"),
                valid_until.is_some(),
                "{text}"
            );
            with(&world, env, "apt-get install -y odd").expect_code(0);
            assert_eq!(world.installed(), [format!("odd:{} 1.0", native())]);
        }
    }
}

#[test]
fn methods_of_the_cache() {
    let Some(mut world) = world("methods_of_the_cache") else { return };
    let build = |world: &mut World, method: &str| {
        world.new_root(&Setup::default());
        world.mirror.origin().take_log();
        for line in ["apt-get update", "apt-get install -y tool"] {
            with(world, &[("SONIC_VERSION_CACHE_METHOD", method)], line).expect_code(0);
        }
        let debs = world.mirror.origin().counts();
        let debs =
            debs.iter().filter(|(path, _)| path.ends_with(".deb")).map(|(_, count)| count).sum::<usize>();
        (debs, world.blobs().len())
    };
    assert_eq!(build(&mut world, "none"), (1, 0));
    assert_eq!(build(&mut world, "rcache"), (1, 0));
    let (debs, kept) = build(&mut world, "cache");
    assert!(debs == 1 && kept > 0);
    assert_eq!(build(&mut world, "cache"), (0, kept));
    assert_eq!(build(&mut world, "rcache"), (0, kept));
    assert_eq!(build(&mut world, "wcache"), (1, kept));
    assert_eq!(build(&mut world, "rwcache"), (0, kept));
    // Read only, with something new.
    world.mirror.move_on();
    assert_eq!(build(&mut world, "rcache"), (1, kept));
    assert!(build(&mut world, "wcache").1 > kept);
}

#[test]
fn versions_are_written_down_before_packages_are_removed() {
    let Some(world) = world("versions_are_written_down_before_packages_are_removed") else { return };
    let file = world.sandbox.buildinfo().join("post-versions/purge-versions-deb");
    let real = world.sandbox.real(["dpkg-query", "-W", "-f", "${Package}==${Version}\\n"]).finish();
    for (line, is_written) in [
        ("apt-get purge -y tool", true),
        ("apt-get remove -y tool", true),
        ("apt-get autoremove -y", true),
        ("apt-get -y --purge autoremove", true),
        ("apt remove -y tool", true),
        ("apt-get -s remove tool", false),
        ("apt-get remove --dry-run tool", false),
        ("apt-get update", false),
        ("apt-get install -y two", false),
        ("apt-get clean", false),
    ] {
        world.empty();
        world.root.install(&[Package::new("tool", "1.0")]);
        std::fs::remove_dir_all(world.sandbox.buildinfo().join("post-versions")).ok();
        with(&world, &[], line).expect_code(0);
        let text = std::fs::read(&file).unwrap_or_default();
        assert!(text == if is_written { real.stdout.as_slice() } else { b"" }, "{line}");
    }
    // Lines are added; and where there is no folder, there is nothing to write to.
    for _ in 0..2 {
        with(&world, &[], "apt-get autoremove -y").expect_code(0);
    }
    assert_eq!(std::fs::read(&file).unwrap().len(), real.stdout.len() * 2);
    std::fs::remove_dir_all(world.sandbox.buildinfo()).unwrap();
    with(&world, &[], "apt-get autoremove -y").expect_code(0);
    assert!(!world.sandbox.buildinfo().exists());
}
