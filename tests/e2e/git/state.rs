//! What a row left: the files, and of each repository what git says of it.
//!
//! Of a folder of git's everything is compared byte by byte (configuration, refs, reflogs, `FETCH_HEAD`, `shallow`, hooks), but for the
//! index, which holds times, and the folder of objects, whose packing is nobody's business: of objects the names are compared, and
//! what other folder they are borrowed from.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use vcache_testkit::{Entry, Kind, Sandbox, Tree};

/// Everything that a row left.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) work: Tree,
    pub(super) home: Tree,
    pub(super) tmp: Tree,
    /// Facts of each folder of git's, by its path below the working folder: what was asked, and the answer.
    pub(super) facts: BTreeMap<PathBuf, Vec<(&'static str, String)>>,
}

/// What is asked about each repository. Answers are sorted, since some come in an order of chance.
const QUESTIONS: [(&str, &[&str]); 4] = [
    ("for-each-ref", &["for-each-ref", "--format=%(refname) %(objectname) %(symref) %(upstream)"]),
    ("log --all", &["log", "--all", "--format=%H%d"]),
    (
        "missing objects",
        &["rev-list", "--objects", "--all", "--missing=print", "--no-object-names", "--quiet"],
    ),
    (OBJECTS, &["cat-file", "--batch-all-objects", "--batch-check=%(objectname)"]),
];

/// The question whose answer may differ in rows that say so.
pub(super) const OBJECTS: &str = "objects";

impl State {
    pub(super) fn read(sandbox: &Sandbox, since: SystemTime, ignored: &[&str]) -> State {
        let mut work = Tree::read(&sandbox.work(), since);
        let folders = git_folders(&work);
        let mut state = State {
            home: Tree::read(&sandbox.home(), since),
            tmp: Tree::read(&sandbox.tmp(), since),
            facts: BTreeMap::new(),
            work: Tree::default(),
        };
        for folder in &folders {
            state.ask(sandbox, folder, &work);
        }
        work.0
            .retain(|path, _| is_compared(path, &folders) && !ignored.iter().any(|one| path.ends_with(one)));
        state.work = work;
        state
    }

    fn ask(&mut self, sandbox: &Sandbox, folder: &Path, work: &Tree) {
        let git = |words: &[&str]| {
            let place = sandbox.work().join(folder);
            let dir = format!("--git-dir={}", place.display());
            let argv = ["git", dir.as_str()].into_iter().chain(words.iter().copied());
            // `GIT_NO_LAZY_FETCH`: the question must not change what is asked about.
            sandbox.real(argv).env("GIT_NO_LAZY_FETCH", "1").env("GIT_OPTIONAL_LOCKS", "0").finish()
        };
        let mut facts = Vec::new();
        for (name, words) in QUESTIONS {
            let answer = git(words);
            let text = String::from_utf8_lossy(&answer.stdout).into_owned();
            facts.push((name, format!("({}) {}", answer.code, sorted(&text))));
        }
        for tree in work_trees(folder, work) {
            let place = sandbox.work().join(tree);
            let status = sandbox
                .real(["git", "status", "--porcelain=v2", "--branch", "--untracked-files=all"])
                .env("GIT_NO_LAZY_FETCH", "1")
                .env("GIT_OPTIONAL_LOCKS", "0")
                .cwd(place)
                .finish();
            facts.push(("status", format!("({}) {}", status.code, String::from_utf8_lossy(&status.stdout))));
        }
        let check = git(&["fsck", "--connectivity-only"]);
        let dangling = |line: &&str| !line.starts_with("notice: ") && !line.starts_with("dangling ");
        let complaints = check.stderr_text() + &String::from_utf8_lossy(&check.stdout);
        let complaints: Vec<&str> = complaints.lines().filter(dangling).collect();
        facts.push(("fsck", format!("({}) {}", check.code, complaints.join("\n"))));
        self.facts.insert(folder.to_owned(), facts);
    }
}

/// The folders in which git keeps a repository.
fn git_folders(tree: &Tree) -> Vec<PathBuf> {
    let has = |path: PathBuf| tree.0.contains_key(&path);
    let candidates = tree.0.keys().filter(|path| path.file_name().is_some_and(|name| name == "HEAD"));
    candidates
        .filter_map(|head| head.parent())
        .filter(|dir| has(dir.join("objects")) && has(dir.join("refs")) && has(dir.join("config")))
        .map(Path::to_path_buf)
        .collect()
}

/// The work trees that belong to a folder: its parent, or wherever a file `.git` names it.
fn work_trees(folder: &Path, tree: &Tree) -> Vec<PathBuf> {
    if folder.file_name().is_some_and(|name| name == ".git") {
        return folder.parent().map(Path::to_path_buf).into_iter().collect();
    }
    let names_it = |path: &Path, entry: &Entry| {
        let Kind::File(bytes) = &entry.kind else { return false };
        let text = String::from_utf8_lossy(bytes);
        let Some(target) = text.trim_end().strip_prefix("gitdir: ") else { return false };
        let from = path.parent().unwrap_or(Path::new(""));
        normal(&from.join(target)) == folder || Path::new(target).ends_with(folder)
    };
    let files = tree.0.iter().filter(|(path, _)| path.file_name().is_some_and(|name| name == ".git"));
    files
        .filter(|(path, entry)| names_it(path, entry))
        .filter_map(|(path, _)| path.parent().map(Path::to_path_buf))
        .collect()
}

/// Takes `..` out, by names alone.
fn normal(path: &Path) -> PathBuf {
    let mut found = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." {
            found.pop()
        } else {
            found.push(part);
            true
        };
    }
    found
}

fn is_compared(path: &Path, folders: &[PathBuf]) -> bool {
    let within = |folder: &PathBuf| path.strip_prefix(folder).ok();
    let alternates = Path::new("objects/info/alternates");
    let packing = |rest: &Path| rest.starts_with("objects") && rest != alternates;
    !folders.iter().filter_map(within).any(|rest| packing(rest) || rest.ends_with("index"))
}

fn sorted(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    lines.sort_unstable();
    lines.join("\n")
}
