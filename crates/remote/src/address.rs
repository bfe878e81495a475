//! One word of `VCACHE_REMOTE`: where a tier is and how far it is trusted.
//!
//! `http://cache.example:8080/prefix#trusted,read-only`, `https://…`, `unix:/run/vcache.sock`, `file:///mnt/cache`, and of clouds
//! `s3://bucket/prefix`, `az://container/prefix`, `gs://bucket/prefix`. Behind `#` stand, separated by
//! commas: `trusted` (its records are believed without a pin), `read-only` (nothing is put there), `vcache` (it is a
//! `vcache serve` that is told what happened), `instance` (a cloud is spoken to in the role of the machine that this is).
//! `user:password@` or `:token@` in front of a host are credentials; those of clouds stand in no address.

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
    /// Of a cloud: the machine's own role may be asked of its metadata service.
    pub instance: bool,
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
    /// Part of a bucket, for whoever has a client for it.
    Bucket {
        /// Whose.
        cloud: Cloud,
        /// Its name; a container in Azure's words.
        bucket: String,
        /// What stands before the names of all that is put there; neither begins nor ends with a slash, and may be empty.
        prefix: String,
    },
}

/// Whose bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cloud {
    /// `s3:`, Amazon's or any other that speaks its protocol.
    S3,
    /// `az:`, Azure Blob Storage.
    Azure,
    /// `gs:`, Google Cloud Storage.
    Google,
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
            "s3" => bucket(Cloud::S3, rest).map_err(error)?,
            "az" => bucket(Cloud::Azure, rest).map_err(error)?,
            "gs" => bucket(Cloud::Google, rest).map_err(error)?,
            _ => return Err(error("http:, https:, unix:, file:, s3:, az: or gs: is expected")),
        };
        let name = match &location {
            Location::Http(base) => base.clone(),
            Location::Socket(path) => format!("unix:{}", path.display()),
            Location::Folder(path) => format!("file:{}", path.display()),
            Location::Bucket { bucket, prefix, .. } => {
                format!("{scheme}://{bucket}/{prefix}").trim_end_matches('/').to_owned()
            }
        };
        let mut address = Self {
            name,
            location,
            trusted: false,
            read_only: false,
            takes_events: false,
            instance: false,
            secret,
        };
        for option in options.split(',').filter(|option| !option.is_empty()) {
            match option {
                "trusted" => address.trusted = true,
                "read-only" => address.read_only = true,
                "vcache" => address.takes_events = true,
                "instance" if matches!(address.location, Location::Bucket { .. }) => address.instance = true,
                _ => {
                    return Err(error(
                        "behind # may stand `trusted`, `read-only`, `vcache` (a vcache serve), and for clouds `instance`, separated by commas",
                    ));
                }
            }
        }
        Ok(address)
    }
}

fn bucket(cloud: Cloud, rest: &str) -> Result<Location, &'static str> {
    let rest = rest.strip_prefix("//").ok_or("// is missing")?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if bucket.contains('@') {
        return Err("credentials of a cloud belong into its own variables");
    }
    // The names that all three clouds allow; anything else would be part of a URL.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let prefix = prefix.trim_matches('/');
    let part = |part: &str| part.is_empty() || part.starts_with('.') || !part.chars().all(plain);
    if part(bucket) || (!prefix.is_empty() && prefix.split('/').any(part)) {
        return Err("a bucket and a plain path are expected: letters, digits, - _ . and between them /");
    }
    Ok(Location::Bucket { cloud, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let of = |cloud, bucket: &str, prefix: &str| Location::Bucket {
            cloud,
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
        };
        let rows = [
            ("http://h:1", "http://h:1", Location::Http("http://h:1".into())),
            ("https://u:p@h/a/b/", "https://h/a/b", Location::Http("https://h/a/b".into())),
            ("http://:t@h", "http://h", Location::Http("http://h".into())),
            ("unix:/run/v.sock", "unix:/run/v.sock", Location::Socket("/run/v.sock".into())),
            ("file:///mnt/c", "file:/mnt/c", Location::Folder("/mnt/c".into())),
            ("file:/mnt/c", "file:/mnt/c", Location::Folder("/mnt/c".into())),
            ("s3://b", "s3://b", of(Cloud::S3, "b", "")),
            ("az://c/a/b/", "az://c/a/b", of(Cloud::Azure, "c", "a/b")),
            ("gs://b.c_d-e//x", "gs://b.c_d-e/x", of(Cloud::Google, "b.c_d-e", "x")),
        ];
        for (text, name, location) in rows {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.name.as_str(), address.location), (name, location), "{text}");
            assert!(!address.trusted && !address.read_only && !address.takes_events && !address.instance);
        }
        assert!("s3://b#instance".parse::<Address>().unwrap().instance);
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
            "s3:b",
            "s3://",
            "s3://b/../c",
            "s3://b/a//b",
            "gs://b?x",
            "http://h#instance",
            "http://h#fast",
            "http://h/?a",
        ] {
            assert!(text.parse::<Address>().is_err(), "{text}");
        }
        for text in ["http://u:secret@h#fast", "s3://key:secret@b"] {
            let error = text.parse::<Address>().unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
