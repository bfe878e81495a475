//! Where wget puts a URL's content when no `-O` is given: the file's name, the folders of `-x`, and wget's shorthand URLs.
//!
//! wget decodes `%XX`, the file's part twice, and encodes again what a file name cannot hold; it may also cut long names
//! and convert between character sets. Names for which any of that matters are not predicted: the caller leaves the call
//! to the real wget.

use std::path::PathBuf;

use crate::address::Address;

/// wget cuts names that come near the file system's limit of 255.
const LONGEST: usize = 200;

/// The folders of `-x` (`--force-directories`) and what shapes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Folders {
    /// Not `-nH`.
    pub(super) host: bool,
    /// `--protocol-directories`.
    pub(super) protocol: bool,
    /// `--cut-dirs`.
    pub(super) cut: usize,
}

/// The file's name for a URL, or `None` where it cannot be predicted.
pub(super) fn file_name(url: &Address<'_>) -> Option<String> {
    let file = segment(url.last_segment())?;
    let mut name = if file.is_empty() { "index.html".to_owned() } else { file };
    if let Some(query) = url.query {
        name.push('?');
        name.push_str(&decode(query)?);
    }
    (is_plain(&name) && name.len() <= LONGEST).then_some(name)
}

/// The folders that `-x` makes for a URL.
pub(super) fn folders(url: &Address<'_>, shape: Folders) -> Option<PathBuf> {
    let mut folder = PathBuf::new();
    if shape.protocol {
        folder.push(url.scheme.to_ascii_lowercase());
    }
    if shape.host {
        folder.push(host_folder(url)?);
    }
    let inner = url.path.rsplit_once('/').map_or("", |(before, _)| before);
    let inner = inner.strip_prefix('/').unwrap_or(inner);
    // wget removes `//`, `.` and `..` before it looks, so it is all or nothing here.
    if inner.split('/').any(|part| part.is_empty()) && !inner.is_empty() {
        return None;
    }
    for part in inner.split('/').filter(|part| !part.is_empty()).skip(shape.cut) {
        let part = segment(part)?;
        if !is_plain(&part) || part.len() > LONGEST {
            return None;
        }
        folder.push(part);
    }
    Some(folder)
}

fn host_folder(url: &Address<'_>) -> Option<String> {
    let host = url.host.to_ascii_lowercase();
    let simple = host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b));
    if !simple || host.starts_with('.') {
        return None;
    }
    let default = if url.scheme.eq_ignore_ascii_case("https") { 443 } else { 80 };
    match url.port.filter(|port| !port.is_empty()) {
        None => Some(host),
        Some(port) => match port.parse::<u16>().ok()? {
            port if port == default => Some(host),
            port => Some(format!("{host}:{port}")),
        },
    }
}

/// A part of the path, decoded; one that would change when it is decoded again is not predicted.
fn segment(typed: &str) -> Option<String> {
    let decoded = decode(typed)?;
    (!decoded.contains('%') && !matches!(decoded.as_str(), "." | "..")).then_some(decoded)
}

fn is_plain(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii() && !b.is_ascii_control() && b != b'/')
}

/// `%XX` decoded once; `%00` and what is no escape stay. `None` when the result is not ASCII.
fn decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        out.push_str(&rest[..at]);
        let hex = rest.get(at + 1..at + 3).filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) if byte != 0 => {
                out.push(char::from(byte));
                rest = &rest[at + 3..];
            }
            _ => {
                out.push('%');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out.is_ascii().then_some(out)
}

/// What wget makes of a positional word or a line of `-i`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// With `http://` in front where that was left out.
    Web(String),
    /// Another scheme, or `host:path`, which means FTP.
    Elsewhere,
    /// wget refuses it.
    Bad,
}

