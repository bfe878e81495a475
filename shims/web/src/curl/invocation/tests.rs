//! Rows of argv and what they mean. Each line of a rendered call is one transfer.

use super::*;
use crate::request::{Destination, Existing, FileTime, Transfer};

const FILES: &[(&str, &str)] = &[
    ("cfg", "url = http://h/c\noutput = \"c out\"\nlocation\n"),
    ("outer", "config = cfg\n-s\n"),
    ("loop", "config = loop\n"),
    ("next", "url = http://h/c\nnext\n"),
];

fn parse_with(words: &[&str], rc: &str) -> Parsed {
    let args: Vec<OsString> =
        std::iter::once("curl").chain(words.iter().copied()).map(OsString::from).collect();
    let env = |name: &str| (name == "HOME").then(|| OsString::from("/home/u"));
    let read = |path: &Path| {
        let rc = Some(("/home/u/.curlrc", rc)).filter(|(_, text)| !text.is_empty());
        let found = FILES.iter().copied().chain(rc).find(|(name, _)| path == Path::new(name));
        found.map(|(_, text)| text.as_bytes().to_vec()).ok_or_else(|| std::io::ErrorKind::NotFound.into())
    };
    parse(&args, &Surroundings { env: &env, read: &read })
}

fn describe(t: &Transfer) -> String {
    let mut text = match &t.destination {
        Destination::Stdout => format!("{} -", t.url),
        Destination::Path(path) => format!("{} {}", t.url, path.display()),
        Destination::Named { folder, name, from_header } => {
            format!("{} {}|{name}{}", t.url, folder.display(), if *from_header { "?" } else { "" })
        }
    };
    let flags = [
        (t.max_redirects == 50 || t.max_redirects == u32::MAX, " follow"),
        (t.max_redirects == 3, " follow3"),
        (t.create_dirs, " mkdir"),
        (t.mtime == FileTime::Server, " time"),
        (t.existing == Existing::Continue, " continue"),
        (t.existing == Existing::Keep, " keep"),
        (t.existing == Existing::Refuse, " refuse"),
    ];
    flags.iter().filter(|(on, _)| *on).for_each(|(_, word)| text.push_str(word));
    t.variant.iter().for_each(|line| text.push_str(&format!(" [{line}]")));
    if let Some(format) = &t.write_out {
        text.push_str(&format!(" -w{format}"));
    }
    text
}

