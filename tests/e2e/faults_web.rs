//! Faults: a killed shim, a full disk, a cache that cannot be written or is damaged, an origin that misbehaves, a crowd.
//! Whatever happens, no wrong byte is served and the build goes on.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use vcache_testkit::{Need, Origin, Sandbox, md5_hex, missing};
use vcache_tests::entries;

/// Every blob in the cache.
fn blobs(sandbox: &Sandbox) -> Vec<PathBuf> {
    below(&sandbox.cache().join("blobs"))
}

fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found
}

fn pinned(origin: &Origin, paths: &[&str]) -> String {
    let line = |path: &&str| format!("{}{path}=={}\n", origin.url(), md5_hex(&origin.content(path)));
    paths.iter().map(line).collect()
}

/// Fetches `path` by curl into `out`, and checks what came.
fn fetch(sandbox: &Sandbox, origin: &Origin, path: &str) {
    let url = format!("{}{path}", origin.url());
    sandbox.clear_work();
    sandbox.shim(["curl", "-sSf", "-o", "out", &url]).finish().expect_code(0);
    assert!(fs::read(sandbox.work().join("out")).unwrap() == *origin.content(path), "{path}: other bytes");
}

/// Damages the only blob in the cache, and fetches again with and without the origin.
fn damaged(damage: impl Fn(&Path)) {
    let (sandbox, mut origin) = (Sandbox::new(), Origin::start());
    let path = "/s70000/a";
    sandbox.pin_web(&pinned(&origin, &[path]));
    fetch(&sandbox, &origin, path);
    let [blob] = &blobs(&sandbox)[..] else { panic!("one blob is expected") };
    damage(blob);
    origin.take_log();
    fetch(&sandbox, &origin, path);
    assert_eq!(origin.take_log().len(), 1, "it is fetched again");
    fetch(&sandbox, &origin, path);
    assert!(origin.take_log().is_empty(), "and mended");
    let [blob] = &blobs(&sandbox)[..] else { panic!("one blob is expected") };
    damage(blob);
    origin.stop();
    for (argv, file) in [(["curl", "-sSf", "-o", "out"], "out"), (["wget", "-q", "-O", "out"], "out")] {
        sandbox.clear_work();
        let url = format!("{}{path}", origin.url());
        let done = sandbox.shim(argv.iter().copied().chain([url.as_str()])).finish();
        assert_ne!(done.code, 0, "{}", done.stderr_text());
        let left = fs::read(sandbox.work().join(file)).unwrap_or_default();
        assert!(left.is_empty(), "{argv:?} left {} bytes", left.len());
    }
}

fn writable(blob: &Path) {
    fs::set_permissions(blob, fs::Permissions::from_mode(0o644)).unwrap();
}

#[test]
fn a_flipped_bit_is_never_served() {
    damaged(|blob| {
        writable(blob);
        let mut bytes = fs::read(blob).unwrap();
        bytes[35_000] ^= 1;
        fs::write(blob, bytes).unwrap();
    });
}

#[test]
fn a_truncated_blob_is_never_served() {
    damaged(|blob| {
        writable(blob);
        fs::OpenOptions::new().write(true).open(blob).unwrap().set_len(1000).unwrap();
    });
}

#[test]
fn an_empty_blob_is_never_served() {
    damaged(|blob| {
        writable(blob);
        fs::write(blob, "").unwrap();
    });
}

#[test]
fn a_deleted_blob_is_a_miss() {
    damaged(|blob| fs::remove_file(blob).unwrap());
}

#[test]
fn deleted_locks_and_unknown_files_do_no_harm() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    fetch(&sandbox, &origin, "/pool/a");
    fs::remove_dir_all(sandbox.cache().join("locks")).unwrap();
    fs::write(sandbox.cache().join("blobs/surprise"), "x").unwrap();
    fetch(&sandbox, &origin, "/pool/a");
    fetch(&sandbox, &origin, "/pool/b");
}

#[test]
fn a_shim_killed_at_any_moment_leaves_nothing_wrong() {
    let (sandbox, mut origin) = (Sandbox::new(), Origin::start());
    let path = "/s3000000/a";
    sandbox.pin_web(&pinned(&origin, &[path]));
    let url = format!("{}{path}", origin.url());
    for moment in 0..200u64 {
        if moment.is_multiple_of(10) {
            let _ = fs::remove_dir_all(sandbox.cache());
        }
        sandbox.clear_work();
        let mut child = sandbox.shim(["wget", "-q", "-O", "out", &url]).spawn_silent();
        // Spread over the length of a call without any pattern.
        std::thread::sleep(Duration::from_micros(moment * 7919 % 25_000));
        // The shim alone, not its group: the real tool must not go on behind a caller's back either.
        let _ = child.kill();
        child.wait().unwrap();
        for blob in blobs(&sandbox) {
            assert!(fs::read(&blob).unwrap() == *origin.content(path), "moment {moment}: a partial blob");
        }
    }
    fetch(&sandbox, &origin, path);
    origin.stop();
    fetch(&sandbox, &origin, path);
}

#[test]
fn a_full_disk_costs_the_cache_and_not_the_build() {
    if missing("a full disk", &[Need::Root, Need::Mounts]) {
        return;
    }
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    fs::create_dir_all(sandbox.cache()).unwrap();
    let mount = format!("mount -t tmpfs -o size=200k none {}", sandbox.cache().display());
    let url = format!("{}/s900000/a", origin.url());
    for argv in [["curl", "-sSf", "-o", "out"], ["wget", "-nv", "-O", "out"]] {
        sandbox.clear_work();
        let done = sandbox.shim(argv.iter().copied().chain([url.as_str()])).in_mounts(&mount).finish();
        done.expect_code(0);
        assert!(done.stderr_text().contains("is not kept"), "{}", done.stderr_text());
        assert!(fs::read(sandbox.work().join("out")).unwrap() == *origin.content("/s900000/a"));
    }
    let piped = sandbox.shim(["curl", "-sSf", &url]).in_mounts(&mount).finish();
    piped.expect_code(0);
    assert!(piped.stdout == *origin.content("/s900000/a"));
}

