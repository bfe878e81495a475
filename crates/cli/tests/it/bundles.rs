//! `vcache export --git` and the import of what it writes, honest and hostile.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tar::EntryType;
use vcache_store::Sha256Id;
use vcache_testkit::GitOrigin;

use crate::exchange::files;
use crate::git::{PINS, pin, pinned};
use crate::sandbox::{Done, Sandbox};

fn other(sandbox: &Sandbox, args: &[&str]) -> Done {
    sandbox.vcache(&[&["--cache", "other"], args].concat())
}

pub(crate) fn git(dir: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.args(args).current_dir(dir).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", dir);
    let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    let output = command.envs(who.map(|name| (name, "x"))).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A member: its name, what it is, what is in it.
type Member = (String, EntryType, Vec<u8>);

/// The members of an archive.
#[derive(Clone)]
struct Parts(Vec<Member>);

impl Parts {
    fn of(file: &Path) -> Parts {
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(fs::File::open(file).unwrap()));
        let part = |entry: std::io::Result<tar::Entry<'_, _>>| {
            let mut entry: tar::Entry<'_, _> = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
            assert_eq!(entry.header().mtime().unwrap(), 0);
            (name, entry.header().entry_type(), content)
        };
        Parts(tar.entries().unwrap().map(part).collect())
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&self.0[0].2).unwrap()
    }

    /// With another manifest.
    fn with(&self, change: impl FnOnce(&mut Value)) -> Parts {
        let mut parts = self.clone();
        let mut manifest = self.manifest();
        change(&mut manifest);
        parts.0[0].2 = serde_json::to_vec(&manifest).unwrap();
        parts
    }

    /// With another bundle, whose digest is the right one.
    fn with_bundle(&self, content: Vec<u8>) -> Parts {
        let mut parts = self.with(|manifest| {
            manifest["repositories"][0]["size"] = content.len().into();
            manifest["repositories"][0]["sha256"] = Sha256Id::of(&content).to_string().into();
        });
        parts.0[1].2 = content;
        parts
    }

    fn bytes(&self) -> Vec<u8> {
        let mut tar =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for (name, kind, content) in &self.0 {
            let mut header = tar::Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(*kind);
            header.set_size(if *kind == EntryType::Regular { content.len() as u64 } else { 0 });
            if *kind != EntryType::Regular {
                header.set_link_name("manifest.json").unwrap();
            }
            header.set_cksum();
            let content = if *kind == EntryType::Regular { &content[..] } else { &[] };
            tar.append(&header, content).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }
}

/// The only file of a folder.
fn only(folder: PathBuf) -> PathBuf {
    let names: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(names.len(), 1, "{names:?}");
    names[0].clone()
}

fn exported(test: &str, repository: &str) -> Option<(Sandbox, GitOrigin, PathBuf)> {
    let (sandbox, origin) = pinned(test, &[(repository, "main")])?;
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    fs::create_dir(sandbox.path("work/out")).unwrap();
    let (url, commit) = (format!("{}/{repository}", origin.http()), origin.id(repository, "main"));
    sandbox.vcache(&["export", "--git", &url, "--commit", &commit, "-o", "out"]).expect(0);
    let file = only(sandbox.path("work/out"));
    Some((sandbox, origin, file))
}

