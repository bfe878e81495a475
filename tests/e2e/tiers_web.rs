//! Second tiers: what one machine has fetched another one finds, a tier that lies or fails breaks nothing, and a container build leaves
//! nothing behind. The tiers are nginx with WebDAV and a plain folder.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests own their files and processes"
)]

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use vcache_shim::handover::Handover;
use vcache_testkit::{
    Finished, LAST_MODIFIED, Need, Nginx, Origin, Run, Sandbox, bin_dir, md5_hex, missing, sha256_hex,
};
use vcache_tests::entries;

/// A sandbox, an origin, and two tiers.
struct Farm {
    sandbox: Sandbox,
    origin: Origin,
    nginx: Nginx,
}

impl Farm {
    fn new(test: &str) -> Option<Farm> {
        if missing(test, &[Need::Tool("nginx")]) {
            return None;
        }
        let sandbox = Sandbox::new();
        let nginx = Nginx::start(&sandbox.root().join("nginx"));
        fs::create_dir(sandbox.root().join("folder")).unwrap();
        Some(Farm { sandbox, origin: Origin::start(), nginx })
    }

    fn folder(&self) -> PathBuf {
        self.sandbox.root().join("folder")
    }

    /// A call on a machine of its own: a cache by that name. Versions float unless there are pins.
    fn on(&self, machine: &str, tier: &str, argv: &[&str]) -> Run {
        let pinned = self.sandbox.buildinfo().join("versions/versions-web").exists();
        self.sandbox
            .shim(argv)
            .env("VCACHE_DIR", self.cache(machine))
            .env("VCACHE_REMOTE", tier)
            .env("SONIC_VERSION_CONTROL_COMPONENTS", if pinned { "all" } else { "none" })
    }

    fn cache(&self, machine: &str) -> PathBuf {
        self.sandbox.root().join(machine)
    }

    fn flush(&self, machine: &str, tier: &str) -> Finished {
        let vcache = bin_dir().join("vcache");
        self.on(machine, tier, &[vcache.to_str().unwrap(), "flush"]).finish()
    }

    /// Fetches on machine `a`, and sends.
    fn publish(&self, tier: &str, argv: &[&str]) {
        self.on("a", tier, argv).finish().expect_code(0);
        self.flush("a", tier).expect_code(0);
    }

    fn fresh(&self) {
        self.sandbox.clear();
        for machine in ["a", "b"] {
            let _ = fs::remove_dir_all(self.cache(machine));
        }
    }

    fn content_in_tier(&self, tier_root: &Path, url_path: &str) -> PathBuf {
        let name = sha256_hex(&self.origin.content(url_path));
        let (flat, sharded) =
            (tier_root.join("cas").join(&name), tier_root.join("cas").join(&name[..2]).join(&name));
        if flat.exists() { flat } else { sharded }
    }
}

#[test]
fn what_one_machine_fetched_another_one_finds() {
    let Some(mut farm) = Farm::new("what_one_machine_fetched_another_one_finds") else { return };
    let url = format!("{}/s300000/a.tgz", farm.origin.url());
    let content = farm.origin.content("/s300000/a.tgz");
    let (md5, sha256) = (md5_hex(&content), format!("sha256:{}", sha256_hex(&content)));
    let tiers = [
        farm.nginx.url(),
        format!("file://{}", farm.folder().display()),
        format!("{}/private", farm.nginx.url().replace("//", "//user:pw@")),
    ];
    for tier in &tiers {
        for (options, pin) in
            [("#trusted", None), ("", Some(&md5)), ("", Some(&sha256)), ("#trusted", Some(&md5))]
        {
            farm.fresh();
            farm.origin.resume();
            let tier = format!("{tier}{options}");
            if let Some(pin) = pin {
                farm.sandbox.pin_web(&format!("{url}=={pin}\n"));
            }
            farm.publish(&tier, &["wget", "-q", &url]);
            farm.sandbox.clear_work();
            farm.origin.stop();
            for argv in
                [&["wget", "-q", &url][..], &["curl", "-sfLRo", "curled", &url], &["curl", "-sfL", &url]]
            {
                let _ = fs::remove_dir_all(farm.cache("b"));
                let done = farm.on("b", &tier, argv).finish();
                done.expect_code(0);
                assert!(done.stdout.is_empty() || done.stdout == *content, "{tier} {argv:?}");
                let events = entries(&farm.sandbox);
                let last = events.last().unwrap();
                assert!(last.outcome == "hit" && last.tier.is_some(), "{tier} {argv:?}: {last:?}");
            }
            for name in ["a.tgz", "curled"] {
                let path = farm.sandbox.work().join(name);
                assert_eq!(fs::read(&path).unwrap(), *content, "{tier} {name}");
                assert_eq!(fs::metadata(&path).unwrap().mtime(), LAST_MODIFIED as i64, "{tier} {name}");
            }
            // What was promoted is there without the tier.
            farm.on("b", "", &["curl", "-sfL", &url]).finish().expect_code(0);
        }
    }
}

