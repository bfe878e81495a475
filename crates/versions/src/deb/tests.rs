//! Rows for the grammar of `versions-deb`, look-up, insertion and the preferences made of it.

use super::*;
use proptest::prelude::*;

/// `expect`: the pin and its line, then the lines of problems.
#[track_caller]
fn check_find(
    text: impl AsRef<[u8]>,
    package: &str,
    expect: Option<(&str, usize)>,
    problems: &[(usize, What)],
) {
    let found = find_deb(text.as_ref(), package);
    let pin = found.pin.as_ref().map(|pin| (pin.value.as_str(), pin.line));
    assert_eq!(pin, expect);
    let seen: Vec<_> = found.problems.into_iter().map(|p| (p.line, p.what)).collect();
    assert_eq!(seen, problems);
}

#[test]
fn find_compares_whole_names_and_architectures() {
    let text = "gcc==4:14.2.0-1\ngcc-14==14.2.0-19\nlibc6:arm64==2.41-12\nlibstdc++6==14.2.0-19\n";
    for (package, expect) in [
        ("gcc", Some(("4:14.2.0-1", 1))),
        ("gcc-14", Some(("14.2.0-19", 2))),
        ("libc6:arm64", Some(("2.41-12", 3))),
        ("libstdc++6", Some(("14.2.0-19", 4))),
        ("libc6", None),
        ("gcc:arm64", None),
        ("gcc-1", None),
        ("gc", None),
        ("", None),
        (".*", None),
    ] {
        check_find(text, package, expect, &[]);
    }
}

#[test]
fn find_tolerates_crlf_blanks_comments_and_foreign_bytes() {
    check_find("# x\r\n\r\n  vim==2:9.1-2\t\r\n#vim==3\r\n", "vim", Some(("2:9.1-2", 3)), &[]);
    check_find("vim == 2:9.1-2", "vim", Some(("2:9.1-2", 1)), &[]);
    check_find(b"\xff==1\nvim==1", "vim", Some(("1", 2)), &[]);
    check_find("", "vim", None, &[]);
}

#[test]
fn find_reports_bad_lines_of_its_package_only() {
    let text = "vim=1\nvim==\nvim==1 2\nvim-x==?\nvim==1*\nvim\nvim==1\n";
    let version = |line| (line, What::DebVersion);
    let bad = [(1, What::NoSeparator), version(2), version(3), version(5), (6, What::NoSeparator)];
    check_find(text, "vim", Some(("1", 7)), &bad);
    check_find(b"vim==\xff", "vim", None, &[(1, What::NotUtf8)]);
    check_find("<<<<<<< x\nvim==1\n", "vim", Some(("1", 2)), &[(1, What::Merge)]);
}

#[test]
fn two_versions_of_a_package_are_none() {
    check_find("vim==1\nvim==1\n", "vim", Some(("1", 1)), &[]);
    check_find("vim==1\ngdb==3\nvim==2\nvim==1\n", "vim", None, &[(3, What::Conflict { other: 1 })]);
    let (pins, problems) = parse_deb(b"vim==1\ngdb==3\nvim==2\nvim==2\nvim==1\n");
    assert_eq!(pins, [("gdb".to_owned(), Pin { value: "3".to_owned(), line: 2 })]);
    let problems: Vec<_> = problems.into_iter().map(|problem| (problem.line, problem.what)).collect();
    let conflict = |line| (line, What::Conflict { other: 1 });
    assert_eq!(problems, [conflict(3), conflict(4), conflict(5)]);
}

#[test]
fn a_whole_file_is_read() {
    let text =
        b"# c\r\ngdb==16.3-1\r\n\r\nno version\n==1\nGDB==1\ngdb==16.3-1\n\xff==1\nlibc6==2.41-12\nx==1==2\n";
    let (pins, problems) = parse_deb(text);
    let pins: Vec<_> = pins.iter().map(|(name, pin)| (name.as_str(), pin.value.as_str(), pin.line)).collect();
    assert_eq!(pins, [("gdb", "16.3-1", 2), ("libc6", "2.41-12", 9)]);
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    let name = "the name is none of a Debian package (`a-z`, `0-9`, `+`, `-`, `.`)";
    assert_eq!(problems[0], "line 4: no `==` between name and version");
    let others = [5, 6, 8, 10].map(|line| format!("line {line}: {name}"));
    assert_eq!(problems[1..], others);
}

