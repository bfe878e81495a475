//! Calls of dpkg beside others that hold its locks: they wait for these, with the real dpkg's own database, locks and words.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use vcache_testkit::{Finished, Need, Run, Sandbox, missing};

/// How many calls are made at once.
const CROWD: usize = 20;

/// A root of its own, with an empty database.
struct World {
    sandbox: Sandbox,
}

/// A real dpkg that holds the locks: it waits for selections on its standard input.
struct Holder {
    child: Child,
    _stdin: ChildStdin,
}

impl Drop for Holder {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl World {
    /// None, loudly, where this machine has not what `test` needs.
    fn new(test: &str) -> Option<World> {
        World::new_with(test, Need::Root)
    }

    fn new_with(test: &str, need: Need) -> Option<World> {
        if missing(test, &[Need::Tool("dpkg"), Need::Tool("dpkg-deb"), Need::Root, need]) {
            return None;
        }
        let sandbox = Sandbox::new();
        for name in ["dpkg", "apt-get"] {
            let link = sandbox.shims().join(name);
            if !link.exists() {
                symlink("vcache-shim", link).unwrap();
            }
        }
        let world = World { sandbox };
        for folder in ["info", "updates"] {
            fs::create_dir_all(world.admin().join(folder)).unwrap();
        }
        for file in ["status", "available"] {
            fs::write(world.admin().join(file), "").unwrap();
        }
        Some(world)
    }

    fn root(&self) -> PathBuf {
        self.sandbox.root().join("root")
    }

    fn admin(&self) -> PathBuf {
        self.root().join("var/lib/dpkg")
    }

    fn frontend(&self) -> PathBuf {
        self.admin().join("lock-frontend")
    }

    /// A package with one file, and `script` as its postinst where it is not empty.
    fn package(&self, name: &str, script: &str) -> String {
        let folder = format!("packages/{name}");
        let control = format!(
            "Package: {name}\nVersion: 1\nArchitecture: all\nMaintainer: A <a@h.example>\nDescription: d\n"
        );
        self.sandbox.write(format!("{folder}/DEBIAN/control"), control.as_bytes());
        self.sandbox.write(format!("{folder}/usr/share/{name}"), name.as_bytes());
        if !script.is_empty() {
            let postinst = format!("#!/bin/sh\n{script}\n");
            self.executable(&format!("{folder}/DEBIAN/postinst"), &postinst);
        }
        let file = self.sandbox.root().join(format!("{name}.deb")).display().to_string();
        let folder = self.sandbox.root().join(folder).display().to_string();
        self.sandbox.real(["dpkg-deb", "-b", &folder, &file]).finish().expect_code(0);
        file
    }

