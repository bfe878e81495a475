//! Rows for the grammar of `versions-mirror`, look-up and insertion; apt's names of list files; dates of Release files.

use super::*;
use proptest::prelude::*;

const KEY: &str = "mirror.example_debian_dists_trixie";
const DATE: &str = "2026-07-11T10:16:37Z";
const LATER: &str = "2026-08-15T00:59:23Z";

fn pinned(date: &str, digit: char) -> String {
    format!("{date}@sha256:{}", digit.to_string().repeat(64))
}

#[track_caller]
fn check_find(text: impl AsRef<[u8]>, key: &str, expect: Option<(&str, usize)>, problems: &[(usize, What)]) {
    let found = find_mirror(text.as_ref(), key);
    let pin = found.pin.as_ref().map(|pin| (pin.value.to_string(), pin.line));
    assert_eq!(pin, expect.map(|(value, line)| (value.to_owned(), line)));
    let seen: Vec<_> = found.problems.into_iter().map(|p| (p.line, p.what)).collect();
    assert_eq!(seen, problems);
}

#[test]
fn snapshots_and_release_files_are_read() {
    let text = format!(
        "debian==20260814T000752Z\r\ndebian-security==20260815T000806Z\r\n{KEY}=={DATE}\r\n{KEY}-updates=={}\r\n",
        pinned(LATER, 'a')
    );
    check_find(&text, "debian", Some(("20260814T000752Z", 1)), &[]);
    check_find(&text, "debian-security", Some(("20260815T000806Z", 2)), &[]);
    check_find(&text, KEY, Some((DATE, 3)), &[]);
    check_find(&text, &format!("{KEY}-updates"), Some((&pinned(LATER, 'a'), 4)), &[]);
    check_find(&text, "mirror.example_debian_dists", None, &[]);
    check_find(&text, ".*", None, &[]);
    check_find(format!("{KEY}=={}", pinned(DATE, 'A')), KEY, Some((&pinned(DATE, 'a'), 1)), &[]);
}

#[test]
fn what_is_no_state_is_told() {
    for value in [
        "",
        "today",
        "2026-07-11",
        "2026-07-11T10:16:37",
        "2026-07-11 10:16:37Z",
        "20260814T000752",
        "20260814T000752Z@sha256:aa",
        "2026-07-11T10:16:37Z@",
        "2026-07-11T10:16:37Z@sha256:",
        "2026-07-11T10:16:37Z@sha256:abcd",
        "2026-07-11T10:16:37Z@md5:0123456789abcdef0123456789abcdef",
        &format!("20260814T000752Z@sha256:{}", "a".repeat(64)),
        &format!("{DATE}@sha256:{}", "g".repeat(64)),
        &format!("{DATE}@sha256:{} ", "a".repeat(65)),
    ] {
        check_find(format!("{KEY}=={value}\n"), KEY, None, &[(1, What::State)]);
    }
    check_find(format!("{KEY}={DATE}\n"), KEY, None, &[(1, What::NoSeparator)]);
}

#[test]
fn a_digest_adds_to_a_date_and_two_dates_contradict_each_other() {
    let (a, b) = (pinned(DATE, 'a'), pinned(DATE, 'b'));
    for text in [format!("{KEY}=={DATE}\n{KEY}=={a}\n"), format!("{KEY}=={a}\n{KEY}=={DATE}\n")] {
        let line = if text.contains(&format!("{DATE}\n{KEY}=={a}")) { 2 } else { 1 };
        check_find(&text, KEY, Some((&a, line)), &[]);
        assert_eq!(parse_mirror(text.as_bytes()).0[0].1.value.to_string(), a);
    }
    let conflict = [(2, What::Conflict { other: 1 })];
    check_find(format!("{KEY}=={a}\n{KEY}=={b}\n"), KEY, None, &conflict);
    check_find(format!("{KEY}=={DATE}\n{KEY}=={LATER}\n"), KEY, None, &conflict);
    check_find(format!("{KEY}==20260814T000752Z\n{KEY}=={DATE}\n"), KEY, None, &conflict);
}

/// SONiC writes such lines where there is one InRelease file only.
#[test]
fn keys_with_blanks_or_slashes_are_none() {
    let text = format!(
        "Date: Sat, 11 Jul 2026 10:16:37 UTC=={DATE}\n/a=={DATE}\n=={DATE}\na=b=={DATE}\nä=={DATE}\nok=={DATE}\n"
    );
    let (pins, problems) = parse_mirror(text.as_bytes());
    assert_eq!(pins.iter().map(|(key, pin)| (key.as_str(), pin.line)).collect::<Vec<_>>(), [("ok", 6)]);
    let lines: Vec<_> = problems.iter().map(|problem| (problem.line, problem.what.clone())).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5].map(|line| (line, What::Key)));
}

