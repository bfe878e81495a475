//! What `apt-get download --print-uris` prints: a line `'URI' FILE SIZE DIGEST` for each package that an index offers in the version that was asked for
//! (the rest are errors on stderr, and stop nothing).

use std::path::Path;

use vcache_store::Sha256Id;

use crate::method::request::Package;

/// A package in an index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Offer {
    /// As apt writes it.
    pub(super) uri: String,
    pub(super) package: Package,
    /// In bytes.
    pub(super) size: u64,
    /// None where the index has another digest.
    pub(super) sha256: Option<Sha256Id>,
}

impl Offer {
    /// None of a line of another kind.
    pub(super) fn of(line: &str) -> Option<Offer> {
        let (uri, rest) = line.strip_prefix('\'')?.split_once("' ")?;
        let mut words = rest.split(' ');
        let package = Package::of_file(Path::new(words.next()?))?;
        let size = words.next()?.parse().ok()?;
        let sha256 = words.next().and_then(|digest| digest.strip_prefix("SHA256:")?.parse().ok());
        Some(Offer { uri: uri.to_owned(), package, size, sha256 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read() {
        let digest = "ab".repeat(32);
        let line = format!("'http://h/pool/d_28.5-1_amd64.deb' d1_5%3a28.5-1_amd64.deb 12 SHA256:{digest}");
        let offer = Offer::of(&line).unwrap();
        assert_eq!((offer.uri.as_str(), offer.size), ("http://h/pool/d_28.5-1_amd64.deb", 12));
        assert_eq!((offer.package.name.as_str(), offer.package.version.as_str()), ("d1", "5:28.5-1"));
        assert_eq!(offer.sha256.unwrap().to_string(), digest);
        assert_eq!(Offer::of("'http://h/a_1_all.deb' a_1_all.deb 1 SHA512:00").unwrap().sha256, None);
        for none in
            ["", "Get:1 http://h/a_1_all.deb", "'http://h/a' a 1", "'http://h/a_1_all.deb' a_1_all.deb x"]
        {
            assert_eq!(Offer::of(none), None, "{none}");
        }
    }
}
