//! Ways in which wrong content could get in or out, or a caller be told the wrong thing: calls that race for one file
//! name, retries, outputs that take no more, pins of calls that fail in part, folders that can't be written to, offline
//! calls that would reach out, and secrets in what is left to the real tool.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;

use vcache_testkit::{Origin, Sandbox, md5_hex};

const WRONG: &str = "00000000000000000000000000000000";

#[test]
fn two_calls_that_race_for_a_file_name_keep_each_its_own_content() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    for round in 0..5 {
        sandbox.clear();
        let script = format!(
            "wget -q {0}/drip/20/{round}/x.tgz & wget -q {0}/drip/30/{round}/x.tgz & wait",
            origin.url()
        );
        sandbox.shim(["sh", "-c", &script]).finish().expect_code(0);
        for manner in ["drip/20", "drip/30"] {
            let path = format!("/{manner}/{round}/x.tgz");
            let url = format!("{}{path}", origin.url());
            let done = sandbox.shim(["wget", "-qO-", &url]).env("VCACHE_OFFLINE", "y").finish();
            done.expect_code(0);
            assert!(done.stdout == *origin.content(&path), "{path}");
        }
        let mut names: Vec<_> =
            fs::read_dir(sandbox.work()).unwrap().flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        assert_eq!(names, ["x.tgz", "x.tgz.1"]);
    }
}

#[test]
fn a_retry_does_not_keep_the_part_that_the_first_try_left() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/resetonce/s40000/x", origin.url());
    let done = sandbox.shim(["wget", "-q", "-t", "1", &url]).env("VCACHE_RETRY", "2").finish();
    // `-t 1` is the caller's own idea of retries, so ours stay out of it.
    done.expect_code(4);
    assert_eq!(origin.take_log().len(), 1);
    let path = "/resetonce/s40000/y";
    let url = format!("{}{path}", origin.url());
    sandbox.shim(["curl", "-s", "-o", "y", &url]).env("VCACHE_RETRY", "2").finish().expect_code(0);
    assert!(fs::read(sandbox.work().join("y")).unwrap() == *origin.content(path));
    assert_eq!(origin.take_log().len(), 2);
    let warm = sandbox.shim(["curl", "-s", &url]).env("VCACHE_OFFLINE", "y").finish();
    assert!(warm.expect_code(0).stdout == *origin.content(path));
}

#[test]
fn a_full_output_is_an_error_as_the_tool_has_it() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/s4000/a", origin.url());
    for pinned in [false, true] {
        let pin = format!("{url}=={}\n", md5_hex(&origin.content("/s4000/a")));
        sandbox.pin_web(if pinned { &pin } else { "" });
        for (call, status) in [("curl -s", 23), ("wget -qO-", 3)] {
            let _ = fs::remove_dir_all(sandbox.cache());
            let script = format!("{call} {url} >/dev/full");
            sandbox.real(["sh", "-c", &script]).finish().expect_code(status);
            // A miss, and then a hit.
            sandbox.shim(["sh", "-c", &script]).finish().expect_code(status);
            sandbox.shim(["sh", "-c", &format!("{call} {url}")]).finish().expect_code(0);
            sandbox.shim(["sh", "-c", &script]).finish().expect_code(status);
        }
    }
}

#[test]
fn another_url_that_fails_does_not_excuse_wrong_content() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (bad, gone) = (format!("{}/pool/a", origin.url()), format!("{}/status/404/b", origin.url()));
    sandbox.pin_web(&format!("{bad}=={WRONG}\n"));
    for argv in [vec!["wget", "-q", &bad, &gone], vec!["curl", "-sf", "-o", "a", &bad, "-o", "b", &gone]] {
        let done = sandbox.shim(&argv).finish();
        done.expect_code(119);
        assert!(!sandbox.work().join("a").exists() && done.stderr_text().contains("versions-web:1"));
    }
}

#[test]
fn an_answer_can_not_dodge_its_pin_by_a_name() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/cd/a%09b/x", origin.url());
    sandbox.pin_web(&format!("{url}=={WRONG}\n"));
    sandbox.shim(["curl", "-sOJ", &url]).finish().expect_code(119);
}