#[test]
fn a_read_only_cache_is_read() {
    if missing("a read-only cache", &[Need::Root, Need::Mounts]) {
        return;
    }
    let (sandbox, mut origin) = (Sandbox::new(), Origin::start());
    sandbox.pin_web(&pinned(&origin, &["/pool/a", "/pool/b"]));
    fetch(&sandbox, &origin, "/pool/a");
    let cache = sandbox.cache();
    let mount = format!("mount --bind {0} {0} && mount -o remount,bind,ro {0}", cache.display());
    let get = |path: &str| {
        sandbox.clear_work();
        let url = format!("{}{path}", origin.url());
        sandbox.shim(["curl", "-sSf", "-o", "out", &url]).in_mounts(&mount).finish()
    };
    get("/pool/b").expect_code(0);
    origin.stop();
    let get = |path: &str| {
        sandbox.clear_work();
        let url = format!("{}{path}", origin.url());
        sandbox.shim(["curl", "-sSf", "-o", "out", &url]).in_mounts(&mount).finish()
    };
    let hit = get("/pool/a");
    assert_eq!(hit.expect_code(0).stderr_text(), "", "a hit has nothing to complain of");
    assert_ne!(get("/pool/b").code, 0);
}

#[test]
fn another_user_reads_the_cache_and_adds_to_it_where_it_is_shared() {
    if missing("another user", &[Need::Root, Need::Tool("setpriv")]) {
        return;
    }
    let (sandbox, mut origin) = (Sandbox::new(), Origin::start());
    sandbox.pin_web(&pinned(&origin, &["/pool/a", "/pool/b"]));
    fs::create_dir_all(sandbox.cache()).unwrap();
    fs::set_permissions(sandbox.cache(), fs::Permissions::from_mode(0o1777)).unwrap();
    fetch(&sandbox, &origin, "/pool/a");
    for folder in
        [sandbox.root().to_path_buf(), sandbox.work(), sandbox.home(), sandbox.tmp(), sandbox.buildinfo()]
    {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let nobody = |origin: &Origin, path: &str| {
        let url = format!("{}{path}", origin.url());
        let _ = fs::remove_file(sandbox.work().join("out"));
        let user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
        sandbox.shim(["curl", "-sSf", "-o", "out", &url]).wrapped(user).finish()
    };
    nobody(&origin, "/pool/b").expect_code(0);
    origin.stop();
    for path in ["/pool/a", "/pool/b"] {
        nobody(&origin, path).expect_code(0);
        assert!(fs::read(sandbox.work().join("out")).unwrap() == *origin.content(path));
    }
    fetch(&sandbox, &origin, "/pool/b");
}

#[test]
fn an_origin_that_breaks_off_or_lies_leaves_nothing_in_the_cache() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    for path in ["/reset/a", "/claim/99999/a", "/stall/a", "/status/404/a", "/status/503/a"] {
        let url = format!("{}{path}", origin.url());
        for argv in [
            vec!["curl", "-sS", "-m", "2", "-o", "out", &url],
            vec!["wget", "-q", "-t", "1", "-T", "2", "-O", "out", &url],
            vec!["curl", "-sS", "-m", "2", &url],
        ] {
            let real = sandbox.real(&argv).finish();
            sandbox.clear_work();
            let shim = sandbox.shim(&argv).finish();
            assert_eq!(shim.code, real.code, "{argv:?}: {}", shim.stderr_text());
            assert!(shim.stdout == real.stdout, "{argv:?}");
            assert_eq!(blobs(&sandbox), Vec::<PathBuf>::new(), "{argv:?}");
        }
    }
}

#[test]
fn of_twenty_at_once_one_fetches() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    for (path, pin) in [("/drip/40/pinned", true), ("/drip/40/floating", false)] {
        sandbox.clear();
        if pin {
            sandbox.pin_web(&pinned(&origin, &[path]));
        }
        origin.take_log();
        let url = format!("{}{path}", origin.url());
        std::thread::scope(|scope| {
            for number in 0..20u32 {
                let (sandbox, url) = (&sandbox, &url);
                let tool =
                    if number.is_multiple_of(2) { ["curl", "-sSfL", "-o"] } else { ["wget", "-q", "-O"] };
                scope.spawn(move || {
                    let out = format!("out{number}");
                    let words = tool.into_iter().chain([out.as_str(), url.as_str()]);
                    sandbox.shim(words).finish().expect_code(0);
                });
            }
        });
        for number in 0..20u32 {
            assert!(fs::read(sandbox.work().join(format!("out{number}"))).unwrap() == *origin.content(path));
        }
        assert_eq!(origin.take_log().len(), 1, "{path}");
    }
}

#[test]
fn of_twenty_different_urls_all_are_recorded() {
    let (sandbox, origin) = (Sandbox::new(), Origin::start());
    std::thread::scope(|scope| {
        for number in 0..20u32 {
            let (sandbox, url) = (&sandbox, format!("{}/pool/{number}", origin.url()));
            scope.spawn(move || {
                sandbox.shim(["wget", "-q", &url]).finish().expect_code(0);
            });
        }
    });
    assert_eq!(sandbox.recorded_web().lines().count(), 20);
    assert_eq!(entries(&sandbox).iter().filter(|entry| entry.outcome == "miss").count(), 20);
}
