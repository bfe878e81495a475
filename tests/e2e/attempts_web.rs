//! Calls that are tried more than once, by mirrors, retries and the cache after a failure; calls that race for one file;
//! and calls within calls: nobody's file is lost, taken for another's, or left in part.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;

use vcache_testkit::{Finished, Origin, Sandbox, md5_hex};

const WRONG: &str = "00000000000000000000000000000000";

/// A sandbox whose rule sends `/pool/` to `mirror` first.
fn mirrored(origin: &Origin, mirror: &str) -> Sandbox {
    let sandbox = Sandbox::new();
    let base = origin.url();
    sandbox.write("mirrors", format!("# caf\u{e9}\n{base}/pool/ -> {base}{mirror}\n").as_bytes());
    sandbox
}

fn by_mirror(sandbox: &Sandbox, argv: &[&str]) -> Finished {
    sandbox.shim(argv).env("VCACHE_MIRRORS", sandbox.root().join("mirrors")).finish()
}

fn work(sandbox: &Sandbox, name: &str) -> Vec<u8> {
    fs::read(sandbox.work().join(name)).unwrap_or_default()
}

#[test]
fn what_a_broken_mirror_leaves_is_not_the_content() {
    let origin = Origin::start();
    let url = format!("{}/pool/f", origin.url());
    let right = origin.content("/pool/f");
    for argv in [
        vec!["wget", "-q", "-N", &url],
        vec!["wget", "-q", "-O", "f", &url],
        vec!["curl", "-s", "-o", "f", &url],
        vec!["wget", "-q", &url],
    ] {
        for there in [false, true] {
            let sandbox = mirrored(&origin, "/reset/s40000/");
            if there {
                sandbox.write("work/f", b"old");
            }
            by_mirror(&sandbox, &argv).expect_code(0);
            let name = if there && argv.len() == 3 { "f.1" } else { "f" };
            assert!(work(&sandbox, name) == *right, "{argv:?}, there: {there}");
            sandbox.clear_work();
            let warm = sandbox.shim(["curl", "-sL", &url]).env("VCACHE_OFFLINE", "y").finish();
            assert!(warm.expect_code(0).stdout == *right, "{argv:?}, there: {there}");
        }
    }
}

#[test]
fn a_mirror_takes_nothing_from_a_caller_whose_origin_fails() {
    let origin = Origin::start();
    let sandbox = Sandbox::new();
    let rule = format!("http://127.0.0.1:9/ -> {}/bad/\n", origin.url());
    sandbox.write("mirrors", rule.as_bytes());
    let url = "http://127.0.0.1:9/f";
    sandbox.pin_web(&format!("{url}=={WRONG}\n"));
    sandbox.write("work/f", b"precious");
    by_mirror(&sandbox, &["curl", "-s", "-o", "f", url]).expect_code(7);
    assert_eq!(work(&sandbox, "f"), b"precious");
    // Behind a link that leads nowhere, too.
    std::os::unix::fs::symlink("real/f", sandbox.work().join("link")).unwrap();
    fs::create_dir(sandbox.work().join("real")).unwrap();
    by_mirror(&sandbox, &["curl", "-s", "-o", "link", url]).expect_code(7);
    assert!(sandbox.work().join("link").is_symlink() && !sandbox.work().join("real/f").exists());
}

#[test]
fn a_mirror_learns_no_secret() {
    let origin = Origin::start();
    let sandbox = mirrored(&origin, "/mirror/");
    let base = origin.url();
    for argv in [
        vec!["curl".to_owned(), "-s".to_owned(), format!("{base}/pool/f?access_token=hunter2")],
        vec![
            "curl".to_owned(),
            "-s".to_owned(),
            "-H".to_owned(),
            "X-AuthToken: hunter2".to_owned(),
            format!("{base}/pool/f"),
        ],
        vec!["wget".to_owned(), "-qO-".to_owned(), "--password=hunter2".to_owned(), format!("{base}/pool/f")],
    ] {
        let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
        by_mirror(&sandbox, &argv).expect_code(0);
        assert!(origin.take_log().iter().all(|request| request.target.starts_with("/pool/")), "{argv:?}");
    }
    by_mirror(&sandbox, &["curl", "-s", "--fail-with-body", &format!("{base}/pool/g")]).expect_code(0);
    assert_eq!(origin.take_log().len(), 1);
}

#[test]
fn a_signal_ends_the_call_and_not_just_the_mirrors_turn() {
    let origin = Origin::start();
    let sandbox = mirrored(&origin, "/drip/300/");
    let url = format!("{}/pool/f", origin.url());
    for call in ["wget -q -O f", "curl -s -o f"] {
        let script = format!("{call} {url} & pid=$!; sleep 0.6; kill -TERM $pid; wait $pid");
        by_mirror(&sandbox, &["sh", "-c", &script]).expect_code(143);
        assert!(origin.take_log().iter().all(|request| request.target.starts_with("/drip/")));
    }
}

