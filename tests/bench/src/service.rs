//! Servers that the bench starts: `vcache serve`, nginx over a folder as Debian configures it, without a log, and `git daemon`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::call::Call;

/// How long a server may take to answer.
const START: Duration = Duration::from_secs(10);

/// A server on 127.0.0.1; dropping it ends it.
pub(crate) struct Service {
    child: Child,
    /// Without a slash at the end.
    pub(crate) url: String,
}

impl Service {
    /// `vcache serve` as this call of `vcache` has its cache.
    pub(crate) fn vcache(vcache: &Call) -> Result<Service, String> {
        let call = vcache.with(["serve", "--listen", "127.0.0.1:0", "--until-stdin-closes"]);
        let mut command = call.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|e| format!("vcache serve: {e}"))?;
        let mut url = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut url).map_err(|e| e.to_string())?;
        }
        let service = Service { child, url: url.trim().to_owned() };
        if service.url.is_empty() { Err("vcache serve did not start".to_owned()) } else { Ok(service) }
    }

    /// nginx over `root`; its own files are beside it.
    pub(crate) fn nginx(root: &Path) -> Result<Service, String> {
        let port = free_port()?;
        let (config, beside) = (root.with_file_name("nginx.conf"), root.with_file_name("nginx"));
        let (beside, root) = (beside.display(), root.display());
        // Its workers are to read a folder that is ours alone.
        let text = format!(
            "user root;\nworker_processes auto;\ndaemon off;\npid {beside}.pid;\nerror_log {beside}.errors;\n\
             events {{ worker_connections 768; }}\n\
             http {{\n sendfile on;\n tcp_nopush on;\n access_log off;\n default_type application/octet-stream;\n\
             server {{ listen 127.0.0.1:{port}; root {root}; }}\n}}\n"
        );
        fs::write(&config, text).map_err(|e| e.to_string())?;
        let mut command = Command::new("nginx");
        command.args(["-e", &format!("{beside}.errors"), "-c"]).arg(config);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Service::listening(command, "http", port)
    }

    /// `git daemon` over all repositories in a folder.
    pub(crate) fn git(repositories: &Path) -> Result<Service, String> {
        let port = free_port()?;
        // Not by way of `git`, so that what is ended is what listens.
        let folder = Command::new("git").arg("--exec-path").output().map_err(|e| e.to_string())?.stdout;
        let mut command = Command::new(Path::new(String::from_utf8_lossy(&folder).trim()).join("git-daemon"));
        command.args(["--export-all", "--reuseaddr", "--listen=127.0.0.1", &format!("--port={port}")]);
        command.arg(format!("--base-path={}", repositories.display())).arg(repositories);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        Service::listening(command, "git", port)
    }

    fn listening(mut command: Command, scheme: &str, port: u16) -> Result<Service, String> {
        let child = command.spawn().map_err(|e| format!("{command:?}: {e}"))?;
        let service = Service { child, url: format!("{scheme}://127.0.0.1:{port}") };
        let begin = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if begin.elapsed() > START {
                return Err(format!("{} does not listen", service.url));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(service)
    }
}

fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    listener.map(|address| address.port()).map_err(|e| e.to_string())
}

impl Drop for Service {
    fn drop(&mut self) {
        // Killed, nginx would leave its workers.
        if let Some(pid) = rustix::process::Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}
