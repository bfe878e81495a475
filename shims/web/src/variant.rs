//! Which request headers make another answer: the `variant` of a transfer.
//!
//! Headers that servers use to choose between contents (`Accept`, `Host`, …) become part of the cache key. Credentials
//! must never get there, so they are left out; and what says nothing about the content is left out too.

use vcache_store::Sha256Id;

use crate::reason::{Code, Reason};

/// What a header given by the caller means for caching.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// It does not change the content.
    Harmless,
    /// It says who may have the content; it must not be kept, nor sent to anyone else.
    Secret,
    /// The line of the variant: lower-case name, `: `, value.
    Variant(String),
    /// The same with a digest for the value, which may be a secret of a kind that we don't know.
    Private(String),
}

const HARMLESS: &[&str] =
    &["referer", "connection", "cache-control", "pragma", "dnt", "origin", "content-type", "expect"];
/// Words between the dashes of a header's name.
const SECRET: &[&str] = &[
    "apikey",
    "auth",
    "authentication",
    "authorization",
    "bearer",
    "credential",
    "credentials",
    "jwt",
    "key",
    "pass",
    "passwd",
    "password",
    "pat",
    "pwd",
    "secret",
    "session",
    "signature",
    "token",
];
/// Headers whose values are known to be no secrets; of others the key holds a digest.
const IN_CLEAR: &[&str] = &[
    "accept",
    "accept-charset",
    "accept-encoding",
    "accept-language",
    "host",
    "user-agent",
    "x-requested-with",
];

/// The meaning of a header `name` with its `value`; without one curl sends the name alone (`-H 'Accept;'`).
pub(crate) fn of_header(name: &str, value: Option<&str>) -> Result<Meaning, Reason> {
    let name = name.trim().to_ascii_lowercase();
    let refuse = |code| Err(Reason::new(code, name.clone()));
    match name.as_str() {
        "" => Err(Reason::new(Code::BadValue, "header")),
        "cookie" | "cookie2" => refuse(Code::Cookies),
        "range" => refuse(Code::Range),
        "content-length" | "transfer-encoding" | "x-http-method-override" => refuse(Code::Method),
        _ if name.starts_with("if-") => refuse(Code::Conditional),
        _ if HARMLESS.contains(&name.as_str()) => Ok(Meaning::Harmless),
        _ if name.split(['-', '_']).any(|word| SECRET.contains(&word)) => Ok(Meaning::Secret),
        _ => Ok(match value.map(str::trim) {
            None => Meaning::Variant(format!("{name};")),
            Some(value) if IN_CLEAR.contains(&name.as_str()) => Meaning::Variant(format!("{name}: {value}")),
            Some(value) => Meaning::Private(format!("{name}: sha256:{}", Sha256Id::of(value.as_bytes()))),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, value: &str, expect: Result<Option<&str>, Code>) {
        let seen = of_header(name, Some(value)).map_err(|reason| reason.code).map(|meaning| match meaning {
            Meaning::Harmless | Meaning::Secret => None,
            Meaning::Variant(line) | Meaning::Private(line) => Some(line),
        });
        assert_eq!(seen, expect.map(|line| line.map(str::to_owned)), "{name}: {value}");
    }

    #[test]
    fn headers_are_sorted_out() {
        check("Accept", " application/json ", Ok(Some("accept: application/json")));
        check("Host", "other", Ok(Some("host: other")));
        check("Referer", "x", Ok(None));
        check("User-Agent", "x", Ok(Some("user-agent: x")));
        for secret in [
            "Authorization",
            "Proxy-Authorization",
            "X-JFrog-Art-Api-Key",
            "PRIVATE-TOKEN",
            "x-secret-id",
            "X-JWT",
        ] {
            check(secret, "hunter2", Ok(None));
        }
        for other in ["X-Author", "X-Monkey", "X-Passage"] {
            let (a, b) = (of_header(other, Some("a")), of_header(other, Some("b")));
            assert!(matches!(a, Ok(Meaning::Private(_))) && a != b, "{other}");
        }
        let hidden = of_header("X-Other", Some("hunter2"));
        assert!(matches!(hidden, Ok(Meaning::Private(line)) if !line.contains("hunter2")));
        check("Cookie", "a=b", Err(Code::Cookies));
        check("Range", "bytes=0-9", Err(Code::Range));
        check("If-None-Match", "x", Err(Code::Conditional));
        check(" ", "x", Err(Code::BadValue));
    }
}
