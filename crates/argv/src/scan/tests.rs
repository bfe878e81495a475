//! Rows for both dialects, and the property that rendering is the inverse of scanning.

use super::*;
use crate::Dialect;
use proptest::prelude::*;

static OPTIONS: &[Opt<u8>] = &[
    Opt::new("clobber", None, Arity::Optional, 0),
    Opt::new("continue", Some(b'c'), Arity::Optional, 1).negatable(),
    Opt::new("cookies", None, Arity::Optional, 2).negatable(),
    Opt::new("help", Some(b'h'), Arity::Switch, 3),
    Opt::new("no", Some(b'n'), Arity::Required, 4),
    Opt::new("no-clobber", None, Arity::Optional, 5).negatable(),
    Opt::new("output", Some(b'o'), Arity::Required, 6),
    Opt::new("output-document", Some(b'O'), Arity::Required, 7),
    Opt::new("quiet", Some(b'q'), Arity::Optional, 8).negatable(),
    Opt::new("quota", Some(b'Q'), Arity::Required, 9),
];

const GETOPT: Table<u8> = Table { dialect: Dialect::GETOPT_LONG, options: OPTIONS };
const CURL: Table<u8> = Table {
    dialect: Dialect { abbreviations: false, equals: false, dash_is_positional: false },
    options: OPTIONS,
};

fn show(item: &Item<u8>) -> String {
    let text = |text: &OsStr| text.to_string_lossy().into_owned();
    match &item.kind {
        Kind::Option { opt, negated, value, .. } => {
            let no = if *negated { "no-" } else { "" };
            let value = value.as_deref().map(|value| format!("={}", text(value))).unwrap_or_default();
            format!("{no}{}{value}@{}", opt.long, item.at)
        }
        Kind::Positional(word) => format!("'{}'@{}", text(word), item.at),
        Kind::Separator => format!("--@{}", item.at),
        Kind::Unknown { text: word, .. } => format!("?{}@{}", text(word), item.at),
        Kind::MissingValue { opt, .. } => format!("!{}@{}", opt.long, item.at),
        Kind::Untrusted(word) => format!("~{}@{}", text(word), item.at),
    }
}

#[track_caller]
fn check(table: &Table<u8>, line: &str, expect: &str) {
    let words: Vec<OsString> = line.split(' ').filter(|word| !word.is_empty()).map(OsString::from).collect();
    let scan = scan(table, &words);
    assert_eq!(scan.items.iter().map(show).collect::<Vec<_>>().join(" "), expect, "{line}");
    assert_eq!(scan.render(), words);
}

#[test]
fn the_table_is_good_and_faults_are_found() {
    assert_eq!(GETOPT.problems(), Vec::<String>::new());
    static BAD: &[Opt<u8>] = &[
        Opt::new("b", Some(b'x'), Arity::Switch, 0),
        Opt::new("a", Some(b'x'), Arity::Required, 0).negatable(),
        Opt::new("-a", Some(b'-'), Arity::Switch, 0),
    ];
    let problems = Table { dialect: Dialect::GETOPT_LONG, options: BAD }.problems();
    assert_eq!(problems.len(), 6, "{problems:?}");
}

#[test]
fn short_options_bundle_and_take_values() {
    check(&GETOPT, "-q u", "quiet@0 'u'@1");
    check(&GETOPT, "-qO- u", "quiet@0 output-document=-@0 'u'@1");
    check(&GETOPT, "-qcO f u", "quiet@0 continue@0 output-document=f@0 'u'@2");
    check(&GETOPT, "-Of u -q", "output-document=f@0 'u'@1 quiet@2");
    check(&GETOPT, "-O -q u", "output-document=-q@0 'u'@2");
    check(&GETOPT, "-nv -nc -n v", "no=v@0 no=c@1 no=v@2");
    check(&GETOPT, "-qnv", "quiet@0 no=v@0");
    check(&GETOPT, "-O -- u", "output-document=--@0 'u'@2");
    check(&GETOPT, "-O=f", "output-document==f@0");
    check(&GETOPT, "-c -O", "continue@0 !output-document@1");
    check(&GETOPT, "-cO", "continue@0 !output-document@0");
    check(&GETOPT, "-qZO f", "quiet@0 ?ZO@0 ~f@1");
    check(&GETOPT, "-Z -q u", "?-Z@0 ~-q@1 ~u@2");
    check(&GETOPT, "-q-", "quiet@0 ?-@0");
    check(&CURL, "-qof u", "quiet@0 output=f@0 'u'@1");
    check(&CURL, "- u", "?-@0 ~u@1");
    check(&GETOPT, "- u", "'-'@0 'u'@1");
}

