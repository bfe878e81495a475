//! Running a command: cleared environment, captured output, and an end that is certain.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::need::is_root;

/// How long a command may run unless told otherwise; then its process group is killed.
pub const TIME_LIMIT: Duration = Duration::from_secs(30);

/// A command about to run. Built by [`crate::Sandbox`]; every setter returns the command again.
#[derive(Clone, Debug)]
pub struct Run {
    pub(crate) argv: Vec<OsString>,
    pub(crate) env: BTreeMap<OsString, OsString>,
    pub(crate) cwd: PathBuf,
    pub(crate) stdin: Option<Vec<u8>>,
    pub(crate) limit: Duration,
}

/// What a command did.
#[derive(Clone, Debug)]
pub struct Finished {
    /// The exit status, or `128 + signal`.
    pub code: i32,
    /// Everything written to standard output.
    pub stdout: Vec<u8>,
    /// Everything written to standard error.
    pub stderr: Vec<u8>,
    /// The time limit was reached and the process group killed.
    pub timed_out: bool,
    /// How long it took.
    pub took: Duration,
}

impl Finished {
    /// Standard error, for messages.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Asserts the exit status, showing both streams when it is another one.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Finished {
        let stdout = String::from_utf8_lossy(&self.stdout[..self.stdout.len().min(600)]);
        assert!(
            self.code == code && !self.timed_out,
            "exit status {} (timed out: {}), expected {code}\nstdout: {stdout}\nstderr: {}",
            self.code,
            self.timed_out,
            self.stderr_text()
        );
        self
    }
}

impl Run {
    /// Sets a variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Run {
        self.env.insert(name.into(), value.as_ref().into());
        self
    }

    /// Takes a variable out.
    pub fn env_remove(mut self, name: &str) -> Run {
        self.env.remove(OsStr::new(name));
        self
    }

    /// Runs in this folder instead of the sandbox's `work`.
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Run {
        self.cwd = dir.into();
        self
    }

    /// Gives these bytes on standard input instead of `/dev/null`.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Run {
        self.stdin = Some(bytes.into());
        self
    }

    /// Changes the time limit.
    pub fn limit(mut self, limit: Duration) -> Run {
        self.limit = limit;
        self
    }

    /// Puts a wrapper's words in front (`setpriv --reuid …`).
    pub fn wrapped<S: AsRef<OsStr>>(mut self, words: impl IntoIterator<Item = S>) -> Run {
        let mut argv: Vec<OsString> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
        argv.append(&mut self.argv);
        self.argv = argv;
        self
    }

    /// Runs in a network namespace of its own, in which not even the loopback device is up.
    pub fn cut_network(self) -> Run {
        let flags = if is_root() { "-n" } else { "-rn" };
        self.wrapped(["unshare", flags, "--"])
    }

    /// Runs `script` under `sh` first, in a mount namespace of its own; then the command.
    pub fn in_mounts(self, script: &str) -> Run {
        let script = format!("set -e; {script}; exec \"$@\"");
        self.wrapped(["unshare", "-m", "--", "sh", "-c", &script, "sh"])
    }

    /// Starts the command without waiting, as the leader of a process group, its output thrown away.
    pub fn spawn_silent(&self) -> Child {
        spawn(&mut self.command(Stdio::null(), Stdio::null()))
            .unwrap_or_else(|error| self.cannot_start(&error))
    }

    /// Starts the command with standard output as a pipe to the caller.
    pub fn spawn_piped(&self) -> Child {
        spawn(&mut self.command(Stdio::piped(), Stdio::null()))
            .unwrap_or_else(|error| self.cannot_start(&error))
    }

    /// Runs the command to its end, or to the time limit.
    pub fn finish(&self) -> Finished {
        let start = Instant::now();
        let mut child = spawn(&mut self.command(Stdio::piped(), Stdio::piped()))
            .unwrap_or_else(|error| self.cannot_start(&error));
        if let (Some(mut pipe), Some(bytes)) = (child.stdin.take(), self.stdin.clone()) {
            // The tool may leave without reading: a broken pipe is its choice, not trouble.
            std::thread::spawn(move || pipe.write_all(&bytes).ok());
        }
        let out = collect(child.stdout.take().expect("stdout is piped"));
        let err = collect(child.stderr.take().expect("stderr is piped"));
        let (status, timed_out) = wait(&mut child, start, self.limit);
        // A descendant outside the group may still hold the pipes; what came so far is what counts.
        let patience = Duration::from_secs(5);
        let stdout = out.recv_timeout(patience).unwrap_or_default();
        let stderr = err.recv_timeout(patience).unwrap_or_default();
        Finished { code: code_of(status), stdout, stderr, timed_out, took: start.elapsed() }
    }

    /// The command line, for messages.
    pub fn line(&self) -> String {
        self.argv.iter().map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
    }

    fn command(&self, stdout: Stdio, stderr: Stdio) -> Command {
        let name = &self.argv[0];
        let path = self.env.get(OsStr::new("PATH")).cloned().unwrap_or_default();
        let program = resolve(name, &path, &self.cwd);
        let mut command = Command::new(program);
        // As a shell does it: argv[0] is the word that was typed, whatever PATH made of it.
        command.arg0(name).args(&self.argv[1..]).env_clear().envs(&self.env).current_dir(&self.cwd);
        command.stdin(if self.stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(stdout).stderr(stderr).process_group(0);
        command
    }

    fn cannot_start(&self, error: &std::io::Error) -> ! {
        panic!("cannot start `{}` in {}: {error}", self.line(), self.cwd.display())
    }
}

/// Starts a command. A shim that was copied a moment ago may still be open for writing in a child that another thread of
/// the test has just forked; that ends with the child's exec.
fn spawn(command: &mut Command) -> std::io::Result<Child> {
    for _ in 0..200 {
        match command.spawn() {
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(5));
            }
            other => return other,
        }
    }
    command.spawn()
}

/// The first executable of this name in `path`; a name with a slash is itself.
fn resolve(name: &OsStr, path: &OsStr, cwd: &Path) -> PathBuf {
    if name.as_bytes().contains(&b'/') {
        return cwd.join(name);
    }
    let is_program = |file: &PathBuf| {
        file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(path)
        .map(|dir| cwd.join(dir).join(name))
        .find(is_program)
        .unwrap_or_else(|| panic!("no {} in {}", name.display(), path.display()))
}

fn collect(mut pipe: impl Read + Send + 'static) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).ok();
        sender.send(bytes).ok();
    });
    receiver
}

fn wait(child: &mut Child, start: Instant, limit: Duration) -> (ExitStatus, bool) {
    let mut nap = Duration::from_micros(200);
    loop {
        if let Some(status) = child.try_wait().expect("waiting for a child works") {
            return (status, false);
        }
        if start.elapsed() > limit {
            kill_group(child);
            return (child.wait().expect("waiting for a child works"), true);
        }
        std::thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(5));
    }
}

/// Kills the process group that `child` leads. A group that is gone already is fine.
pub fn kill_group(child: &Child) {
    let id = i32::try_from(child.id()).expect("process ids are positive");
    if let Some(group) = rustix::process::Pid::from_raw(id) {
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).ok();
    }
}

fn code_of(status: ExitStatus) -> i32 {
    status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
}
