//! Keys of the index: what was asked for, in clear. A key's text holds no secret, see [`public_url`]; its file name is
//! the SHA-256 of the text.
//!
//! A change of what goes into a text must come with a new folder name in [`Kind::bucket`]: old and new programs then
//! share a cache and merely miss each other's records.

use sha2::{Digest as _, Sha256};

use crate::secrets::public_url;

/// Families of keys; each has its own folder under `index/`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    /// One URL fetched over the web.
    Web,
    /// What the build of an image has asked for; its content is an archive's manifest.
    Image,
    /// What is known of a git repository: its state, and its packs.
    Git,
    /// A Debian package, or a file of a source package.
    Deb,
    /// A file that says what a Debian repository has: Release files, and the indexes that they name.
    DebIndex,
    /// A file tree, or several; its content is a packed tar.
    Artifact,
}

impl Kind {
    /// Every kind, for walks.
    pub const ALL: [Self; 6] = [Self::Web, Self::Image, Self::Git, Self::Deb, Self::DebIndex, Self::Artifact];

    /// The folder's name with the format version of its keys and records.
    pub const fn bucket(self) -> &'static str {
        match self {
            Self::Web => "web-v1",
            Self::Image => "image-v1",
            Self::Git => "git-v1",
            Self::Deb => "deb-v1",
            Self::DebIndex => "deb-index-v1",
            Self::Artifact => "artifact-v1",
        }
    }

    /// Its name for people: that of the folder without the version.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Image => "image",
            Self::Git => "git",
            Self::Deb => "deb",
            Self::DebIndex => "deb-index",
            Self::Artifact => "artifact",
        }
    }

    /// The kind whose folder has this name; none for a version that we do not know.
    pub fn of_bucket(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.bucket() == name)
    }
}

/// The name of a request in the index.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Key {
    kind: Kind,
    text: String,
}

impl Key {
    /// The key of a URL. `variant` is whatever else decides which bytes come back (a header that was asked for, say),
    /// one thing a line, empty for a plain request; that it holds no secret is the caller's duty.
    pub fn web(url: &str, variant: &str) -> Self {
        let mut text = public_url(url);
        if !variant.is_empty() {
            text.push('\n');
            text.push_str(variant);
        }
        Self { kind: Kind::Web, text }
    }

    /// The key of what an image was built from; `parts` is the digest over what it is made of.
    pub fn image(name: &str, parts: &str) -> Self {
        Self { kind: Kind::Image, text: format!("image:{name}\n{parts}") }
    }

    /// The key of a part of what is known of a repository; `part` is one line.
    pub fn git(url: &str, part: &str) -> Self {
        Self { kind: Kind::Git, text: format!("{}\ngit {part}", public_url(url)) }
    }

    /// The key of a Debian package in this version, epoch included, for this architecture (or `all`).
    pub fn package(name: &str, version: &str, architecture: &str) -> Self {
        Self { kind: Kind::Deb, text: format!("deb:{name}={version}:{architecture}") }
    }

    /// The key of a file that apt knows by its digest: a package, or a file of a source package. `digest` is empty where it is a SHA-256.
    pub fn deb(url: &str, digest: &str) -> Self {
        Self { kind: Kind::Deb, text: format!("{}\ndeb {digest}", public_url(url)) }
    }

    /// The key of a file that says what a repository has; `part` is one line.
    pub fn deb_index(url: &str, part: &str) -> Self {
        Self { kind: Kind::DebIndex, text: format!("{}\nindex {part}", public_url(url)) }
    }

    /// Name, version and architecture of a text that [`Self::package`] has made.
    pub fn package_of(text: &str) -> Option<(&str, &str, &str)> {
        let (name, rest) = text.strip_prefix("deb:")?.split_once('=')?;
        let (version, architecture) = rest.rsplit_once(':')?;
        Some((name, version, architecture))
    }

    /// The key of files that were made, such as `debootstrap`'s tree; `name` is one line that says what they are, and `parts` says, or is a
    /// digest over, everything that they depend on, without secrets.
    pub fn artifact(name: &str, parts: &str) -> Self {
        Self { kind: Kind::Artifact, text: format!("artifact:{name}\n{parts}") }
    }

    /// URL and part of a text that [`Self::deb_index`] has made.
    pub fn deb_index_of(text: &str) -> Option<(&str, &str)> {
        text.split_once("\nindex ")
    }

    /// Name and parts of a text that [`Self::image`] has made.
    pub fn image_of(text: &str) -> Option<(&str, &str)> {
        text.strip_prefix("image:")?.split_once('\n')
    }

    /// URL and part of a text that [`Self::git`] has made.
    pub fn git_of(text: &str) -> Option<(&str, &str)> {
        text.split_once("\ngit ")
    }

    /// The family.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The key in clear.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The key of this text in its family, as a record has it.
    pub fn of_text(kind: Kind, text: &str) -> Self {
        Self { kind, text: text.to_owned() }
    }

    /// The file name: 64 lower-case hex digits. Tiers have one room for all kinds, so texts of different kinds differ.
    pub fn name(&self) -> String {
        hex::encode(Sha256::digest(self.text.as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_must_differ_differs() {
        let names = [
            Key::web("https://h/a", "").name(),
            Key::web("https://h//a", "").name(),
            Key::web("https://h/a", "accept: x").name(),
            Key::web("https://h/a?b", "").name(),
            Key::web("https://h/%61", "").name(),
            Key::image("a", "1").name(),
            Key::image("a", "2").name(),
            Key::git("https://h/a", "state").name(),
            Key::git("https://h/a", "pack x").name(),
            Key::deb("https://h/a", "").name(),
            Key::deb("https://h/a", "x").name(),
            Key::deb_index("https://h/a", "").name(),
            Key::deb_index("https://h/a", "x").name(),
            Key::package("a", "1:2", "all").name(),
            Key::package("a", "1", "all").name(),
            Key::artifact("a", "1").name(),
            Key::artifact("a", "2").name(),
            Key::artifact("a2", "").name(),
        ];
        for (at, name) in names.iter().enumerate() {
            assert!(!names[..at].contains(name), "{at}");
        }
    }

    #[test]
    fn names_are_those_of_the_folders() {
        for kind in Kind::ALL {
            assert_eq!(kind.bucket().rsplit_once("-v").map(|(name, _)| name), Some(kind.name()));
        }
    }

    #[test]
    fn packages_are_told_from_their_keys() {
        let key = Key::package("a", "5:1.0~x", "amd64");
        assert_eq!(Key::package_of(key.text()), Some(("a", "5:1.0~x", "amd64")));
        assert_eq!(Key::package_of(Key::deb("https://h/a=b:c", "").text()), None);
    }

    #[test]
    fn credentials_leave_no_trace() {
        assert_eq!(Key::web("https://u:secret@h/a?sig=x#f", ""), Key::web("https://h/a", ""));
    }
}
