//! The commands that print facts: `ls`, `stats`, `config`, `doctor`; and `hooks`, which changes links.

use std::fs;

use crate::sandbox::Sandbox;

#[test]
fn ls_shows_what_is_kept() {
    let sandbox = Sandbox::new();
    let id = sandbox.keep("http://h.example/a.tgz", b"content", 60);
    sandbox.keep("http://h.example/b.deb", b"other", 0);
    let done = sandbox.vcache(&["ls", "*.tgz"]).expect(0);
    assert!(done.stdout.contains("a.tgz") && !done.stdout.contains("b.deb"), "{}", done.stdout);
    let facts = sandbox.vcache(&["ls", "--json", "a.tgz"]).expect(0).json();
    assert_eq!(
        (facts["entries"][0]["sha256"].as_str(), facts["bytes"].as_u64()),
        (Some(&*id.to_string()), Some(7))
    );
}

#[test]
fn stats_count_the_calls_of_a_build() {
    let sandbox = Sandbox::new();
    let line = |outcome: &str, extra: &str| {
        format!("{{\"time\":1,\"tool\":\"wget\",\"outcome\":\"{outcome}\"{extra}}}\n")
    };
    let passed = line("passthrough", ",\"reason\":\"range\"");
    sandbox.write("work/log", &(line("hit", ",\"bytes\":10") + &line("miss", ",\"bytes\":5") + &passed));
    let done = sandbox.vcache(&["stats", "--log", "log"]).expect(0);
    assert!(done.stdout.contains("range"), "{}", done.stdout);
    sandbox.vcache(&["stats", "--log", "log", "--json"]).expect(0).json();
}

#[test]
fn config_names_the_origin_of_each_setting() {
    let sandbox = Sandbox::new();
    sandbox.write("buildinfo/config/buildinfo.config", "export VCACHE_RETRY=3\n");
    let done = sandbox.vcache(&["config"]).expect(0);
    let line = done.stdout.lines().find(|line| line.contains("VCACHE_RETRY")).unwrap_or_default();
    assert!(line.contains('3') && line.contains("buildinfo.config:1"), "{}", done.stdout);
    sandbox.vcache(&["config", "--json"]).expect(0).json();
}

#[test]
fn doctor_says_what_it_looked_at() {
    let sandbox = Sandbox::new();
    let done = sandbox.vcache(&["doctor"]);
    assert!(done.status <= 1 && !done.stdout.is_empty(), "{} {}", done.stdout, done.stderr);
    let done = sandbox.vcache(&["doctor", "--json"]);
    assert!(done.status <= 1);
    done.json();
}

#[test]
fn hooks_come_and_go() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("shims");
    let dir = dir.to_str().unwrap();
    sandbox.vcache(&["hooks", "disable", "--dir", dir]).expect(0);
    assert!(!sandbox.path("shims/wget").exists() && !sandbox.path("shims/curl").exists());
    fs::write(sandbox.path("shims/wget"), "mine").unwrap();
    sandbox.vcache(&["hooks", "enable", "--dir", dir]);
    assert_eq!(sandbox.text("shims/wget"), "mine", "a foreign file stays");
    assert!(sandbox.path("shims/curl").exists());
}

#[test]
fn hooks_of_tools_that_need_not_be_there_follow_them() {
    let sandbox = Sandbox::new();
    let dir = sandbox.path("shims");
    let hooks = |action: &str| {
        let facts = sandbox.vcache(&["hooks", action, "--json", "--dir", dir.to_str().unwrap()]);
        let links = facts.expect(0).json()["links"].as_array().unwrap().clone();
        let told = |link: &serde_json::Value| {
            let path = std::path::PathBuf::from(link["path"].as_str().unwrap());
            format!("{} {}", link["change"].as_str().unwrap(), path.strip_prefix(&dir).unwrap().display())
        };
        links.iter().map(told).collect::<Vec<_>>()
    };
    let ship = sandbox.path("shims/ship");
    assert_eq!(hooks("enable"), ["kept wget", "kept curl"]);
    sandbox.write("home/ship", "");
    assert_eq!(hooks("enable"), ["kept wget", "kept curl", "made ship"]);
    assert_eq!(fs::read_link(&ship).unwrap().to_str(), Some("vcache-shim"));
    assert_eq!(hooks("disable"), ["removed wget", "removed curl", "removed ship"]);
    hooks("enable");
    fs::remove_file(sandbox.path("home/ship")).unwrap();
    assert_eq!(hooks("enable"), ["kept wget", "kept curl", "removed ship"]);
    // A foreign file is named, unless nothing was wanted there.
    fs::write(&ship, "mine").unwrap();
    assert_eq!(hooks("enable"), ["kept wget", "kept curl"]);
    assert_eq!(hooks("disable"), ["removed wget", "removed curl", "foreign ship"]);
    sandbox.write("home/ship", "");
    let done = sandbox.vcache(&["hooks", "enable", "--dir", dir.to_str().unwrap()]).expect(1);
    assert!(done.stderr.contains("ship: is not one of our links"), "{}", done.stderr);
    assert_eq!(sandbox.text("shims/ship"), "mine");
}
