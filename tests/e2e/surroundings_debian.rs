//! apt in odd surroundings: paths, links that somebody has planted, configuration of the user's own, and how packages come to dpkg.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests own their files")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use vcache_testkit::debian::{Picture, SandboxUser};
use vcache_testkit::{Need, missing};
use vcache_tests::debian::{Setup, World, files};
use vcache_tests::entries;

fn world(test: &str) -> Option<World> {
    let world = World::new(test)?;
    world.link_shims();
    world.sandbox.clear();
    Some(world)
}

fn get(world: &World, line: &str) -> String {
    world.shim(line).finish().expect_code(0).stderr_text()
}

/// Why calls were left to the real tool since the log was taken away.
fn reasons(world: &World) -> Vec<String> {
    let log = entries(&world.sandbox);
    fs::remove_file(world.sandbox.build_log()).ok();
    log.into_iter().filter(|entry| entry.outcome == "passthrough").filter_map(|entry| entry.reason).collect()
}

fn hits(world: &World) -> usize {
    let log = entries(&world.sandbox);
    fs::remove_file(world.sandbox.build_log()).ok();
    log.iter().filter(|entry| entry.outcome == "hit").count()
}

/// What dpkg is given, as a dpkg that writes it down sees it: device and inode of each package, and its path.
fn watch_dpkg(world: &World) -> PathBuf {
    let seen = world.sandbox.root().join("seen");
    let script = format!(
        "#!/bin/sh\nfor word; do case $word in *.deb) stat -Lc '%d %i %n' \"$word\" >>'{0}';; esac; done\n\
         for word; do test -d \"$word\" && case $word in */apt-dpkg-install-*) \
         for deb in \"$word\"/*.deb; do stat -Lc '%d %i %n' \"$deb\" >>'{0}'; done;; esac; done\nexec /usr/bin/dpkg \"$@\"\n",
        seen.display()
    );
    let file = world.sandbox.write("dpkg-that-tells", script.as_bytes());
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    world.root.configure(&format!("Dir::Bin::dpkg \"{}\";", file.display()));
    seen
}

#[test]
fn dpkg_reads_the_file_of_the_cache() {
    let Some(mut world) = world("dpkg_reads_the_file_of_the_cache") else { return };
    for user in [SandboxUser::Root, SandboxUser::Apt] {
        world.sandbox.clear();
        let setup = Setup { user, ..Setup::default() };
        world.new_root(&setup);
        get(&world, "apt-get update");
        get(&world, "apt-get install -y hello tool");
        world.new_root(&setup);
        get(&world, "apt-get update");
        let seen = watch_dpkg(&world);
        fs::remove_file(&seen).ok();
        get(&world, "apt-get install -y hello tool");
        let blobs: Vec<(u64, u64)> = world
            .blobs()
            .iter()
            .map(|blob| blob.metadata().unwrap())
            .map(|meta| (meta.dev(), meta.ino()))
            .collect();
        let text = fs::read_to_string(&seen).unwrap();
        let mut names = std::collections::BTreeSet::new();
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(3, ' ').collect();
            let file = (words[0].parse().unwrap(), words[1].parse().unwrap());
            assert!(blobs.contains(&file), "{line} is none of the cache's files");
            names.insert(words[2].rsplit_once('/').unwrap().1.to_owned());
        }
        assert_eq!(names.len(), 4, "{text}");
        let picture = Picture::of(&world.root);
        assert!(!picture.section("archives").iter().any(|line| line.contains(".deb")), "{picture:#?}");
        // The name that dpkg shows is the usual one, and nothing tells of the cache.
        let terminal = picture.section("terminal").join("\n");
        assert!(terminal.contains("Preparing to unpack .../"), "{terminal}");
        assert!(!terminal.contains("vcache-apt"), "{terminal}");
        // Names go, files stay, as they were.
        assert_eq!(world.litter(), Vec::<PathBuf>::new());
        assert!(world.blobs().iter().all(|blob| blob.metadata().unwrap().nlink() == 1));
    }
}

#[test]
fn from_a_cache_on_another_disk_packages_are_copied() {
    if missing("another disk", &[Need::Root, Need::Mounts]) {
        return;
    }
    let Some(world) = world("from_a_cache_on_another_disk_packages_are_copied") else { return };
    get(&world, "apt-get update");
    get(&world, "apt-get install -y hello tool");
    world.empty();
    let cache = world.sandbox.cache();
    let mount = format!("mount --bind {0} {0} && mount -o remount,bind,ro {0}", cache.display());
    let asked = world.mirror.origin().counts().len();
    // No link leads there, and a name that only points there could lead nowhere by the time that dpkg reads it.
    world.shim("apt-get install -y hello tool").in_mounts(&mount).finish().expect_code(0);
    let archives = Picture::of(&world.root).section("archives").join("\n");
    for name in ["hello_1.0-1_", "tool_1.0_all.deb"] {
        assert!(archives.contains(name), "{archives}");
    }
    assert_eq!(world.mirror.origin().counts().len(), asked, "they come from the cache");
    assert_eq!(world.litter(), Vec::<PathBuf>::new());
}

