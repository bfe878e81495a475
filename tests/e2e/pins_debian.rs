//! Pins of packages while the indexes offer them: which version is installed, whose preferences count, what is said of lines that are none.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use vcache_testkit::debian::{Package, Suite, foreign, native};
use vcache_tests::debian::{Setup, World};

/// Two versions of each package.
fn archive() -> Suite {
    let both = |name: &str, old: &str, new: &str| [old, new].map(|version| Package::new(name, version));
    Suite::new("stable")
        .packages(both("two", "1.0", "2.0+b1"))
        .packages(both("also", "1.0", "2.0"))
        .packages(both("epoch", "1:2.0~rc1-1", "1:2.0-1"))
        .packages(both("fips", "1.0-1", "1.0-2"))
        .packages(both("other", "1.0", "2.0").map(|package| package.architecture(foreign())))
        .packages(both("plain", "1.0", "2.0").map(|package| package.architecture("all")))
        .packages([Package::new("user", "1.0").depends("two, plain")])
}

fn world(test: &str) -> Option<World> {
    let mut world = World::new(test)?;
    world.link_shims();
    world.mirror.publish(vec![archive()]);
    renew(&mut world);
    Some(world)
}

/// Nothing installed, no cache, no pins; with the indexes.
fn renew(world: &mut World) {
    world.sandbox.clear();
    world.new_root(&Setup { foreign: true, ..Setup::default() });
    world.build(&["apt-get update"]);
}

/// Installs `words` with these pins, and returns what is there.
fn installs(world: &World, pins: &str, words: &str) -> Vec<String> {
    world.empty();
    world.pin("deb", pins);
    world.build(&[&format!("apt-get install -y {words}")]);
    world.installed()
}

#[test]
fn a_pinned_version_that_an_index_offers_is_installed() {
    let Some(world) = world("a_pinned_version_that_an_index_offers_is_installed") else { return };
    let (n, f) = (native(), foreign());
    for (pins, words, expected) in [
        ("", "two", vec![format!("two:{n} 2.0+b1")]),
        ("two==1.0\n", "two", vec![format!("two:{n} 1.0")]),
        ("two==2.0+b1\n", "two", vec![format!("two:{n} 2.0+b1")]),
        (
            "epoch==1:2.0~rc1-1\nfips==1.0-1+fips\n",
            "epoch fips",
            vec![format!("epoch:{n} 1:2.0~rc1-1"), format!("fips:{n} 1.0-1")],
        ),
        // Dependencies as well, of all architectures or one.
        (
            "two==1.0\nplain==1.0\n",
            "user",
            vec!["plain:all 1.0".into(), format!("two:{n} 1.0"), format!("user:{n} 1.0")],
        ),
        // A name without an architecture is the native one's.
        (&format!("other:{f}==1.0\n"), &format!("other:{f}"), vec![format!("other:{f} 1.0")]),
        ("other==1.0\n", &format!("other:{f}"), vec![format!("other:{f} 2.0")]),
        // What is typed counts more.
        ("two==1.0\n", "two=2.0+b1", vec![format!("two:{n} 2.0+b1")]),
        ("two==2.0+b1\n", "two=1.0 also", vec![format!("also:{n} 2.0"), format!("two:{n} 1.0")]),
        ("other==1.0\n", &format!("other:{f}=1.0"), vec![format!("other:{f} 1.0")]),
    ] {
        assert_eq!(installs(&world, pins, words), expected, "{pins:?} {words}");
        assert_eq!(world.litter(), Vec::<std::path::PathBuf>::new(), "{pins:?} {words}");
    }
}

#[test]
fn a_version_that_is_typed_counts_more_than_a_pin_with_its_architecture_too() {
    let Some(world) = world("a_version_that_is_typed_counts_more_than_a_pin_with_its_architecture_too")
    else {
        return;
    };
    let (n, f) = (native(), foreign());
    let pins = format!("other:{f}==1.0\ntwo==1.0\n");
    assert_eq!(installs(&world, &pins, &format!("other:{f}=2.0")), [format!("other:{f} 2.0")]);
    assert_eq!(installs(&world, &pins, &format!("two:{n}=2.0+b1")), [format!("two:{n} 2.0+b1")]);
}

#[test]
fn upgrades_keep_to_pins_and_downloads_too() {
    let Some(world) = world("upgrades_keep_to_pins_and_downloads_too") else { return };
    world.root.install(&["two", "also"].map(|name| Package::new(name, "0.5")));
    world.pin("deb", "two==1.0\n");
    world.build(&["apt-get upgrade -y"]);
    let n = native();
    assert_eq!(world.installed(), [format!("also:{n} 2.0"), format!("two:{n} 1.0")]);
    world.build(&["apt-get download two also"]);
    let work = world.sandbox.work();
    assert!(
        work.join(format!("two_1.0_{n}.deb")).exists() && work.join(format!("also_2.0_{n}.deb")).exists()
    );
    // Nothing is downgraded for a pin.
    world.pin("deb", "also==1.0\n");
    world.build(&["apt-get upgrade -y"]);
    assert_eq!(world.installed(), [format!("also:{n} 2.0"), format!("two:{n} 2.0+b1")]);
}

