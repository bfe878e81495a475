//! What a tier wants to be told before it answers. From a file, so that it stands in no command line and no log.
//!
//! The file (`VCACHE_REMOTE_CREDENTIALS`) has a line for each tier, the first that fits counts: `ADDRESS SECRET`, where the tier's address begins
//! with ADDRESS, or `SECRET` alone for all. A secret with a colon is `user:password` (Basic, RFC 7617), another one a token (Bearer,
//! RFC 6750). Empty lines and lines that begin with `#` are passed over.

use std::fmt;

/// Not to be shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Secret {
    Basic { user: String, password: String },
    Bearer(String),
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl Secret {
    /// What stands before the `@` of an address.
    pub(crate) fn in_address(text: &str) -> Option<Self> {
        match text.split_once(':') {
            Some(("", token)) => Some(Self::Bearer(token.to_owned())),
            Some((user, password)) => {
                Some(Self::Basic { user: user.to_owned(), password: password.to_owned() })
            }
            None if text.is_empty() => None,
            None => Some(Self::Basic { user: text.to_owned(), password: String::new() }),
        }
    }

    fn in_file(text: &str) -> Self {
        match text.split_once(':') {
            Some((user, password)) => Self::Basic { user: user.to_owned(), password: password.to_owned() },
            None => Self::Bearer(text.to_owned()),
        }
    }
}

/// The lines of a credentials file.
#[derive(Clone, Default, Debug)]
pub struct Credentials(Vec<(String, Secret)>);

impl Credentials {
    /// Reads the text of a file.
    pub fn parse(text: &str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let entry = |line: &str| match line.split_once([' ', '\t']) {
            Some((address, secret)) => {
                (address.trim_end_matches('/').to_owned(), Secret::in_file(secret.trim()))
            }
            None => (String::new(), Secret::in_file(line)),
        };
        Self(lines.map(entry).collect())
    }

    /// The secret for the tier of this address. A prefix ends where a part of the address does, so that a secret for
    /// `http://cache` is not told to `http://cache.evil.example`.
    pub(crate) fn find(&self, name: &str) -> Option<&Secret> {
        let fits = |prefix: &str| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| prefix.is_empty() || rest.is_empty() || rest.starts_with('/'))
        };
        self.0.iter().find(|(prefix, _)| fits(prefix)).map(|(_, secret)| secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_counts() {
        let file = Credentials::parse("# farm\n\nhttp://cache:80/a/ u:p:q\nhttp://cache:80 t1\n t2 \n");
        let basic = Secret::Basic { user: "u".into(), password: "p:q".into() };
        let rows = [
            ("http://cache:80/a", basic.clone()),
            ("http://cache:80/a/b", basic),
            ("http://cache:80/ab", Secret::Bearer("t1".into())),
            ("http://cache:80", Secret::Bearer("t1".into())),
            ("http://cache:8080", Secret::Bearer("t2".into())),
            ("unix:/run/s", Secret::Bearer("t2".into())),
        ];
        for (name, secret) in rows {
            assert!(file.find(name) == Some(&secret), "{name}");
        }
        assert!(Credentials::parse("http://cache t").find("http://cache.example").is_none());
    }

    #[test]
    fn a_secret_is_not_shown() {
        assert!(!format!("{:?}", Credentials::parse("topsecret")).contains("topsecret"));
    }
}
