//! `vcache serve` as a process, and curl as its client.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use vcache_testkit::bin_dir;

/// A server over a store of its own; it ends with the value.
pub struct Serve {
    dir: tempfile::TempDir,
    /// The process.
    pub child: Child,
    /// As it was printed.
    pub url: String,
}

impl Serve {
    /// On a free port of loopback, with these options more.
    pub fn start(options: &[&str]) -> Serve {
        Serve::over(tempfile::tempdir().unwrap(), options)
    }

    /// With its cache, and the files that options name, in this folder.
    pub fn over(dir: tempfile::TempDir, options: &[&str]) -> Serve {
        let mut command = Command::new(bin_dir().join("vcache"));
        command.env_clear().arg("--cache").arg(dir.path().join("cache")).arg("serve");
        if !options.contains(&"--listen") {
            command.args(["--listen", "127.0.0.1:0"]);
        }
        command.args(options).current_dir(dir.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        assert!(!url.is_empty(), "it did not come up");
        Serve { dir, child, url: url.trim().to_owned() }
    }

    /// A file beside the cache.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The status and the body that curl gets.
    pub fn curl(&self, path: &str, options: &[&str]) -> (u32, String) {
        let output = Command::new("curl")
            .args(["-s", "--path-as-is", "-w", "\n%{http_code}", "--max-time", "30"])
            .args(options)
            .arg(format!("{}{path}", self.url))
            .current_dir(self.dir.path())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (body, status) = text.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }

    /// The status that curl gets.
    pub fn status(&self, path: &str, options: &[&str]) -> u32 {
        self.curl(path, options).0
    }

    /// Puts content under its own name, or another one.
    pub fn put(&self, bytes: &[u8], name: &str) -> u32 {
        let file = self.path(&format!("put-{name}"));
        fs::write(&file, bytes).unwrap();
        self.status(&format!("/cas/{name}"), &["-T", file.to_str().unwrap()])
    }

    /// A connection of our own.
    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
        stream
    }

    /// How many files are in a folder of the cache and below.
    pub fn files(&self, folder: &str) -> usize {
        fn count(dir: &Path) -> usize {
            let entries = fs::read_dir(dir).into_iter().flatten().flatten();
            entries.map(|e| if e.path().is_dir() { count(&e.path()) } else { 1 }).sum()
        }
        count(&self.path("cache").join(folder))
    }

    /// The most memory that it has used, in KiB.
    pub fn highest_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    }
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