#[test]
fn preferences_of_the_users_own_count_beside_pins() {
    let Some(mut world) = world("preferences_of_the_users_own_count_beside_pins") else { return };
    let n = native();
    let stanza = |name: &str, version: &str| {
        format!("Package: {name}\nPin: version {version}\nPin-Priority: 1001\n\n")
    };
    for (files, pins, two, also) in [
        // One in the folder, one in the single file.
        (vec![("preferences.d/50own", stanza("also", "1.0"))], "two==1.0\n", "1.0", "1.0"),
        (vec![("preferences", stanza("also", "1.0"))], "two==1.0\n", "1.0", "1.0"),
        (vec![("preferences.d/50own.pref", stanza("also", "1.0"))], "", "2.0+b1", "1.0"),
        // What SONiC's hooks have put there is made of the same file, and of an older state of it perhaps.
        (vec![("preferences.d/01-versions-deb", stanza("also", "1.0"))], "two==1.0\n", "1.0", "2.0"),
        (vec![("preferences.d/01-versions-deb", stanza("two", "1.0"))], "", "1.0", "2.0"),
    ] {
        world.new_root(&Setup::default());
        for (path, text) in &files {
            world.root.write(&format!("etc/apt/{path}"), text);
        }
        world.pin("deb", pins);
        let done = world.build(&["apt-get update", "apt-get install -y two also"]);
        let expected = [format!("also:{n} {also}"), format!("two:{n} {two}")];
        assert_eq!(world.installed(), expected, "{files:?} {pins}: {}", done.stderr_text());
        assert!(!done.stderr_text().contains("Ignoring file"), "{}", done.stderr_text());
    }
}

#[test]
fn a_folder_of_preferences_that_the_user_has_moved_is_read_too() {
    let Some(world) = world("a_folder_of_preferences_that_the_user_has_moved_is_read_too") else { return };
    let n = native();
    let folder = world.root.dir().join("mine.d").display().to_string();
    world.root.write("mine.d/own", "Package: also\nPin: version 1.0\nPin-Priority: 1001\n");
    world.pin("deb", "two==1.0\n");
    let option = format!("-o Dir::Etc::PreferencesParts={folder}");
    for line in [
        format!("apt-get {option} install -y two also"),
        format!("apt-get install -y {option} -- two also"),
        "apt-get install -y -- two also".to_owned(),
    ] {
        if !line.contains("-o ") {
            world.root.configure(&format!("Dir::Etc::PreferencesParts \"{folder}\";"));
        }
        world.empty();
        world.build(&[&line]);
        assert_eq!(world.installed(), [format!("also:{n} 1.0"), format!("two:{n} 1.0")], "{line}");
    }
}

#[test]
fn lines_that_are_no_pins_cost_only_themselves() {
    let Some(world) = world("lines_that_are_no_pins_cost_only_themselves") else { return };
    let n = native();
    world.pin("deb", "# a comment\ntwo==1.0\njunk\nalso==1 0\nalso=1.0\n*==1.0\nplain==1.0\nplain==2.0\n");
    world.pin("mirror", "nonsense\ndebian==20260814T000752Z\nh.example_dists_x==yesterday\n");
    let done = world.build(&["apt-get install -y two also plain"]);
    assert_eq!(world.installed(), [format!("also:{n} 2.0"), "plain:all 2.0".into(), format!("two:{n} 1.0")]);
    let said = done.stderr_text();
    let warned =
        |place: &str| said.lines().any(|line| line.starts_with("vcache: warning: ") && line.contains(place));
    for line in [3, 4, 5, 6, 8] {
        assert!(warned(&format!("versions-deb:{line}:")), "{line}: {said}");
    }
    assert!(warned("versions-mirror:1:") && warned("versions-mirror:3:"), "{said}");
    for line in [1, 2] {
        assert!(!warned(&format!("versions-deb:{line}:")), "{line}: {said}");
    }
    assert!(!warned("versions-mirror:2:"), "{said}");
}

#[test]
fn the_same_pin_twice_is_one() {
    let Some(world) = world("the_same_pin_twice_is_one") else { return };
    world.pin("deb", "two==1.0\r\n\ntwo==1.0\n");
    let done = world.build(&["apt-get install -y two"]);
    assert_eq!(world.installed(), [format!("two:{} 1.0", native())]);
    assert!(!done.stderr_text().contains("vcache: "), "{}", done.stderr_text());
}

#[test]
fn version_files_that_can_t_be_read_are_told_of() {
    let Some(world) = world("version_files_that_can_t_be_read_are_told_of") else { return };
    std::fs::create_dir(world.sandbox.buildinfo().join("versions/versions-deb")).unwrap();
    let done = world.build(&["apt-get install -y two"]);
    assert_eq!(world.installed(), [format!("two:{} 2.0+b1", native())]);
    assert!(done.stderr_text().contains("versions-deb: "), "{}", done.stderr_text());
}

#[test]
fn an_install_without_a_version_gets_sonics_warning() {
    let Some(mut world) = world("an_install_without_a_version_gets_sonics_warning") else { return };
    world.pin("deb", "two==1.0\n");
    let expected = |name: &str| format!("Warning: the version of the package {name} is not specified.");
    let said = |world: &World, line: &str| {
        let done = world.versioned(line).finish();
        let text = done.stderr_text();
        text.lines()
            .filter(|line| line.starts_with("Warning: the version of"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let none = Vec::<String>::new();
    assert_eq!(
        said(&world, "apt-get install -y two also fips=1.0-1 plain"),
        [expected("also"), expected("plain")]
    );
    assert_eq!(said(&world, "apt-get install -y --reinstall also"), [expected("also")]);
    for line in [
        "apt-get install -y two",
        "apt-get install -y also- ./nothing.deb epoch/stable",
        "apt-get upgrade -y",
        "apt-get download also",
        "apt-get remove -y plain",
        "apt-get update",
    ] {
        assert_eq!(said(&world, line), none, "{line}");
    }
    // Without version control nobody asks for versions.
    renew(&mut world);
    let done = world.shim("apt-get install -y also").finish();
    assert_eq!(done.expect_code(0).stderr_text(), "");
}
