//! `versions-mirror`: at which state of an archive a build stood, one `KEY==TIME` a line.
//!
//! SONiC knows two kinds of keys. A short name (`debian`, `debian-security`) stands with the time of a snapshot, `20260814T000752Z`. What apt
//! has fetched stands under the name of apt's list file without `_InRelease` (`mirror.example_debian_dists_trixie`, see [`list_name`]), with the `Date:` of
//! that file, `2026-07-11T10:16:37Z`. Our addition: such a date may be followed by `@sha256:` and 64 hexadecimal digits, the digest of the
//! InRelease file, by which all of the suite is pinned. SONiC reads no more than the snapshots and carries the other lines along.
//!
//! A key is of printable ASCII without blanks, `/` and `=`: apt's names hold none of them.

use std::fmt;
use std::str::FromStr;

use crate::keyed::{self, Found, Kind, Pin};
use crate::web::{trimmed, with_line};
use crate::{Malformed, What};

mod list_name;
mod release;

pub use list_name::{list_name, mirror_key};
pub use release::{parse_date, release_date, release_digests};

/// A state of an archive, as it stands in `versions-mirror`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MirrorState {
    /// The time of a snapshot: `20260814T000752Z`.
    Snapshot(String),
    /// A Release file.
    Release {
        /// Its `Date:`, in UTC: `2026-07-11T10:16:37Z`.
        date: String,
        /// The digest of the InRelease file: 64 lower-case hexadecimal digits.
        sha256: Option<String>,
    },
}

/// The text is no state of an archive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "expected `20260814T000752Z`, or `2026-07-11T10:16:37Z` and perhaps `@sha256:` with 64 hexadecimal digits"
)]
pub struct Stateless;

impl FromStr for MirrorState {
    type Err = Stateless;

    fn from_str(text: &str) -> Result<Self, Stateless> {
        if has_shape(text, "00000000T000000Z") {
            return Ok(MirrorState::Snapshot(text.to_owned()));
        }
        let (date, digest) = match text.split_once('@') {
            Some((date, digest)) => (date, Some(digest)),
            None => (text, None),
        };
        let sha256 = match digest {
            Some(digest) => Some(digest.strip_prefix("sha256:").and_then(sha256).ok_or(Stateless)?),
            None => None,
        };
        let fits = has_shape(date, "0000-00-00T00:00:00Z");
        fits.then(|| MirrorState::Release { date: date.to_owned(), sha256 }).ok_or(Stateless)
    }
}

impl fmt::Display for MirrorState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MirrorState::Snapshot(time) => f.write_str(time),
            MirrorState::Release { date, sha256: None } => f.write_str(date),
            MirrorState::Release { date, sha256: Some(digits) } => write!(f, "{date}@sha256:{digits}"),
        }
    }
}

/// Looks one key up. A Release file's date with a digest and the same date without do not contradict each other; the digest counts.
pub fn find_mirror(text: &[u8], key: &str) -> Found<MirrorState> {
    keyed::find::<Mirror>(text, key)
}

/// Reads a whole file, in the order in which keys first occur. A line that is no pin costs only itself; a key with two states has no pin, and
/// its later lines are problems.
pub fn parse_mirror(text: &[u8]) -> (Vec<(String, Pin<MirrorState>)>, Vec<Malformed>) {
    keyed::parse::<Mirror>(text)
}

/// The file with this state in it, instead of other lines of the key; `None` when nothing is to be written: it is there already (perhaps with
/// a digest where none is given), or `key`, `date` (of a Release file, or a snapshot's time without a digest) or `sha256` (64 hexadecimal digits) is
/// not what it has to be. See [`insert`](crate::insert).
pub fn insert_mirror(text: &[u8], key: &str, date: &str, sha256: Option<&str>) -> Option<Vec<u8>> {
    let value = sha256.map_or_else(|| date.to_owned(), |digits| format!("{date}@sha256:{digits}"));
    let state: MirrorState = value.parse().ok()?;
    if !Mirror::is_name(key) {
        return None;
    }
    let is_ours = |line: &&[u8]| keyed::names(line, key);
    let ours = trimmed(text).filter(is_ours).count();
    let known = find_mirror(text, key).pin;
    if ours == 1 && known.is_some_and(|known| Mirror::joined(&known.value, &state) == Some(known.value)) {
        return None;
    }
    with_line(text, key, &state.to_string(), &is_ours)
}

/// The grammar of `versions-mirror`.
struct Mirror;

impl Kind for Mirror {
    type Value = MirrorState;
    const NO_NAME: What = What::Key;

    fn is_name(text: &str) -> bool {
        let fits = |byte: u8| byte.is_ascii_graphic() && !b"/=".contains(&byte);
        !text.is_empty() && !text.starts_with('#') && text.bytes().all(fits)
    }

    fn value(text: &str) -> Result<MirrorState, What> {
        text.parse().map_err(|Stateless| What::State)
    }

    fn joined(a: &MirrorState, b: &MirrorState) -> Option<MirrorState> {
        let says_no_more = |less: &MirrorState, more: &MirrorState| match (less, more) {
            (MirrorState::Release { date, sha256: None }, MirrorState::Release { date: other, .. }) => {
                date == other
            }
            _ => less == more,
        };
        match (says_no_more(b, a), says_no_more(a, b)) {
            (true, _) => Some(a.clone()),
            (false, true) => Some(b.clone()),
            (false, false) => None,
        }
    }
}

/// 64 hexadecimal digits, in lower case.
fn sha256(digits: &str) -> Option<String> {
    let fits = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| digits.to_ascii_lowercase())
}

/// Whether a text is like another one, any digit in place of each `0`.
fn has_shape(text: &str, shape: &str) -> bool {
    let fits = |(byte, shape): (u8, u8)| if shape == b'0' { byte.is_ascii_digit() } else { byte == shape };
    text.len() == shape.len() && text.bytes().zip(shape.bytes()).all(fits)
}

#[cfg(test)]
mod tests;
