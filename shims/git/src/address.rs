//! What a repository is reached by (git-clone(1), "GIT URLS"), as far as it matters here.

use crate::reason::Code;
use vcache_store::public_url;
use vcache_versions::repository;

/// How git reaches a repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Transport {
    /// `http://`, `https://`.
    Http,
    /// `ssh://`, `git+ssh://`, `ssh+git://`, and `[USER@]HOST:PATH`.
    Ssh,
    /// `git://`.
    Git,
    /// A path, or `file://`.
    Local,
    /// Another remote helper's (`ext::…`, `ftp://`).
    Foreign,
}

impl Transport {
    /// Of a URL as typed.
    pub(crate) fn of(url: &str) -> Transport {
        let name = url.find(|c: char| !(c.is_ascii_alphanumeric() || "+-.".contains(c)));
        let (name, rest) = url.split_at(name.unwrap_or(url.len()));
        if !name.is_empty() && rest.starts_with("::") {
            return Transport::Foreign;
        }
        match name {
            _ if !rest.starts_with("://") => {}
            "http" | "https" => return Transport::Http,
            "ssh" | "git+ssh" | "ssh+git" => return Transport::Ssh,
            "git" => return Transport::Git,
            "file" => return Transport::Local,
            _ => return Transport::Foreign,
        }
        // As git tells it: a colon before the first slash is a host's, unless the host is none.
        match (url.find(':'), url.find('/')) {
            (Some(colon), slash) if colon > 0 && slash.is_none_or(|slash| colon < slash) => Transport::Ssh,
            _ => Transport::Local,
        }
    }

    /// Whether another machine may be asked.
    pub(crate) fn is_remote(self) -> bool {
        matches!(self, Transport::Http | Transport::Ssh | Transport::Git)
    }
}

/// By which a repository is known to the cache: without credentials and without what makes no difference to git.
pub(crate) fn key(url: &str) -> String {
    repository(&public_url(url)).to_owned()
}

/// By which version files know it: as typed, without what is secret. Who it is that ssh asks for is not.
pub(crate) fn public(url: &str) -> String {
    let user = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    let has_password = user.is_some_and(|(user, _)| user.contains(':'));
    let stays = Transport::of(url) == Transport::Ssh && !has_password;
    if stays { url.to_owned() } else { public_url(url) }
}

/// Whether what a URL leads to is the same for everyone who may ask for it, and so may be shared.
///
/// # Errors
/// Why not.
pub(crate) fn shared(url: &str) -> Result<(), Code> {
    match Transport::of(url) {
        Transport::Local => Err(Code::Local),
        Transport::Foreign => Err(Code::Foreign),
        Transport::Http if has_secret(url) => Err(Code::Credentials),
        // A path may begin in the home folder of who is named, or of who asks.
        Transport::Ssh if !is_of_git(url) => Err(Code::User),
        // For ssh and git it is a part of the path; of HTTP everything behind it is lost, and another repository is asked for.
        Transport::Http | Transport::Ssh | Transport::Git if url.contains('#') => Err(Code::Fragment),
        _ => Ok(()),
    }
}

/// Settings by which only some get in, as `git config --get-regexp` has them.
pub(crate) const SECRETS: &str = r"^http\..*(extraheader|cookiefile)$";

/// Whether a setting is one of [`SECRETS`].
pub(crate) fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.starts_with("http.") && (name.ends_with("extraheader") || name.ends_with("cookiefile"))
}

/// Whether ssh asks for the user `git`, as hosts of repositories have it.
fn is_of_git(url: &str) -> bool {
    url.split_once("://").map_or(url, |(_, rest)| rest).starts_with("git@")
}

/// Whether an HTTP URL holds a user, who may well be a token, or a token in its query.
fn has_secret(url: &str) -> bool {
    let whole = url.split_once('#').map_or(url, |(before, _)| before);
    Transport::of(url) == Transport::Http && public_url(whole) != whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transports() {
        for (url, transport) in [
            ("https://h/a.git", Transport::Http),
            ("http://[::1]:80/a", Transport::Http),
            ("git://h/a", Transport::Git),
            ("ssh://git@h:22/a", Transport::Ssh),
            ("git+ssh://h/a", Transport::Ssh),
            ("git@h.example:o/a.git", Transport::Ssh),
            ("h:a", Transport::Ssh),
            ("[::1]:a", Transport::Ssh),
            ("/a:b", Transport::Local),
            ("./a:b", Transport::Local),
            ("a", Transport::Local),
            ("", Transport::Local),
            (":a", Transport::Local),
            ("../a", Transport::Local),
            ("file:///a", Transport::Local),
            ("ext::sh -c x", Transport::Foreign),
            ("vcache::http://h/a", Transport::Foreign),
            ("ftp://h/a", Transport::Foreign),
        ] {
            assert_eq!(Transport::of(url), transport, "{url}");
        }
    }

    #[test]
    fn keys_have_no_credentials_and_one_form() {
        for url in ["https://h/a", "https://h/a.git", "https://h/a.git/", "https://u:p@h/a", "https://h/a/#x"]
        {
            assert_eq!(key(url), "https://h/a", "{url}");
        }
        assert_eq!(key("ssh://git@h/a.git"), "ssh://h/a");
        assert_eq!(key("git@h:a.git"), "h:a");
        assert_eq!(public("git@h:a.git"), "git@h:a.git");
        assert_eq!(public("ssh://git@h/a.git"), "ssh://git@h/a.git");
        assert_eq!(public("ssh://u:p@h/a.git"), "ssh://h/a.git");
        assert_eq!(public("https://u:p@h/a.git"), "https://h/a.git");
        assert!(has_secret("https://token@h/a") && has_secret("http://u:p@h"));
        assert!(has_secret("https://h/a?private_token=x") && !has_secret("https://h/a?service=x#y"));
        assert!(!has_secret("https://h/a@b") && !has_secret("ssh://git@h/a"));
    }

    #[test]
    fn what_depends_on_who_asks_is_not_shared() {
        for url in ["https://h/a", "git://h/a", "git@h:a", "ssh://git@h/a", "https://h/a?b"] {
            assert_eq!(shared(url), Ok(()), "{url}");
        }
        for url in
            ["alice@h:a", "h:a", "ssh://h/a", "git://h/a#b", "https://h/a#b", "https://u@h/a", "/a", "ext::x"]
        {
            assert!(shared(url).is_err(), "{url}");
        }
    }
}