#[test]
fn names_of_packages() {
    for good in
        ["gdb", "0ad", "g++", "libstdc++6", "python3.13", "a.", "src", "libc6:i386", "x1:kfreebsd-amd64"]
    {
        assert!(is_package(good), "{good}");
    }
    for bad in [
        "",
        "a",
        "-ab",
        "+ab",
        ".ab",
        "Gdb",
        "g_b",
        "g db",
        "gdb\n",
        "gdb\r",
        "\tgdb",
        "gdb*",
        "gdb?",
        "[g]db",
        "/gdb/",
        "~ngdb",
        "src:glibc",
        "gdb:",
        ":amd64",
        "gdb:amd64:",
        "gdb:-a",
        "gdb:a*",
        "gdb:a.b",
        "gdb/trixie",
        "gdb=1",
        "gdb,vim",
        "ädb",
        "gd\0",
    ] {
        assert!(!is_package(bad), "{bad:?}");
    }
}

#[test]
fn versions_of_packages() {
    for good in [
        "1",
        "16.3-1",
        "2:9.1.1230-2",
        "1.21.3-5+fips",
        "1.26.5-1~bpo13+1+fips+b1",
        "1-2-3",
        "0~",
        "20240203.1",
        "1.0A",
        "g1",
    ] {
        assert!(is_version(good), "{good}");
    }
    for bad in [
        "", "1 2", "1\n", "1\r2", "1:", ":1", "a:1", "-1:1", "1:2:3", "1-", "-1", "1-2:3", "1_2", "1*",
        "/1/", "[1]", "?", "1,2", "1=2", "1é", "1\0",
    ] {
        assert!(!is_version(bad), "{bad:?}");
    }
}

#[test]
fn insert_keeps_one_line_for_a_package() {
    let text = "# c\ngcc==4:14\nlibc6:arm64==1\nvim=1\n";
    for (package, version, expect) in [
        ("gcc", "4:14", None),
        ("gcc", "4:15", Some("# c\ngcc==4:15\nlibc6:arm64==1\nvim=1\n")),
        ("libc6", "1", Some("# c\ngcc==4:14\nlibc6:arm64==1\nlibc6==1\nvim=1\n")),
        ("libc6:arm64", "2", Some("# c\ngcc==4:14\nlibc6:arm64==2\nvim=1\n")),
        ("vim", "1", Some("# c\ngcc==4:14\nlibc6:arm64==1\nvim=1\nvim==1\n")),
        ("*", "1", None),
        ("vim", "*", None),
        ("vim", "1\nPackage: x", None),
        ("src:vim", "1", None),
    ] {
        let inserted = insert_deb(text.as_bytes(), package, version);
        assert_eq!(
            inserted.map(|text| String::from_utf8(text).unwrap()).as_deref(),
            expect,
            "{package} {version}"
        );
    }
    let both = insert_deb(b"gdb==1\ngdb==2\ngdb==*\n", "gdb", "1").unwrap();
    assert_eq!(both, b"gdb==1\n");
}

#[track_caller]
fn check_preferences(text: &str, fips: Fips, expect: &[(&str, &str)], problems: &[usize]) {
    let (made, seen) = preferences(text.as_bytes(), fips);
    let stanza = |(package, version): &(&str, &str)| {
        format!("Package: {package}\nPin: version {version}\nPin-Priority: 999\n\n\n")
    };
    assert_eq!(made, expect.iter().map(stanza).collect::<String>());
    assert_eq!(seen.iter().map(|problem| problem.line).collect::<Vec<_>>(), problems);
}

#[test]
fn preferences_keep_the_order_of_the_file() {
    check_preferences(
        "vim==2:9\ngdb==1\nlibc6:arm64==2\n",
        Fips::Kept,
        &[("vim", "2:9"), ("gdb", "1"), ("libc6:arm64", "2")],
        &[],
    );
    check_preferences("# nothing\n", Fips::Kept, &[], &[]);
}

#[test]
fn fips_is_stripped_once_and_at_the_end() {
    for (version, stripped) in [
        ("1.21.3-5+fips", "1.21.3-5"),
        ("1:10.0p1-7+fips", "1:10.0p1-7"),
        ("1.26.5-1~bpo13+1+fips+b1", "1.26.5-1~bpo13+1+fips+b1"),
        ("1+fips+fips", "1+fips"),
        ("1+fipsy", "1+fipsy"),
        // Without it there would be no version left.
        ("+fips", "+fips"),
        ("1-+fips", "1-+fips"),
    ] {
        let text = format!("pkg=={version}\n");
        check_preferences(&text, Fips::Stripped, &[("pkg", stripped)], &[]);
        check_preferences(&text, Fips::Kept, &[("pkg", version)], &[]);
    }
}

