//! Pins of repositories: what is recorded, what a pin does to a clone, and what happens when it cannot be kept.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use vcache_testkit::Finished;
use vcache_tests::git::World;

/// A clone by the shim, and what is said of its place.
fn place(world: &World) -> (String, String) {
    let branch = world.real(&["-C", "a", "symbolic-ref", "-q", "HEAD"]).finish();
    (String::from_utf8_lossy(&branch.stdout).trim().to_owned(), world.ask(&["rev-parse", "HEAD"]))
}

fn warned(done: &Finished) -> bool {
    done.stderr_text().lines().any(|line| line.starts_with("vcache: warning: "))
}

#[test]
fn an_unpinned_clone_is_recorded() {
    let Some(world) = World::new("an_unpinned_clone_is_recorded") else { return };
    for (options, revision) in [
        (&[][..], "main"),
        (&["--depth", "1"], "main"),
        (&["-b", "release-1.0"], "release-1.0"),
        (&["-b", "v1.0"], "v1.0"),
        (&["-b", "v1.1", "--depth", "1"], "v1.1"),
        (&["--bare"], "main"),
        (&["-n", "--single-branch"], "main"),
    ] {
        for name in ["plain.git", "plain", "plain.git/"] {
            world.sandbox.clear();
            let url = world.url(name);
            world.clone(options, &url).expect_code(0);
            let line = format!("{url}=={}", world.origin.id("plain.git", revision));
            assert_eq!(world.sandbox.recorded_git().trim(), line, "{options:?} {name}");
            // The same once more, from the cache and by another spelling.
            world.clone(options, &world.url("plain.git")).expect_code(0);
            assert_eq!(world.sandbox.recorded_git().lines().count(), 1, "{}", world.sandbox.recorded_git());
        }
    }
}

#[test]
fn what_is_no_clone_by_the_user_is_not_recorded() {
    let Some(world) = World::new("what_is_no_clone_by_the_user_is_not_recorded") else { return };
    let (deep, plain) = (world.url("deep.git"), world.url("plain.git"));
    world.clone(&["--recurse-submodules"], &deep).expect_code(0);
    assert_eq!(world.sandbox.recorded_git(), format!("{deep}=={}\n", world.origin.id("deep.git", "main")));
    world.sandbox.clear();
    world.git(&["ls-remote", &plain]).finish().expect_code(0);
    world.git(&["init", "-q", "b"]).finish().expect_code(0);
    world.git(&["-C", "b", "fetch", &plain]).finish().expect_code(0);
    world.git(&["clone", &world.url("nothing.git"), "c"]).finish().expect_code(128);
    world.git(&["clone", "-b", "nothing", &plain, "c"]).finish().expect_code(128);
    assert_eq!(world.sandbox.recorded_git(), "");
}

#[test]
fn credentials_are_written_nowhere() {
    let Some(world) = World::new("credentials_are_written_nowhere") else { return };
    let url = world.url("private/plain.git").replace("http://", "http://user:pw@");
    world.clone(&[], &url).expect_code(0);
    assert!(!world.sandbox.recorded_git().contains("pw"), "{}", world.sandbox.recorded_git());
    assert!(!world.sandbox.log_lines().concat().contains("pw"), "{:?}", world.sandbox.log_lines());
    let cache = world.sandbox.cache();
    if cache.exists() {
        world.sandbox.real(["grep", "-rqF", "user:pw"]).cwd(cache).finish().expect_code(1);
    }
}

