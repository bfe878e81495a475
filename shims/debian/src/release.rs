//! What a Release file says of itself (Debian's "Repository Format", <https://wiki.debian.org/DebianRepository/Format>): the first lines, before its lists of digests. It may be wrapped
//! into a signature (`InRelease`).

use crate::method::request::seconds;

/// The marks of a file that carries its own signature (RFC 9580, 7).
const CLEARSIGNED: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";

/// The fields that matter here.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Release {
    /// Whose archive it is; apt's settings can be for one label.
    pub(crate) label: Option<String>,
    /// When it was made, as version files have it.
    pub(crate) date: Option<String>,
    /// Until when it is to be believed, in seconds since 1970.
    pub(crate) valid_until: Option<u64>,
    /// It carries its own signature.
    pub(crate) is_clearsigned: bool,
}

impl Release {
    /// Reads the beginning of a file.
    pub(crate) fn read(text: &[u8]) -> Release {
        let is_clearsigned = text.starts_with(CLEARSIGNED);
        let mut release =
            Release { is_clearsigned, date: vcache_versions::release_date(text), ..Release::default() };
        let mut lines = text.split(|&byte| byte == b'\n');
        if is_clearsigned {
            // The armor's own headers end with an empty line.
            lines.find(|line| line.trim_ascii().is_empty());
        }
        for line in lines.map_while(|line| std::str::from_utf8(line).ok()) {
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("Label") => {
                    release.label = Some(value.trim().to_owned()).filter(|label| !label.is_empty());
                }
                Some((name, value)) if name.eq_ignore_ascii_case("Valid-Until") => {
                    release.valid_until = until(value.trim());
                }
                // The lists of digests go on to the end.
                Some((name, _))
                    if name.eq_ignore_ascii_case("SHA256") || name.eq_ignore_ascii_case("MD5Sum") =>
                {
                    break;
                }
                _ => {}
            }
        }
        release
    }

    /// Whether it is no longer to be believed at this time, in seconds since 1970.
    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.valid_until.is_some_and(|until| until < now)
    }
}

fn until(date: &str) -> Option<u64> {
    let zoned = ["UTC", "Z"].iter().find_map(|zone| date.strip_suffix(zone)).map(|date| format!("{date}GMT"));
    seconds(&zoned.unwrap_or_else(|| date.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_with_and_without_a_signature() {
        let fields = "Origin: x\nLabel: Docker CE\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nValid-Until: Thu, 01 Jan 1970 00:01:00 UTC\nSHA256:\n Label: no\nLabel: late\n";
        for (text, is_clearsigned) in [
            (fields.to_owned(), false),
            (format!("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n{fields}"), true),
        ] {
            let release = Release::read(text.as_bytes());
            assert_eq!(release.label.as_deref(), Some("Docker CE"));
            assert_eq!(release.date.as_deref(), Some("2026-07-11T10:16:37Z"));
            assert_eq!((release.valid_until, release.is_clearsigned), (Some(60), is_clearsigned));
            assert!(release.is_expired(61) && !release.is_expired(60));
        }
        assert_eq!(Release::read(b""), Release::default());
    }
}