#[test]
fn pins_that_a_call_leaves_unchecked_are_said() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (a, b) = (format!("{}/pool/a", origin.url()), format!("{}/pool/b", origin.url()));
    sandbox.pin_web(&format!("{a}=={}\n", md5_hex(&origin.content("/pool/a"))));
    for argv in [
        vec!["curl", "-s", &a, &b],
        vec!["curl", "-s", "-r", "0-9", &a],
        vec!["wget", "-q", "-O", "pipe", &a],
    ] {
        let reader = if argv.contains(&"pipe") { "mkfifo pipe; cat pipe >/dev/null & " } else { "" };
        let script = format!("{reader}{}", argv.join(" "));
        let _ = fs::remove_dir_all(sandbox.cache());
        let done = sandbox.shim(["sh", "-c", &script]).finish();
        done.expect_code(0);
        assert!(
            done.stderr_text().contains("is not checked in this call"),
            "{argv:?}: {}",
            done.stderr_text()
        );
    }
}

#[test]
fn offline_calls_reach_nobody() {
    let sandbox = Sandbox::new();
    // TEST-NET-1: nothing answers there, and nothing may be sent.
    for line in [
        "curl -sI 192.0.2.1/x",
        "curl -s -d a=b 192.0.2.1/x",
        "wget -q -r 192.0.2.1/x",
        "wget -q ftp://192.0.2.1/x",
        "curl -s --unheard-of http://192.0.2.1/x",
        "wget -q -i -",
        "curl -s -K -",
    ] {
        let script = format!("echo http://192.0.2.1/x | {line}");
        let done = sandbox.shim(["sh", "-c", &script]).env("VCACHE_OFFLINE", "y").finish();
        done.expect_code(118);
        assert!(done.took.as_secs() < 5, "{line}: {:?}", done.took);
    }
    sandbox.shim(["curl", "--version"]).env("VCACHE_OFFLINE", "y").finish().expect_code(0);
}

#[test]
fn a_partial_file_that_is_not_the_beginning_needs_the_network() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    sandbox.shim(["wget", "-q", &url]).finish().expect_code(0);
    sandbox.clear_work();
    sandbox.write("work/a", b"something else");
    // Loopback is no network, so the real tool may have it.
    origin.take_log();
    let done = sandbox.shim(["wget", "-q", "-c", &url]).env("VCACHE_OFFLINE", "y").finish();
    done.expect_code(0);
    assert_eq!(origin.take_log().len(), 1);
}

#[test]
fn no_secret_of_a_call_that_is_left_alone_reaches_cache_or_log() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let host = origin.host_port();
    let calls = [
        vec![
            "curl".to_owned(),
            "-s".to_owned(),
            "--header=Authorization: hunter2".to_owned(),
            format!("http://{host}/a"),
        ],
        vec![
            "curl".to_owned(),
            "-s".to_owned(),
            "-I".to_owned(),
            format!("me:hunter2@{host}/a?token=hunter2"),
        ],
        vec![
            "wget".to_owned(),
            "-q".to_owned(),
            "--spider".to_owned(),
            format!("http://me:hunter2@{host}/a"),
        ],
        vec![
            "wget".to_owned(),
            "-q".to_owned(),
            "ftp://me:hunter2@127.0.0.1:9/a".to_owned(),
            "-t1".to_owned(),
        ],
        vec![
            "wget".to_owned(),
            "-q".to_owned(),
            "--unheard-of=hunter2".to_owned(),
            format!("http://{host}/a"),
        ],
        vec![
            "curl".to_owned(),
            "-s".to_owned(),
            "-o".to_owned(),
            "x".to_owned(),
            "-A".to_owned(),
            "agent".to_owned(),
            "-u".to_owned(),
            "me:hunter2".to_owned(),
            format!("http://{host}/a"),
        ],
    ];
    let mut said = String::new();
    for call in &calls {
        let packages = format!("http://me:hunter2@{host}/status/404");
        let run = sandbox.shim(call).env("VCACHE_LOG", "debug").env("BUILD_PACKAGES_URL", packages);
        // What the tools themselves say is theirs.
        said.extend(run.finish().stderr_text().lines().filter(|line| line.starts_with("vcache:")));
    }
    assert!(!said.contains("hunter2"), "{said}");
    let found = sandbox
        .real(["grep", "-r", "hunter2", "cache", "buildinfo", "build.jsonl"])
        .cwd(sandbox.root())
        .finish();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn what_one_agent_gets_is_not_given_to_another() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    for argv in
        [vec!["curl", "-s", &url], vec!["curl", "-s", "-A", "x", &url], vec!["wget", "-qO-", "-U", "y", &url]]
    {
        sandbox.shim(&argv).finish().expect_code(0);
    }
    assert_eq!(origin.take_log().len(), 3);
}