/// `words` are separated by single blanks; `~` stands for a blank in a word.
#[track_caller]
fn check(words: &str, expect: &[&str]) {
    let words: Vec<String> = words.split(' ').map(|w| w.replace('~', " ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match parse_with(&words, "") {
        Parsed::Fetch(call) => {
            assert_eq!(call.transfers.iter().map(describe).collect::<Vec<_>>(), expect, "{words:?}");
        }
        Parsed::Other { reason, .. } => panic!("{words:?}: {reason:?}"),
    }
}

#[track_caller]
fn check_other(words: &str, expect: Code) {
    let words: Vec<String> = words.split(' ').map(|w| w.replace('~', " ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match parse_with(&words, "") {
        Parsed::Other { reason, .. } => assert_eq!(reason.code, expect, "{words:?}: {reason:?}"),
        Parsed::Fetch(call) => panic!("{words:?}: {call:?}"),
    }
}

#[test]
fn outputs_and_urls_meet_in_order() {
    check("http://h/a", &["http://h/a -"]);
    check("-fsSL http://h/a", &["http://h/a - follow"]);
    check("-o f http://h/a", &["http://h/a f"]);
    check("http://h/a -of", &["http://h/a f"]);
    check("-sLo f h/a", &["http://h/a f follow"]);
    check("-O http://h/d/a.tgz?x=1", &["http://h/d/a.tgz?x=1 |a.tgz"]);
    check("http://h/a http://h/b -o x -o y", &["http://h/a x", "http://h/b y"]);
    check("-O http://h/a http://h/b", &["http://h/a |a", "http://h/b -"]);
    check("-o x -O http://h/a http://h/b", &["http://h/a x", "http://h/b |b"]);
    check("--remote-name-all http://h/a http://h/b", &["http://h/a |a", "http://h/b |b"]);
    check("--url http://h/a --output -", &["http://h/a -"]);
    check("-o x -- http://h/a", &["http://h/a x"]);
    check("-OJ http://h/a", &["http://h/a |a? refuse"]);
    check("--output-dir d --create-dirs -O http://h/a", &["http://h/a d|a mkdir"]);
    check("--output-dir d -o /x http://h/a", &["http://h/a d//x"]);
    check("-o a~b http://h/a", &["http://h/a a b"]);
}

#[test]
fn options_that_matter() {
    check("-R -o f http://h/a", &["http://h/a f time"]);
    check("-C - -O http://h/a", &["http://h/a |a continue"]);
    check("-C - -o - http://h/a", &["http://h/a -"]);
    check("-L --no-location http://h/a", &["http://h/a -"]);
    check("-L --max-redirs 3 http://h/a", &["http://h/a - follow3"]);
    check("--max-redirs 3 http://h/a", &["http://h/a -"]);
    check("-L --max-redirs -1 http://h/a", &["http://h/a - follow"]);
    check("-H Accept:~x/y -H Authorization:~s http://h/a", &["http://h/a - [accept: x/y]"]);
    check("-H Accept; http://h/a", &["http://h/a - [accept;]"]);
    check("--compressed http://h/a", &["http://h/a - [accept-encoding: curl --compressed]"]);
    check("-X GET http://h/a", &["http://h/a -"]);
    check("--proto =https https://h/a", &["https://h/a -"]);
    check("-o f -w %{http_code} http://h/a", &["http://h/a f -w%{http_code}"]);
    check("--skip-existing -o f http://h/a", &["http://h/a f keep"]);
}

#[test]
fn globs_configuration_and_next() {
    check("-o #1.txt http://h/{a,b}", &["http://h/a a.txt", "http://h/b b.txt"]);
    check("-g http://h/{a,b}", &["http://h/{a,b} -"]);
    check("-O http://h/[1-2]", &["http://h/1 |1", "http://h/2 |2"]);
    check("-K cfg", &["http://h/c c out follow"]);
    check("-K outer -o x http://h/b", &["http://h/c c out follow", "http://h/b x follow"]);
    check("-L -o x http://h/a --next -o y http://h/b", &["http://h/a x follow", "http://h/b y"]);
    check_other("-K none", Code::InputFile);
    check_other("-K -", Code::InputFile);
    check_other("-K loop", Code::InputFile);
    check_other("-K next", Code::InputFile);
}

#[test]
fn what_is_left_to_curl() {
    check_other("--version", Code::NoUrl);
    check_other("-o f", Code::NoUrl);
    check_other("--foo http://h/a", Code::UnknownOption);
    check_other("-sZq! http://h/a", Code::UnknownOption);
    check_other("http://h/a -o", Code::MissingValue);
    check_other("-I http://h/a", Code::HeadersOnly);
    check_other("-i http://h/a", Code::HeadersShown);
    check_other("--raw http://h/a", Code::HeadersShown);
    check_other("-D x http://h/a", Code::HeadersShown);
    check_other("-d x http://h/a", Code::Method);
    check_other("-X POST http://h/a", Code::Method);
    check_other("-T f http://h/a", Code::Upload);
    check_other("-r 0-99 http://h/a", Code::Range);
    check_other("-C 100 -O http://h/a", Code::Range);
    check_other("-b x=y http://h/a", Code::Cookies);
    check_other("-z file http://h/a", Code::Conditional);
    check_other("-w %{time_total} http://h/a", Code::WriteOut);
    check_other("-w @f http://h/a", Code::WriteOut);
    check_other("file:///etc/passwd", Code::Scheme);
    check_other("--proto =https http://h/a", Code::Scheme);
    check_other("-O http://h/a/", Code::OutputName);
    check_other("http://h/{a", Code::BadValue);
    check_other("-Z -O http://h/a -O http://h/b", Code::SharedOutput);
    check_other("-H @f http://h/a", Code::InputFile);
    check_other("--resolve h:80:127.0.0.1 http://h/a", Code::Connection);
}

#[test]
fn the_file_that_nobody_named() {
    let fetch = |words: &[&str], rc| matches!(parse_with(words, rc), Parsed::Fetch(_));
    assert!(fetch(&["http://h/a"], "silent\nproxy = http://p:1\n"));
    assert!(!fetch(&["http://h/a"], "header = \"X: y\"\n"));
    assert!(!fetch(&["http://h/a"], "nonsense\n"));
    assert!(fetch(&["-q", "http://h/a"], "header = \"X: y\"\n"));
}

#[test]
fn slots_for_more_options_are_where_curl_takes_them() {
    let slots = |words: &[&str]| match parse_with(words, "") {
        Parsed::Fetch(call) => call.option_slots,
        Parsed::Other { reason, .. } => panic!("{reason:?}"),
    };
    assert_eq!(slots(&["-o", "f", "http://h/a"]), [1]);
    assert_eq!(slots(&["-q", "http://h/a"]), [2]);
    assert_eq!(slots(&["-qo", "f", "http://h/a"]), [3]);
    assert_eq!(slots(&["-o", "f", "http://h/a", "--next", "http://h/b"]), [1, 5]);
}