#[test]
fn an_unpinned_request_is_not_answered_by_a_tier_that_nobody_trusts() {
    let Some(farm) = Farm::new("an_unpinned_request") else { return };
    let (tier, url) = (farm.nginx.url(), format!("{}/s500/a", farm.origin.url()));
    farm.publish(&tier, &["wget", "-q", &url]);
    farm.origin.take_log();
    farm.on("b", &tier, &["wget", "-qO", "again", &url]).finish().expect_code(0);
    assert_eq!(farm.origin.take_log().len(), 1);
    let offline = farm.on("c", &tier, &["wget", "-qO", "off", &url]).env("VCACHE_OFFLINE", "y").finish();
    offline.expect_code(118);
    let trusted = format!("{tier}#trusted");
    farm.on("c", &trusted, &["wget", "-qO", "off", &url]).env("VCACHE_OFFLINE", "y").finish().expect_code(0);
}

#[test]
fn tiers_that_fail_or_lie_cost_a_warning() {
    let Some(farm) = Farm::new("tiers_that_fail_or_lie") else { return };
    let origin = farm.origin.url();
    let closed = "http://127.0.0.1:1".to_owned();
    let rows = [
        (closed, "Connection refused"),
        (format!("{origin}/status/500"), "500"),
        (format!("{origin}/status/507"), "507"),
        (format!("{origin}/redir301/x"), "redirects are not followed"),
        (format!("{origin}/reset/s5000"), "body"),
        (format!("{origin}/claim/99/empty"), "tier"),
        (format!("{origin}/s5000"), "ActionResult"),
        (format!("{origin}/auth"), "VCACHE_REMOTE_CREDENTIALS"),
        (format!("{}/private", farm.nginx.url()), "VCACHE_REMOTE_CREDENTIALS"),
        ("file:///nowhere/at/all".to_owned(), "/nowhere/at/all"),
        (format!("{}#fast", farm.nginx.url()), "behind #"),
        ("s3://bucket".to_owned(), "vcache serve"),
    ];
    for (number, (tier, word)) in rows.iter().enumerate() {
        farm.fresh();
        let url = format!("{origin}/s2000/{number}");
        let content = farm.origin.content(&format!("/s2000/{number}"));
        let pins = format!("{url}==sha256:{}\n", sha256_hex(&content));
        if number % 2 == 1 {
            farm.sandbox.pin_web(&pins);
        }
        let address = if tier.contains('#') { tier.clone() } else { format!("{tier}#trusted") };
        let mut said = String::new();
        for attempt in 0..5 {
            let _ = fs::remove_dir_all(farm.cache("a").join("index"));
            let _ = fs::remove_dir_all(farm.cache("a").join("blobs"));
            let name = format!("out{attempt}");
            let done = farm.on("a", &address, &["wget", "-qO", &name, &url]).finish();
            done.expect_code(0);
            assert_eq!(fs::read(farm.sandbox.work().join(name)).unwrap(), *content, "{tier}");
            said = said + &done.stderr_text() + "\n";
        }
        assert!(said.contains(word), "{tier}: {word} is not in: {said}");
        if !tier.contains('#') && !tier.starts_with("s3") {
            assert_eq!(said.matches("is not asked for").count(), 1, "{tier}: {said}");
        }
    }
}

#[test]
fn wrong_bytes_in_a_tier_are_found_and_replaced() {
    let Some(farm) = Farm::new("wrong_bytes_in_a_tier") else { return };
    let url = format!("{}/s70000/a", farm.origin.url());
    let content = farm.origin.content("/s70000/a");
    for (tier, root) in
        [(farm.nginx.url(), farm.nginx.root()), (format!("file:{}", farm.folder().display()), farm.folder())]
    {
        let tier = tier + "#trusted";
        for damage in ["flip", "cut", "longer"] {
            farm.fresh();
            farm.publish(&tier, &["wget", "-q", &url]);
            let stored = farm.content_in_tier(&root, "/s70000/a");
            let mut bytes = fs::read(&stored).unwrap();
            match damage {
                "flip" => bytes[100] ^= 1,
                "cut" => bytes.truncate(600),
                _ => bytes.push(0),
            }
            fs::remove_file(&stored).unwrap();
            fs::write(&stored, &bytes).unwrap();
            farm.sandbox.clear_work();
            let done = farm.on("b", &tier, &["wget", "-q", &url]).finish();
            done.expect_code(0);
            assert!(
                done.stderr_text().contains("the second tier"),
                "{tier} {damage}: {}",
                done.stderr_text()
            );
            assert_eq!(fs::read(farm.sandbox.work().join("a")).unwrap(), *content, "{tier} {damage}");
            farm.flush("b", &tier).expect_code(0);
            let stored = farm.content_in_tier(&root, "/s70000/a");
            assert_eq!(fs::read(stored).unwrap(), *content, "{tier} {damage}: it was not put there anew");
        }
    }
}

