//! `vcache export` and `vcache import`, beside the slower one of disk (`dd conv=fdatasync` of as many bytes) and hash (SHA-256 of them
//! by the library that vcache has, on one core; `sha256sum` is several times slower where its own library is).
//!
//! Each import fills a new cache, and none is removed before the row ends: ext4 is slow to make files for minutes after many were removed.
//! Whatever writes comes after a rest: disks of virtual machines are several times slower once a few gigabytes were written.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::call::milliseconds;
use crate::service::Service;
use crate::{Bench, Lane, MIB, interleave, label, value, write_random};

const REST: Duration = Duration::from_secs(15);

impl Bench {
    /// All rows: the same bytes in a few large contents, and in many of a megabyte.
    pub(crate) fn archives(&self) -> Result<(), String> {
        let (large, total) = if self.quick { (10 * MIB, 40 * MIB) } else { (100 * MIB, 2000 * MIB) };
        self.archive(large, total / large)?;
        self.archive(MIB, total / MIB)
    }

    /// Until the disk has written all, and a little longer.
    fn rest(&self) {
        rustix::fs::sync();
        std::thread::sleep(if self.quick { Duration::ZERO } else { REST });
    }

    fn archive(&self, size: u64, count: u64) -> Result<(), String> {
        let folder = self.root.join("archives");
        fs::create_dir(&folder).map_err(|e| e.to_string())?;
        let files: Vec<PathBuf> = (0..count).map(|n| folder.join(n.to_string())).collect();
        let all = folder.join("all");
        write_random(&all, size * count).map_err(|e| e.to_string())?;
        for file in &files {
            write_random(file, size).map_err(|e| e.to_string())?;
        }
        let server = Service::vcache(&self.vcache("archives/cache", &[])?)?;
        self.put(&server, &files)?;
        drop(server);
        files.iter().for_each(|file| drop(fs::remove_file(file)));

        let path = |name: &str| folder.join(name).display().to_string();
        let (from, to) = (format!("if={}", path("all")), format!("of={}", path("copy")));
        let disk = self.call("/bin/dd".into(), &[&from, &to, "bs=1M", "conv=fdatasync"]);
        let export = self.vcache("archives/cache", &["export", "-o", &path("packed")])?;
        let lanes: Vec<Lane<'_>> = vec![
            Box::new(|_| {
                let _ = fs::remove_file(folder.join("copy"));
                self.rest();
                disk.time()
            }),
            Box::new(|_| {
                let start = Instant::now();
                hash(&all).map_err(|e| e.to_string())?;
                Ok(milliseconds(start))
            }),
            Box::new(|_| {
                // What is replaced would be freed within the time.
                let _ = fs::remove_file(folder.join("packed"));
                self.rest();
                export.time()
            }),
            Box::new(|round| {
                self.rest();
                self.vcache(&format!("archives/{round}"), &["import", &path("packed")])?.time()
            }),
        ];
        let measured = interleave(self.effort(5), lanes);
        let [disk, hashing, export, import] = [0, 1, 2, 3].map(|n| value(&measured[n]));
        for why in measured.iter().filter_map(|lane| lane.as_ref().err()) {
            eprintln!("bench: {why}");
        }
        let slower = disk.max(hashing);
        for (what, took) in [("export", export), ("import", import)] {
            let what = format!("{what} of {count} times {}", label(size));
            println!(
                "{what:<34} {took:>10.2} {slower:>10.2} {:>8.2} {:>8}   at most 1.43",
                took / slower,
                ""
            );
        }
        println!("{:<34} {:>10} {disk:>10.2}\n{:<34} {:>10} {hashing:>10.2}", "  disk", "", "  SHA-256", "");
        fs::remove_dir_all(folder).map_err(|e| e.to_string())
    }
}

/// Hashes a file, on this thread alone.
fn hash(path: &Path) -> io::Result<()> {
    let (mut file, mut hasher, mut buffer) = (fs::File::open(path)?, Sha256::new(), vec![0; 256 << 10]);
    loop {
        match file.read(&mut buffer)? {
            0 => break,
            count => hasher.update(&buffer[..count]),
        }
    }
    // So that it is not left out as of no use.
    std::hint::black_box(hasher.finalize());
    Ok(())
}
