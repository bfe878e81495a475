//! A folder with everything that apt and dpkg read and write, so that the real ones work in it, as root or as anybody.
//!
//! `APT_CONFIG` names a file that moves apt's folders there. apt reads it before all others, so that a file that includes it
//! (`#include "…";`) may add to it, and so may `etc/apt/apt.conf.d` in the folder. Methods, dpkg and gpgv stay the system's. dpkg
//! installs into the folder by `--root`: packages have no scripts, so that nothing is run in it.

use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{Package, Place, Sources, Trust, build};
use crate::process::Run;
use crate::sandbox::set_mode;

/// How long an apt may run in a test.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Who the methods of apt become when apt is root's.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SandboxUser {
    /// They stay root.
    Root,
    /// They become `_apt`, as apt has it by itself.
    Apt,
}

impl SandboxUser {
    fn name(self) -> &'static str {
        match self {
            SandboxUser::Root => "root",
            SandboxUser::Apt => "_apt",
        }
    }
}

/// The folder.
#[derive(Clone, Debug)]
pub struct AptRoot {
    dir: PathBuf,
}

impl AptRoot {
    /// Makes the folder anew: no sources, no key, no package. The folders above it are opened to others by the caller ([`crate::Sandbox`]'s
    /// are), so that `_apt` gets through.
    pub fn make(dir: impl Into<PathBuf>, user: SandboxUser) -> AptRoot {
        let root = AptRoot { dir: dir.into() };
        std::fs::remove_dir_all(&root.dir).ok();
        for folder in [
            "etc/apt/apt.conf.d",
            "etc/apt/preferences.d",
            "etc/apt/sources.list.d",
            "etc/apt/trusted.gpg.d",
            "etc/apt/keyrings",
            "etc/apt/auth.conf.d",
            "var/lib/apt/lists/partial",
            "var/cache/apt/archives/partial",
            "var/lib/dpkg/info",
            "var/lib/dpkg/updates",
            "var/lib/dpkg/triggers",
            "var/log/apt",
            "tmp",
        ] {
            std::fs::create_dir_all(root.dir.join(folder)).expect("make a folder of apt's");
        }
        root.open();
        set_mode(&root.dir.join("tmp"), 0o1777);
        root.write("var/lib/dpkg/status", "");
        root.write("etc/apt/sources.list", "");
        root.write("apt.conf", root.main_configuration(user));
        root
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What `APT_CONFIG` names.
    pub fn apt_conf(&self) -> PathBuf {
        self.dir.join("apt.conf")
    }

    /// Writes a file of the folder.
    pub fn write(&self, path: &str, text: impl AsRef<[u8]>) {
        let path = self.dir.join(path);
        std::fs::create_dir_all(path.parent().expect("below the root")).expect("make a folder");
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("write {}: {error}", path.display()));
        set_mode(&path, 0o644);
    }

    /// Reads a file of the folder; empty when it is not there.
    pub fn read(&self, path: &str) -> String {
        let bytes = std::fs::read(self.dir.join(path)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Adds a line of configuration in `apt.conf.d`: `Acquire::http::Pipeline-Depth "0";`.
    pub fn configure(&self, line: &str) {
        let file = "etc/apt/apt.conf.d/50test";
        self.write(file, format!("{}{line}\n", self.read(file)));
    }

    /// Makes an architecture known to apt and dpkg beside the machine's own.
    pub fn add_architecture(&self, name: &str) {
        self.write("var/lib/dpkg/arch", format!("{}\n{name}\n", super::native()));
    }

    /// Writes the sources, and the key to where they are believed by it.
    pub fn sources(&self, form: Sources, places: &[Place], trust: Trust, key: &[u8]) {
        let named = "etc/apt/keyrings/test.asc";
        let path = match trust {
            Trust::Parts => Some("etc/apt/trusted.gpg.d/test.asc"),
            Trust::SignedBy => Some(named),
            Trust::Yes | Trust::Nothing => None,
        };
        if let Some(path) = path {
            self.write(path, key);
        }
        let text = form.text(places, trust, &self.dir.join(named).display().to_string());
        self.write(&format!("etc/apt/{}", form.file()), text);
    }

    /// Installs packages by the real dpkg, as if by hand.
    pub fn install(&self, packages: &[Package]) {
        let dir = tempfile::Builder::new().prefix("vcache-debs-").tempdir().expect("make a temporary folder");
        let mut dpkg = Command::new("dpkg");
        dpkg.args(self.dpkg_options()).arg("-i");
        for package in packages {
            let path = dir.path().join(package.file_name());
            std::fs::write(&path, &build::deb(package).bytes).expect("write a deb");
            dpkg.arg(path);
        }
        build::run(&mut dpkg);
        // What it logged is not what a test does.
        std::fs::remove_file(self.dir.join("var/log/dpkg.log")).ok();
    }

    /// Gives everything to another user, for tests that run apt as somebody else than root. Needs root.
    pub fn give_to(&self, uid: u32, gid: u32) {
        give(&self.dir, uid, gid);
    }

    /// Confines a command (`apt-get …`, `apt …`, `apt-cache …`, `dpkg …`) to the folder: sets `APT_CONFIG`, `TMPDIR` and what keeps questions away.
    /// Whatever else is in its environment stays.
    pub fn confine(&self, run: Run) -> Run {
        run.env("APT_CONFIG", self.apt_conf())
            .env("TMPDIR", self.dir.join("tmp"))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("PAGER", "cat")
            .limit(TIME_LIMIT)
    }

    /// Options by which dpkg works in the folder.
    pub fn dpkg_options(&self) -> Vec<String> {
        let dir = self.dir.display();
        vec![
            format!("--root={dir}"),
            format!("--log={dir}/var/log/dpkg.log"),
            "--force-not-root".to_owned(),
            "--force-bad-path".to_owned(),
            "--force-unsafe-io".to_owned(),
        ]
    }

    fn main_configuration(&self, user: SandboxUser) -> String {
        let dir = self.dir.display();
        let options: String = self.dpkg_options().iter().map(|option| format!(" \"{option}\";")).collect();
        format!(
            "Dir \"{dir}\";\nDir::State::status \"{dir}/var/lib/dpkg/status\";\n\
             APT::Architecture \"{}\";\nAPT::Sandbox::User \"{}\";\n\
             Acquire::Retries::Delay \"false\";\nDPkg::Options {{{options} }};\n",
            super::native(),
            user.name()
        )
    }

    /// Whatever the umask is: `_apt` has to get through.
    fn open(&self) {
        let mut left = vec![self.dir.clone()];
        while let Some(dir) = left.pop() {
            set_mode(&dir, 0o755);
            let entries = std::fs::read_dir(&dir).expect("a folder of apt's");
            left.extend(entries.map(|entry| entry.expect("an entry").path()));
        }
    }
}

fn give(path: &Path, uid: u32, gid: u32) {
    chown(path, Some(uid), Some(gid)).unwrap_or_else(|error| panic!("chown {}: {error}", path.display()));
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder of apt's") {
            give(&entry.expect("an entry").path(), uid, gid);
        }
    }
}
