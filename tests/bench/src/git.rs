//! git: what a call costs that speaks to no remote, and a warm clone of a large repository beside `git clone --no-hardlinks` from a bare one on
//! this disk. The repository is served by `git daemon` for as long as the cache is filled.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};

use crate::service::Service;
use crate::{Bench, Lane};

/// The size of each file in the repository.
const FILE: usize = 4 << 10;

impl Bench {
    /// All rows.
    pub(crate) fn git(&self) -> Result<(), String> {
        if Command::new("git").arg("--version").output().is_err() {
            println!("git: left out, there is none");
            return Ok(());
        }
        let calls = self.contenders("git", &["rev-parse", "--git-dir"]);
        let folder = self.root.join("work");
        run(Command::new("git").arg("init").arg("-q").arg(&folder))?;
        self.print(
            "git rev-parse",
            calls.into_iter().map(|call| self.fresh(call)).collect(),
            300,
            "adds at most 1.0 ms",
        );
        fs::remove_dir_all(folder.join(".git")).map_err(|e| e.to_string())?;

        let files = if self.quick { 2_000 } else { 50_000 };
        let repositories = self.root.join("repositories");
        fill(&repositories.join("big.git"), files)?;
        let server = Service::git(&repositories)?;
        let url = format!("{}/big.git", server.url);
        let into = self.out().display().to_string();
        let shim = self.call(self.shims.join("git"), &["clone", "-q", &url, &into]);
        let from = repositories.join("big.git").display().to_string();
        let local = self.call("/usr/bin/git".into(), &["clone", "-q", "--no-hardlinks", &from, &into]);
        shim.time()?;
        drop(server);
        let lanes = [local, shim].map(|call| -> Lane<'_> {
            Box::new(move |_| {
                let _ = fs::remove_dir_all(self.out());
                rustix::fs::sync();
                call.time()
            })
        });
        self.print(&format!("warm clone of {files} files"), lanes.into(), 7, "at most 1.2");
        let _ = fs::remove_dir_all(self.out());
        let _ = fs::remove_dir_all(self.root.join("cache"));
        fs::remove_dir_all(repositories).map_err(|e| e.to_string())
    }
}

/// A bare repository of one commit with so many files, which nothing compresses.
fn fill(path: &std::path::Path, files: usize) -> Result<(), String> {
    run(Command::new("git").args(["init", "-q", "--bare", "--initial-branch=main"]).arg(path))?;
    let mut import = Command::new("git");
    import.arg("-C").arg(path).args(["fast-import", "--quiet"]).stdin(Stdio::piped());
    let mut child = import.spawn().map_err(|e| e.to_string())?;
    let mut out = std::io::BufWriter::new(child.stdin.take().ok_or("no standard input")?);
    let mut random = fs::File::open("/dev/urandom").map_err(|e| e.to_string())?;
    let mut write = || -> std::io::Result<()> {
        out.write_all(b"commit refs/heads/main\ncommitter a <a@h.example> 1500000000 +0000\ndata 1\nx\n")?;
        let mut content = [0; FILE];
        for n in 0..files {
            std::io::Read::read_exact(&mut random, &mut content)?;
            writeln!(out, "M 644 inline d{}/f{n}\ndata {FILE}", n % 500)?;
            out.write_all(&content)?;
        }
        out.flush()
    };
    write().map_err(|e| e.to_string())?;
    drop(out);
    if child.wait().is_ok_and(|status| status.success()) {
        Ok(())
    } else {
        Err("git fast-import failed".to_owned())
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|e| e.to_string())?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}