#[test]
fn a_repository_moves_with_its_submodules() {
    let Some((sandbox, mut origin, file)) = exported("export of a repository", "deep.git") else { return };
    let (http, commit) = (origin.http(), origin.id("deep.git", "main"));
    let name = format!("{}-{commit}.tgz", format!("{http}/deep.git").replace(['/', ':'], "_"));
    assert_eq!(file.file_name().unwrap().to_str(), Some(&*name));
    let parts = Parts::of(&file);
    let manifest = parts.manifest();
    assert_eq!((&parts.0[0].0[..], &manifest["vcache_git"]), ("manifest.json", &1.into()));
    let repositories = manifest["repositories"].as_array().unwrap();
    let paths: Vec<_> = repositories.iter().map(|of| of["submodule"].as_str().unwrap_or("-")).collect();
    assert_eq!(paths, ["-", "absolute", "absolute/nested", "dir with blank/sub"]);
    // What git makes of them without us.
    for (of, (name, _, content)) in repositories.iter().zip(&parts.0[1..]) {
        assert_eq!(of["file"], **name);
        let path = sandbox.write(&format!("work/{name}"), "");
        fs::write(&path, content).unwrap();
        let clone = sandbox.path(&format!("work/{name}.d"));
        git(&sandbox.path("work"), &["clone", "-q", path.to_str().unwrap(), clone.to_str().unwrap()]);
        assert_eq!(git(&clone, &["rev-parse", "HEAD"]), of["commit"]);
    }
    origin.stop();
    let again = sandbox
        .vcache(&["export", "--json", "--git", &format!("{http}/deep"), "--commit", &commit, "-o", "again"])
        .expect(0)
        .json();
    assert_eq!(again["repositories"].as_array().unwrap().len(), 4);
    // The other name of the URL is in the manifest, and nothing else differs.
    let others = Parts::of(&sandbox.path("work/again"));
    assert!(others.0[1..].iter().zip(&parts.0[1..]).all(|(a, b)| a.2 == b.2));
    let same = ["export", "--git", &format!("{http}/deep.git"), "-o", "same"];
    sandbox.vcache(&same).expect(0);
    assert_eq!(fs::read(&file).unwrap(), fs::read(sandbox.path("work/same")).unwrap());

    let dry = other(&sandbox, &["import", "--dry-run", file.to_str().unwrap()]);
    assert!(dry.stderr.contains("is not a cache"), "{}", dry.stderr);
    let done = other(&sandbox, &["import", file.to_str().unwrap()]).expect(0);
    // The last one is an older commit of the one before.
    assert!(done.stdout.starts_with("3 repositories, "), "{}", done.stdout);
    assert!(done.stdout.ends_with("skipped as they were there: 1\n"), "{}", done.stdout);
    other(&sandbox, &["check", "--submodules", PINS]).expect(0);
    other(&sandbox, &["verify"]).expect(0);
    let before = files(&sandbox.path("work/other"));
    for args in [&["import", "--dry-run", "same"][..], &["import", "same"]] {
        let done = other(&sandbox, args).expect(0);
        assert!(done.stdout.starts_with("0 repositories, 0 B "), "{}", done.stdout);
    }
    assert_eq!(files(&sandbox.path("work/other")), before);
    // Through a pipe, and on from there.
    let mut child = sandbox.command(&["--cache", "third", "import", "-"]);
    let child = child.stdin(fs::File::open(&file).unwrap()).output().unwrap();
    assert!(child.status.success());
    let on = ["--cache", "third", "export", "--git", &format!("{http}/deep.git"), "-o", "third.tgz"];
    sandbox.vcache(&on).expect(0);
}

#[test]
fn tags_come_along_and_newer_refs_stay() {
    let Some((sandbox, origin)) = pinned("import beside what is known", &[("moved.git", "main~1")]) else {
        return;
    };
    let url = format!("{}/moved.git", origin.http());
    sandbox.vcache(&["prefetch", PINS]).expect(0);
    let old = origin.id("moved.git", "main~1");
    let args = ["export", "--json", "--git", &url, "--commit", &old, "-o", "old.tgz"];
    let facts = sandbox.vcache(&args).expect(0).json();
    let refs = &facts["repositories"][0]["refs"];
    assert!(refs["HEAD"] == *old && refs["refs/heads/main"] == *old, "{refs:#}");
    let tagged = origin.id("moved.git", "v1");
    assert_eq!(refs["refs/tags/v1^{}"], *tagged, "{refs:#}");
    assert!(refs.get("refs/heads/side").is_none());
    // The other one has seen more.
    origin.force_push("moved.git", "main", "anew");
    pin(&sandbox, &origin, &[("moved.git", "main")]);
    other(&sandbox, &["prefetch", PINS]).expect(0);
    other(&sandbox, &["import", "old.tgz"]).expect(0);
    other(&sandbox, &["check", PINS]).expect(0);
    other(&sandbox, &["verify"]).expect(0);
    let new = origin.id("moved.git", "main");
    let of = |args: &[&str]| other(&sandbox, args).expect(0).json();
    let kept = of(&["export", "--json", "--git", &url, "-o", "new.tgz"]);
    assert_eq!(kept["repositories"][0]["commit"], *new);
    let kept = of(&["export", "--json", "--git", &url, "--commit", &old, "-o", "old-again.tgz"]);
    assert_eq!(kept["repositories"][0]["commit"], *old);
}

