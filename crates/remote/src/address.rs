//! One word of `VCACHE_REMOTE`: where a tier is and how far it is trusted.
//!
//! `http://cache.example:8080/prefix#trusted,read-only`, `https://…`, `unix:/run/vcache.sock`, `file:///mnt/cache`. Behind `#` stand, separated by
//! commas: `trusted` (its records are believed without a pin), `read-only` (nothing is put there), `vcache` (it is a
//! `vcache serve` that is told what happened). `user:password@` or `:token@` in front of a host are credentials.

use std::path::PathBuf;
use std::str::FromStr;

use crate::credentials::Secret;

/// Where a tier is, and what it is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Address {
    /// For people: without secrets, and without what stands behind `#`.
    pub name: String,
    /// How it is reached.
    pub location: Location,
    /// Its records are believed without a pin.
    pub trusted: bool,
    /// Nothing is put there.
    pub read_only: bool,
    /// It is told what happened.
    pub takes_events: bool,
    /// The credentials in the address itself.
    pub(crate) secret: Option<Secret>,
}

/// How a tier is reached.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Location {
    /// Base URL without credentials and without a slash at its end.
    Http(String),
    /// A server on a Unix socket.
    Socket(PathBuf),
    /// A folder.
    Folder(PathBuf),
}

/// A word that is no address of a tier. The word is shown without its secrets.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{address}: {problem}")]
pub struct AddressError {
    /// The word.
    pub address: String,
    /// What is wrong with it.
    pub problem: &'static str,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (place, options) = text.split_once('#').unwrap_or((text, ""));
        let (scheme, rest) = place.split_once(':').unwrap_or(("", place));
        let error = |problem| AddressError { address: vcache_store::public_url(place), problem };
        let absolute = |path: &str| {
            let path = PathBuf::from(path);
            if path.is_absolute() { Ok(path) } else { Err(error("the path must begin with /")) }
        };
        let mut secret = None;
        let location = match scheme {
            "http" | "https" => {
                let rest = rest.strip_prefix("//").ok_or(error("// is missing"))?;
                let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
                let (user, host) =
                    authority.rsplit_once('@').map_or((None, authority), |(u, h)| (Some(u), h));
                if host.is_empty() || path.contains('?') {
                    return Err(error("a host and a plain path are expected"));
                }
                secret = user.and_then(Secret::in_address);
                Location::Http(format!("{scheme}://{host}{}", path.trim_end_matches('/')))
            }
            "unix" => Location::Socket(absolute(rest)?),
            "file" => Location::Folder(absolute(rest.strip_prefix("//").unwrap_or(rest))?),
            "s3" | "az" | "gs" => {
                return Err(error("a shim does not speak to clouds; run vcache serve --upstream with it"));
            }
            _ => return Err(error("http:, https:, unix: or file: is expected")),
        };
        let name = match &location {
            Location::Http(base) => base.clone(),
            Location::Socket(path) => format!("unix:{}", path.display()),
            Location::Folder(path) => format!("file:{}", path.display()),
        };
        let mut address =
            Self { name, location, trusted: false, read_only: false, takes_events: false, secret };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "trusted" => address.trusted = true,
                "read-only" => address.read_only = true,
                "vcache" => address.takes_events = true,
                _ => return Err(error("behind # stand trusted, read-only and vcache")),
            }
        }
        Ok(address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let rows = [
            ("http://h:1", "http://h:1", Location::Http("http://h:1".into())),
            ("https://u:p@h/a/b/", "https://h/a/b", Location::Http("https://h/a/b".into())),
            ("http://:t@h", "http://h", Location::Http("http://h".into())),
            ("unix:/run/v.sock", "unix:/run/v.sock", Location::Socket("/run/v.sock".into())),
            ("file:///mnt/c", "file:/mnt/c", Location::Folder("/mnt/c".into())),
            ("file:/mnt/c", "file:/mnt/c", Location::Folder("/mnt/c".into())),
        ];
        for (text, name, location) in rows {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.name.as_str(), address.location), (name, location), "{text}");
            assert!(!address.trusted && !address.read_only && !address.takes_events);
        }
        let address: Address = "http://h#trusted,read-only,vcache".parse().unwrap();
        assert!(address.trusted && address.read_only && address.takes_events);
    }

    #[test]
    fn what_is_no_address_is_refused_without_its_secrets() {
        for text in [
            "",
            "h",
            "ftp://h",
            "http:h",
            "http://",
            "file://host",
            "unix:x",
            "s3://b",
            "http://h#fast",
            "http://h/?a",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        let error = "http://u:secret@h#fast".parse::<Address>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }
}
