//! What policy decides, and bad input: pins that are violated, malformed or contradictory, strict and offline mode, and a
//! cache or a `PATH` that can't be used.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;

use vcache_testkit::{Origin, Sandbox, md5_hex};
use vcache_tests::entries;

const WRONG: &str = "00000000000000000000000000000000";

fn names(sandbox: &Sandbox) -> Vec<String> {
    let entries = fs::read_dir(sandbox.work()).unwrap().flatten();
    entries.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn content_that_contradicts_its_pin_is_not_left_behind() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/script/x", origin.url());
    sandbox.pin_web(&format!("# pins\n{url}=={WRONG}\n"));
    for argv in [
        vec!["wget", "-q", "-O", "out", &url],
        vec!["curl", "-s", "-o", "out", &url],
        vec!["wget", "-q", &url],
    ] {
        let done = sandbox.shim(&argv).finish();
        done.expect_code(119);
        let said = done.stderr_text();
        for part in [url.as_str(), "versions-web:2", WRONG, &md5_hex(&origin.content("/script/x"))] {
            assert!(said.contains(part), "{part} is not in: {said}");
        }
        assert_eq!(names(&sandbox), Vec::<String>::new(), "{argv:?}");
    }
    // A shell at the other end never sees a byte of it.
    let piped = sandbox.shim(["sh", "-c", &format!("curl -s {url} | sh")]).finish();
    assert!(piped.stdout.is_empty() && !piped.stderr_text().contains("hello"));
    assert_eq!(sandbox.recorded_web(), "");
    let warned = sandbox.shim(["wget", "-q", "-O", "out", &url]).env("VCACHE_ON_MISMATCH", "warn").finish();
    warned.expect_code(0);
    assert!(warned.stderr_text().contains("warning") && names(&sandbox) == ["out"]);
}

#[test]
fn pins_that_are_malformed_or_contradictory() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (a, b) = (format!("{}/pool/a", origin.url()), format!("{}/pool/b", origin.url()));
    let md5 = md5_hex(&origin.content("/pool/b"));
    sandbox.pin_web(&format!("{a}=={WRONG}\n{a}=={md5}\n{b}==1234\nno separator\n"));
    let done = sandbox.shim(["wget", "-q", &a]).finish();
    done.expect_code(119);
    assert!(done.stderr_text().contains("contradictory") && done.stderr_text().contains("versions-web:2"));
    let done = sandbox.shim(["wget", "-q", &b]).finish();
    done.expect_code(0);
    assert!(done.stderr_text().contains("versions-web:3"), "{}", done.stderr_text());
    assert_eq!(sandbox.recorded_web(), format!("{b}=={md5}\n"));
}

#[test]
fn a_pin_is_for_exactly_one_url() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    sandbox.pin_web(&format!("{url}.b=={WRONG}\n{url}?x=={WRONG}\n{}/pool/.=={WRONG}\n", origin.url()));
    sandbox.shim(["wget", "-q", &url]).finish().expect_code(0);
}

#[test]
fn strict_and_offline_refuse_what_they_must() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (a, b) = (format!("{}/pool/a", origin.url()), format!("{}/pool/b", origin.url()));
    sandbox.pin_web(&format!("{a}=={}\n", md5_hex(&origin.content("/pool/a"))));
    let strict =
        |url: &str| sandbox.shim(["curl", "-s", "-o", "out", url]).env("VCACHE_STRICT", "y").finish();
    strict(&a).expect_code(0);
    let refused = strict(&b);
    refused.expect_code(117);
    assert!(refused.stderr_text().contains(&b), "{}", refused.stderr_text());
    origin.take_log();
    let offline =
        |url: &str| sandbox.shim(["curl", "-s", "-o", "out", url]).env("VCACHE_OFFLINE", "y").finish();
    offline(&a).expect_code(0);
    let missing = offline(&b);
    missing.expect_code(118);
    assert!(missing.stderr_text().contains(&b), "{}", missing.stderr_text());
    assert!(origin.take_log().is_empty());
    assert!(entries(&sandbox).iter().any(|entry| entry.outcome == "refused"));
}

