//! `vcache image`: keys, what is saved under them, and what is found for a later build.

use std::fs;
use std::process::Command;

use crate::sandbox::{Done, Sandbox};

/// Notes that a build of `image` asked for these.
fn called(sandbox: &Sandbox, image: &str, urls: &[&str]) {
    for url in urls {
        let line = format!(
            r#"{{"time":1,"tool":"wget","outcome":"miss","url":"http://h.example/{url}","image":"{image}"}}"#
        );
        sandbox.store().append_event(&line).unwrap();
    }
}

fn git(sandbox: &Sandbox, args: &[&str]) {
    let who = ["-c", "user.name=a", "-c", "user.email=a@b.example"];
    let done = Command::new("git").args(who).args(args).current_dir(sandbox.path("work")).output().unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
}

fn commit(sandbox: &Sandbox, text: &str) {
    sandbox.write("work/image/Dockerfile.j2", text);
    git(sandbox, &["add", "."]);
    git(sandbox, &["commit", "-qm", text]);
}

/// A tree with an image, whose build has asked for two of three things that the cache has.
fn built() -> Sandbox {
    let sandbox = Sandbox::new();
    for (name, content) in [("a", "abc"), ("b", "defg"), ("c", "of another image")] {
        sandbox.keep(&format!("http://h.example/{name}"), content.as_bytes(), 0);
    }
    called(&sandbox, "img:1", &["a", "b", "gone"]);
    called(&sandbox, "other", &["c"]);
    sandbox.write("work/.gitignore", "loaded*\nDockerfile\n");
    git(&sandbox, &["init", "-q"]);
    commit(&sandbox, "FROM one");
    sandbox
}

fn load(sandbox: &Sandbox, into: &str) -> Done {
    sandbox.vcache(&["image", "load", "img:1", "image", "--into", into, "--json"])
}

/// What a loaded cache was found by, and how much is in it.
fn found(sandbox: &Sandbox, into: &str) -> (String, u64) {
    let facts = load(sandbox, into).expect(0).json();
    sandbox.vcache(&["--cache", into, "verify"]).expect(0);
    let listed = sandbox.vcache(&["--cache", into, "ls", "--json"]).expect(0).json();
    assert_eq!(listed["entries"].as_array().unwrap().len() as u64, facts["blobs"].as_u64().unwrap());
    (facts["by"].as_str().unwrap_or_default().to_owned(), facts["blobs"].as_u64().unwrap())
}

#[test]
fn an_image_finds_its_own_then_the_nearest_then_what_was_asked_for() {
    let sandbox = built();
    assert_eq!(found(&sandbox, "loaded-0"), ("calls".into(), 2));
    let saved = sandbox.vcache(&["image", "save", "img:1", "image", "--json"]).expect(0).json();
    assert_eq!((&saved["blobs"], &saved["bytes"]), (&2.into(), &7.into()));
    assert_eq!(found(&sandbox, "loaded-1"), ("key".into(), 2));

    // From now on its builds ask for the third, too; what is saved knows nothing of that.
    called(&sandbox, "img:1", &["c"]);
    sandbox.write("work/image/Dockerfile.j2", "FROM two");
    assert_eq!(found(&sandbox, "loaded-2"), ("HEAD".into(), 2));
    let refused = sandbox.vcache(&["image", "save", "img:1", "image"]).expect(1).stderr;
    assert!(refused.contains("dirty tree") && refused.contains("image/Dockerfile.j2"), "{refused}");
    commit(&sandbox, "FROM two");
    assert_eq!(found(&sandbox, "loaded-3"), ("HEAD~1".into(), 2));
    commit(&sandbox, "FROM three");
    assert_eq!(found(&sandbox, "loaded-4"), ("HEAD~2".into(), 2));
    commit(&sandbox, "FROM four");
    assert_eq!(found(&sandbox, "loaded-5"), ("calls".into(), 3));

    let listed = sandbox.vcache(&["image", "ls", "--json"]).expect(0).json();
    assert_eq!((listed[0]["name"].as_str(), listed[0]["key"] == saved["key"]), (Some("img:1"), true));
    assert!(sandbox.vcache(&["image", "ls"]).expect(0).stdout.contains("img:1"));
    assert_eq!(sandbox.vcache(&["image", "ls", "none", "--json"]).expect(0).stdout, "[]\n");
}

#[test]
fn a_tree_that_cannot_be_read_is_no_reason_to_give_nothing() {
    let sandbox = built();
    fs::remove_dir_all(sandbox.path("work/.git")).unwrap();
    // libgit2 reads no such tree.
    git(&sandbox, &["init", "-q", "--object-format=sha256"]);
    commit(&sandbox, "FROM one");
    let loaded = load(&sandbox, "loaded").expect(0);
    assert_eq!(loaded.json()["by"], "calls");
    assert!(
        loaded.stderr.contains("warning: ") && loaded.stderr.contains("the git tree"),
        "{}",
        loaded.stderr
    );
}

#[test]
fn what_is_saved_grows_under_the_same_key() {
    let sandbox = built();
    sandbox.vcache(&["image", "save", "img:1", "image"]).expect(0);
    // Steps that docker took from its own cache made no calls this time, and the old ones are forgotten.
    fs::remove_dir_all(sandbox.path("cache/events")).unwrap();
    called(&sandbox, "img:1", &["c"]);
    let saved = sandbox.vcache(&["image", "save", "img:1", "image", "--json"]).expect(0).json();
    assert_eq!(saved["blobs"], 3);
    // What a URL means now replaces what it meant.
    sandbox.keep("http://h.example/a", b"newer", 0);
    called(&sandbox, "img:1", &["a"]);
    let saved = sandbox.vcache(&["image", "save", "img:1", "image", "--json"]).expect(0).json();
    assert_eq!((&saved["blobs"], &saved["bytes"]), (&3.into(), &(5 + 4 + 16).into()));
}