#[test]
fn insert_keeps_one_line_for_a_key() {
    let (hex, other) = ("a".repeat(64), "b".repeat(64));
    let text = format!("debian==20260814T000752Z\n{KEY}=={}\nz=={DATE}\n", pinned(DATE, 'a'));
    let with = |line: &str| Some(format!("debian==20260814T000752Z\n{line}\nz=={DATE}\n"));
    let check = |key: &str, date: &str, digest: Option<&str>, expect: Option<String>| {
        let inserted = insert_mirror(text.as_bytes(), key, date, digest);
        assert_eq!(inserted.map(|text| String::from_utf8(text).unwrap()), expect, "{key} {date} {digest:?}");
    };
    check(KEY, DATE, Some(&hex), None);
    check(KEY, DATE, Some(&hex.to_uppercase()), None);
    check(KEY, DATE, None, None);
    check(KEY, DATE, Some(&other), with(&format!("{KEY}=={}", pinned(DATE, 'b'))));
    check(KEY, LATER, None, with(&format!("{KEY}=={LATER}")));
    check("z", DATE, None, None);
    check("debian", "20260814T000752Z", None, None);
    check("debian", "20260814T000752Z", Some(&hex), None);
    for (key, date, digest) in [
        ("", DATE, None),
        ("a b", DATE, None),
        ("a=b", DATE, None),
        ("#a", DATE, None),
        ("a", "now", None),
        ("a", DATE, Some("12")),
    ] {
        check(key, date, digest, None);
    }
    let text = format!("{KEY}=={DATE}\n{KEY}=={LATER}\n{KEY}==x\n");
    let one = insert_mirror(text.as_bytes(), KEY, DATE, None).unwrap();
    assert_eq!(String::from_utf8(one).unwrap(), format!("{KEY}=={DATE}\n"));
    let more = insert_mirror(format!("{KEY}=={DATE}\n").as_bytes(), KEY, DATE, Some(&hex)).unwrap();
    assert_eq!(String::from_utf8(more).unwrap(), format!("{KEY}=={}\n", pinned(DATE, 'a')));
}

/// What apt 2.6.1 makes of such URLs: `apt-get update --print-uris` with a private `Dir` and one source of the suite `/` for each.
#[test]
fn list_names_are_those_of_apt() {
    for (url, name) in [
        ("http://h.example/debian/dists/trixie/InRelease", "h.example_debian_dists_trixie_InRelease"),
        (
            "https://h.example:8443/debian/dists/trixie/InRelease",
            "h.example:8443_debian_dists_trixie_InRelease",
        ),
        ("http://h.example:80/p/dists/trixie/InRelease", "h.example:80_p_dists_trixie_InRelease"),
        ("http://h.example:/p/InRelease", "h.example_p_InRelease"),
        ("http://h.example:0/p/InRelease", "h.example_p_InRelease"),
        ("http://user:pass@h.example:81/debian/InRelease", "h.example:81_debian_InRelease"),
        ("http://user:p%40ss@h.example/debian/InRelease", "h.example_debian_InRelease"),
        ("http://user:p@ss@h.example/debian/InRelease", "h.example_debian_InRelease"),
        ("http://user@h.example/at@path/InRelease", "h.example_at%40path_InRelease"),
        ("http://us/er@h.example/x/InRelease", "us_er%40h.example_x_InRelease"),
        ("http://H.Example/Debian/dists/trixie/InRelease", "H.Example_Debian_dists_trixie_InRelease"),
        ("http://h_x.example/x/InRelease", "h%5fx.example_x_InRelease"),
        ("http://[2001:db8::1]/debian/InRelease", "2001:db8::1_debian_InRelease"),
        ("http://[2001:db8::1]:81/debian/InRelease", "2001:db8::1:81_debian_InRelease"),
        ("http://[fe80::1%25eth0]/x/InRelease", "fe80::1%2525eth0_x_InRelease"),
        ("http://h.example//double//debian/InRelease", "h.example__double__debian_InRelease"),
        ("http://h.example/flat/./InRelease", "h.example_flat_._InRelease"),
        ("http://h.example/a/../b/InRelease", "h.example_a_.._b_InRelease"),
        ("http://h.example/s/dists/stable/updates/InRelease", "h.example_s_dists_stable_updates_InRelease"),
        ("http://h.example/a_b~c+d+e/InRelease", "h.example_a%5fb%7ec+d+e_InRelease"),
        ("http://h.example/~user/_ %zz/InRelease", "h.example_%7euser_%5f%20%25zz_InRelease"),
        ("http://h.example/%5f/InRelease", "h.example_%255f_InRelease"),
        ("http://h.example/a%2525b/InRelease", "h.example_a%252525b_InRelease"),
        ("http://h.example/?q=a&b=c/InRelease", "h.example_?q%3da%26b%3dc_InRelease"),
        ("http://h.example?x=y/InRelease", "h.example?x%3dy_InRelease"),
        (
            "http://h.example/x!@$^&*(){}|;',y/InRelease",
            "h.example_x%21%40%24%5e%26%2a()%7b%7d%7c;',y_InRelease",
        ),
        ("http://h.example/a\\b<c>`d/InRelease", "h.example_a%5cb%3cc%3e`d_InRelease"),
        ("http://h.example/a#b/InRelease", "h.example_a%23b_InRelease"),
        ("http://h.example/a\"b/InRelease", "h.example_a%22b_InRelease"),
        ("http://h.example/a[b]c/InRelease", "h.example_a%5bb%5dc_InRelease"),
        ("http://h.example/a:b/c/InRelease", "h.example_a:b_c_InRelease"),
        ("http://h.example/ä/InRelease", "h.example_%c3%a4_InRelease"),
        ("http://h.example/InRelease", "h.example_InRelease"),
        ("file:/srv/repo/dists/trixie/InRelease", "_srv_repo_dists_trixie_InRelease"),
        ("file:///srv/repo/InRelease", "_srv_repo_InRelease"),
        ("copy:/srv/c/InRelease", "_srv_c_InRelease"),
        ("mirror+file:/srv/mirror.list/InRelease", "_srv_mirror.list_InRelease"),
        ("http:/h.example/x/InRelease", "_h.example_x_InRelease"),
        ("http://user@/x/InRelease", "_x_InRelease"),
    ] {
        assert_eq!(list_name(url).as_deref(), Some(name), "{url}");
        assert_eq!(mirror_key(url).as_deref(), name.strip_suffix("_InRelease"), "{url}");
    }
    // apt drops such a port, takes what stands behind `http:` for a host, and has no method `HTTP`.
    for url in [
        "",
        "h.example/x",
        "http:h.example/x",
        "http://h.example:abc/p",
        "HTTP://h.example/x",
        "http://",
        ":/x",
    ] {
        assert_eq!(list_name(url), None, "{url}");
    }
    for url in
        ["http://h.example/debian/dists/trixie/Release", "http://h.example/xInRelease", "file:/InRelease"]
    {
        assert_eq!(mirror_key(url), None, "{url}");
    }
}

