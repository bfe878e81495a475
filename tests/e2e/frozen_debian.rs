//! Frozen repositories: what is recorded of a build, and that a second one with these pins is the same after the archive has moved on.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use vcache_testkit::debian::{Package, Picture, Place, Signing, Sources, Suite, Trust, native};
use vcache_testkit::sha256_hex;
use vcache_tests::debian::{Setup, World};

/// 2020-02-01: an end of validity that has passed.
const EXPIRED: u64 = 1_580_515_200;

/// A build: indexes, and packages of the stock archive.
const BUILD: [&str; 2] = ["apt-get update", "apt-get install -y hello tool"];

fn world(test: &str) -> Option<World> {
    let world = World::new(test)?;
    world.link_shims();
    world.sandbox.clear();
    Some(world)
}

/// The key of a suite of the archive in `versions-mirror`.
fn key(world: &World, suite: &str) -> String {
    format!("{}_debian_dists_{suite}", world.mirror.origin().host_port())
}

/// What two builds have to agree on: not how the packages came.
fn picture(world: &World) -> Picture {
    let picture = Picture::of(&world.root);
    ["archives", "caches", "history", "terminal", "dpkg.log"].into_iter().fold(picture, Picture::without)
}

#[track_caller]
fn same(world: &World, first: &Picture, state: &str) {
    assert_eq!(picture(world).differences(first), Vec::<String>::new(), "{state}");
}

#[test]
fn a_build_is_recorded() {
    let Some(mut world) = world("a_build_is_recorded") else { return };
    world.build(&BUILD);
    let release = std::fs::read(world.mirror.folder().join("dists/stable/InRelease")).unwrap();
    let line = format!("{}==2020-01-01T00:00:00Z@sha256:{}\n", key(&world, "stable"), sha256_hex(&release));
    assert_eq!(world.recorded("mirror"), line);
    let expected = "hello-doc==1.0-1\nhello==1.0-1\nlibhello==1:1.0~rc1-1\ntool==1.0\n";
    assert_eq!(world.recorded("deb"), expected);
    // Hits are recorded as misses are.
    world.adopt();
    world.new_root(&Setup::default());
    world.build(&BUILD);
    assert_eq!(world.recorded("deb"), expected);
    assert_eq!(world.recorded("mirror"), line);
    // Nothing is without version control.
    world.adopt();
    world.new_root(&Setup::default());
    for line in BUILD {
        world.shim(line).finish().expect_code(0);
    }
    assert_eq!((world.recorded("deb"), world.recorded("mirror")), (String::new(), String::new()));
}

#[test]
fn a_second_build_is_the_same_however_the_repository_is_signed() {
    let Some(mut world) = world("a_second_build_is_the_same_however_the_repository_is_signed") else {
        return;
    };
    let base = Setup { suites: vec!["stable", "flat"], ..Setup::default() };
    for (setup, what) in [
        (base.clone(), "InRelease"),
        (Setup { by_hash: false, ..base.clone() }, "without by-hash"),
        (Setup { signing: Signing::ReleaseGpg, ..base.clone() }, "Release.gpg"),
        (Setup { signing: Signing::Unsigned, trust: Trust::Yes, ..base.clone() }, "unsigned"),
        (Setup { diffs: true, ..base.clone() }, "diffs"),
    ] {
        world.sandbox.clear();
        world.prepare(&setup);
        world.build(&BUILD);
        let first = picture(&world);
        let recorded = [world.recorded("deb"), world.recorded("mirror")];
        assert_eq!(recorded[1].lines().count(), 2, "{what}: {recorded:?}");
        world.adopt();
        world.mirror.move_on();
        for state in ["moved on", "stopped", "offline"] {
            if state == "stopped" {
                world.mirror.stop();
            }
            world.new_root(&setup);
            world.mirror.origin().take_log();
            for line in BUILD {
                let offline = if state == "offline" { "y" } else { "n" };
                world.versioned(line).env("VCACHE_OFFLINE", offline).finish().expect_code(0);
            }
            same(&world, &first, &format!("{what}, {state}"));
            assert_eq!([world.recorded("deb"), world.recorded("mirror")], recorded, "{what}, {state}");
        }
        // Without pins it is what the archive has by now.
        world.mirror.resume();
        world.pin("deb", "");
        world.pin("mirror", "");
        world.build(&BUILD);
        assert!(world.root.read("var/lib/dpkg/status").contains("Version: 1.1"), "{what}");
    }
}

