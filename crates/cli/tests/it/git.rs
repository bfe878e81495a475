//! `vcache prefetch`, `check`, `verify` and `ls` with repositories: the real git, and repositories that it serves on loopback.

use std::fs;
use std::io::Write;

use vcache_testkit::{GitOrigin, missing};

use crate::bundles::git;
use crate::sandbox::Sandbox;

pub(crate) const PINS: &str = "lock/versions-git";

/// A sandbox and repositories, with pins `REPOSITORY REVISION` each; none where the machine can't serve.
pub(crate) fn pinned(test: &str, pins: &[(&str, &str)]) -> Option<(Sandbox, GitOrigin)> {
    if missing(test, &GitOrigin::NEEDS) {
        return None;
    }
    let (sandbox, origin) = (Sandbox::new(), GitOrigin::start());
    pin(&sandbox, &origin, pins);
    origin.take_packs();
    Some((sandbox, origin))
}

pub(crate) fn pin(sandbox: &Sandbox, origin: &GitOrigin, pins: &[(&str, &str)]) {
    let line = |(name, revision): &(&str, &str)| {
        format!("{}/{name}=={}\n", origin.http(), origin.id(name, revision))
    };
    sandbox.write(&format!("work/{PINS}"), &pins.iter().map(line).collect::<String>());
}

#[test]
fn what_is_pinned_is_fetched_once_with_its_submodules() {
    let pins = [("plain.git", "main~2"), ("deep.git", "main"), ("moved.git", "main")];
    let Some((sandbox, mut origin)) = pinned("prefetch", &pins) else { return };
    let dry = sandbox.vcache(&["prefetch", "--dry-run", PINS]).expect(0);
    assert!(dry.stdout.contains("3 repositories would be fetched; 0 there already"), "{}", dry.stdout);
    assert!(!sandbox.path("cache").exists(), "only looked");
    assert!(sandbox.vcache(&["check", PINS]).expect(1).stdout.contains("3 pins, 0 there: 3 missing"));
    let facts = sandbox.vcache(&["prefetch", "--json", "--jobs", "2", PINS]).expect(0).json();
    let repositories = facts["repositories"].as_array().unwrap();
    let paths: Vec<&str> = repositories.iter().filter_map(|r| r["submodule"].as_str()).collect();
    assert_eq!(paths, ["absolute", "absolute/nested", "dir with blank/sub"], "{facts:#}");
    assert_eq!((repositories.len(), facts["failed"].as_array().unwrap().len()), (6, 0));
    let packs = ["deep.git", "moved.git", "plain.git", "sub.git", "subsub.git"];
    assert_eq!(origin.take_packs(), packs, "each repository once");
    origin.stop();
    let again = sandbox.vcache(&["prefetch", "lock"]).expect(0);
    assert!(again.stdout.contains("0 repositories fetched, 0 B; 6 there already"), "{}", again.stdout);
    for args in [&["check", PINS][..], &["check", "--only", "git", "--submodules", "lock"]] {
        assert!(sandbox.vcache(args).expect(0).stdout.contains("3 pins, 3 there: nothing is missing"));
    }
    let held = sandbox.vcache(&["ls", "--json"]).expect(0).json();
    let entries = held["entries"].as_array().unwrap().iter();
    let states = entries.filter(|entry| entry["variant"] == "git state").count();
    assert_eq!(states, 5, "{held:#}");
    sandbox.vcache(&["verify"]).expect(0);
}