#[test]
fn dates_of_release_files() {
    for (text, expect) in [
        ("Sat, 11 Jul 2026 10:16:37 UTC", Some(DATE)),
        (" Sat, 11 Jul 2026 10:16:37 UTC", Some(DATE)),
        ("Sat, 11 Jul 2026 10:16:37 +0000", Some(DATE)),
        ("Sat, 11 Jul 2026 10:16:37 GMT", Some(DATE)),
        ("Sat, 11 Jul 2026 10:16:37 Z", Some(DATE)),
        ("Thu, 25 Apr 2024 15:10:33 UTC", Some("2024-04-25T15:10:33Z")),
        ("Thu, 29 Feb 2024 00:00:00 UTC", Some("2024-02-29T00:00:00Z")),
        ("Wed, 1 Jul 2026 00:00:00 UTC", Some("2026-07-01T00:00:00Z")),
        ("Sun, 11 Jul 2026 10:16:37 UTC", None),
        ("Mon, 30 Feb 2026 00:00:00 UTC", None),
        ("Sat, 11 Jul 2026 10:16:37 +0200", None),
        ("Sat, 11 Jul 2026 10:16:37 CEST", None),
        ("Sat, 11 Jul 2026 10:16:37", None),
        ("Sat, 11 Jul 2026 24:16:37 UTC", None),
        ("Sat, 11 jul 2026 10:16:37 UTC", None),
        ("Sat, 11 Jul 26 10:16:37 UTC", None),
        ("2026-07-11T10:16:37Z", None),
        ("", None),
    ] {
        assert_eq!(parse_date(text).as_deref(), expect, "{text}");
    }
}

#[test]
fn the_date_is_a_field_at_the_beginning_of_a_line() {
    let signed = b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nOrigin: Example\nX-Date: Sun, 12 Jul 2026 10:16:37 UTC\nDate: Sat, 11 Jul 2026 10:16:37 UTC\r\nValid-Until: x\n";
    assert_eq!(release_date(signed).as_deref(), Some(DATE));
    assert_eq!(release_date(b"date:Sat, 11 Jul 2026 10:16:37 UTC").as_deref(), Some(DATE));
    assert_eq!(release_date(b"Origin: x\n Date: Sat, 11 Jul 2026 10:16:37 UTC\n"), None);
    assert_eq!(release_date(b"Date: \xff\n"), None);
    assert_eq!(release_date(b""), None);
}

proptest! {
    #[test]
    fn a_list_name_is_a_key_and_a_file_name(path in "(\\PC|[/@:=%#~ \\[\\]]){0,20}") {
        for url in [format!("http://h.example/{path}"), format!("http://{path}"), format!("file:/{path}")] {
            if let Some(name) = list_name(&url) {
                prop_assert!(name.starts_with('#') || Mirror::is_name(&name), "{} {}", url, name);
            }
        }
    }

    #[test]
    fn what_is_inserted_is_found(text in prop::collection::vec(any::<u8>(), 0..60), key in "[a-z0-9.%:_-]{1,8}", digit in "[0-9a-f]") {
        let inserted = insert_mirror(&text, &key, DATE, Some(&digit.repeat(64)));
        let found = find_mirror(inserted.as_deref().unwrap_or(&text), &key).pin.map(|pin| pin.value.to_string());
        prop_assert_eq!(found, Some(pinned(DATE, digit.chars().next().unwrap())));
    }
}
