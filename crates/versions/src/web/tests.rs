//! Rows for the grammar of `versions-web`, look-up and insertion.

use super::*;
use proptest::prelude::*;

const A: &str = "0123456789abcdef0123456789abcdef";
const B: &str = "ffffffffffffffffffffffffffffffff";

fn sha(digit: char) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// `expect`: the pin and its line, then the lines of problems.
#[track_caller]
fn check_find(text: impl AsRef<[u8]>, url: &str, expect: Option<(&str, usize)>, problems: &[(usize, What)]) {
    let found = find(text.as_ref(), url);
    let pin = found.pin.as_ref().map(|pin| (pin.digest.to_string(), pin.line));
    assert_eq!(pin, expect.map(|(digest, line)| (digest.to_owned(), line)));
    let seen: Vec<_> = found.problems.into_iter().map(|p| (p.line, p.what)).collect();
    assert_eq!(seen, problems);
}

#[test]
fn find_reads_both_digests() {
    check_find(format!("http://h/a=={A}\n"), "http://h/a", Some((A, 1)), &[]);
    check_find(format!("http://h/a=={A}"), "http://h/a", Some((A, 1)), &[]);
    check_find(format!("http://h/a=={}\n", sha('c')), "http://h/a", Some((&sha('c'), 1)), &[]);
    check_find(format!("http://h/a=={}\n", A.to_uppercase()), "http://h/a", Some((A, 1)), &[]);
    check_find(format!("http://h/a=={}\n", sha('c')), "http://h/b", None, &[]);
    check_find("", "http://h/a", None, &[]);
}

#[test]
fn find_compares_whole_urls() {
    let text = format!("http://h/ab=={A}\nhttp://h/a=={B}\nhttp://h/a.c=={A}\n");
    check_find(&text, "http://h/a", Some((B, 2)), &[]);
    check_find(&text, "http://h/ab", Some((A, 1)), &[]);
    check_find(&text, "http://h/", None, &[]);
    check_find(&text, "http://h/abc", None, &[]);
    check_find(&text, "http://h/a?c", None, &[]);
    check_find(format!("http://[::1]/x//y%2B+~=={A}"), "http://[::1]/x//y%2B+~", Some((A, 1)), &[]);
}

#[test]
fn find_splits_at_the_last_separator() {
    let text = format!("http://h/?q=MQ=={A}\nhttp://h/?q=MQ===={B}\nhttp://h/?q=MQ==={}\n", sha('1'));
    check_find(&text, "http://h/?q=MQ", Some((A, 1)), &[]);
    check_find(&text, "http://h/?q=MQ==", Some((B, 2)), &[]);
    check_find(&text, "http://h/?q=MQ=", Some((&sha('1'), 3)), &[]);
    check_find(format!("http://h/a==b=={A}"), "http://h/a", None, &[]);
}

#[test]
fn find_reports_bad_lines_of_its_url_only() {
    let text =
        format!("http://h/b==zz\nhttp://h/a==\nhttp://h/a=={}\nhttp://h/a\nhttp://h/a=={A}\n", &A[1..]);
    let bad = [(2, What::Digest), (3, What::Digest), (4, What::NoSeparator)];
    check_find(&text, "http://h/a", Some((A, 5)), &bad);
    check_find(format!("http://h/a=={A} x"), "http://h/a", None, &[(1, What::Digest)]);
    check_find(format!("http://h/a==sha256:{A}"), "http://h/a", None, &[(1, What::Digest)]);
    check_find(format!("http://h/a==md5:{A}"), "http://h/a", None, &[(1, What::Digest)]);
    check_find(b"http://h/a==\xff\xfe\n", "http://h/a", None, &[(1, What::Digest)]);
}

#[test]
fn find_reports_a_typing_error_after_its_url_and_an_open_conflict() {
    for line in [format!("http://h/a={A}"), format!("http://h/a {A}"), format!("http://h/a\tsha256:{A}")] {
        check_find(&line, "http://h/a", None, &[(1, What::NoSeparator)]);
        check_find(&line, "http://h/", None, &[]);
        check_find(&line, "http://h/ab", None, &[]);
    }
    let text = format!("<<<<<<< ours\nhttp://h/a=={A}\n=======\nhttp://h/b=={B}\n>>>>>>> theirs\n");
    check_find(&text, "http://h/a", Some((A, 2)), &[(1, What::Merge), (5, What::Merge)]);
}

#[test]
fn find_tolerates_crlf_blanks_comments_and_foreign_bytes() {
    let text = format!("# x\r\n\r\n  http://h/a=={A}\t\r\n#http://h/a=={B}\r\n");
    check_find(&text, "http://h/a", Some((A, 3)), &[]);
    let bytes = [b"\xff\xfe==zz\n".as_slice(), format!("http://h/a=={A}\n").as_bytes()].concat();
    check_find(bytes, "http://h/a", Some((A, 2)), &[]);
}

#[test]
fn two_digests_of_one_kind_are_a_conflict() {
    let text = format!("http://h/a=={A}\nhttp://h/b=={B}\nhttp://h/a=={B}\n");
    check_find(&text, "http://h/a", None, &[(3, What::Conflict { other: 1 })]);
    assert_eq!(find(text.as_bytes(), "http://h/a").conflict(), Some((1, 3)));
    assert_eq!(find(text.as_bytes(), "http://h/b").conflict(), None);
    check_find(format!("u=={A}\nu=={}\nu=={A}\n", A.to_uppercase()), "u", Some((A, 1)), &[]);
    check_find(format!("u=={A}\nu=={}\n", sha('2')), "u", Some((&sha('2'), 2)), &[]);
    let text = format!("u=={}\nu=={A}\nu=={}\n", sha('2'), sha('3'));
    check_find(text, "u", None, &[(3, What::Conflict { other: 1 })]);
}

