//! The indexes of a suite: `Packages`, `Sources`, `Translation-en`, and their compressed forms.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{Package, Source, Suite, build};
use crate::{gzip, md5_hex};

/// Files by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// `Packages` of an architecture, with those for all of them; or of everything.
pub(super) fn packages(suite: &Suite, architecture: Option<&str>) -> String {
    let wanted = |package: &&Package| {
        architecture.is_none_or(|name| package.architecture == name || package.architecture == "all")
    };
    suite.packages.iter().filter(wanted).map(|package| stanza(suite, package)).collect()
}

fn stanza(suite: &Suite, package: &Package) -> String {
    let deb = build::deb(package);
    let [short, long] = package.description();
    let path = if suite.flat { format!("./{}", package.file_name()) } else { package.pool_path() };
    format!(
        "{}Description: {short}\nDescription-md5: {}\nFilename: {path}\nSize: {}\nMD5sum: {}\nSHA256: {}\n\n",
        package.fields_text(),
        md5_hex(format!("{short}\n{long}").as_bytes()),
        deb.bytes.len(),
        deb.md5,
        deb.sha256,
    )
}

/// `Sources`.
pub(super) fn sources(suite: &Suite) -> String {
    let stanza = |source: &Source| {
        let folder = if suite.flat { ".".to_owned() } else { source.folder() };
        source.stanza(&source.files(), &folder)
    };
    suite.sources.iter().map(stanza).collect()
}

/// `Translation-en`: the long descriptions.
pub(super) fn translation(suite: &Suite) -> String {
    let mut seen = Vec::new();
    let mut text = String::new();
    for package in &suite.packages {
        if !seen.contains(&&package.name) {
            seen.push(&package.name);
            let [short, long] = package.description();
            let digest = md5_hex(format!("{short}\n{long}").as_bytes());
            let name = &package.name;
            text.push_str(&format!(
                "Package: {name}\nDescription-md5: {digest}\nDescription-en: {short}\n{long}\n"
            ));
        }
    }
    text
}

/// Adds an index with its compressed forms.
pub(super) fn add(files: &mut Files, path: &str, text: &str) {
    files.insert(path.to_owned(), text.as_bytes().to_vec());
    files.insert(format!("{path}.gz"), gzip(text.as_bytes()));
    files.insert(format!("{path}.xz"), xz(text));
}

/// By the real `xz`; each text once in a test process.
fn xz(text: &str) -> Vec<u8> {
    static MADE: LazyLock<Mutex<HashMap<String, Vec<u8>>>> = LazyLock::new(Mutex::default);
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.entry(text.to_owned()).or_insert_with(|| through("xz", &["-0", "-c"], text.as_bytes())).clone()
}

/// What a filter makes of bytes that are small enough for a pipe's buffers, or of any when it reads before it writes.
fn through(program: &str, args: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut command = Command::new(program);
    command.args(args).env_remove("XZ_OPT").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("start a filter");
    let mut stdin = child.stdin.take().expect("standard input is piped");
    let bytes = bytes.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().expect("a filter ends");
    writer.join().expect("the writer ends").expect("a filter reads its input");
    assert!(output.status.success(), "{program}: {}", output.status);
    output.stdout
}