#[test]
fn a_failed_network_and_a_partial_file_end_in_the_last_copy() {
    let (sandbox, mut origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/resetonce/s40000/f", origin.url());
    let right = origin.content("/resetonce/s40000/f");
    // Unpinned, so that the origin is asked each time: first it breaks off, then it is whole, then it is gone.
    assert_ne!(sandbox.shim(["wget", "-q", "-t", "1", "-N", &url]).finish().code, 0);
    sandbox.clear_work();
    sandbox.shim(["wget", "-q", "-N", &url]).finish().expect_code(0);
    sandbox.write("work/f", b"old");
    origin.stop();
    sandbox.shim(["wget", "-q", "-t", "1", "-N", &url]).finish().expect_code(0);
    assert!(work(&sandbox, "f") == *right);
}

#[test]
fn calls_that_race_for_a_new_folder_or_without_a_cache_keep_apart() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let urls = ["/drip/20/a/x", "/drip/40/b/x"].map(|path| format!("{}{path}", origin.url()));
    let pins = ["/drip/20/a/x", "/drip/40/b/x"].map(|path| md5_hex(&origin.content(path)));
    for (method, folder) in [("cache", "-P new"), ("none", ""), ("rcache", "-P new")] {
        for pinned in [false, true] {
            sandbox.clear();
            if pinned {
                sandbox.pin_web(&format!("{}=={}\n{}=={}\n", urls[0], pins[0], urls[1], pins[1]));
            }
            let script = format!(
                "wget -q {folder} {} & first=$!; wget -q {folder} {} && wait $first",
                urls[0], urls[1]
            );
            let run = sandbox.shim(["sh", "-c", &script]).env("SONIC_VERSION_CACHE_METHOD", method);
            run.finish().expect_code(0);
            let recorded = sandbox.recorded_web();
            for (url, pin) in urls.iter().zip(&pins) {
                assert!(
                    recorded.contains(&format!("{url}=={pin}\n")),
                    "{method}, pinned {pinned}: {recorded}"
                );
            }
        }
    }
}

#[test]
fn wrong_content_behind_a_link_goes_and_the_link_stays() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/f", origin.url());
    sandbox.pin_web(&format!("{url}=={WRONG}\n"));
    fs::create_dir(sandbox.work().join("real")).unwrap();
    std::os::unix::fs::symlink("real/f", sandbox.work().join("f")).unwrap();
    sandbox.shim(["curl", "-s", "-o", "f", &url]).finish().expect_code(119);
    assert!(sandbox.work().join("f").is_symlink() && !sandbox.work().join("real/f").exists());
}

#[test]
fn shims_behind_shims_do_not_wait_for_each_other() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/f", origin.url());
    let copies = sandbox.root().join("copies");
    fs::create_dir(&copies).unwrap();
    for name in ["wget", "curl"] {
        fs::copy(sandbox.shims().join("vcache-shim"), copies.join(name)).unwrap();
    }
    let path = format!("{}:{}:/usr/bin:/bin", sandbox.shims().display(), copies.display());
    for call in ["wget -q -O f", "curl -s -o f", "wget -qO-", "curl -s"] {
        sandbox.clear();
        let run = sandbox.shim(["sh", "-c", &format!("{call} {url}")]).env("PATH", &path);
        let done = run.env("VCACHE_LOCK_WAIT", "20").finish();
        done.expect_code(0);
        assert!(done.took.as_secs() < 5, "{call}: {:?}", done.took);
        assert_eq!(done.stderr_text(), "", "{call}");
    }
    // A script of the tool's name that calls another tool for the same URL.
    let script = format!("#!/bin/sh\nexec curl -s -o f {url}\n");
    let wrapper = sandbox.write("wrapper/wget", script.as_bytes());
    fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", sandbox.shims().display(), wrapper.parent().unwrap().display());
    sandbox.clear_work();
    let _ = fs::remove_dir_all(sandbox.cache());
    let done = sandbox
        .shim(["wget", "-q", "-O", "f", &url])
        .env("PATH", path)
        .env("VCACHE_LOCK_WAIT", "20")
        .finish();
    assert!(done.expect_code(0).took.as_secs() < 5, "{:?}", done.took);
    assert!(work(&sandbox, "f") == *origin.content("/pool/f"));
}

#[test]
fn a_pinned_stream_is_passed_on_without_its_lock() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/s2000000/a", origin.url());
    sandbox.pin_web(&format!("{url}=={}\n", md5_hex(&origin.content("/s2000000/a"))));
    let script = format!("curl -s {url} | {{ sleep 0.3; curl -s -o c {url}; wc -c; }}");
    let done = sandbox.shim(["sh", "-c", &script]).finish();
    assert_eq!(String::from_utf8_lossy(&done.expect_code(0).stdout).trim(), "2000000");
    assert!(done.took.as_secs() < 8, "{:?}", done.took);
}

