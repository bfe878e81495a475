//! Differences between two states of `Packages`, by which apt makes the new one of the old one (`Packages.diff/Index`, called pdiffs).
//!
//! A patch is an `ed` script, as `diff -e` writes it. There is one: from the state before.

use std::process::Command;

use super::index::Files;
use crate::origin::date::http_date;
use crate::{gzip, sha256_hex};

/// Adds an index and a patch for each `Packages` that has changed. `date` is that of the state before, in seconds since the epoch.
pub(super) fn add(files: &mut Files, before: &Files, date: u64) {
    let changed: Vec<(String, Vec<u8>)> = files
        .iter()
        .filter(|(path, bytes)| {
            path.ends_with("/Packages") && before.get(*path).is_some_and(|old| old != *bytes)
        })
        .map(|(path, bytes)| (path.clone(), bytes.clone()))
        .collect();
    for (path, new) in changed {
        let old = &before[&path];
        let patch = ed_script(old, &new);
        let packed = gzip(&patch);
        let name = patch_name(date);
        let line = |bytes: &[u8], name: &str| format!(" {} {} {name}", sha256_hex(bytes), bytes.len());
        let index = format!(
            "SHA256-Current: {} {}\nSHA256-History:\n{}\nSHA256-Patches:\n{}\nSHA256-Download:\n{}\n",
            sha256_hex(&new),
            new.len(),
            line(old, &name),
            line(&patch, &name),
            line(&packed, &format!("{name}.gz")),
        );
        files.insert(format!("{path}.diff/Index"), index.into_bytes());
        files.insert(format!("{path}.diff/{name}.gz"), packed);
    }
}

/// `2020-01-01-0000.00`, as dak names them.
fn patch_name(date: u64) -> String {
    let text = http_date(date);
    let words: Vec<&str> = text.split([' ', ':']).collect();
    let months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let month = months.find(words[2]).map_or(0, |at| at / 3) + 1;
    format!("{}-{month:02}-{}-{}{}.{}", words[3], words[1], words[4], words[5], words[6])
}

fn ed_script(old: &[u8], new: &[u8]) -> Vec<u8> {
    let dir = tempfile::Builder::new().prefix("vcache-diff-").tempdir().expect("make a temporary folder");
    let paths = [("old", old), ("new", new)].map(|(name, bytes)| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).expect("write an index");
        path
    });
    // Its exit status is 1 where files differ.
    Command::new("diff").arg("-e").args(paths).env("LC_ALL", "C").output().expect("start diff").stdout
}

#[cfg(test)]
mod tests {
    use super::patch_name;

    #[test]
    fn patches_are_named_by_the_date_of_what_they_start_from() {
        assert_eq!(patch_name(super::super::FIRST_DATE + 3_661), "2020-01-01-0101.01");
    }
}
