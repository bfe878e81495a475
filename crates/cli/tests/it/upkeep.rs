//! `vcache verify` and `vcache gc`.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::sandbox::Sandbox;

#[test]
fn verify_reports_first_and_repairs_when_told() {
    let sandbox = Sandbox::new();
    sandbox.vcache(&["verify"]).expect(0);
    let id = sandbox.keep("http://h.example/a", b"content", 0);
    assert!(sandbox.vcache(&["verify"]).expect(0).stdout.contains("all sound"));
    let blob = sandbox.blob(&id);
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(&blob, b"CONTENT").unwrap();
    let done = sandbox.vcache(&["verify"]).expect(1);
    assert!(
        done.stdout.contains("corrupt: ") && done.stdout.contains("vcache verify --repair"),
        "{}",
        done.stdout
    );
    assert!(blob.exists(), "a report changes nothing");
    let facts = sandbox.vcache(&["verify", "--json"]).expect(1).json();
    assert_eq!(facts["corrupt"][0]["expected_sha256"], id.to_string());
    sandbox.vcache(&["verify", "--repair"]).expect(0);
    assert!(!blob.exists());
    assert!(sandbox.vcache(&["verify"]).expect(0).stdout.contains("all sound"));
}

#[test]
fn gc_removes_the_oldest_first_and_keeps_what_is_pinned() {
    let sandbox = Sandbox::new();
    let old = sandbox.keep("http://h.example/old", &[1; 5000], 9 * 86_400);
    let pinned = sandbox.keep("http://h.example/pinned", &[2; 5000], 9 * 86_400);
    let new = sandbox.keep("http://h.example/new", &[3; 5000], 0);
    sandbox.write("work/lock/versions-web", &format!("http://h.example/pinned==sha256:{pinned}\n"));
    let args = ["gc", "--older-than", "7d", "--keep-versions", "lock"];
    let done = sandbox.vcache(&[&args[..], &["--dry-run"]].concat()).expect(0);
    assert!(
        done.stdout.contains("http://h.example/old") && done.stdout.contains("1 blob would go"),
        "{}",
        done.stdout
    );
    assert!(sandbox.blob(&old).exists());
    let facts = sandbox.vcache(&[&args[..], &["--json"]].concat()).expect(0).json();
    assert_eq!(
        (facts["removed"][0]["sha256"].as_str(), facts["kept"].as_u64()),
        (Some(&*old.to_string()), Some(1))
    );
    assert_eq!([&old, &pinned, &new].map(|id| sandbox.blob(id).exists()), [false, true, true]);
    sandbox.vcache(&["gc", "--max-size", "1K"]).expect(0);
    assert_eq!([&pinned, &new].map(|id| sandbox.blob(id).exists()), [false, false]);
}

#[test]
fn gc_with_bad_options_removes_nothing() {
    let sandbox = Sandbox::new();
    let id = sandbox.keep("http://h.example/a", b"x", 99 * 86_400);
    for (args, says) in [
        (["gc", "--max-size", "lots"], "50G"),
        (["gc", "--older-than", "soon"], "7d"),
        (["gc", "--keep-versions", "none"], "none"),
    ] {
        let done = sandbox.vcache(&args);
        assert!(done.status > 0 && done.stderr.contains(says), "{args:?}: {} {}", done.status, done.stderr);
    }
    assert!(sandbox.blob(&id).exists());
}
