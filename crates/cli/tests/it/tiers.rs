//! What the commands know of second tiers: a folder stands for one.

use std::fs;

use crate::sandbox::Sandbox;

/// A sandbox whose cache holds one thing that waits for the tier `tier/`.
fn sandbox() -> (Sandbox, String) {
    let mut sandbox = Sandbox::new();
    fs::create_dir(sandbox.path("tier")).unwrap();
    let id = sandbox.keep("http://h.example/a", b"content", 0);
    // As a build with that tier has left it.
    let key = vcache_store::Key::web("http://h.example/a", "").name();
    sandbox.write(&format!("cache/outbox/{key}"), "");
    sandbox.set("VCACHE_REMOTE", &format!("file:{}#trusted", sandbox.path("tier").display()));
    (sandbox, id.to_string())
}

#[test]
fn flush_sends_what_waits_and_says_so() {
    let (sandbox, id) = sandbox();
    let waits = sandbox.vcache(&["doctor"]);
    assert!(
        waits.stdout.contains("1 record to be sent") && waits.stdout.contains("vcache flush"),
        "{}",
        waits.stdout
    );
    assert!(sandbox.vcache(&["ls", "--tiers"]).expect(0).stdout.contains("(in no tier)"));
    let facts = sandbox.vcache(&["flush", "--json"]).expect(0).json();
    assert_eq!((&facts["sent"], &facts["bytes"], &facts["waiting"]), (&1.into(), &7.into(), &0.into()));
    assert_eq!(fs::read(sandbox.path("tier/cas").join(&id[..2]).join(&id)).unwrap(), b"content");
    assert!(sandbox.vcache(&["ls", "--tiers"]).expect(0).stdout.contains("(in file:"));
    assert!(sandbox.vcache(&["doctor"]).stdout.contains("0 records to be sent"));
    assert_eq!(sandbox.vcache(&["flush", "--json"]).expect(0).json()["sent"], 0);
}

#[test]
fn flush_without_a_tier_or_with_a_dead_one_fails() {
    let (mut sandbox, _) = sandbox();
    fs::remove_dir(sandbox.path("tier")).unwrap();
    let done = sandbox.vcache(&["flush"]).expect(1);
    assert!(
        done.stderr.contains("cannot open") && done.stdout.contains("1 waiting"),
        "{} {}",
        done.stdout,
        done.stderr
    );
    let ill = sandbox.vcache(&["doctor"]);
    assert!(ill.stdout.contains("see that it runs"), "{}", ill.stdout);
    sandbox.unset("VCACHE_REMOTE");
    assert!(sandbox.vcache(&["flush"]).expect(1).stderr.contains("VCACHE_REMOTE"));
}

#[test]
fn gc_keeps_what_no_tier_has_yet() {
    let (sandbox, _) = sandbox();
    let facts = sandbox.vcache(&["gc", "--max-size", "1", "--json"]).expect(0).json();
    assert_eq!((&facts["waiting"], facts["removed"].as_array().unwrap().len()), (&1.into(), 0));
    sandbox.vcache(&["flush"]).expect(0);
    let facts = sandbox.vcache(&["gc", "--max-size", "1", "--json"]).expect(0).json();
    assert_eq!((&facts["waiting"], facts["removed"].as_array().unwrap().len()), (&0.into(), 1));
}

#[test]
fn verify_looks_into_tiers_and_mends_what_is_wrong_there() {
    let (sandbox, id) = sandbox();
    let counts = |sandbox: &Sandbox, args: &[&str], status| {
        let facts = sandbox.vcache(&[&["verify", "--tiers", "--json"], args].concat()).expect(status).json();
        let of = &facts["tiers"][0];
        (of["sound"].as_u64().unwrap(), of["absent"].as_u64().unwrap(), of["wrong"].as_array().unwrap().len())
    };
    assert_eq!(counts(&sandbox, &[], 0), (0, 1, 0));
    sandbox.vcache(&["flush"]).expect(0);
    assert_eq!(counts(&sandbox, &[], 0), (1, 0, 0));
    let stored = sandbox.path("tier/cas").join(&id[..2]).join(&id);
    fs::remove_file(&stored).unwrap();
    fs::write(&stored, b"CONTENT").unwrap();
    assert_eq!(counts(&sandbox, &[], 1), (0, 0, 1));
    assert_eq!(counts(&sandbox, &["--repair"], 0), (0, 0, 1));
    assert_eq!(counts(&sandbox, &[], 0), (1, 0, 0));
}
