//! Two hosts that share a tier over a network of their own: network namespaces, `vcache serve` and an origin in a
//! third. One of the hosts dies in the middle of a transfer, and then the server does.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use vcache_testkit::{Need, Sandbox, bin_dir, content, missing};

const SERVER: &str = "10.231.7.1";
const BIG: usize = 60_000_000;

/// Three namespaces; they go with the value.
struct Network {
    names: [String; 3],
}

impl Network {
    fn new() -> Network {
        let id = std::process::id();
        let names = ["server", "a", "b"].map(|host| format!("vcache-{host}-{id}"));
        for name in &names {
            ip(&["netns", "add", name]);
            ip(&["-n", name, "link", "set", "lo", "up"]);
        }
        let network = Network { names };
        ip(&["-n", &network.names[0], "addr", "add", SERVER, "dev", "lo"]);
        network.connect(1);
        network.connect(2);
        network
    }

    fn connect(&self, host: usize) {
        let (server, name, port) = (&self.names[0], &self.names[host], format!("p{host}"));
        let (here, there) = (format!("10.231.{host}.1"), format!("10.231.{host}.2/24"));
        ip(&["-n", server, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name]);
        ip(&["-n", server, "addr", "add", &format!("{here}/24"), "dev", &port]);
        ip(&["-n", server, "link", "set", &port, "up"]);
        ip(&["-n", name, "addr", "add", &there, "dev", "eth0"]);
        ip(&["-n", name, "link", "set", "eth0", "up"]);
        ip(&["-n", name, "route", "add", SERVER, "via", &here]);
    }

    /// `argv` on a host.
    fn on(&self, host: usize, argv: &[&str]) -> Vec<String> {
        let words = ["ip", "netns", "exec", &self.names[host]].into_iter().chain(argv.iter().copied());
        words.map(str::to_owned).collect()
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in &self.names {
            let _ = Command::new("ip").args(["netns", "del", name]).stderr(Stdio::null()).status();
        }
    }
}

fn ip(args: &[&str]) {
    let status = Command::new("ip").args(args).status().expect("start ip");
    assert!(status.success(), "ip {args:?}");
}

fn start(argv: &[String]) -> Child {
    Command::new(&argv[0]).args(&argv[1..]).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("start")
}

fn signal(pid: u32, name: &str) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// The process that `ip netns exec` became.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        signal(self.0.id(), "-CONT");
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct World {
    sandbox: Sandbox,
    network: Network,
}

impl World {
    fn path(&self, name: &str) -> PathBuf {
        self.sandbox.root().join(name)
    }

    /// nginx as origin, read-only.
    fn origin(&self) -> Server {
        let dir = self.path("origin");
        fs::create_dir_all(dir.join("root")).unwrap();
        fs::write(dir.join("root/big"), content("big", BIG)).unwrap();
        fs::write(dir.join("root/small"), content("small", 3000)).unwrap();
        let text = dir.display();
        let config = format!(
            "daemon off;\nmaster_process off;\nuser root;\npid {text}/pid;\nerror_log {text}/errors;\nevents {{}}\n\
             http {{ access_log off; server {{ listen {SERVER}:9000; root {text}/root; }} }}\n"
        );
        fs::write(dir.join("config"), config).unwrap();
        let config = dir.join("config");
        let server = Server(start(&self.network.on(0, &["nginx", "-c", config.to_str().unwrap()])));
        self.wait_for(9000);
        server
    }

    fn serve(&self) -> Server {
        fs::write(self.path("token"), "s3same\n").unwrap();
        let (vcache, token) = (bin_dir().join("vcache"), self.path("token"));
        let listen = format!("{SERVER}:8080");
        let store = self.path("store");
        let argv = ["--cache", store.to_str().unwrap(), "serve", "--listen", &listen, "--token-file"];
        let argv = [&[vcache.to_str().unwrap()], &argv[..], &[token.to_str().unwrap()]].concat();
        let server = Server(start(&self.network.on(0, &argv)));
        self.wait_for(8080);
        server
    }

