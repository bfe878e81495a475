//! A sandbox with repositories, for tests that are no rows.

use std::path::{Path, PathBuf};

use vcache_testkit::{Finished, GitOrigin, Run, Sandbox, missing};

/// Both.
#[derive(Debug)]
pub struct World {
    /// Where git runs.
    pub sandbox: Sandbox,
    /// What it clones.
    pub origin: GitOrigin,
}

impl World {
    /// A new one; none where the machine has no servers for it, which is said.
    pub fn new(test: &str) -> Option<World> {
        if missing(test, &GitOrigin::NEEDS) {
            return None;
        }
        Some(World { sandbox: Sandbox::new(), origin: GitOrigin::start() })
    }

    /// The address of a repository over HTTP.
    pub fn url(&self, repository: &str) -> String {
        format!("{}/{repository}", self.origin.http())
    }

    /// `git WORDS` by the shim, with version control.
    pub fn git(&self, words: &[&str]) -> Run {
        quiet(self.sandbox.shim(["git"].iter().chain(words)))
    }

    /// `git WORDS` by the real git.
    pub fn real(&self, words: &[&str]) -> Run {
        quiet(self.sandbox.real(["git"].iter().chain(words)))
    }

    /// `git clone OPTIONS URL a` by the shim in an empty working folder.
    pub fn clone(&self, options: &[&str], url: &str) -> Finished {
        self.sandbox.clear_work();
        self.git(&[&["clone"], options, &[url, "a"]].concat()).finish()
    }

    /// What the real git says in `a`, without the last line end.
    pub fn ask(&self, words: &[&str]) -> String {
        let answer = self.real(&[&["-C", "a"], words].concat()).finish();
        answer.expect_code(0);
        String::from_utf8_lossy(&answer.stdout).trim_end().to_owned()
    }

    /// Asserts that the clone in `a` is at `commit`, whole and clean.
    #[track_caller]
    pub fn expect_clone(&self, commit: &str) {
        self.expect_objects(commit);
        // With the index thrown away every file is read.
        self.real(&["-C", "a", "update-index", "-q", "--really-refresh"]).finish();
        assert_eq!(self.ask(&["status", "--porcelain"]), "");
    }

    /// Asserts that the clone in `a` is at `commit`, and that its objects are whole and its own, whatever is in the work tree.
    #[track_caller]
    pub fn expect_objects(&self, commit: &str) {
        assert_eq!(self.ask(&["rev-parse", "HEAD"]), commit);
        self.real(&["-C", "a", "fsck", "--full"]).finish().expect_code(0);
        assert!(!self.sandbox.work().join("a/.git/objects/info/alternates").exists());
    }

    /// Every blob in the cache.
    pub fn blobs(&self) -> Vec<PathBuf> {
        let mut blobs = Vec::new();
        below(&self.sandbox.cache().join("blobs"), &mut blobs);
        blobs
    }
}

/// Nobody is asked for a password, and the machine's configuration stays away.
fn quiet(run: Run) -> Run {
    run.env("GIT_TERMINAL_PROMPT", "0").env("GIT_CONFIG_NOSYSTEM", "1")
}

fn below(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() { below(&entry.path(), files) } else { files.push(entry.path()) }
    }
}
