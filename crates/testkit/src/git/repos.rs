//! The repositories that [`super::GitOrigin`] serves, made by the real git. Two runs make the same commits, but for `deep.git`, which
//! names the port.
//!
//! | repository | what it has |
//! |---|---|
//! | `plain.git` | branches `main` (with a merge), `feature/one`, `feature/two/deep`, `release-1.0` (an ancestor of `main`), `grün`; tags `v1.0` and `of-a-tag` (annotated), `v1.1` (lightweight), `aside` (on no branch); an executable file, a link, odd names |
//! | `subsub.git` | two commits |
//! | `sub.git` | the submodule `nested`, by a relative URL; one commit more that is on no branch |
//! | `deep.git` | submodules: `absolute`, `relative`, `lost` (at the commit on no branch), `dir with blank/sub` |
//! | `empty.git` | no commit |
//! | `unborn.git` | `HEAD` names a branch that is not there; the branch `there` is |
//! | `other name.git` | a blank in its name |
//! | `big.git` | three commits, the last with [`BIG_FILES`] files |
//! | `moved.git` | three commits on `main`, one on `side`; to be changed while it is served |
//! | `tips.git` | three commits; protocol 0 gets none by its name but those that refs point at |
//! | `above.git` | the submodules `old` and `new` at the first and the last commit of `tips.git` |
//!
//! `big.git` is a pack, the others are single objects.

use std::fmt::Write as _;
use std::path::Path;

use super::command::Git;
use super::stream::{Item, Stream};

/// The number of files in `big.git`.
const BIG_FILES: usize = 2000;

/// Makes all of them below `root`; `http` is the address under which they will be served.
pub(super) fn make(root: &Path, http: &str) {
    plain(&bare(root, "plain.git"));
    subsub(&bare(root, "subsub.git"));
    sub(&bare(root, "sub.git"), root);
    deep(&bare(root, "deep.git"), root, http);
    bare(root, "empty.git");
    unborn(&bare(root, "unborn.git"));
    other_name(&bare(root, "other name.git"));
    big(&bare(root, "big.git"));
    moved(&bare(root, "moved.git"));
    tips(&bare(root, "tips.git"));
    above(&bare(root, "above.git"), root);
    for entry in std::fs::read_dir(root).expect("the folder of repositories") {
        // For those who read them as plain files.
        Git::here(&entry.expect("a repository").path()).run(&["update-server-info"]);
    }
}

/// An empty one.
pub(super) fn bare(root: &Path, name: &str) -> Git {
    let path = root.join(name);
    Git::here(root).run(&["init", "-q", "--bare", "--template=", name]);
    // Before 2.28 `init` takes no name for the branch.
    Git::here(&path).run(&["symbolic-ref", "HEAD", "refs/heads/main"]);
    Git::here(&path)
}

fn plain(git: &Git) {
    let mut stream = Stream::default();
    let first = [
        Item::File("README", "This is plain.\n"),
        Item::Program("run.sh", "#!/bin/sh\necho run\n"),
        Item::Link("link", "dir/file"),
        Item::File("dir/file", "in a folder\n"),
        Item::File("dir/name with blanks", "blanks\n"),
        Item::File("dir/ümläut-名前", "UTF-8\n"),
        Item::File("dir/deeper/empty", ""),
        Item::File("crlf.txt", "one\r\ntwo\r\n"),
    ];
    let one = stream.commit("main", "first", &[], &first);
    let two = stream.commit("main", "second", &[&one], &[Item::File("README", "This is plain, twice.\n")]);
    stream.tag("v1.0", &two);
    stream.reset("refs/heads/release-1.0", &two);
    let feature = stream.commit("feature/one", "feature one", &[&two], &[Item::File("one", "1\n")]);
    let three = stream.commit("main", "third", &[&two], &[Item::Delete("dir/deeper/empty")]);
    stream.reset("refs/tags/v1.1", &three);
    let merge =
        stream.commit("main", "merge of feature one", &[&three, &feature], &[Item::File("one", "1\n")]);
    stream.commit("main", "last", &[&merge], &[Item::File("dir/file", &"a line\n".repeat(500))]);
    stream.commit("feature/two/deep", "feature two", &[&three], &[Item::File("two", "2\n")]);
    stream.commit("grün", "green", &[&one], &[Item::File("grün", "grün\n")]);
    let aside = stream.commit("temporary", "aside", &[&one], &[Item::File("aside", "on no branch\n")]);
    stream.tag("aside", &aside);
    git.import(&stream);
    git.run(&["branch", "-q", "-D", "temporary"]);
    git.run(&["-c", "advice.nestedTag=false", "tag", "-a", "-m", "a tag of a tag", "of-a-tag", "v1.0"]);
}

fn subsub(git: &Git) {
    let mut stream = Stream::default();
    let one = stream.commit("main", "leaf", &[], &[Item::File("leaf", "leaf\n")]);
    stream.commit("main", "leaf again", &[&one], &[Item::File("leaf", "leaf again\n")]);
    git.import(&stream);
}