#[test]
fn a_write_that_fails_elsewhere_is_not_tried_again() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    sandbox.shim(["curl", "-s", "-w", "%{http_code}", "-o", "missing/f", &url]).finish().expect_code(23);
    assert_eq!(origin.take_log().len(), 1);
}

#[test]
fn agents_count_as_they_are_sent() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    for argv in [
        vec!["wget", "-q", "-O", "a", "-U", "special", "--header=", &url],
        vec!["wget", "-qO-", &url],
        vec!["curl", "-s", "-A", "a", "-A", "b", &url],
        vec!["curl", "-s", "-A", "b", "-A", "a", &url],
    ] {
        sandbox.shim(&argv).finish().expect_code(0);
        assert_eq!(origin.take_log().len(), 1, "{argv:?}");
    }
}

#[test]
fn a_hit_does_not_write_into_a_file_that_is_being_fetched() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (slow, known) =
        (format!("{}/drip/60/s4000/x", origin.url()), format!("{}/s9000/known", origin.url()));
    sandbox.shim(["curl", "-s", &known]).finish().expect_code(0);
    let script = format!("curl -s -o f {slow} & sleep 0.3; curl -s -o f {known}; wait");
    sandbox.shim(["sh", "-c", &script]).finish().expect_code(0);
    let warm = sandbox.shim(["curl", "-s", &slow]).env("VCACHE_OFFLINE", "y").finish();
    assert!(warm.expect_code(0).stdout == *origin.content("/drip/60/s4000/x"));
}

#[test]
fn who_gives_up_on_a_lock_is_noticed_by_its_holder() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let [slow, fast] = ["/drip/200/s4000/x", "/pool/x"].map(|path| format!("{}{path}", origin.url()));
    let script = format!("wget -q {slow} & sleep 0.3; wget -q {fast}; wait");
    sandbox.shim(["sh", "-c", &script]).env("VCACHE_LOCK_WAIT", "0").finish().expect_code(0);
    for (url, path) in [(&slow, "/drip/200/s4000/x"), (&fast, "/pool/x")] {
        let warm = sandbox.shim(["wget", "-qO-", url]).env("VCACHE_OFFLINE", "y").finish();
        assert!(warm.code == 118 || warm.stdout == *origin.content(path), "{path}");
    }
}

#[test]
fn a_script_in_the_tools_place_is_held_to_pins() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (url, other) = (format!("{}/pool/f", origin.url()), format!("{}/echo/x", origin.url()));
    sandbox.pin_web(&format!("{url}=={WRONG}\n"));
    let wrapper = sandbox.write("wrapper/wget", format!("#!/bin/sh\ncurl -s -o f {url}\n").as_bytes());
    fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}:/usr/bin:/bin", sandbox.shims().display(), wrapper.parent().unwrap().display());
    for argv in [vec!["wget", "--post-data=x", &other], vec!["wget", "-q", "-O", "f", &url]] {
        sandbox.shim(&argv).env("PATH", &path).finish().expect_code(119);
        assert_eq!(work(&sandbox, "f"), b"", "{argv:?}");
    }
}

#[test]
fn parallel_calls_for_one_url_and_one_file_fetch_once() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/drip/50/s4000/x", origin.url());
    let script = format!("for n in 1 2 3 4; do curl -s -o f {url} & done; wait");
    sandbox.shim(["sh", "-c", &script]).finish().expect_code(0);
    assert_eq!(origin.take_log().len(), 1);
    assert!(work(&sandbox, "f") == *origin.content("/drip/50/s4000/x"));
}

#[test]
fn a_mirror_that_breaks_off_one_of_several_is_not_enough() {
    let origin = Origin::start();
    let sandbox = mirrored(&origin, "/reset/s40000/");
    let urls = ["a", "b"].map(|name| format!("{}/pool/{name}", origin.url()));
    by_mirror(&sandbox, &["curl", "-s", "-o", "a", &urls[0], "-o", "b", &urls[1]]).expect_code(0);
    assert!(
        work(&sandbox, "a") == *origin.content("/pool/a")
            && work(&sandbox, "b") == *origin.content("/pool/b")
    );
    // Nor does what curl removes by itself stay away.
    let rule = format!("http://127.0.0.1:9/ -> {}/reset/s40000/\n", origin.url());
    sandbox.write("mirrors", rule.as_bytes());
    sandbox.write("work/f", b"precious");
    by_mirror(&sandbox, &["curl", "-s", "--remove-on-error", "-o", "f", "http://127.0.0.1:9/f"])
        .expect_code(7);
    assert_eq!(work(&sandbox, "f"), b"precious");
}
