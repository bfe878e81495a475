//! `vcache serve`: what 64 clients at once get from it, beside nginx over the same files; and what a hit through it costs, beside
//! one in the own cache: for a build in a container, which keeps nothing, and, in the last column, for a client that keeps it as well. wrk and nginx are needed for the former; without them its rows are left out, and that is said.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use vcache_shim::handover::Handover;

use crate::call::Call;
use crate::service::Service;
use crate::{Bench, KIB, Lane, MIB, label, write_random};

/// Clients at once.
const CLIENTS: &str = "64";

impl Bench {
    /// All rows.
    pub(crate) fn serve(&self) -> Result<(), String> {
        for tool in ["nginx", "wrk"] {
            if Command::new(tool).arg("-v").output().is_err() {
                println!("{CLIENTS} clients of `vcache serve`: left out, there is no {tool}");
                return self.hits_through();
            }
        }
        self.throughput()?;
        self.hits_through()
    }

    /// `vcache` with a cache of its own in this folder of ours.
    pub(crate) fn vcache(&self, cache: &str, args: &[&str]) -> Result<crate::Call, String> {
        let vcache =
            self.vcache.clone().ok_or("VCACHE_BENCH_VCACHE must name vcache; use tests/bench/run.sh")?;
        let mut call = self.call(vcache, args);
        call.env.push(("VCACHE_DIR".into(), self.root.join(cache).into()));
        Ok(call)
    }

    /// Puts files into the cache behind a server; returns their SHA-256.
    pub(crate) fn put(&self, server: &Service, files: &[PathBuf]) -> Result<Vec<String>, String> {
        let sums = Command::new("sha256sum").args(files).output().map_err(|e| e.to_string())?.stdout;
        let sums: Vec<String> =
            String::from_utf8_lossy(&sums).lines().map(|line| line.chars().take(64).collect()).collect();
        let transfers = files.iter().zip(&sums).map(|(file, sum)| {
            format!("upload-file={}\nurl={}/cas/{sum}\noutput=/dev/null\n", file.display(), server.url)
        });
        let config = self.root.join("transfers");
        fs::write(&config, transfers.collect::<String>()).map_err(|e| e.to_string())?;
        let config = config.display().to_string();
        self.call("/usr/bin/curl".into(), &["-sf", "-K", &config]).time()?;
        Ok(sums)
    }

    fn throughput(&self) -> Result<(), String> {
        let files = self.root.join("files");
        fs::create_dir(&files).map_err(|e| e.to_string())?;
        let (nginx, server) = (Service::nginx(&files)?, Service::vcache(&self.vcache("served", &[])?)?);
        for size in [KIB, 64 * KIB, MIB] {
            let file = files.join(label(size));
            write_random(&file, size).map_err(|e| e.to_string())?;
            let sums = self.put(&server, std::slice::from_ref(&file))?;
            let urls = [
                format!("{}/{}", nginx.url, label(size)),
                format!("{}/cas/{}", server.url, sums.first().map_or("", String::as_str)),
            ];
            let lanes = urls.into_iter().map(|url| -> Lane<'_> { Box::new(move |_| self.answers(&url)) });
            let what = format!("{CLIENTS} clients, {}, answers/s: nginx", label(size));
            self.print(&what, lanes.collect(), 5, "at least 0.8");
        }
        Ok(())
    }

    /// Answers a second that wrk gets.
    fn answers(&self, url: &str) -> Result<f64, String> {
        let time = if self.quick { "1s" } else { "3s" };
        let output = Command::new("wrk").args(["-t2", "-c", CLIENTS, "-d", time, url]).output();
        let text = String::from_utf8_lossy(&output.map_err(|e| e.to_string())?.stdout).into_owned();
        let rate = text.lines().find_map(|line| line.strip_prefix("Requests/sec:")?.trim().parse().ok());
        match rate {
            Some(rate) if !text.contains("Non-2xx") && !text.contains("Socket errors") => Ok(rate),
            _ => Err(format!("wrk: {url}: {text}")),
        }
    }

    /// The same call as in the build of an image: it is told of the server, and keeps nothing.
    fn in_build(&self, local: &Call, server: &Service) -> Call {
        let told = Handover {
            method: "cache".to_owned(),
            offline: false,
            strict: false,
            remote: format!("{}#trusted,vcache", server.url),
        };
        let mut call = local.clone();
        call.env.retain(|(name, _)| name != "VCACHE_DIR" && name != "SONIC_VERSION_CACHE_METHOD");
        call.env.push(("NO_PROXY".into(), told.encode().into()));
        call
    }

    fn hits_through(&self) -> Result<(), String> {
        let server = Service::vcache(&self.vcache("cache", &[])?)?;
        write_random(&self.root.join("origin/0K"), 0).map_err(|e| e.to_string())?;
        for (size, limit) in [(KIB, "at most 5 ms"), (10 * MIB, "at most 1.5")] {
            let source = self.root.join("origin").join(label(size));
            write_random(&source, size).map_err(|e| e.to_string())?;
            let (url, out) = (self.origin.url(&format!("/served-{}", label(size))), self.out());
            let args = ["-q", "-O", &out.display().to_string(), &url];
            let local = self.call(self.shims.join("wget"), &args);
            local.time()?;
            let in_build = self.in_build(&local, &server);
            let mut through = local.clone();
            through.env.push(("VCACHE_REMOTE".into(), format!("{}#trusted", server.url).into()));
            let before = self.origin.gets(&url[url.rfind('/').unwrap_or(0)..]);
            let other = self.origin.url("/other-0K");
            let lanes: Vec<Lane<'_>> = vec![
                self.fresh(local),
                self.fresh(in_build),
                Box::new(move |round| {
                    // A client that has a cache, and nothing in it but something else.
                    let cache = self.root.join("clients").join(format!("{}-{round}", label(size)));
                    let mut through = through.clone();
                    through.env.push(("VCACHE_DIR".into(), cache.into()));
                    through.with(["-q", "-O", &self.out().display().to_string(), &other]).time()?;
                    self.fresh(through)(round)
                }),
            ];
            self.print(&format!("hit through serve in a build, {}", label(size)), lanes, 40, limit);
            let asked = self.origin.gets(&url[url.rfind('/').unwrap_or(0)..]) - before;
            if asked > 0 {
                eprintln!("bench: {asked} of these were no hits");
            }
            let _ = fs::remove_file(&source);
        }
        fs::remove_dir_all(self.root.join("clients")).map_err(|e| e.to_string())
    }
}
