//! `vcache serve` by its protocol: what is taken, what is refused, and what slow, dying and greedy clients can do. The client is curl, or bytes on a
//! socket where curl would not send them.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vcache_testkit::{bin_dir, content, sha256_hex};
use vcache_tests::Serve;

fn signal(child: &Child, name: &str) {
    Command::new("kill").args([name, &child.id().to_string()]).status().unwrap();
}

#[test]
fn the_protocol() {
    let serve = Serve::start(&[]);
    let (bytes, other) = (content("a", 5000), content("b", 5000));
    let (name, absent) = (sha256_hex(&bytes), sha256_hex(b"nothing"));
    let cas = format!("/cas/{name}");
    assert_eq!(serve.status(&cas, &[]), 404);
    assert_eq!(serve.status(&cas, &["-I"]), 404);
    assert_eq!(serve.put(&other, &name), 400, "wrong bytes");
    assert_eq!(serve.files("blobs"), 0);
    assert_eq!(serve.put(&bytes, &name), 200);
    assert_eq!(serve.put(&bytes, &name), 200, "again");
    // A client that asks first need not send what is there; one that sends is checked.
    assert_eq!(serve.status(&cas, &["-T", &format!("put-{name}"), "-H", "Expect: 100-continue"]), 200);
    fs::write(serve.path("other"), &other).unwrap();
    assert_eq!(serve.status(&cas, &["-T", "other", "-H", "Expect:"]), 400, "wrong bytes for what is there");
    let file = serve.path("got");
    assert_eq!(serve.status(&cas, &["-o", file.to_str().unwrap()]), 200);
    assert_eq!(fs::read(file).unwrap(), bytes);
    let (status, head) = serve.curl(&cas, &["-I"]);
    assert!(status == 200 && head.to_lowercase().contains("content-length: 5000"), "{head}");
    assert!(head.contains("x-vcache-blake3"), "{head}");
    for (path, options, status) in [
        (format!("/cas/{absent}"), &[][..], 404),
        (format!("/ac/{absent}"), &[], 404),
        (format!("/cas/{}", name.to_uppercase()), &[], 400),
        (format!("/cas/{}", &name[..63]), &[], 400),
        (format!("/cas/{name}/"), &[], 400),
        ("/cas/../../../etc/passwd".into(), &[], 400),
        ("/cas/%2e%2e/%2e%2e/etc/passwd".into(), &[], 400),
        ("/../etc/passwd".into(), &[], 404),
        ("/".into(), &[], 404),
        (format!("/cas/{}", "a".repeat(5000)), &[], 400),
        (cas.clone(), &["-X", "DELETE"], 405),
        (cas.clone(), &["-X", "POST", "-d", "x"], 405),
        ("/status".into(), &["-X", "PUT", "-d", "x"], 405),
        ("/status".into(), &[], 200),
        ("/metrics".into(), &[], 200),
        (format!("/ac/{absent}"), &["-X", "PUT", "-d", "no message"], 400),
        (format!("/ac/{absent}"), &["-X", "PUT", "-d", ""], 400),
        ("/events".into(), &["-d", "{}"], 400),
        ("/events".into(), &["-d", "x"], 400),
    ] {
        assert_eq!(serve.status(&path, options), status, "{options:?} {path}");
    }
    let status: serde_json::Value = serde_json::from_str(&serve.curl("/status", &[]).1).unwrap();
    assert_eq!((&status["blobs"], &status["refused"]["mismatch"]), (&1.into(), &2.into()), "{status}");
    assert!(serve.curl("/status", &["-H", "Accept: text/html"]).1.contains("<!doctype html>"));
    assert!(serve.curl("/metrics", &[]).1.contains("# TYPE"));
    assert_eq!(serve.files("tmp"), 1, "nothing but the sweep's stamp is left");
}

