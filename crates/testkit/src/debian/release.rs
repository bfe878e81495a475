//! A suite as files below its folder: indexes, `by-hash`, `Release` and its signatures.

use super::index::{self, Files};
use super::key::Key;
use super::{Signing, Suite, diffs};
use crate::origin::date::http_date;
use crate::{md5_hex, sha256_hex};

/// All of it, by path below `dists/NAME` (or below the folder of a flat repository). `before` is the same suite as it was before it
/// moved on.
pub(super) fn files(suite: &Suite, before: Option<&Suite>, key: &Key) -> Files {
    let mut files = indexes(suite);
    if let Some(before) = before.filter(|_| suite.diffs) {
        diffs::add(&mut files, &indexes(before), before.date);
    }
    let release = release(suite, &files);
    if suite.by_hash {
        add_by_hash(&mut files);
    }
    match suite.signing {
        Signing::InRelease => {
            files.insert("InRelease".to_owned(), key.clear_sign(&release));
            files.insert("Release.gpg".to_owned(), key.detach_sign(&release));
        }
        Signing::ReleaseGpg => {
            files.insert("Release.gpg".to_owned(), key.detach_sign(&release));
        }
        Signing::Unsigned => {}
    }
    files.insert("Release".to_owned(), release.into_bytes());
    files
}

fn indexes(suite: &Suite) -> Files {
    let mut files = Files::new();
    if suite.flat {
        index::add(&mut files, "Packages", &index::packages(suite, None));
        index::add(&mut files, "Sources", &index::sources(suite));
        return files;
    }
    for name in suite.architectures() {
        let text = index::packages(suite, Some(&name));
        index::add(&mut files, &format!("main/binary-{name}/Packages"), &text);
    }
    index::add(&mut files, "main/source/Sources", &index::sources(suite));
    index::add(&mut files, "main/i18n/Translation-en", &index::translation(suite));
    files
}

fn release(suite: &Suite, files: &Files) -> String {
    let label = suite.fields.iter().find(|(name, _)| name == "Label").map_or("Test", |(_, value)| value);
    let mut text = format!("Origin: Test\nLabel: {label}\nSuite: {0}\nCodename: {0}\n", suite.name);
    let mut field = |name: &str, value: &str| text.push_str(&format!("{name}: {value}\n"));
    field("Date", &archive_date(suite.date));
    if let Some(end) = suite.valid_until {
        field("Valid-Until", &archive_date(end));
    }
    if suite.by_hash {
        field("Acquire-By-Hash", "yes");
    }
    field("Architectures", &suite.architectures().join(" "));
    if !suite.flat {
        field("Components", "main");
    }
    for (name, value) in suite.fields.iter().filter(|(name, _)| name != "Label") {
        field(name, value);
    }
    field("Description", "An archive for tests");
    for (name, digest) in [("MD5Sum", md5_hex as fn(&[u8]) -> String), ("SHA256", sha256_hex)] {
        text.push_str(&format!("{name}:\n"));
        for (path, bytes) in files {
            text.push_str(&format!(" {} {:>8} {path}\n", digest(bytes), bytes.len()));
        }
    }
    text
}

/// As archives write dates: RFC 2822 with `UTC` as the zone.
fn archive_date(seconds: u64) -> String {
    http_date(seconds).replace("GMT", "UTC")
}

fn add_by_hash(files: &mut Files) {
    let named = |(path, bytes): (&String, &Vec<u8>)| {
        let (folder, _) = path.rsplit_once('/').expect("an index lies in a folder");
        (format!("{folder}/by-hash/SHA256/{}", sha256_hex(bytes)), bytes.clone())
    };
    let copies: Vec<_> = files.iter().map(named).collect();
    files.extend(copies);
}
