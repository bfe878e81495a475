//! What a call of git does beside what it names: what a repository has of its own stays, the pin of one is not that of another, and no way leads past a
//! pin or to the network.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use vcache_testkit::{Finished, Run};
use vcache_tests::git::World;

const UNVERSIONED: &str = "SONIC_VERSION_CONTROL_COMPONENTS";
/// Where `git push` leads by [`vcache_testkit::GitOrigin::ssh`].
const PLAIN: &str = "git@h.example:plain.git";

/// A call that reaches the origin by ssh, in `a`.
fn by_ssh(world: &World, words: &[&str]) -> Run {
    let run =
        world.git(&[&["-C", "a", "-c", "user.name=T", "-c", "user.email=t@example.com"], words].concat());
    run.env("GIT_SSH", world.origin.ssh()).env("GIT_SSH_VARIANT", "simple")
}

/// A clone with a commit of its own that was pushed.
fn pushed(world: &World, configured: impl Fn(Run) -> Run) -> String {
    world.sandbox.clear_work();
    let run = world.git(&["clone", "-q", PLAIN, "a"]);
    configured(run.env("GIT_SSH", world.origin.ssh()).env("GIT_SSH_VARIANT", "simple"))
        .finish()
        .expect_code(0);
    by_ssh(world, &["commit", "-q", "--allow-empty", "-m", "mine"]).finish().expect_code(0);
    configured(by_ssh(world, &["push", "-q", "origin", "HEAD", "HEAD:feature/mine"])).finish().expect_code(0);
    world.ask(&["rev-parse", "HEAD"])
}

#[test]
fn what_was_pushed_is_not_taken_back() {
    let Some(world) = World::new("what_was_pushed_is_not_taken_back") else { return };
    let tip = world.origin.id("plain.git", "main");
    for (versioned, pin) in [(false, None), (true, None), (true, Some(tip))] {
        world.sandbox.clear();
        world.sandbox.pin_git(&pin.as_ref().map_or(String::new(), |pin| format!("{PLAIN}=={pin}\n")));
        let configured = |run: Run| if versioned { run } else { run.env_remove(UNVERSIONED) };
        let mine = pushed(&world, configured);
        // Twice, since the first one may be what tells the cache.
        for offline in ["", "", "y"] {
            for words in [&["fetch", "-q", "--prune"][..], &["pull", "-q", "--rebase"]] {
                let done = configured(by_ssh(&world, words).env("VCACHE_OFFLINE", offline)).finish();
                done.expect_code(0);
                let place = format!("{versioned} {pin:?} {offline:?} {words:?}: {}", done.stderr_text());
                assert_eq!(world.ask(&["rev-parse", "HEAD"]), mine, "{place}");
                assert_eq!(
                    world.ask(&["rev-parse", "origin/main", "origin/feature/mine"]),
                    format!("{mine}\n{mine}"),
                    "{place}"
                );
            }
        }
        // What others have taken back is gone here too, where refs float.
        world.origin.force_push("plain.git", "main", "other");
        configured(by_ssh(&world, &["fetch", "-q"])).finish().expect_code(0);
        let now = if pin.is_some() || !versioned { mine } else { world.origin.id("plain.git", "main") };
        assert_eq!(world.ask(&["rev-parse", "origin/main"]), now);
        restore(&world);
    }
}

#[test]
fn a_forced_push_is_not_taken_back() {
    let Some(world) = World::new("a_forced_push_is_not_taken_back") else { return };
    let tip = world.origin.id("plain.git", "main");
    for (versioned, pin) in [(false, ""), (true, ""), (true, tip.as_str())] {
        world.sandbox.clear();
        world.sandbox.pin_git(&if pin.is_empty() { String::new() } else { format!("{PLAIN}=={pin}\n") });
        let configured = |run: Run| if versioned { run } else { run.env_remove(UNVERSIONED) };
        pushed(&world, configured);
        by_ssh(&world, &["commit", "-q", "--amend", "--allow-empty", "-m", "mended"]).finish().expect_code(0);
        configured(by_ssh(&world, &["push", "-q", "--force"])).finish().expect_code(0);
        let mine = world.ask(&["rev-parse", "HEAD"]);
        for offline in ["", "y"] {
            for words in [&["fetch", "-q"][..], &["pull", "-q", "--rebase"]] {
                configured(by_ssh(&world, words).env("VCACHE_OFFLINE", offline)).finish().expect_code(0);
                assert_eq!(world.ask(&["rev-parse", "HEAD", "origin/main"]), format!("{mine}\n{mine}"));
            }
        }
        restore(&world);
    }
}

