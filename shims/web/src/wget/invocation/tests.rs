//! Rows: a call of wget and what is read from it.
//!
//! A transfer is shown as `URL > destination [notes]`; `-` is standard output, `=path` a path, `folder|name` a name from
//! the URL. Only what differs from wget's defaults is noted.

use std::collections::HashMap;
use std::io;

use super::*;

fn show(transfer: &Transfer) -> String {
    let (destination, usual) = match &transfer.destination {
        Destination::Stdout => ("-".to_owned(), Existing::Truncate),
        Destination::Path(path) => (format!("={}", path.display()), Existing::Truncate),
        Destination::Named { folder, name, .. } => (format!("{}|{name}", folder.display()), Existing::Number),
    };
    let mut out = format!("{} > {destination}", transfer.url);
    if transfer.existing != usual {
        out.push_str(&format!(" {:?}", transfer.existing));
    }
    if transfer.mtime == FileTime::Now {
        out.push_str(" now");
    }
    if transfer.max_redirects < crate::request::REDIRECTS_TAKEN_FOR_GRANTED {
        out.push_str(" nofollow");
    }
    if !transfer.variant.is_empty() {
        out.push_str(&format!(" {{{}}}", transfer.variant.join(", ")));
    }
    out
}

fn summary(parsed: &Parsed) -> String {
    let call = match parsed {
        Parsed::Fetch(call) => call,
        Parsed::Other { reason, .. } => {
            return format!("! {} {}", reason.code.name(), reason.detail).trim().into();
        }
    };
    let mut out = call.transfers.iter().map(show).collect::<Vec<_>>().join("; ");
    if call.retries_given {
        out.push_str(" +retries");
    }
    if let Some((log, append)) = &call.log {
        out.push_str(&format!(" log{}{}", if *append { ">>" } else { ">" }, log.display()));
    }
    out
}

fn read_with(line: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Parsed {
    let files: HashMap<&Path, &str> = files.iter().map(|(path, text)| (Path::new(*path), *text)).collect();
    let args: Vec<OsString> =
        std::iter::once("wget").chain(line.iter().copied()).map(OsString::from).collect();
    let around = Surroundings {
        env: &|name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)),
        read: &|path| {
            files.get(path).map(|text| text.as_bytes().to_vec()).ok_or(io::ErrorKind::NotFound.into())
        },
    };
    parse(&args, &around)
}