#[test]
fn one_switch_turns_everything_off() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    sandbox.pin_web(&format!("{url}=={WRONG}\n"));
    sandbox.shim(["wget", "-q", &url]).env("SKIP_BUILD_HOOK", "y").finish().expect_code(0);
    sandbox.bare(["wget", "-q", &url]).finish().expect_code(0);
    assert!(!sandbox.cache().exists() && sandbox.log_lines().is_empty());
}

#[test]
fn methods_read_and_write_as_they_say() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    let get = |method: &str| {
        let run = sandbox.shim(["curl", "-s", "-o", "out", &url]).env("SONIC_VERSION_CACHE_METHOD", method);
        run.env("SONIC_VERSION_CONTROL_COMPONENTS", "none").finish().expect_code(0);
        origin.take_log().len()
    };
    assert_eq!(["none", "rcache", "rcache"].map(get), [1, 1, 1], "nothing is kept");
    assert_eq!(["cache", "cache", "rcache", "wcache", "rwcache"].map(get), [1, 0, 0, 1, 0]);
}

#[test]
fn retries_are_added_only_where_none_were_asked_for() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let count = |words: &[&str]| {
        let url = format!("{}/reset/{}", origin.url(), words.len());
        let run =
            sandbox.shim(["curl", "-s", "-o", "out"].iter().chain(words).copied().chain([url.as_str()]));
        assert_ne!(run.env("VCACHE_RETRY", "1").finish().code, 0);
        origin.take_log().len()
    };
    assert_eq!((count(&[]), count(&["--retry", "0"])), (2, 1));
}

#[test]
fn a_cache_that_cannot_be_used_costs_a_warning() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    let file = sandbox.write("file", b"");
    let newer = sandbox.write("newer/vcache.version", b"999\n");
    for (cache, says) in
        [(file.clone(), "file"), (file.join("below"), "file"), (newer.parent().unwrap().into(), "newer")]
    {
        sandbox.clear_work();
        let done = sandbox.shim(["wget", "-q", &url]).env("VCACHE_DIR", &cache).finish();
        done.expect_code(0);
        let said = done.stderr_text();
        assert!(said.contains("warning") && said.contains(says), "{}: {said}", cache.display());
        assert_eq!(names(&sandbox), ["a"]);
    }
    let homeless =
        sandbox.shim(["wget", "-q", "-O", "out", &url]).env_remove("VCACHE_DIR").env_remove("HOME");
    let done = homeless.finish();
    done.expect_code(0);
    assert!(done.stderr_text().contains("set VCACHE_DIR, or HOME"), "{}", done.stderr_text());
}

#[test]
fn without_a_real_tool_the_status_is_a_shells() {
    let sandbox = Sandbox::new();
    let shims = sandbox.shims();
    let wget = shims.join("wget").into_os_string().into_string().unwrap();
    let done = sandbox.shim([wget.as_str(), "--version"]).env("PATH", &shims).finish();
    done.expect_code(127);
    assert!(done.stderr_text().contains("no real tool"), "{}", done.stderr_text());
    // The folder twice, and with a trailing slash.
    let path = format!("{0}:{0}/:{0}/.:/usr/bin:/bin", shims.display());
    sandbox.shim([wget.as_str(), "--version"]).env("PATH", path).finish().expect_code(0);
}

#[test]
fn no_secret_reaches_cache_log_or_version_file() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("http://user:hunter2@{}/pool/a?token=hunter2&x=1", origin.host_port());
    sandbox.shim(["curl", "-s", "-o", "out", "-H", "Authorization: hunter2", &url]).finish().expect_code(0);
    let grep = ["grep", "-r", "hunter2", "cache", "buildinfo", "build.log"];
    let found = sandbox.real(grep).cwd(sandbox.root()).finish();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
    assert!(!sandbox.recorded_web().is_empty());
}

