//! `vcache export` and `vcache import`.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use vcache_store::Sha256Id;

use crate::sandbox::{Done, Sandbox, done};

const URL: &str = "http://h.example/";

fn filled() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.keep("http://h.example/a", b"abc", 0);
    sandbox.keep("http://h.example/b", &[7; 9000], 0);
    sandbox
}

/// `vcache --cache other ARGS`.
fn other(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.vcache(&[&["--cache", "other"], args].concat())
}

/// The URLs in a cache, less what they begin with.
fn urls(done: &Done) -> Vec<String> {
    let json = done.json();
    let entries = json["entries"].as_array().unwrap().iter();
    entries.map(|e| e["url"].as_str().unwrap().strip_prefix(URL).unwrap().to_owned()).collect()
}

fn held(sandbox: &Sandbox) -> Vec<String> {
    urls(&other(sandbox, &["ls", "--sort", "url", "--json"]).expect(0))
}

/// Every file of a cache, without the stamp of the sweep.
pub(crate) fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path.display().to_string()) }
    }
    found.retain(|name| !name.ends_with(".swept"));
    found.sort();
    found
}

#[test]
fn a_cache_moves_and_what_is_there_is_skipped() {
    let sandbox = filled();
    let facts = sandbox.vcache(&["export", "-o", "all", "--json"]).expect(0).json();
    assert_eq!((&facts["blobs"], &facts["bytes"], &facts["records"]), (&2.into(), &9003.into(), &2.into()));
    assert_eq!(facts["written"], fs::metadata(sandbox.path("work/all")).unwrap().len());
    assert_eq!(facts["content"][0]["urls"][0].as_str().map(|u| u.starts_with(URL)), Some(true));
    let dry = other(&sandbox, &["import", "all", "--dry-run"]);
    assert!(dry.status == 1 && dry.stderr.contains("is not a cache"), "{}", dry.stderr);
    let facts = other(&sandbox, &["import", "all", "--json"]).expect(0).json();
    assert_eq!((&facts["blobs"], &facts["records"], &facts["bytes"]), (&2.into(), &2.into(), &9003.into()));
    assert_eq!(held(&sandbox), ["a", "b"]);
    let again = other(&sandbox, &["import", "all"]).expect(0);
    assert!(
        again.stdout.contains("0 blobs, 0 B, 0 records imported; skipped as they were there: 2 blobs"),
        "{}",
        again.stdout
    );
    other(&sandbox, &["verify"]).expect(0);
    other(&sandbox, &["export", "-o", "again"]).expect(0);
    assert_eq!(fs::read(sandbox.path("work/all")).unwrap(), fs::read(sandbox.path("work/again")).unwrap());
}

#[test]
fn an_archive_goes_through_a_pipe() {
    let sandbox = filled();
    let script = format!("'{0}' export | '{0}' --cache other import -", env!("CARGO_BIN_EXE_vcache"));
    let mut shell = std::process::Command::new("/bin/sh");
    let environment = sandbox.command(&[]);
    shell.args(["-c", &script]).env_clear().current_dir(sandbox.path("work"));
    shell.envs(environment.get_envs().filter_map(|(k, v)| Some((k, v?))));
    let done = done(shell.output().unwrap()).expect(0);
    assert!(done.stdout.contains("2 blobs") && done.stderr.contains("-> standard output"), "{}", done.stderr);
    assert_eq!(held(&sandbox), ["a", "b"]);
    assert_eq!(sandbox.vcache(&["export", "--json"]).expect(2).stdout, "");
    assert!(
        sandbox.vcache(&["import", "-"]).expect(1).stderr.contains("standard input: nothing was imported")
    );
}

