//! `vcache run` and `vcache explain`.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::symlink;
use std::process::Stdio;

use crate::sandbox::Sandbox;

fn shell(sandbox: &Sandbox, options: &[&str], script: &str) -> crate::sandbox::Done {
    let args = [&["run"], options, &["--", "/bin/sh", "-c", script]].concat();
    sandbox.vcache(&args)
}

#[test]
fn the_child_gets_the_environment_of_a_cached_build() {
    let sandbox = Sandbox::new();
    let script = "echo $SONIC_VERSION_CACHE_METHOD $SONIC_VERSION_CONTROL_COMPONENTS $VCACHE_PIN_DIGEST \
                  ${VCACHE_OFFLINE-unset}; echo $VCACHE_DIR; echo ${PATH%%:*}; \
                  readlink $VCACHE_BUILDINFO/versions $VCACHE_BUILDINFO/build-versions; echo $VCACHE_BUILDINFO";
    let done = shell(&sandbox, &[], script).expect(0);
    let lines: Vec<_> = done.stdout.lines().collect();
    let lock = sandbox.path("work/vcache-versions").canonicalize().unwrap();
    assert_eq!(lines[0], "cache all sha256 unset");
    assert_eq!(lines[1], sandbox.path("cache").to_str().unwrap());
    assert_eq!(lines[2], sandbox.path("shims").to_str().unwrap());
    assert_eq!(lines[3..5], [lock.to_str().unwrap(); 2]);
    assert!(!std::path::Path::new(lines[5]).exists(), "the temporary folder is gone");
    assert!(!sandbox.path("cache").exists(), "no shim was called, so no cache was made");
}

#[test]
fn offline_update_and_another_lock_folder() {
    let sandbox = Sandbox::new();
    let done = shell(&sandbox, &["--offline", "--versions", "a/lock"], "echo $VCACHE_OFFLINE").expect(0);
    assert_eq!(done.stdout, "y\n");
    assert!(sandbox.path("work/a/lock").is_dir());
    sandbox.write("work/lock/versions-web", "pins");
    let script =
        "ls -A $VCACHE_BUILDINFO/versions | wc -l; cat $VCACHE_BUILDINFO/build-versions/versions-web";
    assert_eq!(shell(&sandbox, &["--update", "--versions", "lock"], script).expect(0).stdout, "0\npins");
    let done = sandbox.vcache(&["run", "--update", "--offline", "--", "true"]).expect(2);
    assert!(done.stderr.contains("--offline"), "{}", done.stderr);
}

#[test]
fn calls_are_summed_up_at_the_end() {
    let mut sandbox = Sandbox::new();
    let done = sandbox.vcache(&["run", "wget", "-q", "x"]).expect(0);
    assert_eq!(done.stdout, "served -q x\n");
    let sum = "1 request: 1 hit, 0 misses, 0 passthroughs; 0 B from the network, 1.0 KiB from the cache";
    assert_eq!(done.stderr, format!("vcache: {sum}\n"));
    // The user's own log stays, and what was in it before does not count again.
    let log = sandbox.write("work/log", "{\"time\":1,\"tool\":\"wget\",\"outcome\":\"miss\"}\n");
    sandbox.set("VCACHE_BUILD_LOG", "log");
    let done = shell(&sandbox, &[], "cd / && wget a && wget b").expect(0);
    assert!(done.stderr.starts_with("vcache: 2 requests: 2 hits, 0 misses"), "{}", done.stderr);
    assert_eq!(std::fs::read_to_string(log).unwrap().lines().count(), 3);
    sandbox.set("VCACHE_LOG", "error");
    assert_eq!(sandbox.vcache(&["run", "wget"]).expect(0).stderr, "");
}

#[test]
fn the_childs_end_is_ours() {
    let sandbox = Sandbox::new();
    for (script, status) in
        [("exit 0", 0), ("exit 7", 7), ("exit 118", 118), ("kill -9 $$", 137), ("kill -15 $$", 143)]
    {
        let done = shell(&sandbox, &[], script).expect(status);
        assert!(done.stderr.contains("0 requests"), "{}", done.stderr);
    }
    let done = sandbox.vcache(&["run", "--", "no-such-tool", "-x"]).expect(127);
    assert!(done.stderr.contains("no-such-tool: command not found"), "{}", done.stderr);
    let file = sandbox.write("work/script", "echo");
    let done = sandbox.vcache(&["run", file.to_str().unwrap()]).expect(126);
    assert!(done.stderr.contains("can't be executed"), "{}", done.stderr);
}

#[test]
fn signals_reach_the_child() {
    let sandbox = Sandbox::new();
    let script = "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
    let mut child =
        sandbox.command(&["run", "--", "/bin/sh", "-c", script]).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    assert_eq!(line, "ready\n");
    // The handlers are set just after the child is started, which has its first word out already.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    assert_eq!((rest.as_str(), child.wait().unwrap().code()), ("got\n", Some(5)));
}

#[test]
fn what_stands_in_the_way_is_named() {
    let mut sandbox = Sandbox::new();
    sandbox.write("work/vcache-versions", "a file");
    let done = sandbox.vcache(&["run", "true"]).expect(1);
    assert!(done.stderr.contains("vcache-versions: is not a folder"), "{}", done.stderr);
    sandbox.set("VCACHE_SHIMS", "/nonexistent");
    let done = sandbox.vcache(&["run", "--versions", "v", "true"]).expect(1);
    assert!(done.stderr.contains("VCACHE_SHIMS=/nonexistent"), "{}", done.stderr);
    let mut sandbox = Sandbox::new();
    sandbox.set("SKIP_BUILD_HOOK", "y");
    assert!(sandbox.vcache(&["run", "true"]).expect(0).stderr.contains("SKIP_BUILD_HOOK=y"));
}

