//! What we want to know of apt's configuration, which it sends at the start (`601 Configuration`); and what our shim tells us through it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use super::message::{Message, dequoted, is_yes};

/// The file to which we write what the shim should know, see [`crate::notes`].
pub(crate) const NOTES: &str = "VCACHE::Notes";
/// The folder in which packages get the names that dpkg shows.
pub(crate) const PACKAGES: &str = "VCACHE::Packages";

/// The configuration; names in lower case, as apt compares them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Wishes {
    items: BTreeMap<String, Vec<u8>>,
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

    fn path(&self, name: &str) -> Option<PathBuf> {
        let value = self.items.get(&name.to_ascii_lowercase()).filter(|value| !value.is_empty())?;
        Some(PathBuf::from(OsString::from_vec(value.clone())))
    }

    fn text(&self, name: &str) -> Option<&str> {
        std::str::from_utf8(self.items.get(&name.to_ascii_lowercase())?).ok()
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

    /// A digest by which apt insists on checking what it gets, if it is another one than ours.
    pub(crate) fn wants_other_digest(&self) -> bool {
        self.text("Acquire::ForceHash").is_some_and(|name| !name.is_empty() && !name.eq_ignore_ascii_case("SHA256"))
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
            "A::List::=x",
            "odd",
        ]
        .iter()
        .fold(Message::new(601, "Configuration"), |message, item| message.with("Config-Item", item));
        let wishes = Wishes::of(&message);
        assert_eq!(wishes.notes(), Some("/tmp/a b".into()));
        assert!(wishes.only_downloads() && !wishes.wants_other_digest());
        assert_eq!(wishes.packages(), None);
    }
}