fn sub(git: &Git, root: &Path) {
    let leaf = Git::here(&root.join("subsub.git")).id("main");
    let modules = modules(&[("nested", "../subsub.git")]);
    let mut stream = Stream::default();
    let one = stream.commit("main", "sub", &[], &[Item::File("sub", "sub\n")]);
    let nested = [Item::File(".gitmodules", &modules), Item::Submodule("nested", &leaf)];
    let two = stream.commit("main", "sub with nested", &[&one], &nested);
    stream.commit("lost", "sub lost", &[&two], &[Item::File("sub", "lost\n")]);
    git.import(&stream);
    // What tests ask for by name stays a ref that is not handed out.
    git.run(&["update-ref", "refs/hidden/lost", "lost"]);
    git.run(&["branch", "-q", "-D", "lost"]);
    git.run(&["config", "transfer.hideRefs", "refs/hidden"]);
}

fn deep(git: &Git, root: &Path, http: &str) {
    let sub = Git::here(&root.join("sub.git"));
    let (tip, lost) = (sub.id("main"), sub.id("refs/hidden/lost"));
    let leaf = Git::here(&root.join("subsub.git")).id("main~1");
    let absolute = format!("{http}/sub.git");
    let text = modules(&[
        ("absolute", &absolute),
        ("relative", "../sub.git"),
        ("lost", "../sub.git"),
        ("dir with blank/sub", "../subsub.git"),
    ]);
    let mut stream = Stream::default();
    let one = stream.commit("main", "deep", &[], &[Item::File("deep", "deep\n")]);
    let items = [
        Item::File(".gitmodules", &text),
        Item::Submodule("absolute", &tip),
        Item::Submodule("relative", &tip),
        Item::Submodule("dir with blank/sub", &leaf),
    ];
    let two = stream.commit("main", "deep with submodules", &[&one], &items);
    stream.commit("lost", "deep with a lost one", &[&two], &[Item::Submodule("lost", &lost)]);
    git.import(&stream);
}

fn modules(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (path, url) in pairs {
        writeln!(text, "[submodule \"{path}\"]\n\tpath = {path}\n\turl = {url}").expect("strings grow");
    }
    text
}

fn unborn(git: &Git) {
    let mut stream = Stream::default();
    stream.commit("there", "there", &[], &[Item::File("there", "there\n")]);
    git.import(&stream);
    git.run(&["symbolic-ref", "HEAD", "refs/heads/nowhere"]);
}

fn other_name(git: &Git) {
    let mut stream = Stream::default();
    stream.commit("main", "other name", &[], &[Item::File("other name", "other\n")]);
    git.import(&stream);
}

fn big(git: &Git) {
    let mut stream = Stream::default();
    let name = |number: usize| format!("d{}/e{}/file{number}", number % 17, number % 31);
    let files: Vec<(String, String)> = (0..BIG_FILES)
        .map(|number| (name(number), format!("file {number}\n").repeat(1 + number % 50)))
        .collect();
    let mut parent = None;
    for (title, count) in [("a third", BIG_FILES / 3), ("two thirds", BIG_FILES * 2 / 3), ("all", BIG_FILES)]
    {
        let items: Vec<Item> = files[..count].iter().map(|(path, text)| Item::File(path, text)).collect();
        let parents: Vec<&str> = parent.iter().map(String::as_str).collect();
        let mark = stream.commit("main", title, &parents, &items);
        parent = Some(mark);
    }
    git.import(&stream);
}

fn moved(git: &Git) {
    let mut stream = Stream::default();
    let one = stream.commit("main", "one", &[], &[Item::File("state", "one\n")]);
    stream.tag("v1", &one);
    let two = stream.commit("main", "two", &[&one], &[Item::File("state", "two\n")]);
    stream.commit("side", "side", &[&one], &[Item::File("side", "side\n")]);
    stream.commit("main", "three", &[&two], &[Item::File("state", "three\n")]);
    git.import(&stream);
}

fn tips(git: &Git) {
    let mut stream = Stream::default();
    let mut parent = None;
    for title in ["first", "second", "third"] {
        let parents: Vec<&str> = parent.iter().map(String::as_str).collect();
        let mark = stream.commit("main", title, &parents, &[Item::File("title", title)]);
        parent = Some(mark);
    }
    git.import(&stream);
    for what in ["Any", "Reachable", "Tip"] {
        git.run(&["config", &format!("uploadpack.allow{what}SHA1InWant"), "false"]);
    }
}

fn above(git: &Git, root: &Path) {
    let tips = Git::here(&root.join("tips.git"));
    let (old, new) = (tips.id("main~2"), tips.id("main"));
    let text = modules(&[("old", "../tips.git"), ("new", "../tips.git")]);
    let mut stream = Stream::default();
    let items =
        [Item::File(".gitmodules", &text), Item::Submodule("old", &old), Item::Submodule("new", &new)];
    stream.commit("main", "above", &[], &items);
    git.import(&stream);
}