/// Undoes what the test has pushed.
fn restore(world: &World) {
    let folder = world.origin.root().join("plain.git");
    let folder = folder.display().to_string();
    let fresh = vcache_testkit::GitOrigin::start();
    let from = fresh.root().join("plain.git").display().to_string();
    world
        .real(&["-C", &folder, "fetch", "-q", "--prune", "--force", &from, "+refs/*:refs/*"])
        .finish()
        .expect_code(0);
}

#[test]
fn a_remote_that_fails_frees_no_pin_of_another() {
    let Some(world) = World::new("a_remote_that_fails_frees_no_pin_of_another") else { return };
    let url = format!("{}/plain.git", world.origin.git());
    let pin = world.origin.id("plain.git", "main~1");
    world.sandbox.pin_git(&format!("{url}=={pin}\n"));
    for other in ["empty.git", "none.git"] {
        for scheme in [world.origin.git(), world.origin.http()] {
            world.clone(&["-q"], &url).expect_code(0);
            world
                .real(&["-C", "a", "remote", "add", "other", &format!("{scheme}/{other}")])
                .finish()
                .expect_code(0);
            for words in [&["fetch", "-q", "--all"][..], &["remote", "update"]] {
                world.git(&[&["-C", "a"], words].concat()).finish();
                assert_eq!(world.ask(&["rev-parse", "origin/main"]), pin, "{scheme} {other} {words:?}");
            }
        }
    }
}

#[test]
fn where_the_helper_cannot_be_told_no_pin_is_passed_by() {
    let Some(world) = World::new("where_the_helper_cannot_be_told_no_pin_is_passed_by") else { return };
    let url = world.url("plain.git");
    let clone = |variable: &str| {
        world.sandbox.clear_work();
        world.git(&["clone", "-q", &url, "a"]).env("TMPDIR", "/nonexistent").env(variable, "y").finish()
    };
    clone("NOTHING").expect_code(0);
    clone("VCACHE_STRICT").expect_code(117);
    world.sandbox.pin_git(&format!("{url}=={}\n", world.origin.id("plain.git", "main~1")));
    let done = clone("NOTHING");
    done.expect_code(119);
    assert!(done.stderr_text().contains("versions-git:1"), "{}", done.stderr_text());
    // The pin of what git makes of a URL counts as well.
    let rule = format!("url.{}/.insteadOf=far:", world.origin.http());
    world.sandbox.clear_work();
    let far = world.git(&["-c", &rule, "clone", "-q", "far:plain.git", "a"]);
    far.env("TMPDIR", "/nonexistent").finish().expect_code(119);
    world.origin.take_requests();
    clone("VCACHE_OFFLINE").expect_code(118);
    assert_eq!(world.origin.take_requests(), Vec::<String>::new());
}

/// Clones `plain.git`, with a hook that clones `sub.git` by the git that is next for it.
fn clone_with_hook(world: &World, options: &[&str]) -> Finished {
    let hooks = world.sandbox.root().join("template/hooks");
    fs::create_dir_all(&hooks).expect("make a folder");
    let hook = hooks.join("post-checkout");
    let script = format!(
        "#!/bin/sh\n[ -z \"$INSIDE\" ] || exit 0\nexport INSIDE=1\nunset GIT_DIR GIT_WORK_TREE\nrm -rf ../inner\ngit clone -q {} ../inner\n",
        world.url("sub.git")
    );
    fs::write(&hook, script).expect("write a hook");
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).expect("chmod");
    let template = format!("--template={}", world.sandbox.root().join("template").display());
    world.clone(&[&["-q", &template], options].concat(), &world.url("plain.git"))
}