/// `line` is split at blanks; `␣` stands for one inside a word.
#[track_caller]
fn check(line: &str, expect: &str) {
    let words: Vec<String> = line.split_whitespace().map(|word| word.replace('␣', " ")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    assert_eq!(summary(&read_with(&words, &[], &[])), expect, "wget {line}");
}

#[track_caller]
fn check_around(line: &[&str], env: &[(&str, &str)], files: &[(&str, &str)], expect: &str) {
    assert_eq!(summary(&read_with(line, env, files)), expect, "wget {line:?}");
}

#[test]
fn destinations() {
    check("http://h/a.tgz", "http://h/a.tgz > |a.tgz");
    check("h/a.tgz", "http://h/a.tgz > |a.tgz");
    check("http://h/a http://g/", "http://h/a > |a; http://g/ > |index.html");
    check("-O f http://h/a", "http://h/a > =f");
    check("http://h/a -O f", "http://h/a > =f");
    check("-Of http://h/a", "http://h/a > =f");
    check("--output-document=f http://h/a", "http://h/a > =f");
    check("--output-document f http://h/a", "http://h/a > =f");
    check("--output-d f http://h/a", "http://h/a > =f");
    check("-qO- http://h/a", "http://h/a > -");
    check("-O - http://h/a", "http://h/a > -");
    check("http://h/a -qO -", "http://h/a > -");
    check("-O f -O g http://h/a", "http://h/a > =g");
    check("-O f http://h/a http://h/b", "! shared-output -O");
    check("-O- http://h/a http://h/b", "http://h/a > -; http://h/b > -");
    check("-P d http://h/a", "http://h/a > d|a");
    check("-Pd/ http://h/a", "http://h/a > d/|a");
    check("--directory-prefix=/t http://h/a", "http://h/a > /t|a");
    check("-P d -O f http://h/a", "http://h/a > =f");
    check("-q http://h/a -P d", "http://h/a > d|a");
    check("-- http://h/a", "http://h/a > |a");
    check("-O f -- -x", "http://-x > =f");
    check("-x http://h:8/a/b", "http://h:8/a/b > h:8/a|b Truncate");
    check("-x -nH --cut-dirs=1 http://h/a/b/c", "http://h/a/b/c > b|c Truncate");
    check("-x -nd http://h/a/b", "http://h/a/b > |b");
    check("-nd -nH -np http://h/a/b", "http://h/a/b > |b");
    check("-ndH http://h/a/b", "http://h/a/b > |b");
    check("-x --protocol-directories -P d http://h/a/b", "http://h/a/b > d/http/h/a|b Truncate");
}

#[test]
fn the_corpus_hard_ones() {
    check("-NO f http://h/a", "http://h/a > =f");
    check("-N -O f http://h/a", "http://h/a > =f");
    check("-O f -N http://h/a", "http://h/a > =f");
    check("-c http://h/a -O -", "http://h/a > -");
    check("-c http://h/a", "http://h/a > |a Continue");
    check("-nc http://h/a", "http://h/a > |a Keep");
    check("-nv -O ./x.deb http://h/a", "http://h/a > =./x.deb");
    check("--no-verbose --tries=5 -O f http://h//a%2B~", "http://h//a%2B~ > =f +retries");
    check("--retry-connrefused -O f http://h/a", "http://h/a > =f +retries");
    check("--https-only http://h/a", "http://h/a > |a");
    check("--no-use-server-timestamps -O f http://h/a", "http://h/a > =f now");
    check("-v -O ./d http://h/a?mode=json", "http://h/a?mode=json > =./d");
}

#[test]
fn existing_files() {
    check("-N http://h/a", "http://h/a > |a Timestamp");
    check("--timestamping=off http://h/a", "http://h/a > |a");
    check("-N --no-timestamping http://h/a", "http://h/a > |a");
    check("--no-clobber http://h/a", "http://h/a > |a Keep");
    check("-nc --clobber http://h/a", "http://h/a > |a");
    check("--no-no-clobber http://h/a", "http://h/a > |a");
    check("-nc -O f http://h/a", "http://h/a > =f Keep");
    check("-c -O f http://h/a", "http://h/a > =f Continue");
    check("-nc -c http://h/a", "http://h/a > |a Keep");
    check("-nc -x http://h/a", "http://h/a > h|a Keep");
    check("-N -nc http://h/a", "! bad-value -N -nc");
    check("-c -N http://h/a", "! resume -c -N");
    check("-c --compression=gzip http://h/a", "! resume -c --compression");
    check("--no-use-server-timestamps -N http://h/a", "http://h/a > |a Timestamp now");
}

#[test]
fn harmless_options() {
    for options in [
        "-q",
        "-nv",
        "-v",
        "-d",
        "--no-check-certificate",
        "--user=u --password=p",
        "--http-user=u",
        "-T 5",
        "-w 1",
        "--timeout=5 --dns-timeout=1",
        "-4",
        "-6",
        "--no-proxy",
        "-e robots=off",
        "-e https_proxy=http://p:1",
        "--referer=http://x/",
        "--progress=dot:giga",
        "--show-progress",
        "-nv --no-hsts",
        "--hsts-file=x",
        "--secure-protocol=TLSv1_2",
        "--limit-rate=1m",
        "--no-cache",
        "--no-cookies",
        "--no-netrc",
        "--content-on-error",
        "--keep-session-cookies",
        "--auth-no-challenge",
        "--ciphers=x",
        "--no-glob",
        "--proxy=off",
        "-Y off",
        "--bind-address=1.2.3.4",
        "--no-iri",
        "-Q 1m",
        "--no-passive",
        "--header=Authorization:Bearer␣x",
        "--no-if-modified-since",
        "--method=get",
        "--compression=none",
        "--report-speed=bits",
        "--no-spider",
        "--spider=off",
        "--no-r",
        "--no-netrc=",
    ] {
        if options.ends_with('=') {
            check(&format!("{options} http://h/a"), "! unknown-option --no-netrc");
        } else if options == "--no-r" {
            check(&format!("{options} http://h/a"), "! unknown-option --no-r");
        } else {
            check(&format!("{options} http://h/a"), "http://h/a > |a");
        }
    }
}

#[test]
fn agents_make_other_answers() {
    for options in ["-U x", "--user-agent=x", "--header=User-Agent:x"] {
        check(&format!("{options} http://h/a"), "http://h/a > |a {user-agent: x}");
    }
}

#[test]
fn logs_retries_and_redirects() {
    check("-o log http://h/a", "http://h/a > |a log>log");
    check("-a log http://h/a", "http://h/a > |a log>>log");
    check("-a log -o other http://h/a", "http://h/a > |a log>>other");
    check("-o /dev/null -O - http://h/a", "http://h/a > - log>/dev/null");
    check("-o - http://h/a", "! side-effect -o -");
    check("-t 3 http://h/a", "http://h/a > |a +retries");
    check("-e tries=3 http://h/a", "http://h/a > |a +retries");
    check("--waitretry=3 http://h/a", "http://h/a > |a +retries");
    check("--max-redirect=0 http://h/a", "http://h/a > |a nofollow");
    check("--max-redirect 3 http://h/a", "http://h/a > |a nofollow");
    check("--max-redirect 20 http://h/a", "http://h/a > |a");
    check("--max-redirect x http://h/a", "! bad-value --max-redirect");
}

#[test]
fn variants() {
    check("--header=Accept:␣x/y http://h/a", "http://h/a > |a {accept: x/y}");
    check("--header Accept:x --header Host:g http://h/a", "http://h/a > |a {accept: x, host: g}");
    check("--header=Accept:x --header= http://h/a", "http://h/a > |a");
    check("--compression=auto http://h/a", "http://h/a > |a {accept-encoding: wget auto}");
    check("--compression=zip http://h/a", "! bad-value --compression");
    check("--header=nonsense http://h/a", "! bad-value --header");
    check("--header=Range:bytes=0-1 http://h/a", "! range range");
    check("--header=If-Modified-Since:x http://h/a", "! conditional if-modified-since");
    check("--header=Cookie:a=b http://h/a", "! cookies cookie");
}

#[test]
fn what_is_not_cacheable() {
    for (options, code) in [
        ("-r", "recursion --recursive"),
        ("-m", "recursion --mirror"),
        ("-p", "recursion --page-requisites"),
        ("-l 2", "recursion --level"),
        ("-A html", "recursion --accept"),
        ("-D h", "recursion --domains"),
        ("-H", "recursion --span-hosts"),
        ("--spider", "headers-only --spider"),
        ("-S", "headers-shown --server-response"),
        ("--save-headers", "headers-shown --save-headers"),
        ("--post-data=x", "method --post-data"),
        ("--post-file x", "method --post-file"),
        ("--method=PUT", "method PUT"),
        ("--method HEAD", "method HEAD"),
        ("--body-data=x", "method --body-data"),
        ("--load-cookies=x", "cookies --load-cookies"),
        ("--save-cookies=x", "cookies --save-cookies"),
        ("--warc-file=x", "side-effect --warc-file"),
        ("--rejected-log=x", "side-effect --rejected-log"),
        ("-b", "side-effect --background"),
        ("--unlink", "side-effect --unlink"),
        ("--backups=3", "side-effect --backups"),
        ("--delete-after", "side-effect --delete-after"),
        ("--xattr", "side-effect --xattr"),
        ("--start-pos=5", "range --start-pos"),
        ("-k", "output-name --convert-links"),
        ("-E", "output-name --adjust-extension"),
        ("--content-disposition", "output-name --content-disposition"),
        ("--trust-server-names", "output-name --trust-server-names"),
        ("--restrict-file-names=windows", "output-name --restrict-file-names"),
        ("--default-page=x", "output-name --default-page"),
        ("--input-metalink=x", "input-file --input-metalink"),
        ("-B http://x/", "input-file --base"),
        ("-F", "input-file --force-html"),
        ("-i -", "input-file -"),
        ("-i none", "input-file none"),
        ("-i http://h/list", "input-file http://h/list"),
        ("-V", "no-url --version"),
        ("--help", "no-url --help"),
        ("-e dir_prefix=x", "configured dir_prefix"),
        ("--nope", "unknown-option --nope"),
        ("-Z", "unknown-option -Z"),
        ("-nz", "unknown-option -nz"),
        ("--co", "unknown-option --co"),
        ("-q -v", "bad-value -q -v"),
        ("-46", "bad-value -4 -6"),
        ("--spider=maybe", "bad-value --spider"),
        ("--ignore-length", "unclear --ignore-length"),
        ("--cut-dirs=x", "bad-value --cut-dirs"),
    ] {
        check(&format!("{options} http://h/a"), &format!("! {code}"));
    }
    check("http://h/a -O", "! missing-value --output-document");
    check("", "! no-url");
    check("-q", "! no-url");
    check("-qv -nv http://h/a", "http://h/a > |a");
    check("--content-disposition -O f http://h/a", "http://h/a > =f");
}

#[test]
fn urls() {
    check("ftp://h/a", "! scheme ftp://h/a");
    check("http://h/a file:///x", "! scheme file:///x");
    check("h:path", "! scheme h:path");
    check("localhost:8080/x", "http://localhost:8080/x > |x");
    check("http://", "! bad-value http://");
    check("http://h/%e4", "! output-name http://h/%e4");
    check("-O f http://h/%e4", "http://h/%e4 > =f");
    check("-O f http://h/\u{e4}", "! encoding http://h/\u{e4}");
    check("http://u:p@h/a#frag", "http://u:p@h/a#frag > |a");
    check("http://[::1]:80/a", "http://[::1]:80/a > |a");
    let reason = read_with(&["--nope", "http://h/a", "x"], &[], &[]);
    assert!(matches!(reason, Parsed::Other { urls, .. } if urls == ["http://h/a"]));
}

#[test]
fn bytes_that_are_no_text_survive() {
    let args = vec!["wget".into(), "-O".into(), OsString::from_vec(b"f\xff".to_vec()), "http://h/a".into()];
    let around = Surroundings { env: &|_| None, read: &|_| Err(io::ErrorKind::NotFound.into()) };
    let Parsed::Fetch(call) = parse(&args, &around) else { panic!("not read") };
    let expect = PathBuf::from(OsString::from_vec(b"f\xff".to_vec()));
    assert_eq!(call.transfers[0].destination, Destination::Path(expect));
    let args = vec!["wget".into(), OsString::from_vec(b"http://h/\xff".to_vec())];
    assert!(summary(&parse(&args, &around)).starts_with("! encoding"));
}

#[test]
fn input_files() {
    let files = [("l", "http://h/1\r\n\n  h/2  \n"), ("empty", "\n"), ("bad", "http://h/1\nftp://h/2\n")];
    check_around(&["-i", "l"], &[], &files, "http://h/1 > |1; http://h/2 > |2");
    check_around(
        &["-i", "l", "http://h/0"],
        &[],
        &files,
        "http://h/0 > |0; http://h/1 > |1; http://h/2 > |2",
    );
    check_around(&["-i", "l", "-O", "f"], &[], &files, "! shared-output -O");
    check_around(&["-i", "l", "-Q", "1"], &[], &files, "! input-file l");
    check_around(&["-i", "empty"], &[], &files, "! no-url");
    check_around(&["-i", "bad"], &[], &files, "! scheme ftp://h/2");
}

#[test]
fn configuration_files() {
    let system = ("/etc/wgetrc", "# x\n\npassive_ftp = on\n");
    let own = ("/home/u/.wgetrc", "tries = 9\n");
    let odd = ("/x/rc", "header = Accept: x\n");
    let home = ("HOME", "/home/u");
    let fetched = "http://h/a > |a";
    let url = "http://h/a";
    check_around(&[url], &[home], &[system], fetched);
    check_around(&[url], &[home], &[system, own], "http://h/a > |a +retries");
    check_around(&[url], &[], &[system, own], fetched);
    check_around(&["--no-config", url], &[home], &[system, own], fetched);
    check_around(&[url], &[home, ("WGETRC", "/x/rc")], &[own, odd], "! configured header");
    check_around(&[url], &[("WGETRC", "/gone")], &[own], "! input-file /gone");
    check_around(&[url], &[("WGETRC", "")], &[system], fetched);
    check_around(&[url], &[("SYSTEM_WGETRC", "/x/rc")], &[system, odd], "! configured header");
    check_around(&[url], &[("SYSTEM_WGETRC", "/gone")], &[system, odd], fetched);
    check_around(&["--config=/x/rc", url], &[home], &[own, odd], "! configured header");
    check_around(&["--config", "/home/u/.wgetrc", url], &[home], &[own], "http://h/a > |a +retries");
    check_around(&["--config=/gone", url], &[], &[], "! input-file /gone");
    check_around(&[url], &[home], &[("/home/u/.wgetrc", "nonsense\n")], "! configured a line without `=`");
}
