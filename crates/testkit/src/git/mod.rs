//! Git repositories on the loopback device, served by nobody's invention: a `git daemon`, and `git http-backend` behind nginx and
//! fcgiwrap.
//!
//! Life cycle: [`GitOrigin::start`] makes the repositories (see `repos.rs`) and serves them until [`GitOrigin::stop`]; while it is
//! stopped connections are refused; [`GitOrigin::resume`] serves on the same ports again. Dropping the value stops the servers and
//! deletes the repositories.
//!
//! Both servers run `upload-pack` with a hook that writes a line for each pack that is made, so that "fetched once" can be asserted
//! whatever the transport, and however many requests the protocol takes for it. Over HTTP each repository has four
//! addresses: `/NAME`, `/private/NAME` (only for `user:pw`), `/redirect/NAME` (a redirect to the first) and `/dumb/NAME` (plain files, of
//! which git takes what it needs; no pack is made). [`GitOrigin::ssh`] reaches them as any host would that ssh is asked for.

mod command;
mod repos;
mod server;
mod stream;

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::Need;
use crate::sandbox::set_mode;

use command::Git;
use server::Servers;
pub(crate) use server::free_port;
use stream::{Item, Stream};

/// Repositories with their servers.
#[derive(Debug)]
pub struct GitOrigin {
    dir: TempDir,
    http_port: u16,
    git_port: u16,
    servers: Option<Servers>,
}