#[test]
fn links_that_somebody_has_planted_are_not_written_through() {
    let Some(world) = world("links_that_somebody_has_planted_are_not_written_through") else { return };
    get(&world, "apt-get update");
    get(&world, "apt-get install -y tool");
    let victim = world.sandbox.root().join("victim");
    let plant = |at: &Path| {
        fs::write(&victim, "precious").unwrap();
        fs::remove_file(at).ok();
        symlink(&victim, at).unwrap();
    };
    let partial = world.root.dir().join("var/cache/apt/archives/partial/tool_1.0_all.deb");
    for line in ["apt-get install -y tool", "apt-get install -y --download-only tool"] {
        world.empty();
        plant(&partial);
        get(&world, line);
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{line}");
    }
    let download = world.sandbox.work().join("tool_1.0_all.deb");
    plant(&download);
    world.shim("apt-get download tool").finish();
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
    fs::remove_file(&download).ok();
    // Lists; what the origin sends its own method writes, as ever.
    let lists = world.root.dir().join("var/lib/apt/lists");
    let names: Vec<PathBuf> =
        files(&lists).into_iter().filter(|file| file.file_name() != Some("lock".as_ref())).collect();
    for file in &names {
        fs::remove_file(file).unwrap();
        plant(&lists.join("partial").join(file.file_name().unwrap()));
    }
    let done = world.shim("apt-get update").env("VCACHE_OFFLINE", "y").finish();
    done.expect_code(0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn odd_paths_of_the_cache_and_of_version_files() {
    let Some(mut world) = world("odd_paths_of_the_cache_and_of_version_files") else { return };
    for (name, is_cached) in [
        ("a b", true),
        ("it's", true),
        ("50%", true),
        ("semi;colon{}", true),
        ("läs", true),
        ("quote\"d", false),
    ] {
        let cache = world.sandbox.root().join(name).join("cache");
        world.sandbox.clear_work();
        for state in ["cold", "warm"] {
            world.new_root(&Setup::default());
            fs::remove_file(world.sandbox.build_log()).ok();
            for line in ["apt-get update", "apt-get install -y tool"] {
                let done = world.shim(line).env("VCACHE_DIR", &cache).finish();
                done.expect_code(0);
            }
            assert_eq!(world.installed(), ["tool:all 1.0"], "{name}");
            match is_cached {
                true => assert_eq!(hits(&world) > 0, state == "warm", "{name}"),
                // apt.conf has no way to write it.
                false => assert_eq!(reasons(&world), ["apt-trouble", "apt-trouble"], "{name}"),
            }
        }
        // Relative to the folder where the call begins.
        if is_cached {
            world.empty();
            let folder = world.sandbox.root().join(name);
            world
                .shim("apt-get install -y tool")
                .env("VCACHE_DIR", "cache")
                .cwd(folder)
                .finish()
                .expect_code(0);
            assert_eq!(hits(&world), 1, "{name}");
        }
    }
}

#[test]
fn configuration_of_the_users_own_counts() {
    let Some(world) = world("configuration_of_the_users_own_counts") else { return };
    // The root's own file is named by `APT_CONFIG` in all tests. One that is not there costs a warning, of the real apt.
    let conf = world.root.apt_conf();
    let line = |command: &str| format!("apt-get -c {} {command}", conf.display());
    for missing in ["/nowhere/apt.conf", "", "nowhere", "/"] {
        for command in ["update", "download tool"] {
            world.sandbox.clear_work();
            let real = world.real(&line(command)).env("APT_CONFIG", missing).finish();
            assert_eq!(real.code, 0, "{missing:?}: {}", real.stderr_text());
            world.sandbox.clear_work();
            let done = world.shim(&line(command)).env("APT_CONFIG", missing).finish();
            assert_eq!((done.code, done.stderr_text()), (0, String::new()), "{missing:?} {command}");
        }
        assert_eq!(reasons(&world), Vec::<String>::new(), "{missing:?}");
    }
    // One that is wrong is the real apt's to tell.
    let wrong = world.sandbox.write("wrong.conf", b"APT { nonsense");
    let real = world.real("apt-get update").env("APT_CONFIG", &wrong).finish();
    let done = world.shim("apt-get update").env("APT_CONFIG", &wrong).finish();
    assert_eq!((done.code, done.stderr_text()), (real.code, real.stderr_text()));
    assert_ne!(done.code, 0);
}

#[test]
fn what_is_left_to_apt_is_counted_by_its_reason() {
    let Some(mut world) = world("what_is_left_to_apt_is_counted_by_its_reason") else { return };
    let method = "/usr/lib/apt/methods/http";
    for (configuration, option, reason) in [
        (format!("Dir::Bin::Methods::http \"{method}\";"), String::new(), "apt-other-method"),
        (format!("Dir::Bin::Methods::https \"{method}\";"), String::new(), "apt-other-method"),
        (String::new(), format!(" -o Dir::Bin::Methods::http={method}"), "apt-other-method"),
        ("RootDir \"/./\";".to_owned(), String::new(), "apt-other-root"),
    ] {
        world.new_root(&Setup::default());
        if !configuration.is_empty() {
            world.root.configure(&configuration);
        }
        let line = format!("apt-get{option} update");
        let done = world.shim(&line).finish();
        assert_eq!(reasons(&world), [reason], "{configuration}{option}: {}", done.stderr_text());
    }
    // Where no folder can be made, apt makes none either, or elsewhere.
    world.new_root(&Setup::default());
    for folder in ["/nowhere", "/dev/null"] {
        let done = world.shim("apt-get update").env("TMPDIR", folder).finish();
        assert_eq!(done.expect_code(0).stderr_text(), "");
        assert_eq!(reasons(&world), ["apt-trouble"], "{folder}");
    }
}