#[test]
fn links_are_made_for_an_executable_beside_vcache() {
    let mut sandbox = Sandbox::new();
    sandbox.unset("VCACHE_SHIMS");
    std::fs::create_dir(sandbox.path("bin")).unwrap();
    let vcache = sandbox.path("bin/vcache");
    std::fs::copy(env!("CARGO_BIN_EXE_vcache"), &vcache).unwrap();
    std::fs::copy(sandbox.path("shims/vcache-shim"), sandbox.path("bin/vcache-shim")).unwrap();
    let run = |args: &[&str]| {
        let mut command = std::process::Command::new(&vcache);
        let path = "/usr/bin:/bin";
        command.args(args).env_clear().env("PATH", path).env("HOME", sandbox.path("home"));
        command.current_dir(sandbox.path("work"));
        // A process that another test has just forked may still hold the copy open for writing.
        let started = (0..100).find_map(|_| match command.output() {
            Err(e) if e.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(std::time::Duration::from_millis(10));
                None
            }
            other => Some(other),
        });
        crate::sandbox::done(started.unwrap().unwrap())
    };
    let done =
        run(&["run", "--", "sh", "-c", "wget x; dirname $(command -v wget); command -v ship; :"]).expect(0);
    let (served, folder) = done.stdout.split_once('\n').unwrap();
    assert_eq!(served, "served x");
    assert!(!std::path::Path::new(folder.trim()).exists(), "the links are gone, and ship had none");
    sandbox.write("home/ship", "");
    let done = run(&["run", "--", "sh", "-c", "command -v ship"]).expect(0);
    assert!(done.stdout.ends_with("/ship\n"), "{}", done.stdout);
    // As installed: found from the executable, whatever link it was called by.
    std::fs::remove_file(sandbox.path("bin/vcache-shim")).unwrap();
    std::fs::create_dir_all(sandbox.path("lib/sonic-vcache")).unwrap();
    std::fs::rename(sandbox.path("shims"), sandbox.path("lib/sonic-vcache/shims")).unwrap();
    let installed = sandbox.path("lib/sonic-vcache/shims/wget");
    let is_installed =
        || run(&["run", "sh", "-c", "command -v wget"]).stdout.trim() == installed.to_str().unwrap();
    assert!(!is_installed(), "the link of ship is missing there");
    symlink("vcache-shim", installed.with_file_name("ship")).unwrap();
    assert!(is_installed());
    std::fs::remove_file(sandbox.path("home/ship")).unwrap();
    assert!(!is_installed(), "a link of a tool that has gone is not for the build");
    std::fs::remove_file(installed.with_file_name("ship")).unwrap();
    assert!(is_installed());
}

#[test]
fn explain_without_settings_assumes_those_of_run_and_says_so() {
    let sandbox = Sandbox::new();
    let done = sandbox.vcache(&["explain", "--json", "--", "wget", "http://h.example/a", "-x"]).expect(0);
    assert!(done.stderr.contains("plain exec") && done.stderr.contains("`vcache run`"), "{}", done.stderr);
    let json = done.json();
    assert_eq!((&json["plan"], &json["as_run"]), (&"serve".into(), &true.into()));
    let lock = sandbox.path("work/vcache-versions");
    assert_eq!(json["requests"][0]["pinned_by"], format!("{}/versions-web:3", lock.display()));
    assert!(!lock.exists(), "explaining makes nothing");
    let done = sandbox.vcache(&["explain", "--as-run", "--", "wget", "http://h.example/a", "-x"]).expect(0);
    assert_eq!(done.stderr, "");
    assert!(done.stdout.contains("to:     stdout"), "{}", done.stdout);
}

#[test]
fn explain_with_settings_uses_them() {
    let mut sandbox = Sandbox::new();
    sandbox.set("SONIC_VERSION_CACHE_METHOD", "cache");
    let done = sandbox.vcache(&["explain", "--json", "wget", "u", "-O-"]).expect(0);
    let place = format!("{}/versions/versions-web:3", sandbox.path("buildinfo").display());
    assert_eq!(done.stderr, "");
    assert_eq!((&done.json()["as_run"], &done.json()["detail"]), (&false.into(), &"-O-".into()));
    assert_eq!(done.json()["requests"][0]["pinned_by"], place);
    let done = sandbox.vcache(&["explain", "/usr/bin/wget", "u"]).expect(0);
    assert!(done.stderr.contains("--divert"), "{}", done.stderr);
}

#[test]
fn explain_knows_what_has_no_shim_and_when_there_is_none_at_all() {
    let mut sandbox = Sandbox::new();
    let done = sandbox.vcache(&["explain", "--", "make", "-j4"]).expect(1);
    assert!(
        done.stderr.contains("make: has no shim") && done.stderr.contains("wget, curl, ship"),
        "{}",
        done.stderr
    );
    sandbox.unset("VCACHE_SHIMS");
    // A copy elsewhere, since a build leaves vcache-shim beside the original.
    let alone = sandbox.path("alone");
    std::fs::copy(env!("CARGO_BIN_EXE_vcache"), &alone).unwrap();
    let mut command = sandbox.command(&[]);
    let environment: Vec<_> =
        command.get_envs().filter_map(|(k, v)| Some((k.to_owned(), v?.to_owned()))).collect();
    command = std::process::Command::new(alone);
    command.args(["explain", "--", "wget"]).env_clear().envs(environment);
    let done = crate::sandbox::done(command.output().unwrap()).expect(1);
    assert!(done.stderr.contains("no vcache-shim found; run ./install.sh"), "{}", done.stderr);
    symlink("/bin/true", sandbox.path("shims/broken")).unwrap();
    assert_eq!(sandbox.vcache(&["explain"]).expect(2).stdout, "");
}
