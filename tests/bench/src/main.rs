//! What a call costs with the shims: ratios to the real tools, and to another hook directory when `HOOK_DIR` names one.
//!
//! Contenders take turns (A B A B …) against an origin on loopback; medians of each are compared. Prints a table with the
//! limit that each figure is held against; nothing here is an assertion. Rows of `vcache` itself (`serve`, `export`, `import`) stand beside
//! what is named in them. `--only-vcache` prints those alone, `--only-git` those of git. `--quick` takes small files and few rounds, to
//! see that everything runs. Started by `run.sh`.
//!
//! Hooks that serve pinned content alone need its pin: `HOOK_VERSIONS` names the version file that they read, and the
//! digests of what is to be hit are appended to it.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "a benchmark owns its files and processes, and prints its table"
)]

mod archive;
mod call;
mod git;
mod origin;
mod rounds;
mod serve;
mod service;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use call::Call;
use origin::Origin;
use rounds::{Effort, Lane, interleave, median};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;

/// Where everything is.
struct Bench {
    root: PathBuf,
    shims: PathBuf,
    vcache: Option<PathBuf>,
    hooks: Option<PathBuf>,
    hook_versions: Option<PathBuf>,
    origin: Origin,
    quick: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let quick = std::env::args().any(|arg| arg == "--quick");
    let shims = std::env::var_os("VCACHE_BENCH_SHIMS").map(PathBuf::from);
    let shims = shims.ok_or("VCACHE_BENCH_SHIMS must name a folder of shims; use tests/bench/run.sh")?;
    let hooks = std::env::var_os("HOOK_DIR").map(PathBuf::from);
    // Beside the cache and the destinations: `cp` and a hit must meet the same file system.
    let folder = tempfile::Builder::new().prefix("vcache-bench-").tempdir().map_err(|e| e.to_string())?;
    let root = folder.path().to_owned();
    for name in ["origin", "work", "cache"] {
        fs::create_dir(root.join(name)).map_err(|e| e.to_string())?;
    }
    let origin = Origin::start(&root.join("origin")).map_err(|e| e.to_string())?;
    let hook_versions = std::env::var_os("HOOK_VERSIONS").map(PathBuf::from);
    let vcache = std::env::var_os("VCACHE_BENCH_VCACHE").map(PathBuf::from);
    let bench = Bench { root, shims, vcache, hooks, hook_versions, origin, quick };
    println!("{:<34} {:>10} {:>10} {:>8} {:>8}   limit", "", "shim ms", "other ms", "ratio", "hook ms");
    if std::env::args().any(|arg| arg == "--only-git") {
        return bench.git();
    }
    if std::env::args().any(|arg| arg == "--only-vcache") {
        bench.serve()?;
        return bench.archives();
    }
    bench.passthrough();
    let sizes = if quick { [KIB, MIB, 2 * MIB, 4 * MIB] } else { [KIB, 10 * MIB, 200 * MIB, 1024 * MIB] };
    for size in sizes {
        bench.file(size).map_err(|e| format!("{size} bytes: {e}"))?;
    }
    bench.parallel(if quick { 64 * KIB } else { MIB });
    bench.git()?;
    bench.serve()?;
    bench.archives()?;
    let size = fs::metadata(bench.shims.join("vcache-shim")).map_or(0, |m| m.len());
    println!("{:<34} {:>10.1} MB {:>27}   at most 6 MB", "size of vcache-shim", size as f64 / 1e6, "");
    Ok(())
}

impl Bench {
    fn effort(&self, full: usize) -> Effort {
        Effort::new(self.quick, 3, full)
    }

    fn call(&self, program: PathBuf, args: &[&str]) -> Call {
        let env = [
            ("PATH", format!("{}:/usr/bin:/bin", program.parent().unwrap_or(Path::new("/")).display())),
            ("HOME", self.root.join("work").display().to_string()),
            ("VCACHE_DIR", self.root.join("cache").display().to_string()),
            ("VCACHE_BUILDINFO", self.root.join("buildinfo").display().to_string()),
            ("SONIC_VERSION_CACHE_METHOD", "cache".to_owned()),
        ];
        let env = env.map(|(k, v)| (OsString::from(k), OsString::from(v))).to_vec();
        Call { program, args: Vec::new(), env, cwd: self.root.join("work") }.with(args)
    }

    /// The same call by the real tool, the shim, and the other hooks.
    fn contenders(&self, tool: &str, args: &[&str]) -> Vec<Call> {
        let hook = self.hooks.iter().map(|dir| dir.join(tool));
        let programs = [Path::new("/usr/bin").join(tool), self.shims.join(tool)].into_iter().chain(hook);
        programs.map(|program| self.call(program, args)).collect()
    }

    fn out(&self) -> PathBuf {
        self.root.join("work/out")
    }