#[test]
fn a_frozen_repository_may_have_expired_and_another_one_may_not() {
    let Some(mut world) = world("a_frozen_repository_may_have_expired_and_another_one_may_not") else {
        return;
    };
    let later = 4_000_000_000;
    let publish = |world: &mut World, label: &str, others: u64| {
        let stable = Suite::new("stable").packages([Package::new("even", "1.0")]).valid_until(EXPIRED);
        let other = Suite::new("other").field("Label", label).packages([Package::new("odd", "1.0")]);
        world.mirror.publish(vec![stable, other.valid_until(others)]);
    };
    publish(&mut world, "Another one", later);
    let both = |world: &mut World| {
        world.new_root(&Setup::default());
        let places =
            ["stable", "other"].map(|suite| Place { url: world.mirror.url(), suite: suite.to_owned() });
        world.root.sources(Sources::OneLine, &places, Trust::Parts, world.mirror.key());
    };
    both(&mut world);
    let lenient = "apt-get -o Acquire::Check-Valid-Until=false update";
    world.build(&[lenient]);
    let frozen: Vec<String> = world
        .recorded("mirror")
        .lines()
        .filter(|line| line.starts_with(&key(&world, "stable")))
        .map(str::to_owned)
        .collect();
    world.pin("mirror", &format!("{}\n", frozen[0]));
    // One with the same label apt would take too, since it is told by labels: the method looks.
    for (label, others, code) in
        [("Another one", later, 0), ("Another one", EXPIRED, 100), ("Test", later, 0), ("Test", EXPIRED, 100)]
    {
        publish(&mut world, label, others);
        both(&mut world);
        let done = world.versioned("apt-get update").finish();
        done.expect_code(code);
        let text = done.stderr_text();
        assert!(!text.contains("dists/stable/InRelease"), "{text}");
        assert_eq!(code != 0, text.contains("dists/other/InRelease"), "{text}");
    }
    // Without a pin it is expired.
    world.pin("mirror", "");
    publish(&mut world, "Another one", later);
    both(&mut world);
    let done = world.versioned("apt-get update").finish();
    assert!(done.expect_code(100).stderr_text().contains("is expired"), "{}", done.stderr_text());
}

#[test]
fn labels_of_frozen_repositories_may_be_odd() {
    let Some(mut world) = world("labels_of_frozen_repositories_may_be_odd") else { return };
    for label in ["Docker CE", "with 'a' quote", "a:b::c", "two  blanks", "läs mig"] {
        world.sandbox.clear();
        let suite = |version: &str| {
            let packages = [Package::new("odd", version)];
            Suite::new("stable").field("Label", label).packages(packages).valid_until(EXPIRED)
        };
        world.mirror.publish(vec![suite("1.0")]);
        world.new_root(&Setup::default());
        world.build(&["apt-get -o Acquire::Check-Valid-Until=false update"]);
        world.adopt();
        world.mirror.publish(vec![suite("2.0")]);
        world.new_root(&Setup::default());
        let done = world.versioned("apt-get update").finish();
        assert_eq!(done.code, 0, "{label}: {}", done.stderr_text());
        let lists = Picture::of(&world.root).section("lists").join("\n");
        assert!(lists.contains("dists_stable_InRelease"), "{label}: {lists}");
    }
}

