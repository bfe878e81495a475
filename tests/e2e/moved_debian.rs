//! Pins of packages that no index offers any more: they come from the cache, or the call fails by the line of the version file.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use std::path::PathBuf;

use vcache_testkit::debian::{Package, Picture, Suite, foreign, native};
use vcache_tests::debian::{Setup, World, files, says};

/// An archive before and after: dependencies are others then, so that one old package leads to the next.
fn archive(is_old: bool) -> Suite {
    let suite = Suite::new("stable").date(if is_old { 1_577_836_800 } else { 1_577_923_200 });
    let lib = |version: &str| Package::new("lib", version).multi_arch("same");
    if is_old {
        return suite.packages([
            Package::new("app", "1:1.0~rc1-1").depends("mid (= 1.0)"),
            Package::new("mid", "1.0").depends("low"),
            Package::new("low", "1.0").architecture("all"),
            lib("1.0"),
            lib("1.0").architecture(foreign()),
            Package::new("fips", "1.0-1"),
            Package::new("lone", "1.0"),
        ]);
    }
    suite.packages([
        Package::new("app", "1:1.0-1"),
        Package::new("mid", "2.0"),
        // It has become one for an architecture.
        Package::new("low", "2.0"),
        lib("2.0"),
        lib("2.0").architecture(foreign()),
        Package::new("fips", "1.0-2"),
        Package::new("lone", "2.0"),
        Package::new("fresh", "1.0").depends("lone"),
    ])
}

/// The old archive's packages in the cache, but for those named; then the archive has moved on, and the root has its indexes, and nothing installed.
fn world(test: &str, installed: &str) -> Option<World> {
    let mut world = World::new(test)?;
    world.link_shims();
    world.mirror.publish(vec![archive(true)]);
    world.new_root(&Setup { foreign: true, ..Setup::default() });
    world.sandbox.clear();
    world.build(&["apt-get update", &format!("apt-get install -y {installed}")]);
    world.mirror.publish(vec![archive(false)]);
    world.empty();
    world.build(&["apt-get update"]);
    std::fs::remove_dir_all(world.sandbox.buildinfo().join("build-versions")).ok();
    Some(world)
}

#[test]
fn an_old_package_comes_from_the_cache_and_its_dependencies_too() {
    let Some(mut world) = world("an_old_package_comes_from_the_cache_and_its_dependencies_too", "app fips")
    else {
        return;
    };
    let n = native();
    world.pin("deb", "app==1:1.0~rc1-1\nmid==1.0\nlow==1.0\nfips==1.0-1+fips\nlone==2.0\n");
    let lists = Picture::of(&world.root).section("lists").to_vec();
    let expected = [
        format!("app:{n} 1:1.0~rc1-1"),
        format!("fips:{n} 1.0-1"),
        "low:all 1.0".to_owned(),
        format!("mid:{n} 1.0"),
    ];
    for state in ["served", "stopped", "offline"] {
        if state == "stopped" {
            world.mirror.stop();
        }
        world.empty();
        world.mirror.origin().take_log();
        let offline = if state == "offline" { "y" } else { "n" };
        let done = world.versioned("apt-get install -y app fips").env("VCACHE_OFFLINE", offline).finish();
        done.expect_code(0);
        assert_eq!(world.installed(), expected, "{state}");
        assert_eq!(world.asked(), 0, "{state}");
        says(&done, &["app: pinned to 1:1.0~rc1-1 (", "versions-deb:1)", "taken from the cache"]);
        // Nothing of how it was done is left.
        let picture = Picture::of(&world.root);
        assert_eq!(picture.section("lists"), lists, "{state}");
        assert_eq!(
            picture.section("archives").iter().filter(|line| line.contains(".deb")).count(),
            0,
            "{state}"
        );
        assert_eq!(world.litter(), Vec::<PathBuf>::new(), "{state}");
        let history = picture.section("history").join("\n");
        assert!(!history.contains("vcache"), "{history}");
    }
    let recorded = world.recorded("deb");
    for line in ["app==1:1.0~rc1-1\n", "fips==1.0-1\n", "low==1.0\n", "mid==1.0\n"] {
        assert!(recorded.contains(line), "{line}: {recorded}");
    }
    assert_eq!(recorded.lines().count(), 4, "{recorded}");
}

#[test]
fn old_packages_of_another_architecture_come_from_the_cache() {
    let (n, f) = (native(), foreign());
    let Some(world) =
        world("old_packages_of_another_architecture_come_from_the_cache", &format!("lib lib:{f}"))
    else {
        return;
    };
    world.pin("deb", &format!("lib==1.0\nlib:{f}==1.0\n"));
    world.build(&[&format!("apt-get install -y lib lib:{f}")]);
    assert_eq!(world.installed(), [format!("lib:{n} 1.0"), format!("lib:{f} 1.0")]);
    let recorded = world.recorded("deb");
    assert!(recorded.contains("lib==1.0\n") && recorded.contains(&format!("lib:{f}==1.0\n")), "{recorded}");
    // Of one alone.
    world.empty();
    world.pin("deb", "lib==1.0\n");
    world.build(&[&format!("apt-get install -y lib:{f}")]);
    assert_eq!(world.installed(), [format!("lib:{f} 2.0")]);
}

