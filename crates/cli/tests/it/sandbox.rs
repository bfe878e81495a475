//! A place of its own for each test: an empty environment, a home, a cache, and a stand-in for `vcache-shim` that tells
//! what it was asked.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use vcache_store::{Config, Key, Mtime, Record, Sha256Id, Store};

/// Serves wget and curl, and ship where `$HOME/ship` is. As wget it appends a hit of 1 KiB to the build log; asked to explain, it says `exec` unless a
/// cache is on, and shows the environment that it was given.
const SHIM: &str = r#"#!/bin/sh
case "$0 $1" in
*/vcache-shim\ --reasons) printf 'range\ta part of the content is asked for\n' ;;
*/vcache-shim\ --explain)
    plan=exec
    [ "$SONIC_VERSION_CACHE_METHOD" = cache ] && plan=serve
    printf '{"tool":"%s","plan":"%s","reason":null,"detail":"%s","real_tool":"/usr/bin/%s","requests":[' "$2" "$plan" "$4" "$2"
    printf '{"url":"%s","destination":"-","pin":"sha256:00","pinned_by":"%s/versions/versions-web:3","cache":"miss","sha256":null}]}' \
        "$3" "$VCACHE_BUILDINFO"
    ;;
*/vcache-shim\ --names) printf 'wget\ncurl\nship\n' ;;
*/vcache-shim\ --links) printf 'wget\ncurl\n'; [ ! -e "$HOME/ship" ] || echo ship ;;
*/wget\ *)
    printf '{"time":1,"tool":"wget","outcome":"hit","url":"http://h.example/a","bytes":1024}\n' >>"$VCACHE_BUILD_LOG"
    echo "served $*"
    ;;
esac
"#;

/// What a command did.
pub(crate) struct Done {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// Fails the test, showing everything, unless the status is this one.
    #[track_caller]
    pub(crate) fn expect(self, status: i32) -> Done {
        assert_eq!(self.status, status, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Stdout as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("{e} in:\n{}\n{}", self.stdout, self.stderr))
    }
}

pub(crate) struct Sandbox {
    dir: tempfile::TempDir,
    env: BTreeMap<String, String>,
}

impl Sandbox {
    pub(crate) fn new() -> Sandbox {
        let dir = tempfile::tempdir().unwrap();
        for folder in ["home", "work", "shims"] {
            fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let mut sandbox = Sandbox { dir, env: BTreeMap::new() };
        sandbox.executable("shims/vcache-shim", SHIM);
        for name in ["wget", "curl"] {
            symlink("vcache-shim", sandbox.path("shims").join(name)).unwrap();
        }
        for (name, folder) in [
            ("HOME", "home"),
            ("VCACHE_DIR", "cache"),
            ("VCACHE_SHIMS", "shims"),
            ("VCACHE_BUILDINFO", "buildinfo"),
        ] {
            sandbox.set(name, sandbox.path(folder).to_str().unwrap());
        }
        sandbox.set("PATH", "/usr/bin:/bin");
        sandbox
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn executable(&self, name: &str, text: &str) -> PathBuf {
        let path = self.write(name, text);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// The command in the folder `work`, ready to be started.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_vcache"));
        command.args(args).env_clear().envs(&self.env).current_dir(self.path("work")).stdin(Stdio::null());
        command
    }

    pub(crate) fn vcache(&self, args: &[&str]) -> Done {
        done(self.command(args).output().unwrap())
    }

    pub(crate) fn store(&self) -> Store {
        Store::open(&Config { dir: self.path("cache"), ..Config::default() }).unwrap()
    }

    /// Puts content into the cache, last used `age` seconds ago.
    pub(crate) fn keep(&self, url: &str, content: &[u8], age: u64) -> Sha256Id {
        let store = self.store();
        let mut writer = store.writer(true).unwrap();
        writer.write_all(content).unwrap();
        let blob = writer.seal().unwrap().publish(url).unwrap();
        let now = std::time::SystemTime::now();
        let used = now - std::time::Duration::from_secs(age);
        let record = Record {
            key: url.to_owned(),
            sha256: blob.id(),
            size: blob.size(),
            name: None,
            mtime: Mtime::Unknown,
            redirects: None,
            content_type: None,
            origin: url.to_owned(),
            fetched: used.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs(),
        };
        let key = Key::web(url, "");
        store.publish(&key, &record).unwrap();
        touch(blob.path(), used);
        for (path, found) in store.records() {
            if found.unwrap().key == url {
                touch(&path, used);
            }
        }
        blob.id()
    }

    /// The file of a blob.
    pub(crate) fn blob(&self, id: &Sha256Id) -> PathBuf {
        let name = id.to_string();
        self.path("cache/blobs/sha256").join(&name[..2]).join(name)
    }
}

/// Sets when a file was last used; blobs can't be opened for writing, and need not be.
fn touch(path: &Path, time: std::time::SystemTime) {
    fs::File::open(path).unwrap().set_modified(time).unwrap();
}

pub(crate) fn done(output: std::process::Output) -> Done {
    Done {
        status: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
