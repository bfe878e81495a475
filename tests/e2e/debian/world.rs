//! A sandbox with an archive and a root for apt.

use std::os::unix::fs::symlink;
use std::path::PathBuf;

use vcache_testkit::debian::{
    AptRoot, DebianMirror, MOUNT, Place, SandboxUser, Signing, Sources, Suite, Trust, foreign,
};
use vcache_testkit::{Finished, Run, Sandbox, TlsFolder, missing};

use super::archive::stock;

/// The names that the shims of this family have.
const NAMES: [&str; 4] = ["apt", "apt-get", "dpkg", "debootstrap"];

/// 2020-02-01: an end of validity that has passed.
const EXPIRED: u64 = 1_580_515_200;

/// How the archive is published, and what apt knows of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// The form of the sources.
    pub form: Sources,
    /// Why apt believes them.
    pub trust: Trust,
    /// The suites that they name.
    pub suites: Vec<&'static str>,
    /// How all suites are signed.
    pub signing: Signing,
    /// Whether those below `dists/` have `by-hash`.
    pub by_hash: bool,
    /// Whether they have differences once they have moved on.
    pub diffs: bool,
    /// Whether their validity has ended.
    pub expired: bool,
    /// Whom apt's methods become.
    pub user: SandboxUser,
    /// Whether the archive is reached over HTTPS.
    pub https: bool,
    /// What stands before the archive's path (`/redir/1`, `/auth`).
    pub manner: &'static str,
    /// Whether the other architecture is known.
    pub foreign: bool,
    /// Lines of apt's configuration.
    pub configuration: Vec<&'static str>,
    /// Files of the root, with their text; `{o}` in it is the origin's address.
    pub files: Vec<(&'static str, &'static str)>,
}

impl Default for Setup {
    /// `stable` alone, as Debian has it.
    fn default() -> Setup {
        Setup {
            form: Sources::OneLine,
            trust: Trust::Parts,
            suites: vec!["stable"],
            signing: Signing::InRelease,
            by_hash: true,
            diffs: false,
            expired: false,
            user: SandboxUser::Root,
            https: false,
            manner: "",
            foreign: false,
            configuration: Vec::new(),
            files: Vec::new(),
        }
    }
}

/// All of them.
#[derive(Debug)]
pub struct World {
    /// Where apt runs.
    pub sandbox: Sandbox,
    /// What it asks.
    pub mirror: DebianMirror,
    /// The same over HTTPS, once a setup has asked for that.
    pub tls: Option<TlsFolder>,
    /// What it changes; at the same path each time.
    pub root: AptRoot,
}

impl World {
    /// A new one with the stock archive; none where the machine lacks a tool for it, which is said.
    pub fn new(test: &str) -> Option<World> {
        if missing(test, &DebianMirror::NEEDS) {
            return None;
        }
        let sandbox = Sandbox::new();
        let root = AptRoot::make(sandbox.root().join("apt"), SandboxUser::Root);
        let mut world = World { sandbox, mirror: DebianMirror::start(stock()), tls: None, root };
        world.prepare(&Setup::default());
        Some(world)
    }

    /// Publishes the archive anew and makes a new root, with nothing installed.
    pub fn prepare(&mut self, setup: &Setup) {
        self.resume(setup);
        self.mirror.origin().mend();
        let published = stock().into_iter().map(|suite| {
            let by_hash = setup.by_hash && !suite.is_flat();
            let suite = suite.signing(setup.signing).by_hash(by_hash).diffs(setup.diffs);
            if setup.expired { suite.valid_until(EXPIRED) } else { suite }
        });
        self.mirror.publish(published.collect());
        self.new_root(setup);
    }

    /// Refuses connections from now on.
    pub fn stop(&mut self) {
        self.mirror.stop();
        if let Some(tls) = &mut self.tls {
            tls.stop();
        }
    }

    fn resume(&mut self, setup: &Setup) {
        self.mirror.resume();
        match &mut self.tls {
            Some(tls) => tls.resume(),
            None if setup.https => {
                let dir = self.sandbox.root().join("nginx");
                self.tls = Some(TlsFolder::start(&dir, MOUNT, &self.mirror.folder()));
            }
            None => {}
        }
    }

    /// Makes a new root for the archive as it is.
    pub fn new_root(&mut self, setup: &Setup) {
        self.root = AptRoot::make(self.root.dir(), setup.user);
        let url = self.url(setup);
        let named = |suite: &&Suite| setup.suites.contains(&suite.name());
        let places: Vec<Place> =
            self.mirror.suites().iter().filter(named).map(|suite| Place::of(&url, suite)).collect();
        self.root.sources(setup.form, &places, setup.trust, self.mirror.key());
        let changelogs = self.mirror.changelogs();
        self.root.configure(&format!("Acquire::Changelogs::URI::Override::Origin::Test \"{changelogs}\";"));
        if let Some(tls) = self.tls.as_ref().filter(|_| setup.https) {
            let certificate = tls.certificate();
            self.root.configure(&format!("Acquire::https::CaInfo \"{}\";", certificate.display()));
        }
        for line in &setup.configuration {
            self.root.configure(line);
        }
        for (path, text) in &setup.files {
            self.root.write(path, text.replace("{o}", &self.mirror.origin().url()));
        }
        if setup.foreign {
            self.root.add_architecture(foreign());
        }
    }

    /// The archive's address in the sources.
    pub fn url(&self, setup: &Setup) -> String {
        let tls = self.tls.as_ref().filter(|_| setup.https);
        let host = tls.map_or_else(|| self.mirror.origin().url(), TlsFolder::url);
        format!("{host}{}{MOUNT}", setup.manner)
    }

    /// A command by the real tools, in the root.
    pub fn real(&self, line: &str) -> Run {
        self.root.confine(self.sandbox.real(crate::split_words(line)))
    }

    /// A command with the shims ahead, with the cache and without version control, in the root.
    pub fn shim(&self, line: &str) -> Run {
        let run = self.sandbox.shim(crate::split_words(line));
        self.root.confine(run.env_remove("SONIC_VERSION_CONTROL_COMPONENTS"))
    }

    /// Runs commands by the real tools, each of which must succeed; the last one's.
    pub fn done(&self, lines: &[&str]) -> Finished {
        let mut last = None;
        for line in lines {
            let finished = self.real(line).finish();
            assert_eq!(finished.code, 0, "{line}: {}", finished.stderr_text());
            last = Some(finished);
        }
        last.expect("at least one command")
    }

    /// Links those of the family's names that `vcache-shim` serves; false when it serves none of them.
    pub fn link_shims(&self) -> bool {
        let list = self.sandbox.bare(["vcache-shim", "--names"]).finish();
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let served: Vec<&str> =
            NAMES.into_iter().filter(|name| list.lines().any(|line| line == *name)).collect();
        for name in &served {
            let link: PathBuf = self.sandbox.shims().join(name);
            if !link.exists() {
                symlink("vcache-shim", link).expect("link a shim");
            }
        }
        !served.is_empty()
    }
}