    fn executable(&self, path: &str, text: &str) {
        let path = self.sandbox.write(path, text.as_bytes());
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The words of a call for this root.
    fn words(&self, rest: &[&str]) -> Vec<String> {
        let root = format!("--root={}", self.root().display());
        let options = ["dpkg", &root, "--force-script-chrootless", "--log=/dev/null"];
        options.iter().chain(rest).map(|word| (*word).to_owned()).collect()
    }

    fn shim(&self, rest: &[&str]) -> Run {
        self.sandbox.shim(self.words(rest))
    }

    fn real(&self, rest: &[&str]) -> Run {
        self.sandbox.real(self.words(rest))
    }

    fn installed(&self) -> usize {
        let status = fs::read_to_string(self.admin().join("status")).unwrap();
        status.matches("Status: install ok installed").count()
    }

    /// Holds the locks, or only that of `lock`.
    fn hold(&self, only_database: bool) -> Holder {
        let words = self.words(&["--set-selections"]);
        let mut command = Command::new("dpkg");
        command.args(&words[1..]).stdin(Stdio::piped());
        if only_database {
            command.env("DPKG_FRONTEND_LOCKED", "true");
        }
        let mut child = command.spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        let holder = Holder { child, _stdin: stdin };
        let probe = self.real(&["--clear-avail"]).env("DPKG_FRONTEND_LOCKED", "true");
        let held = (0..400).any(|_| {
            thread::sleep(Duration::from_millis(5));
            probe.finish().code != 0
        });
        assert!(held, "the holder has not come to its lock");
        holder
    }
}

/// Runs the call in a thread of its own.
fn at_once(run: Run) -> thread::JoinHandle<Finished> {
    thread::spawn(move || run.finish())
}

#[test]
fn a_crowd_of_installations_succeeds_and_fails_without_the_shim() {
    for (with_shim, is_enough) in
        [(false, (|good| good < CROWD / 2) as fn(usize) -> bool), (true, |good| good == CROWD)]
    {
        let Some(world) = World::new("a crowd of dpkg -i") else { return };
        let files: Vec<_> = (0..CROWD).map(|i| world.package(&format!("p{i}"), "")).collect();
        let call = |file: &String| {
            let words = ["-i", file];
            if with_shim { world.shim(&words) } else { world.real(&words) }
        };
        let running: Vec<_> = files.iter().map(|file| at_once(call(file))).collect();
        let ends: Vec<_> = running.into_iter().map(|thread| thread.join().unwrap()).collect();
        let good = ends.iter().filter(|end| end.code == 0).count();
        assert!(is_enough(good), "{good} of {CROWD}, shim: {with_shim}");
        assert_eq!(world.installed(), good, "shim: {with_shim}");
    }
}

#[test]
fn a_file_that_nobody_holds_costs_nothing() {
    let Some(world) = World::new("a stale lock file") else { return };
    for name in ["lock", "lock-frontend"] {
        fs::write(world.admin().join(name), "4711").unwrap();
    }
    let end = world.shim(&["-i", &world.package("a", "")]).finish();
    end.expect_code(0);
    assert!(end.took < Duration::from_secs(20), "{:?}", end.took);
    assert_eq!(end.stderr_text(), "");
}

#[test]
fn a_holder_that_stays_is_named_and_then_the_real_tool_fails() {
    let Some(world) = World::new("a lock that is never let go") else { return };
    let file = world.package("a", "");
    for (only_database, name) in [(false, "lock-frontend"), (true, "lock")] {
        let holder = world.hold(only_database);
        let end = world.shim(&["-i", &file]).env("VCACHE_LOCK_WAIT", "2").finish();
        end.expect_code(2);
        let said = end.stderr_text();
        let pid = holder.child.id();
        let path = world.admin().join(name).display().to_string();
        for words in [
            format!("vcache: warning: dpkg: waiting for {path}, held by process {pid} (dpkg --root="),
            format!("{path} is held by process {pid} (dpkg"),
            format!("locked by another process with pid {pid}"),
        ] {
            assert!(said.contains(&words), "{words}\n{said}");
        }
        assert!(end.took > Duration::from_secs(2) && end.took < Duration::from_secs(20), "{:?}", end.took);
    }
}

#[test]
fn the_wait_ends_with_the_holder() {
    for only_database in [false, true] {
        let Some(world) = World::new("a holder that is killed") else { return };
        let file = world.package("a", "");
        let mut holder = world.hold(only_database);
        let waiting = at_once(world.shim(&["-i", &file]));
        thread::sleep(Duration::from_millis(700));
        assert_eq!(world.installed(), 0);
        let killed = Instant::now();
        holder.child.kill().unwrap();
        waiting.join().unwrap().expect_code(0);
        assert!(killed.elapsed() < Duration::from_secs(20), "{:?}", killed.elapsed());
        assert_eq!(world.installed(), 1);
    }
}

#[test]
fn a_dpkg_without_a_front_end_lock_is_waited_for_too() {
    let Some(world) = World::new_with("an old dpkg", Need::Mounts) else { return };
    let file = world.package("a", "");
    let mut holder = world.hold(true);
    assert!(!world.frontend().exists(), "as before dpkg 1.19.1");
    let waiting = at_once(world.shim(&["-i", &file]).in_mounts("mount -t tmpfs none /var/lib/dpkg"));
    thread::sleep(Duration::from_millis(700));
    assert!(!world.frontend().exists(), "a shim does not make it");
    assert!(!waiting.is_finished());
    holder.child.kill().unwrap();
    waiting.join().unwrap().expect_code(0);
}

#[test]
fn signals_end_the_wait() {
    let Some(world) = World::new("signals while dpkg waits") else { return };
    let file = world.package("a", "");
    let _holder = world.hold(false);
    // What our own caller has us ignore (`nohup`) a child ignores as well.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap();
    let ignored = u64::from_str_radix(mask.trim(), 16).unwrap();
    let all = [("INT", 2), ("TERM", 15), ("HUP", 1)];
    for (signal, number) in all.into_iter().filter(|(_, number)| ignored >> (number - 1) & 1 == 0) {
        let mut child = world.shim(&["-i", &file]).spawn_silent();
        thread::sleep(Duration::from_millis(300));
        assert_eq!(child.try_wait().unwrap(), None);
        Command::new("kill").args(["-s", signal, &child.id().to_string()]).status().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(number), "{signal}");
    }
}

#[test]
fn calls_that_do_not_wait() {
    let Some(world) = World::new("calls of dpkg that do not wait") else { return };
    let file = world.package("a", "");
    let _holder = world.hold(false);
    let rows: [(Run, i32); 7] = [
        (world.shim(&["--no-act", "-i", &file]), 0),
        (world.shim(&["-l"]), 0),
        (world.shim(&["--version"]), 0),
        (world.shim(&["-i", &file]).env("SKIP_BUILD_HOOK", "y"), 2),
        (world.shim(&["-i", &file]).env("DPKG_FRONTEND_LOCKED", "true"), 2),
        (world.sandbox.bare(world.words(&["-i", &file])), 2),
        (world.shim(&["-i", &file]).env("VCACHE_LOCK_WAIT", "0").env("VCACHE_LOG", "off"), 2),
    ];
    for (run, code) in rows {
        let end = run.finish();
        end.expect_code(code);
        assert!(!end.stderr_text().contains("vcache"), "{}: {}", run.line(), end.stderr_text());
        // Whoever waits here waits for ten minutes.
        assert!(end.took < Duration::from_secs(20), "{}: {:?}", run.line(), end.took);
    }
}

#[test]
fn other_users_get_the_real_tools_word() {
    let Some(world) = World::new_with("dpkg -i of another user", Need::Tool("setpriv")) else { return };
    let file = world.package("a", "");
    let _holder = world.hold(false);
    let end = world
        .shim(&["-i", &file])
        .wrapped(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--"])
        .finish();
    end.expect_code(2);
    assert!(end.stderr_text().contains("requires superuser privilege"), "{}", end.stderr_text());
    assert!(end.took < Duration::from_secs(20), "{:?}", end.took);
}

#[test]
fn the_lock_is_not_let_go_between_the_shim_and_dpkg() {
    let Some(world) = World::new("the exec of dpkg with its locks") else { return };
    let call = world.words(&["--set-selections"]).join(" ");
    // A real tool that does not lock by itself, and looks whether another one can.
    let real = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
    let text = format!("#!/bin/sh\necho $$\n{real} {call} </dev/null 2>&1\necho $?\n");
    world.executable("stand-in/dpkg", &text);
    let path = format!(
        "{}:{}:/usr/bin:/bin",
        world.sandbox.shims().display(),
        world.sandbox.root().join("stand-in").display()
    );
    // The first call makes the files.
    world.real(&["--clear-avail"]).finish().expect_code(0);
    let look = |holder: Option<Holder>| {
        let waiting = at_once(world.shim(&["-i", "a.deb"]).env("PATH", &path));
        if holder.is_some() {
            thread::sleep(Duration::from_millis(300));
        }
        drop(holder);
        let end = waiting.join().unwrap();
        let text = String::from_utf8_lossy(&end.stdout).into_owned();
        let pid = text.lines().next().unwrap();
        assert!(text.contains(&format!("pid {pid}\n")) && text.ends_with("\n2\n"), "{text}");
    };
    look(None);
    for _ in 0..10 {
        look(Some(world.hold(false)));
    }
}

#[test]
fn what_a_package_starts_holds_no_lock() {
    let Some(world) = World::new("a daemon that a package starts") else { return };
    let pid = world.sandbox.root().join("pid");
    let script = format!("setsid sleep 60 </dev/null >/dev/null 2>&1 &\necho $! >{}", pid.display());
    let file = world.package("daemon", &script);
    world.shim(&["-i", &file]).finish().expect_code(0);
    let pid = fs::read_to_string(pid).unwrap();
    let lives = fs::read_to_string(format!("/proc/{}/comm", pid.trim()));
    assert!(lives.is_ok(), "the daemon lives");
    world.real(&["-i", &world.package("a", "")]).finish().expect_code(0);
    Command::new("kill").arg(pid.trim()).status().unwrap();
}

#[test]
fn a_call_from_a_script_of_a_package_does_not_wait_for_itself() {
    let Some(world) = World::new("dpkg -i within dpkg -i") else { return };
    let inner = world.words(&["-i", &world.package("a", "")]).join(" ");
    let file = world.package("outer", &format!("{inner}\necho inner $?"));
    let end = world.shim(&["-i", &file]).finish();
    end.expect_code(0);
    assert!(String::from_utf8_lossy(&end.stdout).contains("inner 2"), "{}", end.stderr_text());
    assert!(end.took < Duration::from_secs(20), "{:?}", end.took);
}

#[test]
fn apt_get_is_waited_for() {
    for with_shim in [false, true] {
        let Some(world) = World::new_with("apt-get beside dpkg", Need::Tool("apt-get")) else { return };
        let root = world.root().display().to_string();
        for folder in [
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/log/apt",
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
        ] {
            fs::create_dir_all(world.root().join(folder)).unwrap();
        }
        let started = world.sandbox.root().join("started");
        let text = format!(
            "Dir \"{root}\"; Dir::State \"{root}/var/lib/apt\"; Dir::State::status \"{root}/var/lib/dpkg/status\";\n\
             Dir::Cache \"{root}/var/cache/apt\"; Dir::Etc \"{root}/etc/apt\"; Dir::Log \"{root}/var/log/apt\";\n\
             APT::Sandbox::User \"root\"; DPkg::Options {{ \"--root={root}\"; \"--log=/dev/null\"; }};\n\
             DPkg::Pre-Invoke {{ \"touch {}; sleep 2\"; }};\n",
            started.display()
        );
        let config = world.sandbox.write("apt.conf", text.as_bytes());
        let words = ["apt-get", "-y", "install", &world.package("a", "")];
        let apt = if with_shim { world.sandbox.shim(words) } else { world.sandbox.real(words) };
        let apt = at_once(apt.env("APT_CONFIG", config));
        while !started.exists() && !apt.is_finished() {
            thread::sleep(Duration::from_millis(10));
        }
        let end = world.shim(&["-i", &world.package("b", "")]).finish();
        end.expect_code(0);
        apt.join().unwrap().expect_code(0);
        let said = end.stderr_text();
        assert!(said.contains("(apt-get -y install "), "shim: {with_shim}: {said}");
        assert_eq!(world.installed(), 2, "shim: {with_shim}");
    }
}