#[test]
fn a_reader_that_goes_away_is_an_error() {
    let sandbox = Sandbox::new();
    let content: Vec<u8> = (0..9_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    sandbox.keep("http://h.example/a", &content, 0);
    let mut child =
        sandbox.command(&["export"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(stderr.contains("has gone"), "{stderr}");
}

#[test]
fn a_delta_holds_what_a_build_added() {
    let sandbox = Sandbox::new();
    sandbox.vcache(&["export", "--mark", "empty"]).expect(0);
    assert!(!sandbox.path("cache").exists(), "a marker makes no cache");
    sandbox.keep("http://h.example/a", b"abc", 0);
    sandbox.vcache(&["export", "--mark", "before"]).expect(0);
    sandbox.vcache(&["export", "-o", "base"]).expect(0);
    let none = sandbox.vcache(&["export", "--delta", "before", "-o", "none"]);
    assert!(none.status == 1 && none.stderr.contains("nothing to export"), "{}", none.stderr);
    assert!(!sandbox.path("work/none").exists());
    sandbox.vcache(&["export", "--delta", "before", "-o", "none", "--allow-empty"]).expect(0);
    other(&sandbox, &["import", "none"]).expect(0);
    sandbox.keep("http://h.example/b", b"b", 0);
    sandbox.keep("http://h.example/c", b"abc", 0);
    for base in ["before", "base"] {
        let facts = sandbox.vcache(&["export", "--delta", base, "-o", "delta", "--json"]).expect(0).json();
        assert_eq!((&facts["blobs"], &facts["records"]), (&1.into(), &2.into()), "{base}");
    }
    let refused = other(&sandbox, &["import", "delta"]);
    assert!(refused.status == 1 && refused.stderr.contains("builds upon first"), "{}", refused.stderr);
    other(&sandbox, &["import", "base"]).expect(0);
    other(&sandbox, &["import", "delta"]).expect(0);
    assert_eq!(held(&sandbox), ["a", "b", "c"]);
    let facts = sandbox.vcache(&["export", "--delta", "empty", "-o", "all", "--json"]).expect(0).json();
    assert_eq!(facts["records"], 3);
    let odd = sandbox.write("work/odd", "no marker");
    let done = sandbox.vcache(&["export", "--delta", odd.to_str().unwrap(), "-o", "x"]).expect(1);
    assert!(done.stderr.contains("neither a marker nor an archive"), "{}", done.stderr);
}

#[test]
fn selections_restrict_and_combine() {
    let sandbox = Sandbox::new();
    let old = sandbox.keep("http://h.example/old", b"old", 9 * 86_400);
    // Stored now, as every blob here; what was fetched long ago and stored now is new to this cache.
    let meta = sandbox.path("cache/meta").join(&old.to_string()[..2]).join(old.to_string());
    let text = fs::read_to_string(&meta).unwrap();
    let stored = text.rfind("\"stored\":").unwrap();
    fs::write(&meta, format!("{}\"stored\":1}}", &text[..stored])).unwrap();
    let new = sandbox.keep("http://h.example/new", b"new", 0);
    sandbox.keep("http://h.example/other", b"other", 0);
    sandbox.write(
        "work/lock/versions-web",
        &format!("http://h.example/new==sha256:{new}\nhttp://h.example/old==sha256:{old}\n"),
    );
    let event = |url: &str, outcome: &str, image: &str| {
        let line = format!(
            r#"{{"time":1,"tool":"wget","outcome":"{outcome}","url":"http://h.example/{url}","image":"{image}"}}"#
        );
        sandbox.store().append_event(&line).unwrap();
    };
    event("old", "hit", "slave");
    event("new", "miss", "slave");
    event("other", "hit", "base");
    sandbox.store().append_event("no event").unwrap();
    for (args, expected) in [
        (&["--kind", "web"][..], vec!["new", "old", "other"]),
        (&["--since", "7d"], vec!["new", "other"]),
        (&["--since", "2020-01-01"], vec!["new", "old", "other"]),
        (&["--versions", "lock"], vec!["new", "old"]),
        (&["--versions", "lock/versions-web", "--since", "7d"], vec!["new"]),
        (&["--image", "slave"], vec!["new", "old"]),
        (&["--image", "slave", "--image", "base"], vec![]),
        (&["--image", "base", "--versions", "lock", "--allow-empty"], vec![]),
        (&["--image", "slave", "--since", "7d", "--versions", "lock", "--kind", "web"], vec!["new"]),
    ] {
        let done = sandbox.vcache(&[&["export", "-o", "part", "--json"], args].concat());
        if args.len() == 4 && args[2] == "--image" {
            done.expect(2);
            continue;
        }
        let json = done.expect(0).json();
        let content = json["content"].as_array().unwrap().iter();
        let mut found: Vec<_> =
            content.map(|c| c["urls"][0].as_str().unwrap().strip_prefix(URL).unwrap()).collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{args:?}");
    }
    for (args, says) in [
        (["--image", "none"], "recorded are: base, slave"),
        (["--versions", "none"], "none: can't be read"),
        (["--since", "soon"], "2024-02-29"),
        (["--kind", "rpm"], "the kinds are: web"),
        (["--delta", "none"], "none: can't be read"),
    ] {
        let done = sandbox.vcache(&[&["export", "-o", "x"], &args[..]].concat());
        assert!(done.status > 0 && done.stderr.contains(says), "{args:?}: {}", done.stderr);
        assert!(!sandbox.path("work/x").exists());
    }
}

#[test]
fn nothing_where_something_was_expected_is_an_error() {
    let sandbox = Sandbox::new();
    let done = sandbox.vcache(&["export", "-o", "x"]).expect(1);
    assert!(done.stderr.contains("--allow-empty"), "{}", done.stderr);
    assert!(!sandbox.path("work/x").exists() && !sandbox.path("cache").exists());
    sandbox.vcache(&["export", "-o", "x", "--allow-empty"]).expect(0);
    sandbox.vcache(&["import", "x"]).expect(0);
    assert!(sandbox.path("cache/vcache.version").exists(), "an import makes the cache");
}

#[test]
fn what_stands_in_the_way_is_named_and_nothing_is_left() {
    let sandbox = filled();
    sandbox.vcache(&["export", "-o", "all"]).expect(0);
    fs::create_dir(sandbox.path("work/folder")).unwrap();
    for (output, says) in [("folder", "folder: can't be written"), ("none/x", "none/x: can't be written")] {
        let done = sandbox.vcache(&["export", "-o", output]).expect(1);
        assert!(done.stderr.contains(says), "{}", done.stderr);
    }
    let done = sandbox.vcache(&["export", "-o", "/dev/full"]).expect(1);
    assert!(done.stderr.contains("No space left"), "{}", done.stderr);
    let before = files(&sandbox.path("cache"));
    let archive = fs::read(sandbox.path("work/all")).unwrap();
    fs::write(sandbox.path("work/cut"), &archive[..archive.len() / 2]).unwrap();
    for (args, says) in [
        (&["import", "cut"][..], "cut: nothing was imported"),
        (&["import", "none"], "none: can't be read"),
        (&["import", "folder"], "folder: is a folder"),
        (&["--cache", "folder/..", "import", "all"], "not empty"),
        (&["--cache", "cut", "import", "all"], "can't be used"),
        (&["import", "--log", "all"], "no VCSTART line"),
    ] {
        let done = sandbox.vcache(args).expect(1);
        assert!(done.stderr.contains(says), "{args:?}: {}", done.stderr);
    }
    assert_eq!(files(&sandbox.path("cache")), before);
    assert!(!sandbox.path("work/vcache.version").exists());
}

#[test]
fn a_corrupt_blob_is_named_and_the_former_archive_stays() {
    let sandbox = filled();
    sandbox.vcache(&["export", "-o", "all"]).expect(0);
    let before = fs::read(sandbox.path("work/all")).unwrap();
    let blob = sandbox.blob(&Sha256Id::of(b"abc"));
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&blob, b"abd").unwrap();
    let done = sandbox.vcache(&["export", "-o", "all"]).expect(1);
    assert!(done.stderr.contains(&Sha256Id::of(b"abc").to_string()), "{}", done.stderr);
    assert_eq!(fs::read(sandbox.path("work/all")).unwrap(), before);
    assert_eq!(fs::read_dir(sandbox.path("work")).unwrap().count(), 1);
}

#[test]
fn a_log_brings_it_back_and_says_what_is_missing() {
    let sandbox = filled();
    let done = sandbox.vcache(&["export", "--log"]).expect(0);
    let dressed: String =
        done.stdout.lines().map(|line| format!("#9 1.234 noise{line}\r\nother\n")).collect();
    sandbox.write("work/build.log", &dressed);
    other(&sandbox, &["import", "--log", "build.log"]).expect(0);
    assert_eq!(held(&sandbox), ["a", "b"]);
    let id = Sha256Id::of(b"abc");
    let start = done.stdout.lines().find(|line| line.contains(&id.to_string())).unwrap();
    let chunk = format!("VC {} ", start.split(' ').nth(1).unwrap());
    let rest: String =
        done.stdout.lines().filter(|l| !l.starts_with(&chunk)).map(|l| format!("{l}\n")).collect();
    sandbox.write("work/rest.log", &rest);
    let done = sandbox.vcache(&["--cache", "third", "import", "--log", "rest.log"]).expect(1);
    assert!(
        done.stdout.contains("lost: http://h.example/a") && done.stdout.contains("1 thing did not arrive"),
        "{}",
        done.stdout
    );
    let third = sandbox.vcache(&["--cache", "third", "ls", "--json"]).expect(0);
    assert_eq!(urls(&third), ["b"], "what arrived whole is kept");
    let facts =
        sandbox.vcache(&["--cache", "third", "import", "--log", "rest.log", "--json"]).expect(1).json();
    assert_eq!(facts["lost"][0]["sha256"], id.to_string());
}

/// Of which overlayfs, as containers have it, is one that did not for long.
fn knows_unnamed_files(folder: &Path) -> bool {
    let flags = rustix::fs::OFlags::TMPFILE | rustix::fs::OFlags::WRONLY;
    rustix::fs::open(folder, flags, rustix::fs::Mode::RWXU).is_ok()
}

#[test]
fn a_killed_export_or_import_leaves_nothing_half() {
    let sandbox = Sandbox::new();
    let content: Vec<u8> = (0..40_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    sandbox.keep("http://h.example/a", &content, 0);
    sandbox.vcache(&["export", "-o", "all"]).expect(0);
    sandbox.vcache(&["--cache", "other", "import", "none"]);
    let names = || files(&sandbox.path("work"));
    let (mut killed, start) = (0, Instant::now());
    for delay in (0..400).step_by(20) {
        for args in [&["export", "-o", "half"][..], &["--cache", "other", "import", "all"]] {
            let mut child =
                sandbox.command(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(delay));
            let _ = child.kill();
            killed += usize::from(child.wait().unwrap().code().is_none());
            if sandbox.path("work/half").exists() {
                // It was faster than the signal; then it is whole.
                sandbox.vcache(&["--cache", "x", "import", "half"]).expect(0);
                fs::remove_file(sandbox.path("work/half")).unwrap();
            }
            // A file system that knows no files without a name keeps one of a killed export.
            let left = names().into_iter().any(|name| name.contains("/.vcache"));
            assert!(!left || !knows_unnamed_files(&sandbox.path("work")));
            if sandbox.path("work/other/vcache.version").exists() {
                other(&sandbox, &["verify"]).expect(0);
            }
        }
        if start.elapsed() > Duration::from_secs(60) {
            break;
        }
    }
    assert!(killed > 0);
    other(&sandbox, &["import", "all"]).expect(0);
    assert_eq!(held(&sandbox), ["a"]);
}

/// Runs `script` in a mount namespace with a tmpfs of 2 MiB at `$1`, `vcache` being `$2`; none where that can't be done.
fn on_small_disk(sandbox: &Sandbox, script: &str) -> Option<Done> {
    let works =
        std::process::Command::new("unshare").args(["-m", "true"]).status().is_ok_and(|s| s.success());
    if !rustix::process::geteuid().is_root() || !works {
        eprintln!("SKIPPED: a full disk needs root and a mount namespace");
        return None;
    }
    fs::create_dir(sandbox.path("small")).unwrap();
    let script = format!("mount -t tmpfs -o size=2m tmpfs \"$1\" || exit 9; {script}");
    let mut command = std::process::Command::new("unshare");
    command
        .args(["-m", "sh", "-c", &script, "sh"])
        .arg(sandbox.path("small"))
        .arg(env!("CARGO_BIN_EXE_vcache"));
    let environment = sandbox.command(&[]);
    command.env_clear().envs(environment.get_envs().filter_map(|(k, v)| Some((k, v?))));
    Some(done(command.current_dir(sandbox.path("work")).output().unwrap()))
}

#[test]
fn a_full_disk_at_either_end_leaves_things_as_they_were() {
    let sandbox = filled();
    let content: Vec<u8> = (0..3_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let content: Vec<u8> = content
        .iter()
        .scan(1_u32, |state, byte| {
            *state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Some(byte ^ (*state >> 24) as u8)
        })
        .collect();
    sandbox.keep("http://h.example/large", &content, 0);
    sandbox.vcache(&["export", "-o", "all"]).expect(0);
    let script = r#"
        "$2" export -o "$1/x" 2>&1 && exit 3
        ls -A "$1"
        "$2" --cache "$1/cache" import all 2>&1 && exit 4
        find "$1/cache" -type f ! -name .swept ! -name vcache.version ! -name CACHEDIR.TAG
        df --output=used "$1" | tail -1"#;
    let Some(done) = on_small_disk(&sandbox, script) else { return };
    let done = done.expect(0);
    let lines: Vec<_> = done.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "nothing is left: {}", done.stdout);
    assert!(lines[0].contains("No space left") && lines[1].contains("No space left"), "{}", done.stdout);
    assert!(lines[1].contains("nothing was imported"), "{}", done.stdout);
}

#[test]
fn a_read_only_place_is_named() {
    let sandbox = filled();
    sandbox.vcache(&["export", "-o", "all"]).expect(0);
    let script = r#"
        "$2" --cache "$1/cache" import all || exit 3
        mount -o remount,ro "$1" || exit 9
        "$2" export -o "$1/x" 2>&1 && exit 4
        "$2" --cache "$1/cache" export --mark - >/dev/null || exit 5
        "$2" --cache "$1/cache" import all 2>&1 && exit 6
        exit 0"#;
    let script = script.replace("export --mark -", "export");
    let Some(done) = on_small_disk(&sandbox, &script) else { return };
    let done = done.expect(0);
    assert_eq!(done.stdout.matches("Read-only file system").count(), 2, "{}", done.stdout);
}
