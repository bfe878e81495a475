//! `vcache serve` for the time of one build: started before it, with a token of its own, and ended after it.
//!
//! It holds the other end of a pipe to us, so that it ends with us however we end. `vcache` is looked for where install.sh puts it beside the shims, beside our
//! own executable, and in `PATH`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use vcache_shim::Host;

/// The store may have to be measured, or a full disk be waited for.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Transfers that run when a build ends are those of containers that it has left behind.
const STOP_LIMIT: Duration = Duration::from_secs(35);

/// A running server.
pub(crate) struct Server {
    child: Child,
    /// `http://ADDRESS:PORT`, with the token.
    pub(crate) remote: String,
    _token: tempfile::TempPath,
}

impl Server {
    /// Starts one at `listen` (`ADDRESS` or `ADDRESS:PORT`), which notes the calls of `image`.
    ///
    /// # Errors
    /// There is no `vcache`, or it does not come up; its own words are on stderr.
    pub(crate) fn start(host: &Host, listen: &str, image: Option<&str>) -> io::Result<Server> {
        let vcache = find(host)?;
        let mut secret = [0; 16];
        rustix::rand::getrandom(&mut secret, rustix::rand::GetRandomFlags::empty())?;
        let token = hex::encode(secret);
        let mut file = tempfile::NamedTempFile::new()?;
        writeln!(file, "{token}")?;
        let file = file.into_temp_path();
        let mut command = Command::new(vcache);
        command
            .args(["serve", "--until-stdin-closes", "--listen", &with_port(listen), "--token-file"])
            .arg(&file);
        command.args(image.map(|image| format!("--image={image}")));
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let address = child.stdout.take().and_then(first_line);
        let Some(address) = address else {
            let _ = child.kill();
            let _ = child.wait();
            return Err(io::Error::other("vcache serve did not come up"));
        };
        let remote = address.replacen("://", &format!("://:{token}@"), 1) + "#trusted,vcache";
        Ok(Server { child, remote, _token: file })
    }

    /// Ends it, when what it still sends or takes is done.
    pub(crate) fn stop(mut self) {
        drop(self.child.stdin.take());
        let begin = Instant::now();
        while begin.elapsed() < STOP_LIMIT {
            match self.child.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(2)),
                _ => return,
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Any port where none is named.
fn with_port(listen: &str) -> String {
    match listen.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(address)) => format!("[{address}]:0"),
        Ok(address) => format!("{address}:0"),
        Err(_) => listen.to_owned(),
    }
}

fn first_line(stdout: std::process::ChildStdout) -> Option<String> {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        if BufReader::new(stdout).read_line(&mut line).is_ok() {
            let _ = tell.send(line);
        }
    });
    let line = told.recv_timeout(START_LIMIT).ok()?;
    Some(line.trim().to_owned()).filter(|line| line.contains("://"))
}

/// The `vcache` that belongs to us.
///
/// # Errors
/// There is none.
pub(crate) fn find(host: &Host) -> io::Result<PathBuf> {
    let own = std::fs::read_link("/proc/self/exe").ok();
    let folder = own.as_deref().and_then(Path::parent);
    let beside =
        folder.into_iter().flat_map(|folder| [folder.join("../../../bin/vcache"), folder.join("vcache")]);
    let in_path = host.path().into_iter().map(|folder| host.cwd().join(folder).join("vcache"));
    let found = beside.chain(in_path).find(|path| path.is_file() && File::open(path).is_ok());
    // Without the way that led there, for messages.
    found
        .map(|path| path.canonicalize().unwrap_or(path))
        .ok_or_else(|| io::Error::other("there is no vcache beside the shims or in PATH"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_chosen_where_none_is_named() {
        for (listen, expected) in
            [("10.0.0.1", "10.0.0.1:0"), ("10.0.0.1:7", "10.0.0.1:7"), ("::1", "[::1]:0")]
        {
            assert_eq!(with_port(listen), expected);
        }
    }
}