#[test]
fn a_frozen_state_that_nobody_has_is_refused() {
    let Some(mut world) = world("a_frozen_state_that_nobody_has_is_refused") else { return };
    let digest = "ab".repeat(32);
    world.pin(
        "mirror",
        &format!("# a comment\n{}==2019-12-01T00:00:00Z@sha256:{digest}\n", key(&world, "stable")),
    );
    let done = world.versioned("apt-get update").finish();
    let text = done.expect_code(119).stderr_text();
    for word in [&digest, "versions-mirror:2", "dists/stable/InRelease"] {
        assert!(text.contains(word), "{word}: {text}");
    }
    let lists = Picture::of(&world.root).section("lists").join("\n");
    assert!(!lists.contains("Release"), "{lists}");
    assert_eq!(world.recorded("mirror"), "");
    // Where that is allowed, what the origin has is taken.
    let done = world.versioned("apt-get update").env("VCACHE_ON_MISMATCH", "warn").finish();
    assert!(done.expect_code(0).stderr_text().contains("vcache: warning: "), "{}", done.stderr_text());
    assert!(
        world.recorded("mirror").contains("==2020-01-01T00:00:00Z@sha256:"),
        "{}",
        world.recorded("mirror")
    );
    // Nor is what was last seen of it, by which an origin that can't be asked is stood in for.
    world.stop();
    for (name, value) in [("VCACHE_OFFLINE", "y"), ("VCACHE_LOG", "warn")] {
        world.new_root(&Setup::default());
        let done = world.versioned("apt-get update").env(name, value).finish();
        assert!(done.expect_code(119).stderr_text().contains(&digest), "{name}: {}", done.stderr_text());
        let done =
            world.versioned("apt-get update").env(name, value).env("VCACHE_ON_MISMATCH", "warn").finish();
        assert!(done.expect_code(0).stderr_text().contains(&digest), "{name}: {}", done.stderr_text());
    }
}

#[test]
fn a_date_alone_is_the_state_of_that_date_where_it_is_known() {
    let Some(mut world) = world("a_date_alone_is_the_state_of_that_date_where_it_is_known") else { return };
    world.build(&BUILD);
    let first = picture(&world);
    world.mirror.move_on();
    world.pin("deb", &world.recorded("deb"));
    let key = key(&world, "stable");
    world.pin("mirror", &format!("{key}==2020-01-01T00:00:00Z\n"));
    world.new_root(&Setup::default());
    world.build(&BUILD);
    same(&world, &first, "known");
    // One that nobody has seen is the origin's, whatever that is.
    world.pin("deb", "");
    world.pin("mirror", &format!("{key}==2019-01-01T00:00:00Z\ndebian==20200101T000000Z\n"));
    world.new_root(&Setup::default());
    let done = world.versioned(BUILD[0]).finish();
    assert_eq!(done.expect_code(0).stderr_text(), "");
    world.build(&BUILD[1..]);
    assert!(world.installed().contains(&format!("hello:{} 1.1-1", native())), "{:?}", world.installed());
    // Two dates for one suite are none.
    world.pin("mirror", &format!("{key}==2020-01-01T00:00:00Z\n{key}==2020-01-02T00:00:00Z\n"));
    world.new_root(&Setup::default());
    let done = world.versioned(BUILD[0]).finish();
    assert!(done.expect_code(0).stderr_text().contains("versions-mirror:2"), "{}", done.stderr_text());
}

#[test]
fn apt_keeps_indexes_that_are_newer_than_the_frozen_ones_which_is_told() {
    let Some(mut world) = world("apt_keeps_indexes_that_are_newer_than_the_frozen_ones_which_is_told") else {
        return;
    };
    world.build(&BUILD[..1]);
    let first = picture(&world);
    world.adopt();
    let done = world.build(&BUILD[..1]);
    assert_eq!(done.stderr_text(), "");
    same(&world, &first, "the same root once more");
    world.mirror.move_on();
    world.real("apt-get update").finish().expect_code(0);
    let newer = picture(&world);
    assert!(newer != first);
    let done = world.build(&BUILD[..1]);
    let text = done.stderr_text();
    assert!(
        text.contains("apt has a newer one than the pinned one (") && text.contains("versions-mirror:1)"),
        "{text}"
    );
    same(&world, &newer, "a root with newer indexes");
}