/// Reads a URL as wget does, its shorthands `host/path` and `host:port/path` included.
pub(super) fn target(typed: &str) -> Target {
    if let Some(scheme) = crate::address::scheme(typed) {
        return match Address::split(typed) {
            Some(address) if address.is_web() && address.is_sound() => Target::Web(typed.to_owned()),
            Some(address) if !address.is_web() => Target::Elsewhere,
            _ if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") => {
                Target::Elsewhere
            }
            _ => Target::Bad,
        };
    }
    let cut = typed.find([':', '/']);
    let is_port = |rest: &str| {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        digits > 0 && matches!(rest.as_bytes().get(digits), None | Some(b'/'))
    };
    match cut {
        _ if typed.is_empty() => Target::Bad,
        Some(0) => Target::Bad,
        Some(at) if typed[at..].starts_with("://") => Target::Bad,
        Some(at) if typed[at..].starts_with(':') && !is_port(&typed[at + 1..]) => Target::Elsewhere,
        _ => {
            let url = format!("http://{typed}");
            match Address::split(&url) {
                Some(address) if address.is_sound() => Target::Web(url),
                _ => Target::Bad,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(rest: &str, expect: Option<&str>) {
        let url = format!("http://h{rest}");
        assert_eq!(file_name(&Address::split(&url).unwrap()).as_deref(), expect, "{rest}");
    }

    /// Each was tried with wget 1.21.3.
    #[test]
    fn names_come_from_urls() {
        for (rest, name) in [
            ("/a%2Bb", "a+b"),
            ("/a%20b", "a b"),
            ("/a b", "a b"),
            ("/", "index.html"),
            ("", "index.html"),
            ("?q", "index.html?q"),
            ("/d/", "index.html"),
            ("/d//", "index.html"),
            ("/a;b=1", "a;b=1"),
            ("/x#f", "x"),
            ("/~x+y", "~x+y"),
            ("/a:b", "a:b"),
            ("/a\\b", "a\\b"),
            ("/x?", "x?"),
            ("/a%3Fb", "a?b"),
            ("/a?b?c", "a?b?c"),
            ("/a?b%20c", "a?b c"),
            ("/x?y%252F", "x?y%2F"),
            ("/p/v2.5.tar.gz", "v2.5.tar.gz"),
        ] {
            check(rest, Some(name));
        }
    }

    #[test]
    fn odd_names_are_not_predicted() {
        for rest in [
            "/a%252Bb", "/a%25", "/a%zz", "/a%00b", "/a%2fb", "/x?a/b", "/x?r=%2F", "/%e4", "/\u{e4}",
            "/a%09b", "/..", "/d/.", "/%2e%2e",
        ] {
            check(rest, None);
        }
        check(&format!("/{}", "x".repeat(201)), None);
    }

    #[track_caller]
    fn check_folders(url: &str, host: bool, cut: usize, expect: Option<&str>) {
        let shape = Folders { host, protocol: false, cut };
        let seen = folders(&Address::split(url).unwrap(), shape);
        assert_eq!(seen, expect.map(PathBuf::from), "{url}");
    }

    #[test]
    fn folders_come_from_urls() {
        check_folders("http://H:18/a/b%20c/d", true, 0, Some("h:18/a/b c"));
        check_folders("http://h:80/d", true, 0, Some("h"));
        check_folders("https://h:443/a/", true, 0, Some("h/a"));
        check_folders("http://h/a/b/c/d", false, 1, Some("b/c"));
        check_folders("http://h/a/b", false, 9, Some(""));
        check_folders("http://h", true, 0, Some("h"));
        check_folders("http://h/a//b", true, 0, None);
        check_folders("http://h/a/../b/c", true, 0, None);
        check_folders("http://[::1]/a/b", true, 0, None);
        let shape = Folders { host: true, protocol: true, cut: 0 };
        assert_eq!(folders(&Address::split("HTTP://h/a").unwrap(), shape), Some(PathBuf::from("http/h")));
    }

    #[test]
    fn shorthands_are_urls_too() {
        let web = |url: &str| Target::Web(url.to_owned());
        assert_eq!(target("http://h/a"), web("http://h/a"));
        assert_eq!(target("HTTPS://h/a"), web("HTTPS://h/a"));
        assert_eq!(target("h/a"), web("http://h/a"));
        assert_eq!(target("h"), web("http://h"));
        assert_eq!(target("h:80"), web("http://h:80"));
        assert_eq!(target("h:80/a:b"), web("http://h:80/a:b"));
        assert_eq!(target("h:a/b"), Target::Elsewhere);
        assert_eq!(target("h:/a"), Target::Elsewhere);
        assert_eq!(target("ftp://h/a"), Target::Elsewhere);
        assert_eq!(target("file:///a"), Target::Elsewhere);
        for bad in ["", "/a", ":80/a", "http://", "http:///a", "http://h:x/", "http://h:70000/"] {
            assert_eq!(target(bad), Target::Bad, "{bad}");
        }
    }
}
