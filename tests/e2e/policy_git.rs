//! What is allowed: no network, nothing unpinned, no protocol that git itself refuses, and what stays git's own.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use vcache_testkit::Finished;
use vcache_tests::entries;
use vcache_tests::git::World;

#[test]
fn offline_a_miss_is_118_and_a_hit_is_a_hit() {
    let Some(world) = World::new("offline_a_miss_is_118_and_a_hit_is_a_hit") else { return };
    let (plain, git) = (world.url("plain.git"), format!("{}/plain.git", world.origin.git()));
    let deep = world.url("deep.git");
    let offline = |words: &[&str]| world.git(words).env("VCACHE_OFFLINE", "y").finish();
    world.real(&["init", "-q", "b"]).finish().expect_code(0);
    world.real(&["-C", "b", "remote", "add", "origin", &plain]).finish().expect_code(0);
    for words in [
        &["clone", plain.as_str(), "a"][..],
        &["clone", "--depth", "1", &git, "a"],
        &["clone", "--mirror", &plain, "a"],
        &["clone", "--recurse-submodules", &deep, "a"],
        &["ls-remote", &plain],
        &["-C", "b", "fetch"],
        &["-C", "b", "fetch", &plain, "main"],
        &["-C", "b", "pull", "origin", "main"],
    ] {
        let done = offline(words);
        done.expect_code(118);
        assert!(done.stderr_text().contains("VCACHE_OFFLINE"), "{words:?}: {}", done.stderr_text());
        assert!(!world.sandbox.work().join("a").exists());
    }
    assert_eq!(world.origin.take_requests(), Vec::<String>::new());
    world.clone(&["--recurse-submodules"], &deep).expect_code(0);
    world.clone(&[], &plain).expect_code(0);
    world.sandbox.clear_work();
    world.origin.take_requests();
    offline(&["clone", &plain, "a"]).expect_code(0);
    world.expect_clone(&world.origin.id("plain.git", "main"));
    offline(&["clone", "--recurse-submodules", &deep, "d"]).expect_code(0);
    offline(&["clone", "--depth", "1", &plain, "e"]).expect_code(0);
    offline(&["ls-remote", &plain]).expect_code(0);
    // What is on this machine needs no network.
    offline(&["clone", "-q", "a", "f"]).expect_code(0);
    assert_eq!(world.origin.take_requests(), Vec::<String>::new());
}

#[test]
fn strict_refuses_what_is_not_pinned() {
    let Some(world) = World::new("strict_refuses_what_is_not_pinned") else { return };
    let (plain, deep) = (world.url("plain.git"), world.url("deep.git"));
    let strict = |words: &[&str]| {
        world.sandbox.clear_work();
        world.git(words).env("VCACHE_STRICT", "y").finish()
    };
    for options in [&[][..], &["--depth", "1"], &["-b", "v1.0"], &["--mirror"]] {
        let done = strict(&[&["clone"], options, &[plain.as_str(), "a"]].concat());
        done.expect_code(117);
        assert!(done.stderr_text().contains("versions-git"), "{}", done.stderr_text());
        assert!(!world.sandbox.work().join("a").exists());
    }
    // Submodules are pinned by the repository that has them.
    let pins = [(&plain, "plain.git"), (&deep, "deep.git")];
    let line = |(url, name): (&String, &str)| format!("{url}=={}\n", world.origin.id(name, "main"));
    world.sandbox.pin_git(&pins.map(line).concat());
    strict(&["clone", &plain, "a"]).expect_code(0);
    strict(&["clone", "--recurse-submodules", &deep, "a"]).expect_code(0);
}

#[test]
fn each_repository_is_written_down() {
    let Some(world) = World::new("each_repository_is_written_down") else { return };
    let deep = world.url("deep.git");
    for outcome in ["miss", "hit"] {
        let without = "SONIC_VERSION_CONTROL_COMPONENTS";
        world.sandbox.clear_work();
        world.git(&["clone", "--recurse-submodules", &deep, "a"]).env_remove(without).finish().expect_code(0);
        let log = entries(&world.sandbox);
        let of = |name: &str| {
            let ends = |url: &String| url.ends_with(name);
            let found = log.iter().filter(|entry| entry.url.as_ref().is_some_and(ends));
            found.map(|entry| entry.outcome.clone()).collect::<Vec<_>>()
        };
        assert_eq!(of("/deep"), [outcome], "{log:?}");
        assert!(of("/sub").contains(&outcome.to_owned()), "{log:?}");
    }
}

/// What the real git and the shim make of a clone whose `.gitmodules` has this URL.
fn hostile(world: &World, name: &str, path: &str, url: &str, more: &str) -> [Finished; 2] {
    let text = format!("[submodule \"s\"]\n\tpath = {path}\n\turl = {url}\n{more}");
    world.origin.with_submodule(&format!("{name}.git"), path, &text);
    let from = world.url(&format!("{name}.git"));
    let words = ["clone", "-q", "--recurse-submodules", &from, "a"];
    [world.real(&words), world.git(&words)].map(|run| {
        world.sandbox.clear_work();
        run.finish()
    })
}

