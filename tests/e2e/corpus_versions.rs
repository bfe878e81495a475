//! The version files of a SONiC release, and what SONiC's `versions_manager.py` makes of them.
//!
//! They are read from the corpus, and the tests skipped, loudly, where it is not there.

#![allow(clippy::disallowed_methods, reason = "tests own their files")]

use std::fs;
use std::path::{Path, PathBuf};

use vcache_tests::version_tree;
use vcache_versions::{Fips, MirrorState, What, parse_deb, parse_mirror, preferences};

#[test]
fn preferences_are_those_that_sonic_makes() {
    let Some(tree) = version_tree("preferences_are_those_that_sonic_makes") else { return };
    let folder = tree.join("expected/docker-lldp.trixie-amd64");
    let pins = fs::read(folder.join("versions-deb")).unwrap();
    let expect = fs::read_to_string(folder.join("01-versions-deb")).unwrap();
    let (made, problems) = preferences(&pins, Fips::Kept);
    assert_eq!(problems, []);
    assert_eq!(made, expect);
    // In a container the hooks make the file anew, without `+fips`.
    let (made, _) = preferences(&pins, Fips::Stripped);
    assert!(expect.contains("+fips\n"));
    assert_eq!(made, expect.replace("+fips\n", "\n"));
}

#[test]
fn every_line_of_a_release_is_a_pin() {
    let Some(tree) = version_tree("every_line_of_a_release_is_a_pin") else { return };
    let mut pins = 0;
    for file in files(&tree.join("versions"), "versions-deb") {
        let text = fs::read(&file).unwrap();
        let (found, problems) = parse_deb(&text);
        assert_eq!(problems, [], "{}", file.display());
        let (made, _) = preferences(&text, Fips::Stripped);
        assert_eq!(made.lines().count(), found.len() * 5, "{}", file.display());
        pins += found.len();
    }
    assert!(pins > 5000, "{pins}");
    for file in files(&tree.join("versions"), "versions-mirror") {
        let (found, problems) = parse_mirror(&fs::read(&file).unwrap());
        assert_eq!(problems, []);
        let snapshots = found.iter().filter(|(_, pin)| matches!(pin.value, MirrorState::Snapshot(_))).count();
        assert_eq!((found.len(), snapshots), (16, 2), "{}", file.display());
    }
}

/// What is collected from an image holds packages twice, where one version was installed over another.
#[test]
fn a_collected_file_has_no_problem_but_packages_with_two_versions() {
    let Some(tree) = version_tree("a_collected_file_has_no_problem_but_packages_with_two_versions") else {
        return;
    };
    let collected = files(&tree.join("freeze-rebuild"), "versions-");
    let deb = |file: &Path| file.file_name().is_some_and(|name| name.to_string_lossy().contains("-deb-"));
    let (debs, others): (Vec<_>, Vec<_>) = collected.into_iter().partition(|file| deb(file));
    assert!(debs.len() > 50, "{}", debs.len());
    for file in debs {
        let (_, problems) = parse_deb(&fs::read(&file).unwrap());
        let other = problems.iter().find(|problem| !matches!(problem.what, What::Conflict { .. }));
        assert_eq!(other, None, "{}", file.display());
    }
    for file in others.into_iter().filter(|file| file.ends_with("versions-mirror")) {
        assert_eq!(parse_mirror(&fs::read(&file).unwrap()).1, [], "{}", file.display());
    }
}

/// The files whose names begin so, in a folder and below.
fn files(folder: &Path, name: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.is_dir() {
        true => files(&path, name),
        false => vec![path],
    });
    found
        .filter(|path| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name)))
        .collect()
}