    /// A lane that makes a fresh destination before each call, and lets the disk come to rest: else whoever comes after a
    /// large copy pays for its write-back.
    fn fresh(&self, call: Call) -> Lane<'_> {
        Box::new(move |_| {
            let _ = fs::remove_file(self.out());
            rustix::fs::sync();
            call.time()
        })
    }

    /// A lane that asks for another URL of the same content each time, in a cache that has seen others; a cache of large
    /// ones is emptied, to spare the disk.
    fn missing(&self, call: Call, lane: usize, name: String, size: u64) -> Lane<'_> {
        Box::new(move |round| {
            let _ = fs::remove_file(self.out());
            if size > 100 * MIB {
                let _ = fs::remove_dir_all(self.root.join("cache"));
            }
            let url = self.origin.url(&format!("/{lane}.{round}-{name}"));
            call.with(["-q", "-O", &self.out().display().to_string(), &url]).time()
        })
    }

    fn pin_for_hooks(&self, url: &str, source: &Path) -> io::Result<()> {
        let Some(versions) = &self.hook_versions else { return Ok(()) };
        let sums = std::process::Command::new("md5sum").arg(source).output()?.stdout;
        let md5 = String::from_utf8_lossy(&sums).chars().take(32).collect::<String>();
        let mut file = fs::OpenOptions::new().create(true).append(true).open(versions)?;
        writeln!(file, "{url}=={md5}")
    }

    fn passthrough(&self) {
        let calls = self.contenders("curl", &["--version"]);
        let lanes = calls.into_iter().map(|call| self.fresh(call)).collect();
        self.print("passthrough (curl --version)", lanes, 300, "adds at most 1.0 ms");
    }

    fn file(&self, size: u64) -> io::Result<()> {
        let (name, rounds) = (label(size), if size > 100 * MIB { 5 } else { 40 });
        let source = self.root.join("origin").join(&name);
        write_random(&source, size)?;
        let url = self.origin.url(&format!("/{name}"));
        let out = self.out().display().to_string();
        let from = source.display().to_string();
        let args = ["-q", "-O", out.as_str(), url.as_str()];
        let of = |what: &str| format!("{what} of {name}");

        let lanes = self.contenders("wget", &[]).into_iter().enumerate();
        let lanes = lanes.map(|(lane, call)| self.missing(call, lane, name.clone(), size)).collect();
        self.print(&of("miss"), lanes, rounds, "1.05 times the tool, plus the hash");
        let hash = self.call("/usr/bin/sha256sum".into(), &[&from]);
        let sums = interleave(self.effort(rounds), vec![self.fresh(hash)]);
        println!("{:<34} {:>10} {:>10.2}", format!("  sha256sum of {name}"), "", value(&sums[0]));

        let shim = self.call(self.shims.join("wget"), &args);
        self.pin_for_hooks(&url, &source)?;
        // The hits below need it there.
        shim.time().map_err(io::Error::other)?;
        let before = self.origin.gets(&format!("/{name}"));
        let real = self.call("/usr/bin/wget".into(), &args);
        let lanes = vec![self.fresh(real), self.fresh(shim.clone())];
        let lanes = lanes
            .into_iter()
            .chain(self.hooks.iter().map(|dir| self.fresh(self.call(dir.join("wget"), &args))));
        self.print(&of("hit"), lanes.collect(), rounds, if size <= KIB { "at most 3 ms" } else { "" });
        let copy = self.call("/bin/cp".into(), &[&from, &out]);
        let lanes = vec![self.fresh(copy), self.fresh(shim.clone())];
        self.print(&of("hit against cp"), lanes, rounds, if size > 500 * MIB { "1.3 times cp" } else { "" });
        let asked = self.origin.gets(&format!("/{name}")) - before;
        println!("{:<34} {:>10} GETs by all of these, the real tool's included", "", asked);

        for (what, miss) in [("peak memory, hit", false), ("peak memory, miss", true)] {
            let _ = fs::remove_file(self.out());
            if miss {
                let _ = fs::remove_dir_all(self.root.join("cache"));
            }
            let peak = shim.peak_memory().map_err(io::Error::other)?;
            println!(
                "{:<34} {:>10.1} MB {:>27}   at most 16 MB",
                format!("{what} of {name}"),
                peak / 1e6,
                ""
            );
        }
        let _ = fs::remove_file(self.out());
        let _ = fs::remove_dir_all(self.root.join("cache"));
        fs::remove_file(source)
    }

    fn parallel(&self, size: u64) {
        // The origin takes what stands before the last dash for a name of the caller's own.
        if let Err(e) = write_random(&self.root.join("origin").join(label(size)), size) {
            eprintln!("bench: {e}");
            return;
        }
        let url = self.origin.url(&format!("/twenty-{}", label(size)));
        if let Err(e) = self.pin_for_hooks(&url, &self.root.join("origin").join(label(size))) {
            eprintln!("bench: {e}");
        }
        let lanes = self.contenders("wget", &[]).into_iter().map(|call| -> Lane<'_> {
            let outs = (0..20).map(|n| format!("out{n}"));
            let calls: Vec<Call> = outs.map(|out| call.with(["-q", "-O", &out, &url])).collect();
            Box::new(move |_| call.time_many(&calls))
        });
        self.print(&format!("20 at once, hits of {}", label(size)), lanes.collect(), 20, "");
    }

    /// Runs the lanes (other, shim, hook) and prints their row.
    fn print(&self, what: &str, lanes: Vec<Lane<'_>>, rounds: usize, limit: &str) {
        let measured = interleave(self.effort(rounds), lanes);
        for why in measured.iter().filter_map(|m| m.as_ref().err()) {
            eprintln!("bench: {what}: {why}");
        }
        let (other, shim) = (value(&measured[0]), value(&measured[1]));
        let hook = measured.get(2).map_or(String::new(), |m| format!("{:.2}", value(m)));
        println!("{what:<34} {shim:>10.2} {other:>10.2} {:>8.2} {hook:>8}   {limit}", shim / other);
    }
}

fn value(measured: &rounds::Measured) -> f64 {
    measured.as_ref().map_or(f64::NAN, |samples| median(samples))
}

fn label(size: u64) -> String {
    if size >= MIB { format!("{}M", size / MIB) } else { format!("{}K", size / KIB) }
}

/// Bytes that no file system compresses or shares.
fn write_random(path: &Path, size: u64) -> io::Result<()> {
    let mut random = fs::File::open("/dev/urandom")?;
    let mut file = io::BufWriter::with_capacity(1 << 20, fs::File::create(path)?);
    io::copy(&mut io::Read::take(&mut random, size), &mut file)?;
    file.flush()
}