#[test]
fn mirrors_are_asked_first_and_leave_no_trace_when_they_fail() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let base = origin.url();
    let url = format!("{base}/pool/a.deb");
    let md5 = md5_hex(&origin.content("/pool/a.deb"));
    let right = origin.content("/pool/a.deb").to_vec();
    let calls = [
        vec!["wget", "-q", url.as_str()],
        vec!["curl", "-sO", &url],
        vec!["curl", "-s", "-o", "a.deb", "--url", &url],
        vec!["wget", "-qO-", &url],
        vec!["curl", "-s", &url],
    ];
    origin.set("/good/a.deb", right.clone());
    origin.set("/bad/a.deb", "something else");
    // The mirrors of the rule, and what is then asked for, with and without a pin.
    for (mirrors, pinned, asked) in [
        (vec!["/good/"], false, vec!["/good/a.deb"]),
        (vec!["/status/404/", "/good/"], false, vec!["/status/404/a.deb", "/good/a.deb"]),
        (vec!["/status/404/", "/bad/"], true, vec!["/status/404/a.deb", "/bad/a.deb", "/pool/a.deb"]),
        (vec!["/bad/", "/good/"], true, vec!["/bad/a.deb", "/good/a.deb"]),
    ] {
        let mirrors: Vec<String> = mirrors.iter().map(|mirror| format!("{base}{mirror}")).collect();
        let rules = format!("# a\n{base}/pool/ -> {}\n", mirrors.join(" "));
        sandbox.write("mirrors", rules.as_bytes());
        sandbox.pin_web(&if pinned { format!("{url}=={md5}\n") } else { String::new() });
        for argv in &calls {
            let _ = fs::remove_dir_all(sandbox.cache());
            sandbox.clear_work();
            let done = sandbox.shim(argv).env("VCACHE_MIRRORS", sandbox.root().join("mirrors")).finish();
            done.expect_code(0);
            let log = origin.take_log().into_iter().map(|request| request.target).collect::<Vec<_>>();
            assert_eq!(log, asked, "{argv:?}");
            let got = fs::read(sandbox.work().join("a.deb")).unwrap_or(done.stdout);
            assert!(got == right, "{argv:?}: {} bytes", got.len());
            assert!(names(&sandbox).len() <= 1, "{:?}", names(&sandbox));
            // Known by the URL that was typed.
            sandbox.shim(argv).env("VCACHE_OFFLINE", "y").finish().expect_code(0);
        }
    }
}

#[test]
fn a_mirror_that_redirects_has_nothing_for_a_curl_that_does_not_follow() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let base = origin.url();
    sandbox.write("mirrors", format!("{base}/pool/ -> {base}/redir/1/elsewhere/\n").as_bytes());
    let url = format!("{base}/pool/a.deb");
    let mirrors = sandbox.root().join("mirrors");
    let done = sandbox.shim(["curl", "-s", &url]).env("VCACHE_MIRRORS", mirrors).finish();
    done.expect_code(0);
    assert!(done.stdout == *origin.content("/pool/a.deb"));
    assert!(done.stderr_text().contains("it answered 302"), "{}", done.stderr_text());
}

#[test]
fn the_package_mirror_is_asked_first_and_checked() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (url, md5) = (format!("{}/pool/a.deb", origin.url()), md5_hex(&origin.content("/pool/a.deb")));
    sandbox.pin_web(&format!("{url}=={md5}\n"));
    let get = || {
        let _ = fs::remove_dir_all(sandbox.cache());
        sandbox.clear_work();
        let mirror = format!("{}/mirror", origin.url());
        let done = sandbox.shim(["wget", "-q", &url]).env("BUILD_PACKAGES_URL", mirror).finish();
        done.expect_code(0);
        assert!(fs::read(sandbox.work().join("a.deb")).unwrap() == *origin.content("/pool/a.deb"));
        origin.take_log().into_iter().map(|request| request.target).collect::<Vec<_>>()
    };
    let at_mirror = format!("/mirror/a.deb-{md5}");
    origin.set(&at_mirror, "something else");
    assert_eq!(get(), [at_mirror.clone(), "/pool/a.deb".to_owned()]);
    origin.set(&at_mirror, origin.content("/pool/a.deb").to_vec());
    assert_eq!(get(), [at_mirror]);
}
