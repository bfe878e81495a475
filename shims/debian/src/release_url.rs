//! The files at the top of a suite, by their URLs.

/// Which of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Part {
    /// `InRelease`, signed within.
    InRelease,
    /// `Release`.
    Release,
    /// `Release.gpg`, the signature of the former.
    Signature,
}

/// The URL of one of them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct ReleaseUrl {
    /// Of the suite, with its `/`.
    base: String,
    part: Part,
}

impl ReleaseUrl {
    /// None for other files.
    pub(crate) fn of(url: &str) -> Option<ReleaseUrl> {
        let (base, name) = url.split_at(url.rfind('/')? + 1);
        let part = match name {
            "InRelease" => Part::InRelease,
            "Release" => Part::Release,
            "Release.gpg" => Part::Signature,
            _ => return None,
        };
        Some(ReleaseUrl { base: base.to_owned(), part })
    }

    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn part(&self) -> Part {
        self.part
    }

    /// The URL of `Release` in the same suite.
    pub(crate) fn release(&self) -> String {
        format!("{}Release", self.base)
    }

    /// The name of the suite in `versions-mirror`, which is the same for all of its files.
    pub(crate) fn key(&self) -> Option<String> {
        vcache_versions::mirror_key(&format!("{}InRelease", self.base))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_a_suite() {
        let part = |url: &str| ReleaseUrl::of(url).map(|url| url.part());
        assert_eq!(part("http://h.example/dists/x/InRelease"), Some(Part::InRelease));
        assert_eq!(part("http://h.example/dists/x/Release.gpg"), Some(Part::Signature));
        assert_eq!(part("http://h.example/dists/x/main/binary-amd64/Packages"), None);
        let release = ReleaseUrl::of("http://h.example/dists/x/Release").unwrap();
        assert_eq!(release.key().as_deref(), Some("h.example_dists_x"));
        assert_eq!(release.release(), "http://h.example/dists/x/Release");
    }
}