#[test]
fn parse_keeps_good_lines_beside_bad_ones() {
    let text = [
        format!("# head\nu=={A}\nnonsense\n=={A}\nw==12\nu=={B}\nu=={A}\n").as_bytes(),
        b"\xff==".as_slice(),
        A.as_bytes(),
        format!("\nv=={}", sha('a')).as_bytes(),
    ]
    .concat();
    let (pins, problems) = parse(&text);
    let pins: Vec<_> =
        pins.iter().map(|(url, pin)| (url.as_str(), pin.digest.to_string(), pin.line)).collect();
    assert_eq!(pins, [("u", A.to_owned(), 2), ("u", B.to_owned(), 6), ("v", sha('a'), 9)]);
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "line 3: no `==` between name and version",
            "line 4: no URL before `==`",
            "line 5: the digest is neither an md5 (32 hexadecimal digits) nor `sha256:` and 64 of them",
            "line 6: the same name has another version on line 2",
            "line 8: not UTF-8",
        ]
    );
}

#[track_caller]
fn check_insert(text: &str, url: &str, digest: &str, expect: Option<&str>) {
    let inserted = insert(text.as_bytes(), url, &digest.parse().unwrap());
    assert_eq!(inserted.map(|text| String::from_utf8(text).unwrap()).as_deref(), expect);
}

#[test]
fn insert_sorts_replaces_and_keeps() {
    check_insert("", "u", A, Some(&format!("u=={A}\n")));
    check_insert(&format!("u=={A}"), "u", A, None);
    check_insert(&format!("u=={}\r\n", A.to_uppercase()), "u", A, None);
    check_insert(&format!("u=={A}\nu=={A}\n"), "u", A, Some(&format!("u=={A}\n")));
    check_insert(&format!("u=={A}\n"), "u", B, Some(&format!("u=={B}\n")));
    check_insert(&format!("u=={A}\n"), "u", &sha('0'), Some(&format!("u=={}\n", sha('0'))));
    let both = format!("u=={A}\nu=={}\n", sha('0'));
    check_insert(&both, "u", A, None);
    check_insert(&both, "u", &sha('0'), None);
    check_insert(&both, "u", B, Some(&format!("u=={B}\n")));
    let text = format!("# SONiC\n# more\nz=={A}\nbad line\n# later\na=={B}\n");
    let expect = format!("# SONiC\n# more\n# later\na=={B}\nbad line\nm=={A}\nz=={A}\n");
    check_insert(&text, "m", A, Some(&expect));
    let expect = format!("B=={A}\na=={A}\nä=={A}\n");
    check_insert(&format!("ä=={A}\r\na=={A}\r\n"), "B", A, Some(&expect));
    let text = format!("u==x=={B}\n");
    check_insert(&text, "u", A, Some(&format!("u=={A}\nu==x=={B}\n")));
    let foreign = [b"\xff==x\n".as_slice(), format!("u=={A}\n").as_bytes()].concat();
    let expect = [format!("u=={B}\n").as_bytes(), b"\xff==x\n".as_slice()].concat();
    assert_eq!(insert(&foreign, "u", &B.parse().unwrap()), Some(expect));
}

#[test]
fn insert_refuses_urls_that_no_line_can_carry() {
    for url in ["", "#u", "u\nv", "u\r", " u", "u ", "u\u{7f}"] {
        check_insert("", url, A, None);
    }
}

#[test]
fn twenty_inserts_in_any_order_give_one_sorted_file() {
    let digest: WebDigest = A.parse().unwrap();
    let build = |order: &mut dyn Iterator<Item = u32>| {
        order.fold(Vec::new(), |text, n| {
            let url = format!("http://h/{n}");
            let text = insert(&text, &url, &digest).unwrap_or(text);
            assert_eq!(insert(&text, &url, &digest), None);
            text
        })
    };
    let up = build(&mut (0..20));
    assert_eq!(up, build(&mut (0..20).rev()));
    let up = String::from_utf8(up).unwrap();
    assert_eq!(up.lines().count(), 20);
    assert!(up.lines().is_sorted());
}

proptest! {
    #[test]
    fn find_agrees_with_parse_and_never_panics(text in proptest::collection::vec(any::<u8>(), 0..200), url in "[a-c=:/]{0,4}") {
        let (pins, _) = parse(&text);
        let found = find(&text, &url);
        if let Some(pin) = found.pin {
            prop_assert!(pins.iter().any(|(u, p)| *u == url && p.digest == pin.digest));
        }
    }

    #[test]
    fn what_is_inserted_is_found(text in "([a-c=]{0,3}(==0123456789abcdef0123456789abcdef)?\r?\n){0,6}", url in "[a-c=]{1,4}") {
        let digest: WebDigest = B.parse().unwrap();
        let text = insert(text.as_bytes(), &url, &digest).unwrap_or(text.into_bytes());
        prop_assert_eq!(find(&text, &url).pin.map(|pin| pin.digest), Some(digest));
    }
}