#[test]
fn long_options_take_values() {
    check(&GETOPT, "--output=f --output g --output= u", "output=f@0 output=g@1 output=@3 'u'@4");
    check(&GETOPT, "--quiet=off --quiet off", "quiet=off@0 quiet@1 'off'@2");
    check(&GETOPT, "--output", "!output@0");
    check(&GETOPT, "--help=x u", "?--help=x@0 ~u@1");
    check(&CURL, "--output=f u", "?--output=f@0 ~u@1");
    check(&CURL, "--output =f u", "output==f@0 'u'@2");
    check(&CURL, "--nope u", "?--nope@0 ~u@1");
}

#[test]
fn negations_are_found() {
    check(&GETOPT, "--no-quiet --no-continue", "no-quiet@0 no-continue@1");
    check(&GETOPT, "--no-quiet=1 u", "?--no-quiet=1@0 ~u@1");
    check(&GETOPT, "--no-help u", "?--no-help@0 ~u@1");
    check(&GETOPT, "--no-clobber --no-no-clobber", "no-clobber@0 no-no-clobber@1");
    check(&GETOPT, "--no v", "no=v@0");
    check(&CURL, "--no-quiet", "no-quiet@0");
    check(&CURL, "--no-output f", "?--no-output@0 ~f@1");
}

#[test]
fn abbreviations_must_fit_one_option() {
    check(&GETOPT, "--qui --he --output-d f", "quiet@0 help@1 output-document=f@2");
    check(&GETOPT, "--qu", "?--qu@0");
    check(&GETOPT, "--out f", "?--out@0 ~f@1");
    check(&GETOPT, "--output f", "output=f@0");
    check(&GETOPT, "--no-q --no-con --no-cl", "no-quiet@0 no-continue@1 no-clobber@2");
    check(&GETOPT, "--no-c", "?--no-c@0");
    check(&GETOPT, "--n", "?--n@0");
    check(&GETOPT, "--qui=off", "quiet=off@0");
    check(&GETOPT, "--=f", "?--=f@0");
    check(&CURL, "--qui", "?--qui@0");
}

#[test]
fn the_separator_ends_the_options() {
    check(&GETOPT, "u -- -q -- --output", "'u'@0 --@1 '-q'@2 '--'@3 '--output'@4");
    check(&GETOPT, "--", "--@0");
    check(&GETOPT, "", "");
}

fn words_of_options() -> impl Strategy<Value = Vec<u8>> {
    let fixed: Vec<&[u8]> = vec![
        b"-",
        b"--",
        b"-q",
        b"-qO",
        b"-O",
        b"--output",
        b"--output=",
        b"--quiet=off",
        b"--no-quiet",
        b"-nv",
        b"--qui",
        b"-Z",
        b"--nope=1",
        b"",
        b"http://h/",
        b"-q\xff",
        b"--output=\xfe",
        b"-o\x80",
        b"--no",
        b"--\xff",
    ];
    prop_oneof![
        proptest::sample::select(fixed).prop_map(<[u8]>::to_vec),
        proptest::collection::vec(any::<u8>(), 0..8),
        "-{0,2}[qcnoOQhZ=-]{0,5}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #[test]
    fn rendering_is_the_inverse_of_scanning(words in proptest::collection::vec(words_of_options(), 0..8)) {
        let words: Vec<OsString> = words.into_iter().map(OsString::from_vec).collect();
        for table in [&GETOPT, &CURL] {
            let scan = scan(table, &words);
            prop_assert_eq!(scan.render(), words.clone());
            prop_assert!(scan.items.iter().all(|item| item.at < words.len()));
            prop_assert!(scan.items.is_sorted_by_key(|item| item.at));
        }
    }
}