#[test]
fn submodules_of_protocols_that_git_refuses_are_refused() {
    let Some(world) = World::new("submodules_of_protocols_that_git_refuses_are_refused") else { return };
    let secret = world.origin.root().join("plain.git");
    let secret = secret.display();
    let marker = world.sandbox.root().join("pwned");
    let touch = format!("touch {}", marker.display());
    let urls = [
        format!("file://{secret}"),
        format!("{secret}"),
        format!("./../../..{secret}"),
        format!("ext::sh -c {}", touch.replace(' ', "% ")),
        format!("vcache::ext::sh -c {}", touch.replace(' ', "% ")),
        format!("vcache::{secret}"),
        format!("vcache::file://{secret}"),
        format!("vcache://{secret}"),
        "fd::0".to_owned(),
        format!("-u{touch}"),
        format!("--upload-pack={touch}"),
        format!("ssh://-oProxyCommand={}/x", touch.replace(' ', "$IFS")),
        format!("-oProxyCommand={touch}:x"),
        format!("http://h/\\n{touch}"),
        format!("{}/%0ahost=x/plain.git", world.origin.http()),
    ];
    for (number, url) in urls.iter().enumerate() {
        let [real, shim] = hostile(&world, &format!("x{number}"), "s", url, "");
        let last = |done: &Finished| {
            let text = done.stderr_text();
            text.lines().rfind(|line| !line.starts_with("vcache: ")).unwrap_or_default().to_owned()
        };
        assert_ne!(shim.code, 0, "{url}: {}", shim.stderr_text());
        assert_eq!((shim.code, last(&shim)), (real.code, last(&real)), "{url}: {}", shim.stderr_text());
        assert!(!marker.exists(), "{url} ran a command");
        assert!(!world.sandbox.work().join("a/s/README").exists(), "{url} was cloned");
    }
}

#[test]
fn submodules_that_would_run_a_command_run_none() {
    let Some(world) = World::new("submodules_that_would_run_a_command_run_none") else { return };
    let marker = world.sandbox.root().join("pwned");
    let url = world.url("plain.git");
    for (name, path, more) in [
        ("update", "s", format!("\tupdate = !touch {}\n", marker.display())),
        ("above", "../x", String::new()),
        ("inside", ".git/modules/x", String::new()),
        ("dash", "-x", String::new()),
    ] {
        // Some of these no repository can have; then neither git gets that far.
        let [real, shim] = hostile(&world, name, path, &url, &more);
        assert_eq!(shim.code, real.code, "{name}: {}{}", real.stderr_text(), shim.stderr_text());
        assert!(!marker.exists(), "{name} ran a command");
    }
}

#[test]
fn protocols_that_the_user_allows_are_allowed() {
    let Some(world) = World::new("protocols_that_the_user_allows_are_allowed") else { return };
    let url = format!("file://{}", world.origin.root().join("plain.git").display());
    world.origin.with_submodule("y.git", "s", &format!("[submodule \"s\"]\n\tpath = s\n\turl = {url}\n"));
    let from = world.url("y.git");
    let words = ["-c", "protocol.file.allow=always", "clone", "-q", "--recurse-submodules", &from, "a"];
    world.git(&words).finish().expect_code(0);
    assert!(world.sandbox.work().join("a/s/README").exists());
    // Only these, however the shim reaches them.
    world.sandbox.clear_work();
    let denied = world.git(&["clone", "-q", &world.url("plain.git"), "a"]).env("GIT_ALLOW_PROTOCOL", "https");
    denied.finish().expect_code(128);
    let some = world.git(&["clone", "-q", &world.url("plain.git"), "a"]).env("GIT_ALLOW_PROTOCOL", "http");
    some.finish().expect_code(0);
    world.sandbox.clear_work();
    let part = world.git(&["clone", "-q", "--depth", "1", &world.url("plain.git"), "a"]);
    part.env("GIT_ALLOW_PROTOCOL", "http").finish().expect_code(0);
}

#[test]
fn a_shim_that_is_told_nothing_is_the_real_git() {
    let Some(world) = World::new("a_shim_that_is_told_nothing_is_the_real_git") else { return };
    let url = world.url("plain.git");
    for (name, value) in [("SONIC_VERSION_CACHE_METHOD", Some("none")), ("SKIP_BUILD_HOOK", Some("y"))] {
        world.sandbox.clear_work();
        let run = world.git(&["clone", "-q", &url, "a"]).env_remove("SONIC_VERSION_CONTROL_COMPONENTS");
        run.env(name, value.unwrap_or_default()).finish().expect_code(0);
        assert!(!world.sandbox.cache().join("blobs").exists(), "{name}");
        assert_eq!(world.sandbox.recorded_git(), "");
    }
    let bare = world.sandbox.bare(["git", "clone", "-q", &url, "b"]).finish();
    bare.expect_code(0);
    assert!(!world.sandbox.cache().exists());
}

#[test]
fn in_its_own_place_git_goes_by_its_other_names() {
    let Some(world) = World::new("in_its_own_place_git_goes_by_its_other_names") else { return };
    let own = world.sandbox.root().join("own");
    std::fs::create_dir(&own).expect("make a folder");
    let which = world.sandbox.real(["sh", "-c", "command -v git"]).finish();
    let real = String::from_utf8_lossy(&which.stdout).trim().to_owned();
    for (from, to) in [
        (real.as_str(), "git.vcache-real"),
        (&vcache_testkit::bin_dir().join("vcache-shim").display().to_string(), "git"),
        ("git", "git-upload-pack"),
        ("git", "git-receive-pack"),
        ("git", "git-upload-archive"),
    ] {
        std::os::unix::fs::symlink(from, own.join(to)).expect("make a link");
    }
    let repository = world.origin.root().join("plain.git");
    for name in ["git-upload-pack", "git-receive-pack"] {
        let words = [own.join(name).into_os_string(), "--advertise-refs".into(), repository.clone().into()];
        let done = world.sandbox.real(words).finish();
        done.expect_code(0);
        assert!(String::from_utf8_lossy(&done.stdout).contains("refs/heads/main"), "{name}");
    }
    let done = world.sandbox.real([own.join("git-upload-archive")]).finish();
    assert!(done.stderr_text().contains("git upload-archive"), "{}", done.stderr_text());
}
