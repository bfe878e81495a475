//! The parts of a URL that both tools look at in the same way. Text in, slices out; nothing is normalised or decoded.

use vcache_argv::{Item, Kind, Opt, Scan};

/// A URL with an explicit scheme, taken apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Address<'a> {
    /// As typed.
    pub(crate) scheme: &'a str,
    /// `user:password@` without the `@`, where there is one.
    pub(crate) credentials: Option<&'a str>,
    /// With brackets where it is an IPv6 address.
    pub(crate) host: &'a str,
    /// Behind the colon; perhaps empty.
    pub(crate) port: Option<&'a str>,
    /// From the first `/` on; empty where there is none.
    pub(crate) path: &'a str,
    /// Behind the `?`.
    pub(crate) query: Option<&'a str>,
}

impl<'a> Address<'a> {
    /// Takes `scheme://…` apart; the fragment is dropped.
    pub(crate) fn split(url: &'a str) -> Option<Address<'a>> {
        let (scheme, rest) = (scheme(url)?, url.split_once("://")?.1);
        let rest = rest.split_once('#').map_or(rest, |(before, _)| before);
        let authority_end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, rest) = rest.split_at(authority_end);
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let (credentials, host) =
            authority.rsplit_once('@').map_or((None, authority), |(c, host)| (Some(c), host));
        let name_end = if host.starts_with('[') { host.find(']').map(|at| at + 1) } else { host.find(':') };
        let (host, port) = host.split_at(name_end.unwrap_or(host.len()));
        let port = match port.strip_prefix(':') {
            Some(port) => Some(port),
            None if port.is_empty() => None,
            None => return None,
        };
        Some(Address { scheme, credentials, host, port, path, query })
    }

    /// `http` or `https`, in any case.
    pub(crate) fn is_web(&self) -> bool {
        self.scheme.eq_ignore_ascii_case("http") || self.scheme.eq_ignore_ascii_case("https")
    }

    /// There is a host, and the port is a number or nothing.
    pub(crate) fn is_sound(&self) -> bool {
        let host = self.host.trim_matches(['[', ']']);
        let port = self.port.is_none_or(|port| port.is_empty() || port.parse::<u16>().is_ok());
        !host.is_empty() && port && self.host.starts_with('[') == self.host.ends_with(']')
    }

    /// What follows the last `/` of the path.
    pub(crate) fn last_segment(&self) -> &'a str {
        self.path.rsplit_once('/').map_or("", |(_, name)| name)
    }
}

/// Stands for the URLs in a list or a configuration file, which may be anywhere.
const LISTED: &str = "URLs in a file";

/// The words of a call that are URLs as far as one can see: positional ones, and the values of options that `takes_url`
/// knows, with the scheme that the tools put in front; behind an unknown option only what has a scheme. A list of URLs is one of unknown place.
pub(crate) fn recognised<M>(
    scan: &Scan<M>,
    takes_url: impl Fn(&Opt<M>) -> bool,
    names_list: impl Fn(&Opt<M>) -> bool,
) -> Vec<String> {
    let word = |item: &Item<M>| match &item.kind {
        Kind::Positional(word) => word.to_str().map(complete),
        Kind::Option { opt, value: Some(value), .. } if takes_url(opt) => value.to_str().map(complete),
        Kind::Option { opt, .. } if names_list(opt) => Some(LISTED.to_owned()),
        Kind::Untrusted(word) => word.to_str().filter(|word| scheme(word).is_some()).map(str::to_owned),
        _ => None,
    };
    scan.items.iter().filter_map(word).collect()
}

/// The word with `http://` in front where it has no scheme; `file:x` and `http:/h` have one, as far as the tools see.
fn complete(word: &str) -> String {
    let has_scheme =
        word.starts_with("file:") || word.split_once(':').is_some_and(|(_, rest)| rest.starts_with('/'));
    if has_scheme { word.to_owned() } else { format!("http://{word}") }
}

/// The scheme in front of `://`.
pub(crate) fn scheme(url: &str) -> Option<&str> {
    let (scheme, _) = url.split_once("://")?;
    let mut bytes = scheme.bytes();
    let starts = bytes.next().is_some_and(|b| b.is_ascii_alphabetic());
    (starts && bytes.all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b))).then_some(scheme)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(url: &str, expect: Option<&str>) {
        let seen = Address::split(url).map(|a| {
            format!(
                "{}|{:?}|{}|{:?}|{}|{:?}|{}",
                a.scheme,
                a.credentials,
                a.host,
                a.port,
                a.path,
                a.query,
                a.is_sound()
            )
        });
        assert_eq!(seen.as_deref(), expect);
    }

    #[test]
    fn urls_come_apart() {
        check("http://h", Some(r#"http|None|h|None||None|true"#));
        check("http://h/a/b?c=/d#e?f", Some(r#"http|None|h|None|/a/b|Some("c=/d")|true"#));
        check("HTTPS://u:p@h:80/a", Some(r#"HTTPS|Some("u:p")|h|Some("80")|/a|None|true"#));
        check("http://[::1]:8/x", Some(r#"http|None|[::1]|Some("8")|/x|None|true"#));
        check("http://[::1]x/x", None);
        check("http://h?q", Some(r#"http|None|h|None||Some("q")|true"#));
        check("http://h:x/", Some(r#"http|None|h|Some("x")|/|None|false"#));
        check("http:///x", Some(r#"http|None||None|/x|None|false"#));
        check("h/http://x", None);
        check("h:80/x", None);
        check("", None);
    }
}