#[test]
fn a_package_that_is_nowhere_fails_by_its_line() {
    let Some(world) = world("a_package_that_is_nowhere_fails_by_its_line", "lone") else { return };
    let n = native();
    world.pin("deb", "# a comment\nfips==1.0-1\nlone==1.0\n");
    for line in ["apt-get install -y fips lone", "apt-get install -y fips", "apt install -y fips"] {
        let done = world.versioned(line).finish();
        done.expect_code(119);
        says(&done, &["vcache: error: fips: pinned to 1.0-1 (", "versions-deb:2)", "apt would take 1.0-2"]);
        assert_eq!(world.installed(), Vec::<String>::new(), "{line}");
        assert_eq!(world.litter(), Vec::<PathBuf>::new(), "{line}");
    }
    assert_eq!(world.recorded("deb"), "");
    // The newer one where that is allowed.
    let warned = world.versioned("apt-get install -y fips lone").env("VCACHE_ON_MISMATCH", "warn").finish();
    warned.expect_code(0);
    says(&warned, &["vcache: warning: fips is pinned to 1.0-1 (", "versions-deb:2)", "1.0-2 is taken"]);
    assert!(world.installed().contains(&format!("fips:{n} 1.0-2")), "{:?}", world.installed());
    assert!(world.recorded("deb").contains("fips==1.0-2\n"), "{}", world.recorded("deb"));
}

#[test]
fn what_is_typed_counts_more_than_a_pin_that_no_index_offers() {
    let Some(world) = world("what_is_typed_counts_more_than_a_pin_that_no_index_offers", "lone") else {
        return;
    };
    let n = native();
    world.pin("deb", "lone==1.0\nfips==1.0-1\n");
    world.build(&["apt-get install -y lone=2.0 fips=1.0-2"]);
    assert_eq!(world.installed(), [format!("fips:{n} 1.0-2"), format!("lone:{n} 2.0")]);
    // A suite is no version: what is pinned stays so.
    for (line, code) in [
        ("apt-get install -y fips/stable", 119),
        ("apt-get install -y -t stable fips", 119),
        ("apt-get install -y -t stable lone", 0),
        ("apt-get install -y --target-release=stable fresh", 0),
    ] {
        world.empty();
        world.versioned(line).finish().expect_code(code);
        let installed = world.installed();
        assert!(
            !installed.iter().any(|line| line.ends_with(" 2.0") || line.ends_with("1.0-2")),
            "{line}: {installed:?}"
        );
    }
}

#[test]
fn downloads_and_upgrades_of_old_packages_too() {
    let Some(world) = world("downloads_and_upgrades_of_old_packages_too", "app lone") else { return };
    let n = native();
    world.pin("deb", "lone==1.0\napp==1:1.0~rc1-1\nmid==1.0\nlow==1.0\n");
    world.build(&["apt-get install -y --download-only app"]);
    assert_eq!(world.installed(), Vec::<String>::new());
    world.root.install(&[Package::new("lone", "0.5"), Package::new("fips", "1.0-1")]);
    world.build(&["apt-get dist-upgrade -y"]);
    assert_eq!(world.installed(), [format!("fips:{n} 1.0-2"), format!("lone:{n} 1.0")]);
    world.build(&["apt-get install -y fresh"]);
    assert!(world.installed().contains(&format!("lone:{n} 1.0")), "{:?}", world.installed());
}

#[test]
fn downloads_into_the_working_folder_keep_to_pins() {
    let Some(world) = world("downloads_into_the_working_folder_keep_to_pins", "app lone") else { return };
    let n = native();
    world.pin("deb", "lone==1.0\nfips==1.0-1\napp==1:1.0~rc1-1\n");
    world.build(&["apt-get download lone app"]);
    let work = world.sandbox.work();
    assert_eq!(
        files(&work),
        [format!("app_1%3a1.0~rc1-1_{n}.deb"), format!("lone_1.0_{n}.deb")].map(|name| work.join(name))
    );
    assert!(files(&work).iter().all(|file| !file.is_symlink()));
    assert!(world.recorded("deb").contains("lone==1.0\n"), "{}", world.recorded("deb"));
    let done = world.versioned("apt-get download fips").finish();
    says(done.expect_code(119), &["fips: pinned to 1.0-1 (", "versions-deb:2)"]);
    let done = world.versioned("apt-get download fresh").env("VCACHE_STRICT", "y").finish();
    says(done.expect_code(117), &["fresh: not pinned in versions-deb"]);
    assert_eq!(files(&work).len(), 2);
}

#[test]
fn an_apt_that_goes_on_without_what_is_missing_gets_it_all_the_same() {
    let Some(world) = world("an_apt_that_goes_on_without_what_is_missing_gets_it_all_the_same", "lone")
    else {
        return;
    };
    let n = native();
    world.pin("deb", "lone==1.0\nfips==1.0-1\n");
    world.build(&["apt-get install -y --fix-missing lone mid"]);
    assert_eq!(world.installed(), [format!("lone:{n} 1.0"), format!("mid:{n} 2.0")]);
    let done = world.versioned("apt-get install -y -m fips low").finish();
    says(done.expect_code(119), &["fips: pinned to 1.0-1 ("]);
}

#[test]
fn a_damaged_old_package_is_not_installed() {
    let Some(world) = world("a_damaged_old_package_is_not_installed", "lone") else { return };
    world.pin("deb", "lone==1.0\n");
    for blob in world.blobs() {
        let bytes = std::fs::read(&blob).unwrap();
        if bytes.starts_with(b"!<arch>") {
            let mut bytes = bytes;
            let at = bytes.len() - 200;
            bytes[at] ^= 1;
            std::fs::remove_file(&blob).unwrap();
            std::fs::write(&blob, bytes).unwrap();
        }
    }
    let done = world.versioned("apt-get install -y lone").finish();
    done.expect_code(119);
    says(&done, &["lone: pinned to 1.0", "going on without it"]);
    assert_eq!(files(&world.sandbox.cache().join("quarantine")).len(), 1);
    assert_eq!(world.installed(), Vec::<String>::new());
}