#[test]
fn a_pinned_clone_is_at_its_commit() {
    let Some(mut world) = World::new("a_pinned_clone_is_at_its_commit") else { return };
    let url = world.url("plain.git");
    // One that branches and tags lead to, but which is none.
    let pin = world.origin.id("plain.git", "main~1");
    for options in [
        &[][..],
        &["--depth", "1"],
        &["--depth", "2", "--no-single-branch"],
        &["--single-branch"],
        &["--no-tags"],
        &["-b", "main"],
        &["-b", "release-1.0"],
        &["-b", "feature/one", "--depth", "1"],
        &["-b", "v1.0"],
        &["-b", "v1.1", "--depth", "1"],
        &["-o", "upstream"],
        &["--filter=blob:none"],
        &["--recurse-submodules"],
        &["--mirror"],
    ] {
        world.origin.resume();
        world.sandbox.clear();
        world.clone(options, &url).expect_code(0);
        let (branch, _) = place(&world);
        world.sandbox.clear();
        world.sandbox.pin_git(&format!("{url}=={pin}\n"));
        for state in ["cold", "warm", "stopped"] {
            if state == "stopped" {
                world.origin.stop();
            }
            let done = world.clone(options, &url);
            done.expect_code(0);
            assert_eq!(place(&world), (branch.clone(), pin.clone()), "{options:?} {state}");
            world.real(&["-C", "a", "fsck", "--connectivity-only"]).finish().expect_code(0);
            // A branch or tag that was asked for is another commit now, which is said.
            let is_asked_for = options.contains(&"-b");
            assert_eq!(warned(&done), is_asked_for, "{options:?} {state}: {}", done.stderr_text());
            if options[..options.len().min(2)] == ["--depth", "1"] {
                assert_eq!(world.ask(&["rev-list", "--count", "HEAD"]), "1");
            }
            if options != ["--mirror"] {
                assert_eq!(world.ask(&["status", "--porcelain"]), "");
            }
        }
    }
}

#[test]
fn a_pinned_tag_is_the_commit_that_it_leads_to() {
    let Some(mut world) = World::new("a_pinned_tag_is_the_commit_that_it_leads_to") else { return };
    let url = world.url("plain.git");
    for name in ["v1.0", "of-a-tag", "aside"] {
        let (tag, commit) = (world.origin.object("plain.git", name), world.origin.id("plain.git", name));
        assert_ne!(tag, commit);
        for options in [&[][..], &["--depth", "1"], &["-b", name]] {
            world.origin.resume();
            world.sandbox.clear();
            world.sandbox.pin_git(&format!("{url}=={tag}\n"));
            for state in ["cold", "warm", "stopped"] {
                if state == "stopped" {
                    world.origin.stop();
                }
                world.clone(options, &url).expect_code(0);
                assert_eq!(world.ask(&["rev-parse", "HEAD"]), commit, "{name} {options:?} {state}");
                world.expect_clone(&commit);
            }
        }
    }
}

#[test]
fn a_pin_that_leads_to_no_commit_is_refused() {
    let Some(world) = World::new("a_pin_that_leads_to_no_commit_is_refused") else { return };
    let url = world.url("plain.git");
    for revision in ["main^{tree}", "main:README"] {
        let object = world.origin.object("plain.git", revision);
        for is_warm in [false, true] {
            world.sandbox.clear();
            if is_warm {
                world.clone(&[], &url).expect_code(0);
            }
            world.sandbox.pin_git(&format!("# a comment\n{url}=={object}\n"));
            for options in [&[][..], &["--depth", "1"], &["-b", "v1.0"]] {
                let done = world.clone(options, &url);
                done.expect_code(119);
                assert!(done.stderr_text().contains("versions-git:2"), "{}", done.stderr_text());
                assert!(!world.sandbox.work().join("a").exists(), "{revision} {options:?}");
            }
        }
    }
}

#[test]
fn a_pin_counts_for_every_spelling_of_its_url() {
    let Some(world) = World::new("a_pin_counts_for_every_spelling_of_its_url") else { return };
    let pin = world.origin.id("plain.git", "v1.0");
    for pinned in ["plain.git", "plain", "plain/", "plain.git/"] {
        world.sandbox.clear();
        world.sandbox.pin_git(&format!("{}=={pin}\n{}x==junk\n", world.url(pinned), world.url("plain.git")));
        for typed in ["plain.git", "plain", "plain/", "plain.git/"] {
            let done = world.clone(&[], &world.url(typed));
            done.expect_code(0);
            world.expect_clone(&pin);
            assert!(!warned(&done), "{}", done.stderr_text());
        }
    }
    // Not for one that only begins in the same way.
    world.sandbox.clear();
    world.sandbox.pin_git(&format!("{}=={pin}\n{}=={pin}\n", world.url("plai"), world.url("plain.git2")));
    world.clone(&[], &world.url("plain.git")).expect_code(0);
    world.expect_clone(&world.origin.id("plain.git", "main"));
}

#[test]
fn a_pinned_clone_that_the_cache_has_asks_nobody() {
    let Some(world) = World::new("a_pinned_clone_that_the_cache_has_asks_nobody") else { return };
    let url = world.url("plain.git");
    world.clone(&[], &url).expect_code(0);
    world.sandbox.pin_git(&format!("{url}=={}\n", world.origin.id("plain.git", "main~2")));
    world.origin.take_requests();
    world.clone(&[], &url).expect_code(0);
    assert_eq!(world.origin.take_requests(), Vec::<String>::new());
}