#[test]
fn what_is_not_there_is_not_exported() {
    let Some((sandbox, origin)) = pinned("export of nothing", &[("plain.git", "main")]) else { return };
    let url = format!("{}/plain.git", origin.http());
    for args in [&["--git", &url][..], &["--git", "/srv/a"], &["--git", "ext::sh"]] {
        let done = sandbox.vcache(&[&["export", "-o", "x"], args].concat()).expect(1);
        assert!(done.stderr.contains("vcache prefetch"), "{}", done.stderr);
    }
    for args in [&["--commit", "main", "--git", &url][..], &["--commit", "0123"], &["--git", &url, "--log"]] {
        sandbox.vcache(&[&["export", "-o", "x"], args].concat()).expect(2);
    }
    assert!(sandbox.vcache(&["export", "--git", &url, "--json"]).expect(2).stdout.is_empty());
    assert!(!sandbox.path("work/x").exists());
}

#[test]
fn hostile_archives_are_refused_and_change_nothing() {
    let Some((sandbox, _origin, file)) = exported("hostile archives", "moved.git") else { return };
    let good = Parts::of(&file);
    let bytes = fs::read(&file).unwrap();
    other(&sandbox, &["import", "none"]);
    fs::create_dir(sandbox.path("work/other")).unwrap();
    // A cache with something in it.
    let copied =
        Command::new("cp").args(["-a", "cache/.", "work/other"]).current_dir(sandbox.path("")).status();
    assert!(copied.unwrap().success());
    let before = files(&sandbox.path("work/other"));
    let refused = |what: &str, bytes: &[u8], says: &str| {
        fs::write(sandbox.path("work/bad"), bytes).unwrap();
        let done = other(&sandbox, &["import", "bad"]).expect(1);
        assert!(done.stderr.contains(says) && !done.stderr.contains('\u{1b}'), "{what}: {}", done.stderr);
        assert_eq!(files(&sandbox.path("work/other")), before, "{what}");
        let outside = ["bad", "lock", "other", "out"].map(|name| sandbox.path("work").join(name));
        let names: Vec<_> = fs::read_dir(sandbox.path("work")).unwrap().map(|e| e.unwrap().path()).collect();
        assert!(names.iter().all(|name| outside.contains(name)), "{what}: {names:?}");
    };
    let bundle =
        |change: &dyn Fn(&mut Value)| good.with(|manifest| change(&mut manifest["repositories"][0])).bytes();
    for name in ["../x.bundle", "/tmp/x.bundle", "a/../x.bundle", ".x.bundle", "x", "\u{1b}[2J.bundle"] {
        let mut bad = good.with(|manifest| manifest["repositories"][0]["file"] = name.into());
        bad.0[1].0 = name.to_owned();
        refused(name, &bad.bytes(), "is no name of a bundle");
    }
    for url in ["http://h/a\n", "http://h/\u{1b}[2J", "-u", "/srv/a", "file:///srv/a", "ext::sh -c id", ""] {
        refused(url, &bundle(&|of| of["url"] = url.into()), "is no URL that a repository is fetched from");
    }
    refused("secret", &bundle(&|of| of["url"] = "http://u:p@h/a".into()), "holds a secret");
    for (name, id) in [("refs/heads/a\nb", "0"), ("../a", "0"), ("refs/heads/a", "../../etc")] {
        refused(name, &bundle(&|of| of["refs"][name] = id.into()), "the refs of ");
    }
    let none = "0123456789abcdef0123456789abcdef01234567";
    refused("no commit", &bundle(&|of| of["commit"] = none.into()), "do not lead to its commit");
    refused(
        "foreign ref",
        &bundle(&|of| of["refs"]["refs/heads/x"] = none.into()),
        "not all that the manifest",
    );
    let lie = &|of: &mut Value| of["refs"]["refs/tags/v1^{}"] = of["commit"].clone();
    refused("a lie", &bundle(lie), "stands for something else");
    refused("size", &bundle(&|of| of["size"] = 1_u64.into()), "of 1 bytes should be");
    refused("digest", &bundle(&|of| of["sha256"] = "0".repeat(64).into()), "its digest is another one");
    refused("format", &good.with(|of| of["vcache_git"] = 2.into()).bytes(), "format 2");
    refused("empty", &good.with(|of| of["repositories"] = Value::Array(vec![])).bytes(), "0 repositories");
    let twice = good.with(|of| {
        let first = of["repositories"][0].clone();
        of["repositories"].as_array_mut().unwrap().push(first);
    });
    refused("twice", &twice.bytes(), "is there twice");
    let parts = |change: &dyn Fn(&mut Vec<Member>)| {
        let mut bad = good.clone();
        change(&mut bad.0);
        bad.bytes()
    };
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo] {
        refused("kind", &parts(&|of| of[1].1 = kind), "no plain file");
        refused("kind", &parts(&|of| of[0].1 = kind), "no plain file");
    }
    refused("no manifest", &parts(&|of| drop(of.remove(0))), "should be");
    refused("bad manifest", &parts(&|of| of[0].2 = b"{}".to_vec()), "not what one should be");
    refused("one less", &parts(&|of| drop(of.pop())), "it ends where");
    refused("one more", &parts(&|of| of.push(of[1].clone())), "follows its last bundle");
    for (at, says) in [(bytes.len() / 2, "can't be read"), (bytes.len() - 4, "can't be read"), (20, "")] {
        refused("cut off", &bytes[..at], says);
    }
    refused("something behind", &[&bytes[..], b"x"].concat(), "something follows its end");
    let mut bomb = b"# v2 git bundle\n".to_vec();
    bomb.resize(24 << 20, 0);
    refused("a bomb", &good.with_bundle(bomb).bytes(), "far more than bundles do");
    refused("no bundle", &good.with_bundle(b"#!/bin/sh\n".to_vec()).bytes(), "is no bundle");
    let mut odd = good.0[1].2.clone();
    let middle = odd.len() - 40;
    odd[middle] ^= 1;
    refused("a pack that is none", &good.with_bundle(odd).bytes(), ".bundle: ");
    // Git's own, and not of everything.
    let dir = sandbox.path("home/r");
    fs::create_dir(&dir).unwrap();
    git(&dir, &["init", "-q", "-b", "main"]);
    for message in ["one", "two"] {
        git(&dir, &["commit", "-q", "--allow-empty", "-m", message]);
    }
    let tip = git(&dir, &["rev-parse", "main"]);
    git(&dir, &["bundle", "create", "-q", "part", "main~1..main"]);
    let part = good.with_bundle(fs::read(dir.join("part")).unwrap()).with(|of| {
        let of = &mut of["repositories"][0];
        of["commit"] = tip.clone().into();
        of["refs"] = serde_json::json!({ "refs/heads/main": tip });
    });
    refused("prerequisites", &part.bytes(), "git bundle verify, in an empty repository: ");
    fs::File::create(sandbox.path("work/bad")).unwrap().write_all(&bytes).unwrap();
    let done = other(&sandbox, &["import", "bad"]).expect(0);
    assert!(done.stdout.starts_with("0 repositories"), "it is held: {}", done.stdout);
}