    fn wait_for(&self, port: u16) {
        let probe = self.network.on(0, &["curl", "-so", "/dev/null", &format!("http://{SERVER}:{port}/")]);
        let begin = Instant::now();
        while !Command::new(&probe[0]).args(&probe[1..]).status().unwrap().success() {
            assert!(begin.elapsed() < Duration::from_secs(10), "nothing listens on {port}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// A command on host 1 or 2, each with a cache of its own.
    fn run(&self, host: usize, argv: &[&str]) -> vcache_testkit::Run {
        self.sandbox
            .shim(self.network.on(host, argv))
            .env("VCACHE_DIR", self.path(&format!("cache{host}")))
            .env("VCACHE_REMOTE", format!("http://{SERVER}:8080#trusted"))
            .env("VCACHE_REMOTE_CREDENTIALS", self.path("token"))
            .env("SONIC_VERSION_CONTROL_COMPONENTS", "none")
    }

    fn fetch(&self, host: usize, file: &str) -> String {
        let (name, url) = (format!("{file}{host}"), format!("http://{SERVER}:9000/{file}"));
        let _ = fs::remove_file(self.sandbox.work().join(&name));
        let done = self.run(host, &["wget", "-qO", &name, &url]).finish();
        done.expect_code(0);
        let expected = fs::read(self.path("origin/root").join(file)).unwrap();
        assert_eq!(fs::read(self.sandbox.work().join(name)).unwrap(), expected, "{file} on {host}");
        done.stderr_text()
    }
}

#[test]
fn two_hosts_share_a_tier_and_one_dies_in_the_middle() {
    let needs = [Need::Root, Need::NetworkNamespace, Need::Tool("ip"), Need::Tool("nginx")];
    if missing("two_hosts_share_a_tier", &needs) {
        return;
    }
    let world = World { sandbox: Sandbox::new(), network: Network::new() };
    let origin = world.origin();
    let serve = world.serve();
    let flush = |host| {
        let vcache = bin_dir().join("vcache");
        world.run(host, &[vcache.to_str().unwrap(), "flush"])
    };
    // What one has fetched the other one finds.
    world.fetch(1, "small");
    flush(1).finish().expect_code(0);
    world.fetch(2, "small");

    // The first host dies while it sends: the server stands still, so that this is in the middle.
    signal(serve.0.id(), "-STOP");
    assert_eq!(world.fetch(2, "small"), "", "an answer of the own cache needs no tier");
    let url = format!("http://{SERVER}:9000/big");
    let mut dying = world.run(1, &["wget", "-qO", "big1", &url]).spawn_silent();
    std::thread::sleep(Duration::from_millis(300));
    signal(serve.0.id(), "-CONT");
    let begin = Instant::now();
    while fs::read_dir(world.path("cache1/outbox")).map_or(0, Iterator::count) == 0 {
        assert!(begin.elapsed() < Duration::from_secs(20), "nothing waits to be sent");
        std::thread::sleep(Duration::from_millis(1));
    }
    signal(serve.0.id(), "-STOP");
    let _ = dying.wait();
    ip(&["-n", &world.network.names[0], "link", "del", "p1"]);
    let pids = Command::new("ip").args(["netns", "pids", &world.network.names[1]]).output().unwrap();
    for pid in String::from_utf8_lossy(&pids.stdout).split_whitespace() {
        signal(pid.parse().unwrap(), "-KILL");
    }
    signal(serve.0.id(), "-CONT");
    assert_eq!(fs::read_dir(world.path("cache1/outbox")).unwrap().count(), 1, "it died too late");

    // The other one builds on; then the first one is back, and what it had to send is not lost.
    world.fetch(2, "big");
    world.network.connect(1);
    flush(1).finish().expect_code(0);
    assert_eq!(fs::read_dir(world.path("cache1/outbox")).unwrap().count(), 0);
    let verify = Command::new(bin_dir().join("vcache"))
        .args(["--cache", world.path("store").to_str().unwrap(), "verify"])
        .output()
        .unwrap();
    assert!(verify.status.success(), "{}", String::from_utf8_lossy(&verify.stdout));
    fs::remove_dir_all(world.path("cache2")).unwrap();
    drop(origin);
    world.fetch(2, "big");

    // The server dies for good: builds go on.
    drop(serve);
    let _origin = world.origin();
    fs::remove_dir_all(world.path("cache2")).unwrap();
    let said = world.fetch(2, "big");
    assert!(said.contains("the second tier"), "{said}");
}