#[test]
fn a_commit_that_nobody_has_is_refused() {
    let Some(mut world) = World::new("a_commit_that_nobody_has_is_refused") else { return };
    let url = world.url("plain.git");
    world.sandbox.pin_git(&format!("# a comment\n{url}=={}\n", "1".repeat(40)));
    for up in [true, false] {
        if !up {
            world.origin.stop();
        }
        for options in [&[][..], &["--depth", "1"], &["-b", "v1.0"]] {
            let done = world.clone(options, &url);
            // An origin that can't be reached may have it.
            done.expect_code(if up { 119 } else { 128 });
            assert!(done.stderr_text().contains("versions-git:2"), "{}", done.stderr_text());
            assert!(!world.sandbox.work().join("a").exists());
        }
    }
}

#[test]
fn lines_that_are_no_pins() {
    let Some(world) = World::new("lines_that_are_no_pins") else { return };
    let url = world.url("plain.git");
    let commit = |revision| world.origin.id("plain.git", revision);
    for wrong in ["junk", "main", "", "123456"] {
        world.sandbox.pin_git(&format!("{url}=={wrong}\n"));
        let done = world.clone(&[], &url);
        done.expect_code(0);
        assert!(done.stderr_text().contains("versions-git:1"), "{wrong}: {}", done.stderr_text());
        world.expect_clone(&commit("main"));
    }
    world.sandbox.pin_git(&format!("{url}=={}\n{url}=={}\n", commit("main"), commit("v1.0")));
    let done = world.clone(&[], &url);
    done.expect_code(119);
    assert!(done.stderr_text().contains("versions-git:2"), "{}", done.stderr_text());
    world.sandbox.pin_git(&format!("{url}=={0}\n{url}=={0}\n", commit("v1.0").to_uppercase()));
    world.clone(&[], &url).expect_code(0);
    world.expect_clone(&commit("v1.0"));
}

#[test]
fn a_pinned_commit_outlives_a_forced_push() {
    let Some(mut world) = World::new("a_pinned_commit_outlives_a_forced_push") else { return };
    let url = world.url("moved.git");
    let old = world.origin.id("moved.git", "main");
    world.clone(&[], &url).expect_code(0);
    world.sandbox.pin_git(&format!("{url}=={old}\n"));
    let new = world.origin.force_push("moved.git", "main", "new");
    for options in [&[][..], &["--depth", "1"], &["-b", "main"]] {
        world.clone(options, &url).expect_code(0);
        assert_eq!(place(&world), ("refs/heads/main".to_owned(), old.clone()), "{options:?}");
    }
    // What is not pinned is the origin's.
    world.sandbox.pin_git("");
    world.clone(&[], &url).expect_code(0);
    world.expect_clone(&new);
    // And the old one is there still.
    world.sandbox.pin_git(&format!("{url}=={old}\n"));
    world.clone(&[], &url).expect_code(0);
    world.expect_clone(&old);
    world.origin.stop();
    world.clone(&[], &url).expect_code(0);
    world.expect_clone(&old);
}

#[test]
fn a_pinned_commit_that_is_on_no_branch_is_fetched_by_its_name() {
    let Some(world) = World::new("a_pinned_commit_that_is_on_no_branch_is_fetched_by_its_name") else {
        return;
    };
    let url = world.url("sub.git");
    let pin = world.origin.id("sub.git", "refs/hidden/lost");
    world.sandbox.pin_git(&format!("{url}=={pin}\n"));
    for options in [&[][..], &["--depth", "1"]] {
        world.clone(options, &url).expect_code(0);
        assert_eq!(place(&world), ("refs/heads/main".to_owned(), pin.clone()), "{options:?}");
    }
}

/// A commit that the server gives to nobody by its name comes with the history that leads to it.
#[test]
fn a_commit_that_the_server_denies_is_there() {
    let Some(mut world) = World::new("a_commit_that_the_server_denies_is_there") else { return };
    let old = world.origin.id("tips.git", "main~2");
    for version in ["protocol.version=0", "protocol.version=2"] {
        for url in [world.url("tips.git"), format!("{}/tips.git", world.origin.git())] {
            for options in [&[][..], &["--depth", "1"]] {
                world.origin.resume();
                world.sandbox.clear();
                world.sandbox.pin_git(&format!("{url}=={old}\n"));
                for state in ["cold", "warm", "stopped"] {
                    if state == "stopped" {
                        world.origin.stop();
                    }
                    world.sandbox.clear_work();
                    let words = [&["-c", version, "clone"], options, &[url.as_str(), "a"]].concat();
                    world.git(&words).finish().expect_code(0);
                    let expected = ("refs/heads/main".to_owned(), old.clone());
                    assert_eq!(place(&world), expected, "{version} {url} {options:?} {state}");
                    world.expect_clone(&old);
                }
            }
        }
    }
}