#[test]
fn no_other_stanza_gets_into_the_preferences() {
    for line in [
        "*==1",
        "/lib.*/==1",
        "lib?c==1",
        "vim gdb==1",
        "vim==1*",
        "vim==/1/",
        "vim==1\rPin-Priority: 1001",
        "vim\rPackage: *==1",
        "src:vim==1",
        "vim==1 Pin-Priority: 1001",
        "Explanation: x==1",
        "vim==release a=x",
        "vim==",
        "==1",
        "vim==1\u{b}2",
        "vim\u{85}==1",
        "vim==1\0",
    ] {
        check_preferences(
            &format!("gdb==1\n{line}\nnano==2\n"),
            Fips::Stripped,
            &[("gdb", "1"), ("nano", "2")],
            &[2],
        );
    }
    check_preferences(
        "gdb==1\nPackage: *\nPin: version 1\nPin-Priority: 1001\n",
        Fips::Kept,
        &[("gdb", "1")],
        &[2, 3, 4],
    );
}

/// As many pins as the largest file of a SONiC release has.
#[test]
fn a_large_file_is_rendered() {
    let text: String = (0..2222).map(|i| format!("lib{i}-dev==1:{i}.0-1~deb13u1+fips\n")).collect();
    let (made, problems) = preferences(text.as_bytes(), Fips::Stripped);
    assert!(problems.is_empty());
    assert_eq!(made.lines().count(), 2222 * 5);
    assert!(made.ends_with("Package: lib2221-dev\nPin: version 1:2221.0-1~deb13u1\nPin-Priority: 999\n\n\n"));
}

/// Lines that come near to pins, and bytes that do not.
fn hostile() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[a-z0-9+.-]{1,6}".prop_map(String::into_bytes),
        3 => Just(b"==".to_vec()),
        2 => Just(b"\n".to_vec()),
        1 => "(Package: |Pin: version |Pin-Priority: |src:|:amd64|1:|\\+fips|#|<<<<<<< )".prop_map(String::into_bytes),
        1 => "[\\*/?\\[\\]~\r\t =:_A-Z]".prop_map(String::into_bytes),
        1 => prop::collection::vec(any::<u8>(), 0..3),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn preferences_are_stanzas_of_names_and_versions(text in hostile(), strip in any::<bool>()) {
        let (made, _) = preferences(&text, if strip { Fips::Stripped } else { Fips::Kept });
        let lines: Vec<&str> = made.split_terminator('\n').collect();
        prop_assert_eq!(lines.len() % 5, 0);
        let mut packages = std::collections::HashSet::new();
        for stanza in lines.chunks(5) {
            let package = stanza[0].strip_prefix("Package: ").unwrap();
            prop_assert!(is_package(package) && packages.insert(package), "{:?}", package);
            let version = stanza[1].strip_prefix("Pin: version ").unwrap();
            prop_assert!(is_version(version), "{:?}", version);
            prop_assert_eq!(&stanza[2..], ["Pin-Priority: 999", "", ""]);
        }
    }

    #[test]
    fn names_and_versions_hold_nothing_that_apt_reads_otherwise(text in "\\PC{0,12}", odd in any::<char>()) {
        for text in [text.clone(), format!("{text}{odd}"), format!("lib{odd}c"), format!("1{odd}0")] {
            let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.~:".contains(&byte));
            prop_assert!(plain || !is_package(&text) && !is_version(&text), "{:?}", text);
        }
    }

    #[test]
    fn what_is_inserted_is_found_and_nothing_else_is_lost(text in hostile(), package in "[a-z0-9][a-z0-9+.-]{1,5}", version in "[0-9][a-z0-9.+~]{0,5}") {
        let inserted = insert_deb(&text, &package, &version);
        let after = inserted.as_deref().unwrap_or(&text);
        let pin = find_deb(after, &package).pin;
        prop_assert_eq!(pin.map(|pin| pin.value), Some(version.clone()));
        prop_assert_eq!(insert_deb(after, &package, &version), None);
        for (other, pin) in parse_deb(&text).0 {
            if other != package {
                prop_assert_eq!(find_deb(after, &other).pin.map(|pin| pin.value), Some(pin.value));
            }
        }
    }

    #[test]
    fn a_look_up_agrees_with_the_whole_file(text in hostile()) {
        let (pins, _) = parse_deb(&text);
        for (package, pin) in pins {
            prop_assert_eq!(find_deb(&text, &package).pin, Some(pin));
        }
    }
}