#[test]
fn a_blob_that_has_gone_bad_is_replaced_by_who_puts_the_right_one() {
    let serve = Serve::start(&[]);
    let bytes = content("a", 5000);
    let name = sha256_hex(&bytes);
    assert_eq!(serve.put(&bytes, &name), 200);
    let blob = serve.path("cache/blobs/sha256").join(&name[..2]).join(&name);
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, content("b", 5000)).unwrap();
    assert_eq!(serve.put(&bytes, &name), 200);
    assert_eq!(fs::read(&blob).unwrap(), bytes);
    assert_eq!(serve.files("quarantine"), 1);
}

#[test]
fn a_token_is_asked_for_everywhere_and_read_only_stores_nothing() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("token"), "s3same\n").unwrap();
    let serve = Serve::over(dir, &["--token-file", "token", "--read-only"]);
    let name = sha256_hex(b"x");
    for path in ["/status", "/metrics", "/events", &format!("/cas/{name}"), &format!("/ac/{name}"), "/none"] {
        for options in [
            &[][..],
            &["-H", "Authorization: Bearer wrong"],
            &["-u", "any:s3sam"],
            &["-H", "Authorization: s3same"],
        ] {
            assert_eq!(serve.status(path, options), 401, "{path} {options:?}");
        }
    }
    assert_eq!(serve.status("/status", &["-H", "Authorization: Bearer s3same"]), 200);
    assert_eq!(serve.status("/status", &["-u", "any:s3same"]), 200);
    let put = ["-X", "PUT", "-d", "x", "-u", "any:s3same"];
    assert_eq!(serve.status(&format!("/cas/{name}"), &put), 403);
    assert_eq!(serve.files("blobs"), 0);
}

#[test]
fn what_cannot_be_served_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("empty"), "\n").unwrap();
    for options in [
        &["--listen", "0.0.0.0:0"][..],
        &["--listen", "nowhere"],
        &["--token-file", "missing"],
        &["--token-file", "empty"],
        &["--max-size", "lots"],
    ] {
        let mut command = Command::new(bin_dir().join("vcache"));
        command.env_clear().arg("--cache").arg(dir.path().join("cache")).arg("serve").args(options);
        let output = command.current_dir(dir.path()).stdin(Stdio::null()).output().unwrap();
        assert!(!output.status.success() && !output.stderr.is_empty(), "{options:?}");
    }
}

#[test]
fn clients_that_die_or_dawdle_leave_nothing_and_hold_nobody_up() {
    let serve = Serve::start(&[]);
    let bytes = content("a", 3_000_000);
    let name = sha256_hex(&bytes);
    // Half a body, then gone.
    let mut dying = serve.connect();
    write!(dying, "PUT /cas/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n").unwrap();
    dying.write_all(&bytes[..1_000_000]).unwrap();
    drop(dying);
    // Half a head, half a body, and a reader who does not read.
    let mut head = serve.connect();
    write!(head, "GET /cas/{name} HT").unwrap();
    let mut body = serve.connect();
    write!(body, "PUT /cas/{name} HTTP/1.1\r\nHost: x\r\nContent-Length: 3000000\r\n\r\n").unwrap();
    body.write_all(&bytes[..10]).unwrap();
    assert_eq!(serve.put(&bytes, &name), 200);
    let mut readers: Vec<TcpStream> = (0..20).map(|_| serve.connect()).collect();
    for reader in &mut readers {
        write!(reader, "GET /cas/{name} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    }
    let begin = Instant::now();
    for _ in 0..20 {
        assert_eq!(serve.status(&format!("/cas/{name}"), &["-o", "/dev/null"]), 200);
    }
    assert!(begin.elapsed() < Duration::from_secs(20), "others wait for them");
    drop(body);
    let mut whole = Vec::new();
    readers.remove(0).take(3_000_000).read_to_end(&mut whole).unwrap();
    assert_eq!(whole.len(), 3_000_000);
    let limit = Instant::now();
    while serve.files("tmp") > 1 {
        assert!(limit.elapsed() < Duration::from_secs(20), "what the dead have sent is still there");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(serve.files("blobs"), 1);
}

#[test]
fn the_store_stays_below_its_limit_whoever_puts_at_once() {
    let serve = Serve::start(&["--max-size", "3M"]);
    // A file that is renamed while we look is seen twice, and has one inode.
    let size = || -> u64 {
        fn add(dir: &Path, found: &mut BTreeMap<u64, u64>) {
            for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
                let Ok(metadata) = entry.metadata() else { continue };
                found.insert(metadata.ino(), metadata.blocks() * 512);
                if metadata.is_dir() {
                    add(&entry.path(), found);
                }
            }
        }
        let mut found = BTreeMap::new();
        add(&serve.path("cache"), &mut found);
        found.values().sum()
    };
    let done = std::sync::atomic::AtomicBool::new(false);
    let highest = std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut highest = 0;
            while !done.load(std::sync::atomic::Ordering::Relaxed) {
                highest = size().max(highest);
            }
            highest
        });
        let writers: Vec<_> = (0..8)
            .map(|writer| {
                let serve = &serve;
                scope.spawn(move || {
                    for round in 0..10 {
                        let bytes = content(&format!("{writer}-{round}"), 400_000);
                        let status = serve.put(&bytes, &sha256_hex(&bytes));
                        assert!(matches!(status, 200 | 507), "{status}");
                    }
                })
            })
            .collect();
        writers.into_iter().for_each(|writer| writer.join().unwrap());
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        watch.join().unwrap()
    });
    // A walk is no snapshot: one that goes while another one comes may be seen with it.
    assert!(highest <= (3 << 20) + 400_000, "{highest} bytes");
    assert!(size() <= 3 << 20, "{} bytes at rest", size());
    assert!(serve.files("blobs") > 0);
    let large = content("large", 4_000_000);
    assert_eq!(serve.put(&large, &sha256_hex(&large)), 507);
    // Who does not say how much comes is stopped on the way.
    let file = serve.path("large");
    fs::write(&file, &large).unwrap();
    let path = format!("/cas/{}", sha256_hex(&large));
    let status = serve.status(&path, &["-T", file.to_str().unwrap(), "-H", "Transfer-Encoding: chunked"]);
    assert!(status == 507 && size() <= 3 << 20, "{status}");
}