#[test]
fn a_container_build_reads_and_fills_the_tier_and_leaves_nothing() {
    let Some(mut farm) = Farm::new("a_container_build") else { return };
    let url = format!("{}/s9000000/big", farm.origin.url());
    let content = farm.origin.content("/s9000000/big");
    let remote = format!("{}#trusted", farm.nginx.url());
    let entry = Handover { method: "cache".into(), offline: false, strict: false, remote }.encode();
    let build = |argv: &[&str]| {
        farm.sandbox.bare(argv).env("NO_PROXY", &entry).env("VCACHE_BUILD_LOG", farm.sandbox.build_log())
    };
    build(&["wget", "-q", &url]).finish().expect_code(0);
    let piped = build(&["curl", "-sfL", &url.replace("big", "other")]).finish();
    piped.expect_code(0);
    farm.origin.stop();
    for argv in [&["wget", "-qO", "again", &url][..], &["wget", "-qO", "pinned", &url]] {
        build(argv).finish().expect_code(0);
    }
    let streamed = build(&["curl", "-sfL", &url]).finish();
    streamed.expect_code(0);
    assert_eq!(streamed.stdout, *content);
    assert_eq!(build(&["curl", "-sfL", &url.replace("big", "other")]).finish().stdout, piped.stdout);
    let outcomes: Vec<_> = entries(&farm.sandbox).into_iter().map(|entry| entry.outcome).collect();
    assert_eq!(outcomes, ["miss", "miss", "hit", "hit", "hit", "hit"]);
    fs::remove_file(farm.sandbox.build_log()).unwrap();
    for name in ["big", "again", "pinned"] {
        assert_eq!(fs::read(farm.sandbox.work().join(name)).unwrap(), *content, "{name}");
        fs::remove_file(farm.sandbox.work().join(name)).unwrap();
    }
    let left: Vec<_> = ["cache", "tmp", "home"]
        .iter()
        .flat_map(|dir| fs::read_dir(farm.sandbox.root().join(dir)).into_iter().flatten().flatten())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn twenty_at_once_with_a_tier_fetch_once_and_send_once() {
    let Some(farm) = Farm::new("twenty_at_once_with_a_tier") else { return };
    let (tier, url) = (format!("{}#trusted", farm.nginx.url()), format!("{}/s100000/a", farm.origin.url()));
    std::thread::scope(|scope| {
        for number in 0..20 {
            let (farm, tier, url) = (&farm, &tier, &url);
            scope.spawn(move || {
                farm.on("a", tier, &["wget", "-qO", &format!("out{number}"), url]).finish().expect_code(0);
            });
        }
    });
    assert_eq!(farm.origin.take_log().len(), 1);
    farm.flush("a", &tier).expect_code(0);
    let puts = farm.nginx.requests().iter().filter(|line| line.starts_with("PUT /cas/")).count();
    assert_eq!(puts, 1, "{:?}", farm.nginx.requests());
}

#[test]
fn what_could_not_be_sent_is_sent_later() {
    let Some(farm) = Farm::new("what_could_not_be_sent") else { return };
    let url = format!("{}/s3000/a", farm.origin.url());
    let dead = format!("file:{}/later#trusted", farm.sandbox.root().display());
    farm.on("a", &dead, &["wget", "-q", &url]).finish().expect_code(0);
    let flushed = farm.flush("a", &dead);
    flushed.expect_code(1);
    assert!(flushed.stderr_text().contains("run vcache flush again"), "{}", flushed.stderr_text());
    fs::create_dir(farm.sandbox.root().join("later")).unwrap();
    // The tier counts as failed for a while; that it works again is found by who sets the mark back.
    for entry in fs::read_dir(farm.cache("a").join("tmp")).unwrap().flatten() {
        if entry.file_name().to_string_lossy().starts_with("tier-") {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    farm.flush("a", &dead).expect_code(0);
    let stored = farm.content_in_tier(&farm.sandbox.root().join("later"), "/s3000/a");
    assert_eq!(fs::read(stored).unwrap(), *farm.origin.content("/s3000/a"));
    assert!(fs::read_dir(farm.cache("a").join("outbox")).unwrap().next().is_none());
}

#[test]
fn read_only_tiers_and_read_only_calls() {
    let Some(mut farm) = Farm::new("read_only_tiers") else { return };
    let url = format!("{}/s3000/a", farm.origin.url());
    let read_only = format!("{}#trusted,read-only", farm.nginx.url());
    farm.on("a", &read_only, &["wget", "-q", &url]).finish().expect_code(0);
    farm.flush("a", &read_only).expect_code(0);
    assert!(!farm.nginx.requests().iter().any(|line| line.starts_with("PUT")));
    let tier = format!("{}#trusted", farm.nginx.url());
    farm.fresh();
    farm.publish(&tier, &["wget", "-q", &url]);
    farm.origin.stop();
    let done =
        farm.on("b", &tier, &["curl", "-sfL", &url]).env("SONIC_VERSION_CACHE_METHOD", "rcache").finish();
    done.expect_code(0);
    assert_eq!(done.stdout, *farm.origin.content("/s3000/a"));
    assert!(!farm.cache("b").exists());
}
