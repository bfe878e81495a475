//! `vcache export --git` and the import of what it writes, honest and hostile.

use std::fs;
use std::io::Read;
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

/// An archive, to be changed for the worse, and a cache that holds what is in it.
struct Hostile {
    sandbox: Sandbox,
    /// As it was exported.
    bytes: Vec<u8>,
    good: Parts,
    /// The files of the cache, which are to stay as they are.
    before: Vec<String>,
}

impl Hostile {
    fn new(test: &str) -> Option<Hostile> {
        let (sandbox, _origin, file) = exported(test, "moved.git")?;
        fs::create_dir(sandbox.path("work/other")).unwrap();
        let copy = ["-a", "cache/.", "work/other"];
        assert!(Command::new("cp").args(copy).current_dir(sandbox.path("")).status().unwrap().success());
        let before = files(&sandbox.path("work/other"));
        Some(Hostile { bytes: fs::read(&file).unwrap(), good: Parts::of(&file), before, sandbox })
    }

    fn import(&self, bytes: &[u8]) -> Done {
        fs::write(self.sandbox.path("work/bad"), bytes).unwrap();
        other(&self.sandbox, &["import", "bad"])
    }

    /// Asserts that an archive is refused for this reason, and changes nothing anywhere.
    #[track_caller]
    fn refused(&self, what: &str, bytes: &[u8], says: &str) {
        let done = self.import(bytes).expect(1);
        assert!(done.stderr.contains(says) && !done.stderr.contains('\u{1b}'), "{what}: {}", done.stderr);
        let work = self.sandbox.path("work");
        assert_eq!(files(&work.join("other")), self.before, "{what}");
        let names: Vec<_> = fs::read_dir(&work).unwrap().map(|entry| entry.unwrap().path()).collect();
        let known = ["bad", "lock", "other", "out"].map(|name| work.join(name));
        assert!(names.iter().all(|name| known.contains(name)), "{what}: {names:?}");
    }

    /// The archive with another word about its repository.
    fn repository(&self, change: impl FnOnce(&mut Value)) -> Vec<u8> {
        self.good.with(|manifest| change(&mut manifest["repositories"][0])).bytes()
    }

    /// The archive with other members.
    fn members(&self, change: impl FnOnce(&mut Vec<Member>)) -> Vec<u8> {
        let mut bad = self.good.clone();
        change(&mut bad.0);
        bad.bytes()
    }
}

#[test]
fn hostile_manifests_are_refused() {
    let Some(hostile) = Hostile::new("hostile manifests") else { return };
    for name in ["../x.bundle", "/tmp/x.bundle", "a/../x.bundle", ".x.bundle", "x", "\u{1b}[2J.bundle"] {
        let mut bad = hostile.good.with(|manifest| manifest["repositories"][0]["file"] = name.into());
        bad.0[1].0 = name.to_owned();
        hostile.refused(name, &bad.bytes(), "is no name of a bundle");
    }
    let of = |change: &dyn Fn(&mut Value)| hostile.repository(change);
    for url in ["http://h/a\n", "http://h/\u{1b}[2J", "-u", "/srv/a", "file:///srv/a", "ext::sh -c id", ""] {
        let bad = of(&|of| of["url"] = url.into());
        hostile.refused(url, &bad, "is no URL that a repository is fetched from");
    }
    hostile.refused("secret", &of(&|of| of["url"] = "http://u:p@h/a".into()), "holds a secret");
    for (name, id) in [("refs/heads/a\nb", "0"), ("../a", "0"), ("refs/heads/a", "../../etc")] {
        hostile.refused(name, &of(&|of| of["refs"][name] = id.into()), "the refs of ");
    }
    let none = "0123456789abcdef0123456789abcdef01234567";
    let no_commit = of(&|of| of["commit"] = none.into());
    hostile.refused("no commit", &no_commit, "do not lead to its commit");
    let foreign = of(&|of| of["refs"]["refs/heads/x"] = none.into());
    hostile.refused("foreign ref", &foreign, "not all that the manifest");
    let lie = of(&|of| of["refs"]["refs/tags/v1^{}"] = of["commit"].clone());
    hostile.refused("a lie", &lie, "stands for something else");
    hostile.refused("size", &of(&|of| of["size"] = 1_u64.into()), "of 1 bytes should be");
    let digest = of(&|of| of["sha256"] = "0".repeat(64).into());
    hostile.refused("digest", &digest, "its digest is another one");
    let good = &hostile.good;
    hostile.refused("format", &good.with(|of| of["vcache_git"] = 2.into()).bytes(), "format 2");
    let empty = good.with(|of| of["repositories"] = Value::Array(vec![]));
    hostile.refused("empty", &empty.bytes(), "0 repositories");
    let twice = good.with(|of| {
        let first = of["repositories"][0].clone();
        of["repositories"].as_array_mut().unwrap().push(first);
    });
    hostile.refused("twice", &twice.bytes(), "is there twice");
}

#[test]
fn hostile_members_are_refused() {
    let Some(hostile) = Hostile::new("hostile members") else { return };
    let of = |change: &dyn Fn(&mut Vec<Member>)| hostile.members(change);
    for kind in [EntryType::Symlink, EntryType::Link, EntryType::Directory, EntryType::Fifo] {
        for at in [0, 1] {
            let bad = of(&|of| of[at].1 = kind);
            hostile.refused(&format!("{kind:?} {at}"), &bad, "no plain file");
        }
    }
    hostile.refused("no manifest", &of(&|of| drop(of.remove(0))), "should be");
    hostile.refused("bad manifest", &of(&|of| of[0].2 = b"{}".to_vec()), "not what one should be");
    hostile.refused("one less", &of(&|of| drop(of.pop())), "it ends where");
    hostile.refused("one more", &of(&|of| of.push(of[1].clone())), "follows its last bundle");
}

#[test]
fn hostile_files_are_refused() {
    let Some(hostile) = Hostile::new("hostile files") else { return };
    let bytes = &hostile.bytes;
    for at in [20, bytes.len() / 2, bytes.len() - 4] {
        hostile.refused("cut off", &bytes[..at], "can't be read");
    }
    hostile.refused("something behind", &[&bytes[..], b"x"].concat(), "something follows its end");
    // The good one is taken, so that nothing else was the matter.
    let done = hostile.import(bytes).expect(0);
    assert!(done.stdout.starts_with("0 repositories"), "it is held: {}", done.stdout);
}

#[test]
fn hostile_bundles_are_refused() {
    let Some(hostile) = Hostile::new("hostile bundles") else { return };
    let good = &hostile.good;
    let mut bomb = b"# v2 git bundle\n".to_vec();
    bomb.resize(24 << 20, 0);
    hostile.refused("a bomb", &good.with_bundle(bomb).bytes(), "far more than bundles do");
    hostile.refused("no bundle", &good.with_bundle(b"#!/bin/sh\n".to_vec()).bytes(), "is no bundle");
    let mut odd = good.0[1].2.clone();
    let middle = odd.len() - 40;
    odd[middle] ^= 1;
    hostile.refused("a pack that is none", &good.with_bundle(odd).bytes(), ".bundle: ");
    // Git's own, and not of everything.
    let dir = hostile.sandbox.path("home/r");
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
    hostile.refused("prerequisites", &part.bytes(), "git bundle verify, in an empty repository: ");
}
