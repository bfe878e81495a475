//! What apt asks for: one `600 URI Acquire`.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use vcache_store::Sha256Id;

use super::message::Message;

/// A request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Request {
    /// As it came.
    pub(crate) message: Message,
    /// As apt writes it; it may have credentials.
    pub(crate) uri: String,
    /// Where the file is to be.
    pub(crate) dest: PathBuf,
    /// What it has to be.
    pub(crate) expected: Expected,
    /// Of the file that apt has, in seconds since 1970.
    pub(crate) last_modified: Option<u64>,
}

/// What apt knows of the content before it has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Expected {
    /// Its digest.
    Sha256(Sha256Id),
    /// A repository without SHA-256; 128 lower-case hexadecimal digits.
    Sha512(String),
    /// Only digests that no longer prove anything.
    Weak,
    /// Nothing: a Release file, or an index of a repository without one.
    Nothing,
}

/// A package as the name of an archive tells it: `<name>_<version>_<architecture>.deb`, where what is special in a file name is quoted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
}

impl Request {
    /// None where the message does not say what and whereto.
    pub(crate) fn of(message: Message) -> Option<Request> {
        let uri = message.text("URI")?.to_owned();
        let dest = PathBuf::from(OsString::from_vec(message.get("Filename")?.to_vec()));
        let expected = expected(&message);
        let last_modified = message.text("Last-Modified").and_then(seconds);
        Some(Request { uri, dest, expected, last_modified, message })
    }

    /// The package, as apt names the files of those whose digest it knows: among its archives and, for `apt-get download`, anywhere.
    pub(crate) fn package(&self) -> Option<Package> {
        (self.expected != Expected::Nothing).then(|| Package::of_file(&self.dest)).flatten()
    }

    /// Whether it is for apt's archives.
    pub(crate) fn is_archive(&self) -> bool {
        self.dest.parent().is_some_and(|folder| folder.ends_with("partial"))
    }

    /// Where apt keeps what it has had by the same name before.
    pub(crate) fn kept(&self) -> Option<PathBuf> {
        let partial = self.dest.parent().filter(|folder| folder.ends_with("partial"))?;
        Some(partial.parent()?.join(self.dest.file_name()?))
    }

    /// Whether it is an index of a repository, as apt says of most, and else its place.
    pub(crate) fn is_index(&self) -> bool {
        self.message.is_true("Index-File") || self.dest.to_string_lossy().contains("/lists/partial/")
    }
}

impl Package {
    /// Of a file with such a name.
    pub(crate) fn of_file(file: &Path) -> Option<Package> {
        let stem = file.file_name()?.to_str()?.strip_suffix(".deb")?;
        let plain = |part: &str| String::from_utf8(super::message::dequoted(part.as_bytes())).ok();
        let mut parts = stem.split('_');
        let (name, version, architecture) = (parts.next()?, parts.next()?, parts.next()?);
        let whole = parts.next().is_none() && ![name, version, architecture].contains(&"");
        if !whole {
            return None;
        }
        Some(Package { name: plain(name)?, version: plain(version)?, architecture: plain(architecture)? })
    }
}

fn expected(message: &Message) -> Expected {
    if let Some(id) = message.text("Expected-SHA256").and_then(|digest| digest.parse().ok()) {
        return Expected::Sha256(id);
    }
    let is_sha512 = |digest: &&str| digest.len() == 128 && digest.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(digest) = message.text("Expected-SHA512").filter(is_sha512) {
        return Expected::Sha512(digest.to_ascii_lowercase());
    }
    match ["Expected-SHA1", "Expected-MD5Sum"].iter().any(|name| message.get(name).is_some()) {
        true => Expected::Weak,
        false => Expected::Nothing,
    }
}

/// Of a date as HTTP has it (apt writes `+0000` or `GMT`), seconds since 1970.
pub(crate) fn seconds(date: &str) -> Option<u64> {
    let date = date.strip_suffix("+0000").map_or(date.to_owned(), |date| format!("{date}GMT"));
    let time = httpdate::parse_http_date(&date).ok()?;
    time.duration_since(UNIX_EPOCH).ok().map(|since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_archives() {
        let of = |file: &str| {
            Package::of_file(Path::new(file)).map(|p| [p.name, p.version, p.architecture].join(" "))
        };
        assert_eq!(of("/a/b_1.0_all.deb").as_deref(), Some("b 1.0 all"));
        assert_eq!(of("d_5%3a28.5.2-1~x_amd64.deb").as_deref(), Some("d 5:28.5.2-1~x amd64"));
        for none in ["b_1.0.deb", "b_1.0_all.dsc", "b__all.deb", "b_1_all_x.deb", ""] {
            assert_eq!(of(none), None, "{none}");
        }
    }

    #[test]
    fn what_is_expected() {
        let of = |fields: &[(&str, &str)]| {
            let message = fields.iter().fold(Message::new(600, "x"), |m, (name, value)| m.with(name, value));
            expected(&message)
        };
        let (sha256, sha512) = ("a".repeat(64), "B".repeat(128));
        let md5 = ("Expected-MD5Sum", "0");
        assert_eq!(of(&[md5, ("Expected-SHA256", &sha256)]), Expected::Sha256(sha256.parse().unwrap()));
        assert_eq!(of(&[("Expected-SHA512", &sha512), md5]), Expected::Sha512("b".repeat(128)));
        assert_eq!(of(&[md5]), Expected::Weak);
        assert_eq!(of(&[("Expected-SHA256", "short")]), Expected::Nothing);
    }

    #[test]
    fn dates() {
        assert_eq!(seconds("Thu, 01 Jan 1970 00:01:00 GMT"), Some(60));
        assert_eq!(seconds("Thu, 01 Jan 1970 00:01:00 +0000"), Some(60));
        assert_eq!(seconds("yesterday"), None);
    }
}