#[test]
fn a_clone_in_a_hook_is_not_the_clone_around_it() {
    let Some(world) = World::new("a_clone_in_a_hook_is_not_the_clone_around_it") else { return };
    let (plain, sub) = (world.url("plain.git"), world.url("sub.git"));
    let at = |place: &str| {
        let done = world.real(&["-C", place, "rev-parse", "HEAD"]).finish();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    };
    let (of_plain, of_sub) = (world.origin.id("plain.git", "main"), world.origin.id("sub.git", "main"));
    clone_with_hook(&world, &[]).expect_code(0);
    assert_eq!(world.sandbox.recorded_git(), format!("{plain}=={of_plain}\n{sub}=={of_sub}\n"));
    let pin = world.origin.id("plain.git", "main~1");
    world.sandbox.pin_git(&format!("{plain}=={pin}\n"));
    clone_with_hook(&world, &[]).expect_code(0);
    assert_eq!([at("a"), at("inner")], [pin, of_sub]);
    let pin = world.origin.id("sub.git", "main~1");
    world.sandbox.pin_git(&format!("{sub}=={pin}\n"));
    clone_with_hook(&world, &["-b", "release-1.0"]).expect_code(0);
    assert_eq!([at("a"), at("inner")], [world.origin.id("plain.git", "release-1.0"), pin]);
}

#[test]
fn the_pin_of_a_superproject_is_not_that_of_its_submodules() {
    let Some(world) = World::new("the_pin_of_a_superproject_is_not_that_of_its_submodules") else { return };
    let deep = world.url("deep.git");
    let pin = world.origin.id("deep.git", "main");
    world.sandbox.pin_git(&format!("{deep}=={pin}\n"));
    world.clone(&["-q", "--recurse-submodules"], &deep).expect_code(0);
    for words in [&["fetch", "-q", "--recurse-submodules"][..], &["pull", "-q", "--recurse-submodules"]] {
        world.git(&[&["-C", "a"], words].concat()).finish().expect_code(0);
        world.expect_clone(&pin);
    }
}

#[test]
fn no_way_leads_to_the_network_offline() {
    let Some(world) = World::new("no_way_leads_to_the_network_offline") else { return };
    let url = format!("{}/plain.git", world.origin.git());
    world.real(&["init", "-q", "a"]).finish().expect_code(0);
    // `GIT_CONFIG` is for `git config` alone, and must hide no remote from us.
    let offline = |words: &[&str]| {
        let done = world.git(&[&["-C", "a"], words].concat());
        done.env("VCACHE_OFFLINE", "y").env("GIT_CONFIG", "/dev/null").finish()
    };
    offline(&["remote", "add", "-f", "x", &url]).expect_code(118);
    offline(&["fetch", "-q", "--depth", "1", &url, "main"]).expect_code(118);
    world.real(&["-C", "a", "config", "branch.main.remote", &url]).finish().expect_code(0);
    world.real(&["-C", "a", "config", "branch.main.merge", "refs/heads/main"]).finish().expect_code(0);
    world.real(&["-C", "a", "symbolic-ref", "HEAD", "refs/heads/main"]).finish().expect_code(0);
    offline(&["pull", "-q"]).expect_code(118);
    world.real(&["-C", "a", "remote", "add", "y", &url]).finish().expect_code(0);
    offline(&["fetch", "-q", "y"]).expect_code(118);
    offline(&["fetch", "-q", "--shallow-since", "2000-01-01T00:00:00", "y"]).expect_code(118);
    offline(&["--shallow-file", "/dev/null", "ls-remote", &url]).expect_code(118);
    offline(&["remote", "add", "-ft", "main", "z", &url]).expect_code(118);
    let rule = format!("url.{}/.insteadOf=gh/", world.origin.git());
    offline(&["-c", &rule, "ls-remote", "gh/plain.git"]).expect_code(118);
    let secret = world.url("plain.git").replace("http://", "http://user:pw@");
    world.real(&["-C", "a", "remote", "add", "secret", &secret]).finish().expect_code(0);
    offline(&["fetch", "-q", "secret"]).expect_code(118);
    offline(&["fetch", "-q", "--all"]).expect_code(118);
    world.git(&["clone", "-q", &world.url("deep.git"), "s"]).finish().expect_code(0);
    world.origin.take_requests();
    let update =
        world.git(&["-c", "clone.defaultRemoteName=up", "-C", "s", "submodule", "-q", "update", "--init"]);
    update.env("VCACHE_OFFLINE", "y").finish().expect_code(118);
    assert_eq!(world.origin.take_requests(), Vec::<String>::new());
    // What needs none is done.
    offline(&["ls-remote", "--get-url", "y"]).expect_code(0);
}

