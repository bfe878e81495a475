//! One command: started, timed, ended for certain.
//!
//! The time of a call is from before its start to after it was reaped. Nothing polls while a command is timed; a
//! thread that looks twice a second kills what has run for longer than [`LIMIT`].

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, Once, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// How long one command may take.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);

/// A command with all that it needs; the environment is these variables and nothing else.
#[derive(Clone)]
pub(crate) struct Call {
    /// The executable.
    pub(crate) program: PathBuf,
    /// The arguments after argv[0], which is the program's file name.
    pub(crate) args: Vec<OsString>,
    /// The whole environment.
    pub(crate) env: Vec<(OsString, OsString)>,
    /// The working folder; standard error goes to `stderr` beside it.
    pub(crate) cwd: PathBuf,
}

impl Call {
    /// The same command with other arguments.
    pub(crate) fn with<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Call {
        Call { args: args.into_iter().map(|a| a.as_ref().to_owned()).collect(), ..self.clone() }
    }

    /// Runs it with standard output thrown away; milliseconds.
    pub(crate) fn time(&self) -> Result<f64, String> {
        self.time_many(std::slice::from_ref(self))
    }

    /// Runs all of `calls` at once; milliseconds until the last one has ended.
    pub(crate) fn time_many(&self, calls: &[Call]) -> Result<f64, String> {
        let stderr = self.stderr()?;
        let mut commands = Vec::with_capacity(calls.len());
        for call in calls {
            let mut command = call.command();
            command.stderr(stderr.try_clone().map_err(|e| e.to_string())?);
            commands.push(command);
        }
        let start = Instant::now();
        let children: Vec<_> = commands.iter_mut().map(Running::start).collect();
        let ends: Vec<_> = children.into_iter().map(|child| child.and_then(Running::end)).collect();
        let took = milliseconds(start);
        ends.into_iter().collect::<Result<Vec<()>, _>>().map_err(|e| self.explain(&e))?;
        Ok(took)
    }

    /// Runs it, and says how much memory the process itself (not its children) held at most, in bytes.
    ///
    /// The kernel's own high-water mark is read while it runs, twice a millisecond: `ru_maxrss` of a child would also
    /// count what its parent held when it was started, and the real tool behind the shim.
    pub(crate) fn peak_memory(&self) -> Result<f64, String> {
        let mut command = self.command();
        command.stderr(self.stderr()?);
        let mut running = Running::start(&mut command)?;
        let status = format!("/proc/{}/status", running.child.id());
        let mut peak = 0;
        while matches!(running.child.try_wait(), Ok(None)) {
            peak = std::fs::read_to_string(&status).ok().and_then(|t| high_water(&t)).unwrap_or(0).max(peak);
            std::thread::sleep(Duration::from_micros(500));
        }
        running.end().map_err(|e| self.explain(&e))?;
        Ok(peak as f64 * 1024.0)
    }

    /// The command as the standard library has it; standard output is thrown away.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env_clear()
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .current_dir(&self.cwd);
        command.arg0(self.program.file_name().unwrap_or_default());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn stderr_path(&self) -> PathBuf {
        self.cwd.with_file_name("stderr")
    }

    fn stderr(&self) -> Result<File, String> {
        let path = self.stderr_path();
        File::create(&path).map_err(|e| format!("{}: {e}", path.display()))
    }

    fn explain(&self, what: &str) -> String {
        let text = std::fs::read(self.stderr_path()).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        format!("{}: {what}: {}", self.program.display(), text.trim().lines().last().unwrap_or_default())
    }
}

fn high_water(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// Milliseconds since `start`.
pub(crate) fn milliseconds(start: Instant) -> f64 {
    start.elapsed().as_secs_f64() * 1000.0
}

/// A child that the watchdog knows.
struct Running {
    child: Child,
}

static WATCHED: Mutex<Vec<(u32, Instant)>> = Mutex::new(Vec::new());

impl Running {
    fn start(command: &mut Command) -> Result<Running, String> {
        static WATCHDOG: Once = Once::new();
        WATCHDOG.call_once(|| drop(std::thread::spawn(watch)));
        let child =
            command.spawn().map_err(|e| format!("{}: {e}", Path::new(command.get_program()).display()))?;
        watched().push((child.id(), Instant::now()));
        Ok(Running { child })
    }

    fn end(mut self) -> Result<(), String> {
        let status = self.child.wait().map_err(|e| e.to_string())?;
        watched().retain(|(id, _)| *id != self.child.id());
        if status.success() { Ok(()) } else { Err(status.to_string()) }
    }
}

fn watched() -> std::sync::MutexGuard<'static, Vec<(u32, Instant)>> {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch() {
    loop {
        std::thread::sleep(Duration::from_millis(500));
        for (id, _) in watched().iter().filter(|(_, start)| start.elapsed() > LIMIT) {
            if let Some(pid) = i32::try_from(*id).ok().and_then(Pid::from_raw) {
                // It may have ended just now, which is as good.
                kill_process(pid, Signal::KILL).ok();
            }
        }
    }
}