#[test]
fn what_has_gone_is_left_out_and_said() {
    let sandbox = built();
    sandbox.vcache(&["image", "save", "img:1", "image"]).expect(0);
    let blob = sandbox.store().find(&"900150983cd24fb0d6963f7d28e17f72".parse().unwrap()).unwrap().unwrap();
    fs::remove_file(blob.path()).unwrap();
    let facts = load(&sandbox, "loaded").expect(0).json();
    assert_eq!((&facts["blobs"], &facts["missing"]), (&1.into(), &1.into()));
    assert_eq!(sandbox.vcache(&["image", "ls", "--json"]).expect(0).json()[0]["missing"], 1);
    let again = load(&sandbox, "loaded").expect(1).stderr;
    assert!(again.contains("is not empty"), "{again}");
}

#[test]
fn an_image_of_which_nothing_is_known_is_an_error() {
    let sandbox = built();
    let unknown =
        |args: &[&str]| sandbox.vcache(&[&["image", "load", "none", "image", "--into"], args].concat());
    let message = unknown(&["loaded"]).expect(1).stderr;
    assert!(message.contains("nothing is known of the image \"none\""), "{message}");
    assert!(!sandbox.path("work/loaded").exists());
    unknown(&["loaded", "--allow-empty"]).expect(0);
    sandbox.vcache(&["--cache", "loaded", "verify"]).expect(0);
    let message = sandbox.vcache(&["image", "save", "none", "image"]).expect(1).stderr;
    assert!(message.contains("no call of an image") && message.contains("img:1"), "{message}");
    let message = sandbox.vcache(&["image", "key", "x", "nowhere"]).expect(1).stderr;
    assert!(message.contains("nowhere: no such folder"), "{message}");
    let message = sandbox.vcache(&["image", "key", "x", ".", "-f", "D"]).expect(1).stderr;
    assert!(message.contains("name the Dockerfile with --file"), "{message}");
}

#[test]
fn a_key_is_over_files_and_variables_that_are_named() {
    let mut sandbox = built();
    sandbox.write("work/image/Dockerfile", "what is made of the template");
    sandbox.write("work/rules", "x");
    let key = |sandbox: &Sandbox, args: &[&str]| {
        let done = sandbox.vcache(&[&["image", "key", "img:1", "image"], args].concat()).expect(0);
        assert_eq!(done.stdout.trim().len(), 64, "{}", done.stdout);
        done.stdout
    };
    let first = key(&sandbox, &[]);
    assert_eq!(key(&sandbox, &["--file", "image/Dockerfile"]), first, "the template counts");
    let mut seen = vec![first];
    let mut differs = |key: String| {
        assert!(!seen.contains(&key), "{key}");
        seen.push(key.clone());
        key
    };
    let with_file = differs(key(&sandbox, &["--common", "rules"]));
    let with_variable = differs(key(&sandbox, &["--env", "DISTRO"]));
    sandbox.set("VCACHE_IMAGE_FILES", "rules");
    assert_eq!(key(&sandbox, &[]), with_file);
    sandbox.set("VCACHE_IMAGE_FILES", "");
    sandbox.set("VCACHE_IMAGE_ENV", "DISTRO");
    assert_eq!(key(&sandbox, &[]), with_variable);
    sandbox.set("DISTRO", "bookworm");
    differs(key(&sandbox, &[]));
    sandbox.write("work/image/buildinfo/versions/versions-web", "u==1");
    differs(key(&sandbox, &[]));
    let facts = sandbox.vcache(&["image", "key", "img:1", "image", "--json"]).expect(0).json();
    assert_eq!(facts["changed"][0], "image/buildinfo/versions/versions-web");
    assert_eq!(facts["earlier"][0]["revision"], "HEAD");
}

#[test]
fn calls_travel_with_an_archive() {
    let sandbox = Sandbox::new();
    sandbox.keep("http://h.example/a", b"abc", 0);
    called(&sandbox, "", &["a"]);
    for (option, file) in [(None, "plain"), (Some("--log"), "log")] {
        let out = ["export", "--calls", "-o", file];
        sandbox.vcache(&[&out[..], option.as_slice()].concat()).expect(0);
        let import = ["--cache", "other", "import", "--image", file, file];
        sandbox.vcache(&[&import[..], option.as_slice()].concat()).expect(0);
        sandbox.vcache(&["--cache", "other", "export", "--image", file, "-o", "of-image"]).expect(0);
    }
    sandbox.vcache(&["export", "-o", "without"]).expect(0);
    sandbox.vcache(&["--cache", "third", "import", "--image", "x", "without"]).expect(0);
    sandbox.vcache(&["--cache", "third", "export", "--image", "x", "-o", "of-image"]).expect(1);
}

#[test]
fn what_is_no_image_is_not_stripped() {
    let sandbox = Sandbox::new();
    let done = sandbox.vcache(&["image", "strip", "--tag", "x"]).expect(1);
    assert!(done.stdout.len() <= 1024 && done.stderr.contains("image"), "{}", done.stderr);
    sandbox.vcache(&["image", "strip"]).expect(2);
}