#[test]
fn what_a_build_has_recorded_is_there_for_the_next_one() {
    let Some(mut world) = World::new("what_a_build_has_recorded_is_there_for_the_next_one") else { return };
    let url = world.url("deep.git");
    for options in [
        &["--depth", "1"][..],
        &["--depth", "3", "--no-single-branch"],
        &["--depth", "1", "--recurse-submodules"],
        &["--depth", "1", "-b", "main"],
        &[],
    ] {
        world.origin.resume();
        world.sandbox.clear();
        world.clone(options, &url).expect_code(0);
        let head = world.ask(&["rev-parse", "HEAD"]);
        world.sandbox.pin_git(&world.sandbox.recorded_git());
        world.origin.stop();
        let done = world.clone(options, &url);
        assert_eq!(done.code, 0, "{options:?}: {}", done.stderr_text());
        world.expect_clone(&head);
    }
}

#[test]
fn a_call_on_others_word_is_no_submodule() {
    let Some(world) = World::new("a_call_on_others_word_is_no_submodule") else { return };
    let (plain, sub) = (world.url("plain.git"), world.url("sub.git"));
    let pin = world.origin.id("plain.git", "main~1");
    world.sandbox.pin_git(&format!("{plain}=={pin}\n"));
    let distrusted = |url: &str| {
        world.sandbox.clear_work();
        world
            .git(&["clone", "-q", url, "a"])
            .env("GIT_PROTOCOL_FROM_USER", "0")
            .env("VCACHE_STRICT", "y")
            .finish()
    };
    distrusted(&plain).expect_code(0);
    world.expect_clone(&pin);
    distrusted(&sub).expect_code(117);
}

#[test]
fn what_leads_to_this_machine_needs_no_network() {
    let Some(world) = World::new("what_leads_to_this_machine_needs_no_network") else { return };
    let rule = format!("url.{}/.insteadOf=git://h.example/", world.origin.root().display());
    let clone = world.git(&["-c", &rule, "clone", "-q", "git://h.example/plain.git", "a"]);
    clone.env("VCACHE_OFFLINE", "y").env("VCACHE_STRICT", "y").finish().expect_code(0);
    world.expect_clone(&world.origin.id("plain.git", "main"));
}

#[test]
fn where_nothing_is_ahead_nobody_is_asked() {
    let Some(world) = World::new("where_nothing_is_ahead_nobody_is_asked") else { return };
    let url = world.url("moved.git");
    let old = world.origin.id("moved.git", "main");
    let unversioned = |words: &[&str]| {
        world.git(words).env_remove(UNVERSIONED).finish().expect_code(0);
    };
    unversioned(&["clone", "-q", &url, "a"]);
    let new = world.origin.push("moved.git", "main", "later");
    world.git(&["clone", "-q", &url, "b"]).finish().expect_code(0);
    world.origin.take_requests();
    // The cache has seen more by now than this clone, or just what is pinned.
    unversioned(&["-C", "a", "fetch", "-q"]);
    assert_eq!(world.ask(&["rev-parse", "origin/main"]), new);
    world.sandbox.pin_git(&format!("{url}=={old}\n"));
    world.clone(&["-q"], &url).expect_code(0);
    for _ in ["once", "again"] {
        world.git(&["-C", "a", "fetch", "-q"]).finish().expect_code(0);
        assert_eq!(world.ask(&["rev-parse", "origin/main"]), old);
    }
    assert_eq!(world.origin.take_requests(), Vec::<String>::new());
}