#[test]
fn a_server_that_is_told_to_stop_finishes_what_runs() {
    for until_stdin in [false, true] {
        let options = if until_stdin { &["--until-stdin-closes"][..] } else { &[] };
        let mut serve = Serve::start(options);
        let bytes = content("a", 30_000_000);
        let name = sha256_hex(&bytes);
        assert_eq!(serve.put(&bytes, &name), 200);
        let mut reader = serve.connect();
        write!(reader, "GET /cas/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut first = [0; 1000];
        reader.read_exact(&mut first).unwrap();
        if until_stdin {
            drop(serve.child.stdin.take());
        } else {
            signal(&serve.child, "-TERM");
        }
        std::thread::sleep(Duration::from_millis(200));
        let mut rest = Vec::new();
        reader.read_to_end(&mut rest).unwrap();
        assert!(rest.ends_with(&bytes[29_000_000..]), "it was cut off");
        assert!(serve.child.wait().unwrap().success());
    }
}

#[test]
fn a_socket_is_served_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s.sock");
    // One that a killed server has left.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let mut serve = Serve::over(dir, &["--listen", &format!("unix:{}", socket.display())]);
    let status = |path: &str| {
        let output = Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{http_code}", "--unix-socket"])
            .arg(&socket)
            .arg(format!("http://localhost{path}"))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert_eq!((status("/status").as_str(), status("/none").as_str()), ("200", "404"));
    signal(&serve.child, "-TERM");
    assert!(serve.child.wait().unwrap().success());
    assert!(!socket.exists());
}

#[test]
fn what_is_put_goes_on_to_the_upstream_and_is_found_there() {
    let upstream = Serve::start(&[]);
    let front = Serve::start(&["--upstream", &format!("{}#trusted", upstream.url)]);
    let bytes = content("a", 70_000);
    let name = sha256_hex(&bytes);
    assert_eq!(upstream.put(&bytes, &name), 200);
    let file = front.path("got");
    assert_eq!(front.status(&format!("/cas/{name}"), &["-o", file.to_str().unwrap()]), 200);
    assert_eq!(fs::read(&file).unwrap(), bytes);
    // It is kept in front, and what a client puts there arrives behind.
    drop(upstream);
    assert_eq!(front.status(&format!("/cas/{name}"), &["-o", file.to_str().unwrap()]), 200);
    let upstream = Serve::start(&[]);
    let front = Serve::start(&["--upstream", &format!("{}#trusted", upstream.url)]);
    let sandbox = vcache_testkit::Sandbox::new();
    let origin = vcache_testkit::Origin::start();
    let url = format!("{}/s9000/a", origin.url());
    let call = |argv: &[&str], machine: &str, front: &Serve| {
        let remote = format!("{}#trusted", front.url);
        let run =
            sandbox.shim(argv).env("VCACHE_DIR", sandbox.root().join(machine)).env("VCACHE_REMOTE", remote);
        run.env("SONIC_VERSION_CONTROL_COMPONENTS", "none").finish()
    };
    call(&["wget", "-q", &url], "a", &front).expect_code(0);
    call(&[bin_dir().join("vcache").to_str().unwrap(), "flush"], "a", &front).expect_code(0);
    let bytes = origin.content("/s9000/a");
    let begin = Instant::now();
    for path in [format!("/cas/{}", sha256_hex(&bytes)), format!("/ac/{}", sha256_hex(url.as_bytes()))] {
        while upstream.status(&path, &["-o", "/dev/null"]) != 200 {
            assert!(begin.elapsed() < Duration::from_secs(20), "{path} does not arrive behind");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    // Without the origin, and without a pin: by a front that has nothing of its own, if it trusts what is behind it.
    drop(origin);
    let doubtful = Serve::start(&["--upstream", &upstream.url]);
    call(&["wget", "-q", "-t1", "-O", "b", &url], "b", &doubtful).expect_code(4);
    let fresh = Serve::start(&["--upstream", &format!("{}#trusted", upstream.url)]);
    call(&["wget", "-q", "-t1", "-O", "b", &url], "b", &fresh).expect_code(0);
    assert_eq!(fs::read(sandbox.work().join("b")).unwrap(), *bytes);
}

/// Large content goes out of its file past the HTTP layer, small content out of memory: on one connection each must follow the other whole.
#[test]
fn answers_of_one_connection_follow_each_other_whole() {
    let serve = Serve::start(&[]);
    let sizes = [1_000, 5_000_000, 65_536, 65_537, 700_000, 0, 3_000_001];
    let contents: Vec<_> = sizes.iter().map(|&size| content(&format!("of {size}"), size)).collect();
    for bytes in &contents {
        assert_eq!(serve.put(bytes, &sha256_hex(bytes)), 200);
    }
    // Once asked for in turn; once all at once, before the first answer is read.
    for ahead in [1, contents.len()] {
        let mut connection = std::io::BufReader::new(serve.connect());
        for some in [&contents[..], &contents[..]].concat().chunks(ahead) {
            for bytes in some {
                let request = format!("GET /cas/{} HTTP/1.1\r\nHost: x\r\n\r\n", sha256_hex(bytes));
                connection.get_mut().write_all(request.as_bytes()).unwrap();
            }
            for bytes in some {
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    assert_ne!(std::io::BufRead::read_line(&mut connection, &mut head).unwrap(), 0, "{head}");
                }
                assert!(head.starts_with("HTTP/1.1 200"), "{head}");
                let mut got = vec![0; bytes.len()];
                connection.read_exact(&mut got).unwrap();
                assert!(got == *bytes, "{} bytes, {ahead} asked for ahead", bytes.len());
            }
        }
    }
}

#[test]
fn memory_does_not_grow_with_blobs_or_clients() {
    let serve = Serve::start(&[]);
    let bytes = content("large", 100_000_000);
    let name = sha256_hex(&bytes);
    assert_eq!(serve.put(&bytes, &name), 200);
    drop(bytes);
    std::thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| assert_eq!(serve.status(&format!("/cas/{name}"), &["-o", "/dev/null"]), 200));
        }
    });
    assert!(serve.highest_memory() <= 64 << 10, "{} KiB", serve.highest_memory());
}