#[test]
fn a_commit_on_no_branch_is_fetched_by_its_hash() {
    let Some((sandbox, origin)) = pinned("a commit on no branch", &[("sub.git", "refs/hidden/lost")]) else {
        return;
    };
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    sandbox.vcache(&["check", "--submodules", PINS]).expect(0);
    // A newer pin of the same repository: only that commit comes.
    let new = origin.push("sub.git", "main", "new");
    sandbox.write(&format!("work/{PINS}"), &format!("{}/sub.git/=={new}\n", origin.git()));
    let missing = sandbox.vcache(&["check", PINS]).expect(1);
    assert!(missing.stdout.contains("lock/versions-git:1): not in the cache"), "{}", missing.stdout);
    sandbox.write(&format!("work/{PINS}"), &format!("{}/sub.git/=={new}\n", origin.http()));
    let missing = sandbox.vcache(&["check", PINS]).expect(1);
    assert!(
        missing.stdout.contains("the cache has the repository, and not this commit"),
        "{}",
        missing.stdout
    );
    assert!(sandbox.vcache(&["prefetch", PINS]).expect(0).stdout.starts_with("1 repository fetched"));
    sandbox.vcache(&["check", PINS]).expect(0);
}

#[test]
fn submodules_that_lead_elsewhere_are_left_and_those_that_fail_are_named() {
    let Some((sandbox, origin)) = pinned("odd submodules", &[("deep.git", "lost")]) else { return };
    // One of them is at a commit that no branch has.
    let facts = sandbox.vcache(&["prefetch", "--json", PINS]).expect(0).json();
    let paths = facts["repositories"].as_array().unwrap().iter().filter_map(|of| of["submodule"].as_str());
    let paths: Vec<&str> = paths.collect();
    assert_eq!(paths, ["absolute", "absolute/nested", "dir with blank/sub", "lost"], "{facts:#}");
    sandbox.vcache(&["check", "--submodules", PINS]).expect(0);

    let (dir, id) = (origin.root().join("odd.git"), origin.id("subsub.git", "main"));
    fs::create_dir(&dir).unwrap();
    git(&dir, &["init", "-q", "-b", "main"]);
    let touched = sandbox.path("home/touched").display().to_string();
    let urls = [
        ("ext", format!("ext::sh -c touch% {touched}")),
        ("file", format!("file://{}/subsub.git", origin.root().display())),
        ("gone", "../gone.git".to_owned()),
        ("option", format!("--upload-pack=touch {touched}")),
        ("path", origin.root().join("subsub.git").display().to_string()),
        ("good", "./../subsub.git".to_owned()),
    ];
    for (path, url) in &urls {
        let set = |name: &str, value: &str| {
            git(&dir, &["config", "-f", ".gitmodules", &format!("submodule.{path}.{name}"), value]);
        };
        set("path", path);
        set("url", url);
        git(&dir, &["update-index", "--add", "--cacheinfo", &format!("160000,{id},{path}")]);
    }
    git(&dir, &["add", ".gitmodules"]);
    git(&dir, &["commit", "-q", "-m", "odd"]);
    sandbox.write(
        &format!("work/{PINS}"),
        &format!("{}/odd.git=={}\n", origin.git(), git(&dir, &["rev-parse", "main"])),
    );
    let facts = sandbox.vcache(&["prefetch", "--json", PINS]).expect(1).json();
    let of = |what: &str, name: &str| {
        let all = facts[what].as_array().unwrap().iter();
        all.filter_map(|of| of[name].as_str()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut failed = of("failed", "submodule");
    failed.sort();
    assert_eq!(failed, ["gone", "option"], "{facts:#}");
    let mut left = of("left", "submodule");
    left.sort();
    assert_eq!(left, ["ext", "file", "path"], "{facts:#}");
    assert!(!sandbox.path("home/touched").exists());
}

#[test]
fn what_fails_is_named_and_stops_nothing() {
    let Some((sandbox, origin)) = pinned("prefetch that fails", &[]) else { return };
    let (http, plain) = (origin.http(), origin.id("plain.git", "main"));
    let none = "0123456789abcdef0123456789abcdef01234567";
    let lines = [
        format!("{http}/none.git=={plain}"),
        format!("{http}/plain.git=={plain}"),
        format!("{http}/moved.git=={none}"),
        format!("/srv/local.git=={plain}"),
        format!("http://user:secret@{}/plain.git=={plain}", &http[7..]),
        "no pin".to_owned(),
    ];
    sandbox.write(&format!("work/{PINS}"), &lines.join("\n"));
    let done = sandbox.vcache(&["prefetch", PINS]).expect(1);
    let says = |text: &str| assert!(done.stdout.contains(text), "{text}: {}", done.stdout);
    says(&format!("failed: {http}/none.git ({plain}, "));
    says("lock/versions-git:1): repository '");
    says("' not found");
    says("lock/versions-git:3): ");
    says(&format!("left alone: /srv/local.git ({plain}, "));
    says("credentials in the URL");
    says("1 repository fetched");
    says("; 3 failed\n");
    assert!(done.stderr.contains("versions-git:6: no `==`"), "{}", done.stderr);
    assert!(!format!("{}{}", done.stdout, done.stderr).contains("secret"));
    let facts = sandbox.vcache(&["check", "--json", PINS]).expect(1).json();
    assert_eq!((&facts["pins"], &facts["held"]), (&5.into(), &1.into()), "{facts:#}");
    assert_eq!(facts["missing"].as_array().unwrap().len(), 3);
}

/// The file of the first blob whose record's variant begins so.
fn blob(sandbox: &Sandbox, variant: &str) -> std::path::PathBuf {
    let held = sandbox.vcache(&["ls", "--json"]).expect(0).json();
    let entries = held["entries"].as_array().unwrap();
    let is_it = |entry: &&serde_json::Value| entry["variant"].as_str().unwrap().starts_with(variant);
    let id = entries.iter().find(is_it).unwrap()["sha256"].as_str().unwrap().parse().unwrap();
    sandbox.blob(&id)
}

#[test]
fn a_damaged_repository_is_found_taken_out_and_fetched_again() {
    let Some((mut sandbox, origin)) = pinned("verify of repositories", &[("plain.git", "main")]) else {
        return;
    };
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    let ls = sandbox.vcache(&["ls"]).expect(0).stdout;
    let url = format!("{}/plain [git state]", origin.http());
    assert!(ls.contains(&url) && ls.contains("[git pack ") && ls.contains("[git idx "), "{ls}");
    assert_eq!(sandbox.vcache(&["verify", "--json"]).expect(0).json()["repositories"], 1);
    fs::remove_file(blob(&sandbox, "git idx")).unwrap();
    let done = sandbox.vcache(&["verify"]).expect(1);
    let url = format!("damaged repository: {}/plain: its pack ", origin.http());
    assert!(done.stdout.contains(&url) && done.stdout.contains("3 faults"), "{}", done.stdout);
    assert!(sandbox.vcache(&["check", PINS]).expect(1).stdout.contains("is not in the cache"));
    sandbox.vcache(&["verify", "--repair"]).expect(0);
    assert!(sandbox.vcache(&["verify"]).expect(0).stdout.contains("all sound"));
    origin.take_packs();
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    assert_eq!(origin.take_packs(), ["plain.git"]);
    sandbox.vcache(&["check", PINS]).expect(0);
    sandbox.set("PATH", sandbox.path("home").to_str().unwrap());
    let done = sandbox.vcache(&["verify"]).expect(0);
    assert!(
        done.stdout.contains("not looked at as a whole: 1 repository (git: command not found"),
        "{}",
        done.stdout
    );
}

#[test]
fn a_repository_that_lacks_objects_is_damaged() {
    let Some((sandbox, origin)) = pinned("packs that lack objects", &[("moved.git", "main")]) else { return };
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    // A second pack with the newest commit, of which the first one is then taken from the state.
    let new = origin.push("moved.git", "main", "four");
    sandbox.write(&format!("work/{PINS}"), &format!("{}/moved.git=={new}\n", origin.http()));
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    let state = blob(&sandbox, "git state");
    let mut json: serde_json::Value = serde_json::from_slice(&fs::read(&state).unwrap()).unwrap();
    assert_eq!(json["packs"].as_array_mut().unwrap().len(), 2);
    json["packs"].as_array_mut().unwrap().remove(0);
    let text = json.to_string();
    let key = vcache_store::Key::git(&format!("{}/moved", origin.http()), "state");
    let store = sandbox.store();
    let mut writer = store.writer(false).unwrap();
    writer.write_all(text.as_bytes()).unwrap();
    let lacking = writer.seal().unwrap().publish("x").unwrap();
    let known = store.lookup(&key).unwrap().unwrap();
    let record = vcache_store::Record { sha256: lacking.id(), size: lacking.size(), ..known };
    store.publish(&key, &record).unwrap();
    let done = sandbox.vcache(&["verify"]).expect(1);
    assert!(
        done.stdout.contains("damaged repository: ") && done.stdout.contains("1 fault;"),
        "{}",
        done.stdout
    );
    sandbox.vcache(&["verify", "--repair"]).expect(0);
    sandbox.vcache(&["verify"]).expect(0);
    sandbox.vcache(&["check", PINS]).expect(1);
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    sandbox.vcache(&["check", PINS]).expect(0);
}

#[test]
fn gc_keeps_pinned_repositories_and_leaves_none_in_part() {
    let Some((sandbox, origin)) = pinned("gc", &[("plain.git", "main"), ("moved.git", "main")]) else {
        return;
    };
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    pin(&sandbox, &origin, &[("plain.git", "main")]);
    sandbox.vcache(&["gc", "--max-size", "1K", "--keep-versions", "lock"]).expect(0);
    sandbox.vcache(&["check", PINS]).expect(0);
    assert_eq!(sandbox.vcache(&["verify", "--json"]).expect(0).json()["repositories"], 1);
    sandbox.vcache(&["export", "--versions", "lock", "-o", "plain"]).expect(0);
    sandbox.vcache(&["--cache", "other", "import", "plain"]).expect(0);
    sandbox.vcache(&["--cache", "other", "check", PINS]).expect(0);
    // The pack goes, the state is newer.
    fs::remove_file(blob(&sandbox, "git pack")).unwrap();
    sandbox.vcache(&["gc"]).expect(0);
    assert_eq!(sandbox.vcache(&["verify", "--json"]).expect(0).json()["repositories"], 0);
}

#[test]
fn wrong_usage() {
    let sandbox = Sandbox::new();
    for command in ["prefetch", "check"] {
        let odd = sandbox.vcache(&[command, "--only", "git,web"]).expect(2);
        assert!(odd.stderr.contains("what is known: git, deb"), "{}", odd.stderr);
        let odd = sandbox.vcache(&[command, "--arch", "AMD64"]).expect(2);
        assert!(odd.stderr.contains("such as amd64"), "{}", odd.stderr);
        let none = sandbox.vcache(&[command]).expect(1);
        assert!(none.stderr.contains("buildinfo/versions nor"), "{}", none.stderr);
    }
    sandbox.vcache(&["prefetch", "--jobs", "0"]).expect(2);
    sandbox.write("buildinfo/versions/versions-web", "");
    let none = sandbox.vcache(&["check"]).expect(1);
    assert!(none.stderr.contains("has no file named versions-git* or versions-deb*"), "{}", none.stderr);
    sandbox.write("buildinfo/versions/versions-git", "");
    assert!(sandbox.vcache(&["check"]).expect(0).stdout.contains("0 pins"));
    sandbox.write("buildinfo/versions/versions-deb-trixie-arm64", "gdb==1-1\n");
    assert!(sandbox.vcache(&["check"]).expect(1).stdout.contains("missing: gdb 1-1 (arm64, "));
    let other = sandbox.vcache(&["check", "--only", "deb", "--arch", "s390x"]).expect(1);
    assert!(other.stderr.contains("has no file named versions-deb* for s390x"), "{}", other.stderr);
    let wrong = sandbox.vcache(&["check", "--only", "deb", "../buildinfo/versions/versions-git"]).expect(1);
    assert!(wrong.stderr.contains("has no file named versions-deb*"), "{}", wrong.stderr);
    assert!(fs::read_dir(sandbox.path("work")).unwrap().next().is_none());
}
