//! What curl makes of a URL word: the URL that it asks for, and the name that `-O` gives its file.

use crate::address::{Address, scheme};
use crate::reason::{Code, Reason};

/// Host names by whose beginning curl guesses another protocol (curl(1), "--proto-default").
const GUESSED: &[&str] = &["ftp.", "dict.", "ldap.", "imap.", "smtp.", "pop3."];

/// The URL that is asked for, with the scheme that curl puts before a bare host.
pub(super) fn web_url(typed: &str, default_scheme: Option<&str>) -> Result<String, Reason> {
    let url = match (scheme(typed), default_scheme) {
        (Some(_), _) => typed.to_owned(),
        (None, _) if typed.starts_with("file:") => return Err(Reason::new(Code::Scheme, typed)),
        // `http:/host`: one slash or three will do for curl.
        (None, _) if ["http:/", "https:/"].iter().any(|s| typed.to_ascii_lowercase().starts_with(s)) => {
            return Err(Reason::new(Code::BadValue, "URL"));
        }
        (None, Some(scheme)) => format!("{scheme}://{typed}"),
        (None, None) => {
            let start = typed.to_ascii_lowercase();
            if GUESSED.iter().any(|guess| start.starts_with(guess)) {
                return Err(Reason::new(Code::Scheme, typed));
            }
            format!("http://{typed}")
        }
    };
    let bad = || Reason::new(Code::BadValue, vcache_store::public_url(&url));
    let address = Address::split(&url).ok_or_else(bad)?;
    if !address.is_web() {
        return Err(Reason::new(Code::Scheme, address.scheme));
    }
    let odd = |b: u8| b.is_ascii_control() || b == b' ' || b == b'\\';
    if !address.is_sound() || url.bytes().any(odd) {
        return Err(bad());
    }
    Ok(url)
}

/// The name that `-O` takes from a URL.
pub(super) fn remote_name(url: &str) -> Result<String, Reason> {
    let name = Address::split(url).map(|address| address.last_segment()).unwrap_or_default();
    // Versions differ in what they do without a name; dots are folded into the path before.
    match name {
        "" | "." | ".." => Err(Reason::new(Code::OutputName, vcache_store::public_url(url))),
        name if name.to_ascii_lowercase().contains("%2e") || name.contains('\\') => {
            Err(Reason::new(Code::OutputName, name))
        }
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_completed_as_curl_does() {
        let ok = |typed, default, expect: &str| assert_eq!(web_url(typed, default).as_deref(), Ok(expect));
        let no = |typed, code| assert_eq!(web_url(typed, None).map_err(|r| r.code), Err(code), "{typed}");
        ok("http://h/a", None, "http://h/a");
        ok("HTTP://h/a", None, "HTTP://h/a");
        ok("h.example/a", None, "http://h.example/a");
        ok("h.example:80/a", Some("https"), "https://h.example:80/a");
        no("ftp.h.example/a", Code::Scheme);
        no("ftp://h/a", Code::Scheme);
        no("file:///etc/passwd", Code::Scheme);
        no("http://h/a b", Code::BadValue);
        no("http:///x", Code::BadValue);
        no("", Code::BadValue);
    }

    #[test]
    fn names_come_from_the_last_part_of_the_path() {
        let name = |url| remote_name(url).ok();
        assert_eq!(name("http://h/d/a.tgz?x=/y#z").as_deref(), Some("a.tgz"));
        assert_eq!(name("http://h/a%2Bb").as_deref(), Some("a%2Bb"));
        for none in ["http://h", "http://h/", "http://h/a/", "http://h/a/..", "http://h/%2e%2E"] {
            assert_eq!(name(none), None, "{none}");
        }
    }
}