/// What is not pinned, too: there the real git fails.
#[test]
fn the_cache_gives_what_the_server_denies() {
    let Some(mut world) = World::new("the_cache_gives_what_the_server_denies") else { return };
    let (tips, above) = (world.url("tips.git"), world.url("above.git"));
    let old = world.origin.id("tips.git", "main~2");
    let begin = ["-c", "protocol.version=0"];
    let fetch = [&begin[..], &["-C", "a", "fetch", "-q", &tips, &old]].concat();
    let parts = ["clone", "-q", "--recurse-submodules", "--shallow-submodules", &above, "b"];
    let clone = [&begin[..], &parts].concat();
    world.real(&["init", "-q", "a"]).finish().expect_code(0);
    for words in [&fetch, &clone] {
        let done = world.real(words).finish();
        assert!(done.stderr_text().contains("Server does not allow request"), "{}", done.stderr_text());
    }
    for state in ["cold", "stopped"] {
        world.sandbox.clear_work();
        world.real(&["init", "-q", "a"]).finish().expect_code(0);
        world.git(&fetch).finish().expect_code(0);
        assert_eq!(world.ask(&["rev-parse", "FETCH_HEAD"]), old, "{state}");
        world.git(&clone).finish().expect_code(0);
        assert_eq!(world.ask(&["-C", "../b/old", "rev-parse", "HEAD"]), old, "{state}");
        world.origin.stop();
    }
}

#[test]
fn what_is_not_pinned_is_the_origins_newest() {
    let Some(mut world) = World::new("what_is_not_pinned_is_the_origins_newest") else { return };
    let url = world.url("moved.git");
    let first = world.origin.id("moved.git", "main");
    world.clone(&[], &url).expect_code(0);
    for state in ["a", "b", "c"] {
        let tip = world.origin.push("moved.git", "main", state);
        world.origin.take_packs();
        world.clone(&[], &url).expect_code(0);
        world.expect_clone(&tip);
        // Only what is new is fetched.
        assert_eq!(world.origin.take_packs(), ["moved.git"]);
        world.clone(&[], &url).expect_code(0);
        assert_eq!(world.origin.take_packs(), Vec::<String>::new());
        assert_eq!(world.sandbox.recorded_git(), format!("{url}=={tip}\n"));
    }
    let tip = world.origin.id("moved.git", "main");
    world.real(&["clone", "-q", &url, "b"]).finish().expect_code(0);
    world.real(&["-C", "b", "reset", "-q", "--hard", &first]).finish().expect_code(0);
    world.git(&["-C", "b", "pull", "-q"]).finish().expect_code(0);
    // The cache alone answers without a look at the origin.
    world.origin.push("moved.git", "main", "d");
    world.sandbox.clear_work();
    let plain = world.git(&["clone", "-q", &url, "a"]).env_remove("SONIC_VERSION_CONTROL_COMPONENTS");
    plain.finish().expect_code(0);
    world.expect_clone(&tip);
    // Without an origin what was seen last counts, and that is said.
    world.origin.stop();
    let done = world.clone(&[], &url);
    done.expect_code(0);
    assert!(warned(&done), "{}", done.stderr_text());
    world.expect_clone(&tip);
}

#[test]
fn a_pin_that_the_branch_never_had_is_told_of() {
    let Some(world) = World::new("a_pin_that_the_branch_never_had_is_told_of") else { return };
    let url = world.url("plain.git");
    for (revision, is_told) in [("main~1", false), ("feature/two/deep", true)] {
        let pin = world.origin.id("plain.git", revision);
        world.sandbox.clear();
        world.sandbox.pin_git(&format!("{url}=={pin}\n"));
        for _ in ["cold", "warm"] {
            let done = world.clone(&[], &url);
            done.expect_code(0);
            assert_eq!(warned(&done), is_told, "{revision}: {}", done.stderr_text());
            world.expect_clone(&pin);
        }
    }
}
