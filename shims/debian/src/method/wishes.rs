//! What we want to know of apt's configuration, which it sends at the start (`601 Configuration`); and what our shim tells us through it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::message::{Message, dequoted, is_yes};

/// The file to which we write what the shim should know, see [`crate::notes`].
pub(crate) const NOTES: &str = "VCACHE::Notes";
/// The folder in which packages get the names that dpkg shows.
pub(crate) const PACKAGES: &str = "VCACHE::Packages";

/// The list of what the command line asks for in a version: `name=version`.
pub(crate) const ASKED: &str = "VCACHE::Asked::";
/// The list of labels whose Release files apt is told to believe for longer than they say, so that we look ourselves.
pub(crate) const LENIENT: &str = "VCACHE::Lenient::";

/// The configuration; names in lower case, as apt compares them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wishes {
    items: Vec<(String, Vec<u8>)>,
}

impl Wishes {
    pub(crate) fn of(message: &Message) -> Wishes {
        let item = |item: &[u8]| {
            let at = item.iter().position(|&byte| byte == b'=')?;
            let name = String::from_utf8(dequoted(&item[..at])).ok()?.to_ascii_lowercase();
            Some((name, dequoted(&item[at + 1..])))
        };
        Wishes { items: message.all("Config-Item").filter_map(item).collect() }
    }

    fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        let name = name.to_ascii_lowercase();
        self.items.iter().filter(move |item| item.0 == name).map(|item| item.1.as_slice())
    }

    fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.all(name).next_back().filter(|value| !value.is_empty())?;
        Some(PathBuf::from(OsString::from_vec(value.to_vec())))
    }

    /// The value of an item, where it is text.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.all(name).next_back()?).ok()
    }

    fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).filter_map(|value| std::str::from_utf8(value).ok())
    }

    /// What the command line asks for in a version.
    pub(crate) fn asked(&self) -> impl Iterator<Item = &str> {
        self.texts(ASKED)
    }

    /// Whether apt believes Release files with this label for longer than they say.
    pub(crate) fn is_lenient(&self, label: &str) -> bool {
        self.texts(LENIENT).any(|lenient| lenient == label)
    }

    /// Whether Release files are to be believed only as long as they say, which apt does unless it is told otherwise.
    pub(crate) fn checks_valid_until(&self) -> bool {
        self.text("Acquire::Check-Valid-Until").and_then(is_yes) != Some(false)
    }

    /// Where the shim reads what happened; none where apt runs without it.
    pub(crate) fn notes(&self) -> Option<PathBuf> {
        self.path(NOTES)
    }

    /// Where packages get their names; none where apt runs without the shim.
    pub(crate) fn packages(&self) -> Option<PathBuf> {
        self.path(PACKAGES)
    }

    /// Packages are to lie in apt's folder of archives, and not to be unpacked.
    pub(crate) fn only_downloads(&self) -> bool {
        self.text("APT::Get::Download-Only").and_then(is_yes) == Some(true)
    }

    /// dpkg runs in another root, or not at all: it, or who stands in for it, wants packages in apt's own folder.
    pub(crate) fn moves_dpkg(&self) -> bool {
        let chroot = self.text("DPkg::Chroot-Directory").unwrap_or_default();
        let is_stood_in_for = self.text("Debug::pkgDPkgPM").and_then(is_yes) == Some(true);
        !matches!(chroot, "" | "/") || is_stood_in_for
    }

    /// A digest by which apt insists on checking what it gets, if it is another one than ours.
    pub(crate) fn wants_other_digest(&self) -> bool {
        self.text("Acquire::ForceHash")
            .is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case("SHA256"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_read_as_apt_quotes_them() {
        let message = [
            "VCACHE::Notes=/tmp/a%20b",
            "apt::get::download-ONLY=true",
            "Acquire::ForceHash=",
            "VCACHE::Asked::=a=1",
            "VCACHE::Asked::=b=2",
            "odd",
        ]
        .iter()
        .fold(Message::new(601, "Configuration"), |message, item| message.with("Config-Item", item));
        let wishes = Wishes::of(&message);
        assert_eq!(wishes.notes(), Some("/tmp/a b".into()));
        assert!(wishes.only_downloads() && !wishes.wants_other_digest());
        assert_eq!(wishes.asked().collect::<Vec<_>>(), ["a=1", "b=2"]);
        assert_eq!(wishes.packages(), None);
        assert!(wishes.checks_valid_until() && !wishes.is_lenient("x"));
    }
}