impl GitOrigin {
    /// What it stands on, for [`crate::missing`].
    pub const NEEDS: [Need<'static>; 3] = [Need::Tool("git"), Need::Tool("nginx"), Need::Tool("fcgiwrap")];

    /// Makes the repositories and serves them.
    pub fn start() -> GitOrigin {
        let dir =
            tempfile::Builder::new().prefix("vcache-origin-").tempdir().expect("make a temporary folder");
        set_mode(dir.path(), 0o755);
        let mut origin =
            GitOrigin { http_port: server::free_port(), git_port: server::free_port(), servers: None, dir };
        std::fs::create_dir(origin.root()).expect("make the folder of repositories");
        repos::make(&origin.root(), &origin.http());
        std::os::unix::fs::symlink(".", origin.root().join("private")).expect("link the folder to itself");
        server::configure(origin.dir.path(), origin.http_port);
        origin.resume();
        origin
    }

    /// `http://HOST:PORT`, without a slash at the end.
    pub fn http(&self) -> String {
        format!("http://127.0.0.1:{}", self.http_port)
    }

    /// `git://HOST:PORT`, without a slash at the end.
    pub fn git(&self) -> String {
        format!("git://127.0.0.1:{}", self.git_port)
    }

    /// A program for `GIT_SSH`, which takes any host for this one; it fails while nothing is served. Paths begin at [`GitOrigin::root`].
    pub fn ssh(&self) -> PathBuf {
        self.dir.path().join("ssh")
    }

    /// The folder of the repositories, for local paths and `file:` URLs.
    pub fn root(&self) -> PathBuf {
        self.dir.path().join("repos")
    }

    /// Stops serving; from now on connections are refused. Idempotent.
    pub fn stop(&mut self) {
        self.servers = None;
    }

    /// Serves on the same ports again. Idempotent.
    pub fn resume(&mut self) {
        if self.servers.is_none() {
            self.servers = Some(Servers::start(self.dir.path(), self.http_port, self.git_port));
        }
    }

    /// The packs that were made since the last call, by repository (`plain.git`), sorted: one for each fetch of objects.
    pub fn take_packs(&self) -> Vec<String> {
        let text = self.take("packs");
        let mut names: Vec<String> = text
            .lines()
            .map(|line| Path::new(line).file_name().unwrap_or_default().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    }

    /// The requests since the last call: of HTTP `METHOD URI STATUS BYTES`, of the daemon `git SERVICE REPOSITORY`.
    pub fn take_requests(&self) -> Vec<String> {
        // A server writes its line after it has answered, maybe after the client has ended.
        std::thread::sleep(Duration::from_millis(200));
        let daemon = self.take("daemon.log");
        let daemon = daemon.lines().filter_map(|line| {
            let (service, repository) = line.split_once("Request ")?.1.split_once(" for ")?;
            Some(format!("git {service} {}", repository.trim_matches('\'')))
        });
        self.take("access.log").lines().map(str::to_owned).chain(daemon).collect()
    }

    /// The commit that a revision names in a repository (`plain.git`, `main~2`); `refs/hidden/lost` of `sub.git` is on no branch.
    pub fn id(&self, repository: &str, revision: &str) -> String {
        Git::here(&self.root().join(repository)).id(revision)
    }

    /// The object that a revision names, whatever it is: the tag, where [`GitOrigin::id`] is the commit that it leads to.
    pub fn object(&self, repository: &str, revision: &str) -> String {
        Git::here(&self.root().join(repository)).run(&["rev-parse", "--verify", revision])
    }

    /// Adds a commit with a file `state` to a branch; its identifier.
    pub fn push(&self, repository: &str, branch: &str, state: &str) -> String {
        let git = Git::here(&self.root().join(repository));
        let tip = git.id(branch);
        let count = git.run(&["rev-list", "--count", branch]).parse().expect("a number");
        let mut stream = Stream::after(count);
        stream.commit(branch, state, &[&tip], &[Item::File("state", state)]);
        git.import(&stream);
        git.id(branch)
    }

    /// Replaces a branch by one commit without a history, and throws away what no ref leads to any more; the new identifier.
    pub fn force_push(&self, repository: &str, branch: &str, state: &str) -> String {
        let git = Git::here(&self.root().join(repository));
        git.run(&["update-ref", "-d", &format!("refs/heads/{branch}")]);
        let mut stream = Stream::default();
        stream.commit(branch, state, &[], &[Item::File("state", state)]);
        git.import(&stream);
        for tag in git.run(&["tag", "--list"]).lines() {
            git.run(&["tag", "-d", tag]);
        }
        git.run(&["reflog", "expire", "--all", "--expire=now"]);
        git.run(&["gc", "-q", "--prune=now"]);
        git.id(branch)
    }

    /// Makes a repository (`x.git`) whose `.gitmodules` is this text, with a commit of `plain.git` as the submodule at `path`.
    pub fn with_submodule(&self, repository: &str, path: &str, gitmodules: &str) {
        self.superproject(repository, path, gitmodules, &self.id("plain.git", "main"));
    }

    /// Makes a repository (`x.git`) with another one's `main` as the submodule at `s`.
    pub fn with_submodule_of(&self, repository: &str, other: &str) {
        let gitmodules = format!("[submodule \"s\"]\n\tpath = s\n\turl = ../{other}\n");
        self.superproject(repository, "s", &gitmodules, &self.id(other, "main"));
    }

    fn superproject(&self, repository: &str, path: &str, gitmodules: &str, commit: &str) {
        let git = repos::bare(&self.root(), repository);
        let mut stream = Stream::default();
        let items = [Item::File(".gitmodules", gitmodules), Item::Submodule(path, commit)];
        stream.commit("main", "with a submodule", &[], &items);
        git.import(&stream);
    }

    /// Reads a log and empties it; its writers append.
    fn take(&self, name: &str) -> String {
        let path = self.dir.path().join(name);
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        std::fs::write(&path, "").expect("empty a log");
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sandbox, missing};

    #[test]
    fn it_serves_counts_and_stops() {
        if missing("it_serves_counts_and_stops", &GitOrigin::NEEDS) {
            return;
        }
        let (mut origin, sandbox) = (GitOrigin::start(), Sandbox::without_shims());
        let clone = |url: &str| {
            sandbox.clear_work();
            sandbox.real(["git", "clone", "-q", url, "a"]).finish().code
        };
        let urls = [format!("{}/plain.git", origin.http()), format!("{}/plain.git", origin.git())];
        for url in &urls {
            assert_eq!(clone(url), 0);
            assert_eq!(origin.take_packs(), ["plain.git"]);
        }
        let requests = origin.take_requests();
        for begin in
            ["GET /plain.git/info/refs?service=git-upload-pack 200 ", "POST /plain.git/git-upload-pack 200 "]
        {
            assert!(requests.iter().any(|line| line.starts_with(begin)), "{begin}: {requests:?}");
        }
        assert!(requests.contains(&"git upload-pack /plain.git".to_owned()), "{requests:?}");
        assert_eq!(origin.take_requests(), Vec::<String>::new());
        let ssh = |origin: &GitOrigin| {
            sandbox.clear_work();
            let run = sandbox.real(["git", "clone", "-q", "git@h.example:plain.git", "a"]);
            run.env("GIT_SSH", origin.ssh()).finish().code
        };
        assert_eq!(ssh(&origin), 0);
        assert_eq!(clone(&format!("{}/dumb/plain.git", origin.http())), 0);
        assert_eq!(origin.take_packs(), ["plain.git"]);
        origin.stop();
        assert!(urls.iter().all(|url| clone(url) != 0));
        assert_ne!(ssh(&origin), 0);
        origin.resume();
        assert!(urls.iter().all(|url| clone(url) == 0));
        let main = origin.id("moved.git", "main");
        assert_ne!(origin.push("moved.git", "main", "new"), main);
        assert_ne!(origin.force_push("moved.git", "main", "other"), main);
    }

    #[test]
    fn two_origins_have_the_same_commits() {
        if missing("two_origins_have_the_same_commits", &GitOrigin::NEEDS) {
            return;
        }
        let (one, other) = (GitOrigin::start(), GitOrigin::start());
        for (repository, revision) in
            [("plain.git", "main"), ("sub.git", "refs/hidden/lost"), ("big.git", "main")]
        {
            assert_eq!(one.id(repository, revision), other.id(repository, revision), "{repository}");
        }
    }
}
