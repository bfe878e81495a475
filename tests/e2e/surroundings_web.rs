//! Surroundings that are odd: no `/proc`, no `HOME`, no room, limits, signals, and version files that are none.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;

use vcache_testkit::{Need, Origin, Sandbox, md5_hex, missing};

const WRONG: &str = "00000000000000000000000000000000";

/// As in a chroot before `/proc` is mounted.
#[test]
fn without_proc_the_real_tool_is_found_and_content_kept() {
    if missing("without_proc", &[Need::Root, Need::Mounts]) {
        return;
    }
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    let empty = sandbox.root().join("tmp");
    for call in ["curl --version", &format!("wget -q -O a {url}"), &format!("curl -s -o a {url}")] {
        let script = format!("mount --bind {} /proc && exec {call}", empty.display());
        let done = sandbox.shim(["unshare", "-m", "sh", "-c", &script]).finish();
        done.expect_code(0);
        assert!(done.took.as_secs() < 5, "{call}: {:?}", done.took);
    }
    assert_eq!(fs::read(sandbox.work().join("a")).unwrap(), *origin.content("/pool/a"));
    let warm = sandbox.shim(["wget", "-qO-", &url]).env("VCACHE_OFFLINE", "y").finish();
    assert!(warm.expect_code(0).stdout == *origin.content("/pool/a"));
}

/// The tools look their configuration up in the user's home all the same.
#[test]
fn without_home_the_configuration_of_the_user_counts() {
    if missing("without_home", &[Need::Root, Need::Mounts]) {
        return;
    }
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/accept/a", origin.url());
    let script = format!(
        "mount -t tmpfs none /root && echo 'header = \"Accept: configured\"' >/root/.curlrc && unset HOME && curl -s {url}"
    );
    let done = sandbox.shim(["unshare", "-m", "sh", "-c", &script]).finish();
    assert_eq!(String::from_utf8_lossy(&done.expect_code(0).stdout), "you accept configured\n");
    let plain = sandbox.shim(["curl", "-s", &url]).finish();
    assert_eq!(String::from_utf8_lossy(&plain.expect_code(0).stdout), "you accept */*\n");
}

#[test]
fn pins_hold_whatever_temporary_folders_there_are() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    for (pin, status) in [(WRONG.to_owned(), 119), (md5_hex(&origin.content("/pool/a")), 0)] {
        sandbox.pin_web(&format!("{url}=={pin}\n"));
        for argv in
            [vec!["curl", "-s", &url], vec!["wget", "-qO-", &url], vec!["curl", "-s", "-o", "a", &url]]
        {
            let _ = fs::remove_dir_all(sandbox.cache());
            let done = sandbox.shim(&argv).env("TMPDIR", "/nonexistent").finish();
            done.expect_code(status);
            let kept = sandbox.shim(&argv).env("TMPDIR", "/nonexistent").env("VCACHE_OFFLINE", "y").finish();
            assert_eq!(kept.code == 0, status == 0, "{argv:?}: {}", kept.stderr_text());
        }
    }
}

#[test]
fn a_limit_on_file_size_does_not_end_a_stream() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/s2000000/a", origin.url());
    for call in ["curl -s", "wget -qO-"] {
        let _ = fs::remove_dir_all(sandbox.cache());
        let script = format!("ulimit -f 100; {call} {url}");
        let done = sandbox.shim(["sh", "-c", &script]).finish();
        assert!(done.expect_code(0).stdout == *origin.content("/s2000000/a"));
    }
}

#[test]
fn a_signal_between_two_tries_ends_the_call() {
    let sandbox = Sandbox::new();
    let script = "curl -s -o f http://127.0.0.1:9/x & pid=$!; sleep 0.4; kill -TERM $pid; wait $pid";
    let done = sandbox.shim(["sh", "-c", script]).env("VCACHE_RETRY", "5").finish();
    done.expect_code(143);
    assert!(done.took.as_secs() < 5, "{:?}", done.took);
}

#[test]
fn a_pipe_in_the_place_of_a_version_file_hangs_nobody() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    for file in ["build-versions/versions-web", "versions/versions-web"] {
        let path = sandbox.buildinfo().join(file);
        sandbox.real(["mkfifo", path.to_str().unwrap()]).finish().expect_code(0);
        let done = sandbox.shim(["curl", "-s", "-o", "a", &url]).finish();
        done.expect_code(0);
        assert!(done.stderr_text().contains("not a regular file"), "{}", done.stderr_text());
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn records_are_kept_beside_foreign_bytes_and_behind_links() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    let real = sandbox.write("elsewhere/web", b"\xff==foreign\n");
    let link = sandbox.buildinfo().join("build-versions/versions-web");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    sandbox.shim(["curl", "-s", "-o", "a", &url]).finish().expect_code(0);
    let recorded = fs::read(&real).unwrap();
    assert!(recorded.ends_with(b"\xff==foreign\n") && recorded.starts_with(url.as_bytes()));
    assert!(link.is_symlink());
}

#[test]
fn a_cache_that_is_only_read_may_be_missing() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    let url = format!("{}/pool/a", origin.url());
    sandbox.shim(["curl", "-s", &url]).finish().expect_code(0);
    fs::rename(sandbox.cache(), sandbox.root().join("lower")).unwrap();
    origin.take_log();
    let run = sandbox.shim(["curl", "-s", &url]).env("SONIC_VERSION_CACHE_METHOD", "rcache");
    let done =
        run.env("SONIC_VERSION_CONTROL_COMPONENTS", "none").env("VCACHE_LOWER", sandbox.root().join("lower"));
    let done = done.finish();
    assert!(done.expect_code(0).stdout == *origin.content("/pool/a"));
    assert_eq!((done.stderr_text(), origin.take_log().len()), (String::new(), 0));
    assert!(!sandbox.cache().exists());
}