#[test]
fn a_part_is_not_kept_when_the_last_of_several_is_well() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let (part, whole) = (format!("{}/reset/s40000/x", origin.url()), format!("{}/s4000/y", origin.url()));
    sandbox.shim(["curl", "-s", "-o", "a", &part, "-o", "b", &whole]).finish().expect_code(0);
    for (url, known) in [(&part, false), (&whole, true)] {
        let done = sandbox.shim(["curl", "-s", url]).env("VCACHE_OFFLINE", "y").finish();
        assert_eq!(done.code == 0, known, "{url}");
    }
    assert!(!sandbox.recorded_web().contains("/reset/"), "{}", sandbox.recorded_web());
    // Nor when the tool is told to take a part for the whole.
    sandbox.clear();
    sandbox.shim(["curl", "-s", "--ignore-content-length", "-o", "a", &part]).finish();
    assert_ne!(sandbox.shim(["curl", "-s", &part]).env("VCACHE_OFFLINE", "y").finish().code, 0);
}

#[test]
fn a_pin_holds_for_a_url_with_credentials_or_a_signature() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let host = origin.host_port();
    for url in [format!("http://{host}/pool/a?sig=abc&sv=1"), format!("http://u:p@{host}/pool/a")] {
        sandbox.pin_web(&format!("{url} == {WRONG}\n"));
        sandbox.shim(["curl", "-s", "-o", "a", &url]).finish().expect_code(119);
        sandbox.shim(["wget", "-q", &url]).finish().expect_code(119);
    }
}

#[test]
fn a_file_that_is_left_as_it_is_must_be_what_the_pin_says() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/s4000/a", origin.url());
    sandbox.pin_web(&format!("{url}=={}\n", md5_hex(&origin.content("/s4000/a"))));
    sandbox.shim(["wget", "-q", &url]).finish().expect_code(0);
    for (name, content) in [("garbage", b"garbage".to_vec()), ("zeros", vec![0; 4000])] {
        sandbox.write("work/a", &content);
        let done = sandbox.shim(["wget", "-q", "-c", &url]).finish();
        done.expect_code(119);
        assert!(done.stderr_text().contains("versions-web:1"), "{name}: {}", done.stderr_text());
    }
    // As new as the server's, and other content: it is the caller's file, and stays.
    fs::write(sandbox.work().join("a"), "mine").unwrap();
    sandbox.shim(["wget", "-q", "-N", &url]).finish().expect_code(119);
    assert_eq!(fs::read(sandbox.work().join("a")).unwrap(), b"mine");
}

#[test]
fn one_slash_or_a_backslash_hides_no_password() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let host = origin.host_port();
    for url in [format!("http:/us:hunter2@{host}/pool/a"), format!("http://us:hun\\ter2@{host}/pool/a")] {
        sandbox.shim(["curl", "-s", "-o", "a", &url]).finish();
        sandbox.shim(["wget", "-q", "-O", "a", "-t", "1", &url]).finish();
    }
    let grep = ["grep", "-rE", "hunter2|ter2", "cache", "buildinfo", "build.jsonl"];
    let found = sandbox.real(grep).cwd(sandbox.root()).finish();
    assert!(found.stdout.is_empty(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn whoever_reads_may_fetch_the_same_url() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/s2000000/a", origin.url());
    let script = format!("curl -s {url} | {{ sleep 0.3; curl -s -o c {url}; wc -c; }}");
    let done = sandbox.shim(["sh", "-c", &script]).finish();
    assert_eq!(String::from_utf8_lossy(&done.expect_code(0).stdout).trim(), "2000000");
    assert!(done.took.as_secs() < 8, "{:?}", done.took);
}

#[test]
fn what_is_thrown_away_is_a_question_to_the_server() {
    let (sandbox, mut origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    sandbox.shim(["curl", "-sf", "-o", "a", &url]).finish().expect_code(0);
    sandbox.shim(["curl", "-sf", "-o", "/dev/null", &url]).finish().expect_code(0);
    origin.stop();
    sandbox.shim(["curl", "-sf", "-o", "/dev/null", &url]).finish().expect_code(7);
}
