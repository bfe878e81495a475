//! Debs, made by the real `dpkg-deb`. Each is made once in a test process.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use super::Package;
use super::suite::FIRST_DATE;
use crate::sandbox::set_mode;
use crate::{md5_hex, sha256_hex};

/// A deb with its digests.
#[derive(Debug)]
pub(super) struct Deb {
    pub(super) bytes: Vec<u8>,
    pub(super) md5: String,
    pub(super) sha256: String,
}

static MADE: LazyLock<Mutex<HashMap<Package, Arc<Deb>>>> = LazyLock::new(Mutex::default);

/// The deb of a package: not compressed, with a fixed date.
pub(super) fn deb(package: &Package) -> Arc<Deb> {
    // What comes next is no part of the deb.
    let key = Package { next: None, ..package.clone() };
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let make = || {
        let bytes = make(package);
        Arc::new(Deb { md5: md5_hex(&bytes), sha256: sha256_hex(&bytes), bytes })
    };
    Arc::clone(made.entry(key).or_insert_with(make))
}

fn make(package: &Package) -> Vec<u8> {
    let dir = tempfile::Builder::new().prefix("vcache-deb-").tempdir().expect("make a temporary folder");
    let tree = dir.path().join("tree");
    put(&tree, "DEBIAN/control", package.control().as_bytes());
    for (path, bytes) in package.content() {
        put(&tree, &path, &bytes);
    }
    open_folders(&tree);
    let deb = dir.path().join("deb");
    run(Command::new("dpkg-deb")
        .args(["--root-owner-group", "-Znone", "-b"])
        .args([&tree, &deb])
        .env("SOURCE_DATE_EPOCH", FIRST_DATE.to_string()));
    std::fs::read(&deb).expect("read a deb")
}

fn put(tree: &Path, path: &str, bytes: &[u8]) {
    let path = tree.join(path);
    std::fs::create_dir_all(path.parent().expect("below the tree")).expect("make a folder");
    std::fs::write(&path, bytes).expect("write a file of a package");
    set_mode(&path, 0o644);
}

/// Whatever the umask is.
fn open_folders(dir: &Path) {
    set_mode(dir, 0o755);
    for entry in std::fs::read_dir(dir).expect("a folder of a package") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            open_folders(&path);
        }
    }
}

/// Runs a command of ours to its end; its standard output.
///
/// # Panics
/// When it fails, with what it said.
pub(super) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.env("LC_ALL", "C").stdin(Stdio::null()).output().expect("start a tool");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {}: {said}", output.status);
    output.stdout
}
