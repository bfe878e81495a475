//! `versions-web`: one `URL==DIGEST` a line.
//!
//! The digest is an md5 as 32 hexadecimal digits (what SONiC writes) or `sha256:` with 64. The *last* `==` of a line
//! splits it, since a URL may hold `==` and a digest cannot. URLs are compared as they stand: nothing is normalised,
//! because pins in use hold `//`, `%2B`, `+` and `~`. Surrounding blanks and the `\r` of a CRLF file are not part of a
//! line; empty lines and lines that begin with `#` say nothing.
//!
//! An md5 and a sha256 for one URL do not contradict each other; the sha256 is the one that counts. Two different
//! digests of one kind do, and then neither of them can be believed: the look-up names both lines and gives no pin.

use std::collections::HashSet;
use std::fmt;
use std::str::FromStr;

/// A digest as it stands in `versions-web`. Parsed from and printed as `<32 hex>` or `sha256:<64 hex>`; digits given in
/// upper case are taken and become lower case.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum WebDigest {
    /// 32 lower-case hexadecimal digits.
    Md5(String),
    /// 64 lower-case hexadecimal digits, without the `sha256:`.
    Sha256(String),
}

/// The text is neither an md5 nor `sha256:` with a SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected 32 hexadecimal digits, or `sha256:` and 64 of them")]
pub struct Digestless;

impl FromStr for WebDigest {
    type Err = Digestless;

    fn from_str(text: &str) -> Result<Self, Digestless> {
        let hex = |digits: &str, length: usize| {
            let fits = digits.len() == length && digits.bytes().all(|b| b.is_ascii_hexdigit());
            fits.then(|| digits.to_ascii_lowercase()).ok_or(Digestless)
        };
        match text.strip_prefix("sha256:") {
            Some(digits) => hex(digits, 64).map(WebDigest::Sha256),
            None => hex(text, 32).map(WebDigest::Md5),
        }
    }
}

impl fmt::Display for WebDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WebDigest::Md5(digits) => f.write_str(digits),
            WebDigest::Sha256(digits) => write!(f, "sha256:{digits}"),
        }
    }
}

/// A pin and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WebPin {
    /// What the content must hash to.
    pub digest: WebDigest,
    /// The line, counted from 1.
    pub line: usize,
}

/// A line that is not a pin, or that cannot be believed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct Malformed {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub what: What,
}

/// What is wrong with a line.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum What {
    /// It holds no `==`.
    #[error("no `==` between name and version")]
    NoSeparator,
    /// What git writes around the sides of a conflict.
    #[error("a merge conflict that is not resolved")]
    Merge,
    /// Nothing stands before the last `==`.
    #[error("no URL before `==`")]
    NoUrl,
    /// What stands behind the last `==` is no digest.
    #[error("the digest is neither an md5 (32 hexadecimal digits) nor `sha256:` and 64 of them")]
    Digest,
    /// What stands behind the last `==` is no commit.
    #[error("the version is no commit (40 hexadecimal digits)")]
    Commit,
    /// What stands before the last `==` is no name of a Debian package.
    #[error("the name is none of a Debian package (`a-z`, `0-9`, `+`, `-`, `.`)")]
    Package,
    /// What stands behind the last `==` is no version of a Debian package.
    #[error("the version is none of a Debian package (`[EPOCH:]UPSTREAM[-REVISION]`)")]
    DebVersion,
    /// What stands before the last `==` is no key of `versions-mirror`.
    #[error("the key is neither a short name nor the name of an apt list file")]
    Key,
    /// What stands behind the last `==` is no state of an archive.
    #[error("the version is neither the time of a snapshot nor the date of a Release file")]
    State,
    /// It is not UTF-8, which no URL in a version file needs to be.
    #[error("not UTF-8")]
    NotUtf8,
    /// It pins the URL or name to another digest of the same kind, commit, version or state than an earlier line does.
    #[error("the same name has another version on line {other}")]
    Conflict {
        /// The earlier line, counted from 1.
        other: usize,
    },
}

/// What a version file says about one URL.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Lookup {
    /// The pin in force; none when no good line names the URL, or when two contradict each other (see `problems`).
    pub pin: Option<WebPin>,
    /// Lines about this URL that are not good pins.
    pub problems: Vec<Malformed>,
}

impl Lookup {
    /// The lines of a contradiction, earlier one first. A URL in this state is neither pinned nor unpinned: what the
    /// caller wants cannot be known, and the message should name both lines.
    pub fn conflict(&self) -> Option<(usize, usize)> {
        self.problems.iter().find_map(|problem| match problem.what {
            What::Conflict { other } => Some((other, problem.line)),
            _ => None,
        })
    }
}

/// Looks one URL up without parsing the rest of the file, which may be long and not all of it good.
pub fn find(text: &[u8], url: &str) -> Lookup {
    find_by(text, &|found| found == url)
}

/// Looks up the URLs for which `is_meant` says so, as one.
pub fn find_by(text: &[u8], is_meant: &dyn Fn(&str) -> bool) -> Lookup {
    let is_meant = |url: &[u8]| str::from_utf8(url).is_ok_and(is_meant);
    let mut kept = Kept::default();
    let mut problems = Vec::new();
    for (line, content) in lines(text) {
        match split(content) {
            Ok((url, digest)) if is_meant(url) => match parse_digest(digest) {
                Some(digest) => problems.extend(kept.add(WebPin { digest, line })),
                None => problems.push(Malformed { line, what: What::Digest }),
            },
            Err(what) if what == What::Merge || is_about(content, &is_meant) => {
                problems.push(Malformed { line, what });
            }
            Ok(_) | Err(_) => {}
        }
    }
    Lookup { pin: kept.pin(), problems }
}

/// Reads a whole file, in the order of its lines. A line that is no pin costs only itself. Lines that contradict each
/// other are all in the list of pins, and the later ones are problems too; equal lines are given once.
pub fn parse(text: &[u8]) -> (Vec<(String, WebPin)>, Vec<Malformed>) {
    let mut pins: Vec<(String, WebPin)> = Vec::new();
    let mut problems = Vec::new();
    let mut kept: std::collections::HashMap<String, Kept> = std::collections::HashMap::new();
    for (line, content) in lines(text) {
        match parse_line(content) {
            Ok((url, digest)) => {
                let pin = WebPin { digest, line };
                let known = kept.entry(url.to_owned()).or_default();
                if known.holds(&pin.digest) {
                    continue;
                }
                problems.extend(known.add(pin.clone()));
                pins.push((url.to_owned(), pin));
            }
            Err(what) => problems.push(Malformed { line, what }),
        }
    }
    (pins, problems)
}

/// The file with this pin in it, or `None` when nothing is to be written: the pin is there already (perhaps beside one of
/// the other kind), or the URL is one
/// that a line cannot carry (empty, with line breaks or control characters, beginning with `#`, blanks at its ends).
///
/// The lines come out unique and sorted by bytes, as `LC_ALL=C sort` does and as SONiC keeps them; comments at the top
/// stay at the top, every pin of the same URL is replaced, and lines that are no pins are kept as they are.
pub fn insert(text: &[u8], url: &str, digest: &WebDigest) -> Option<Vec<u8>> {
    let is_ours = |line: &&[u8]| matches!(parse_line(line), Ok((found, _)) if found == url);
    let known: Vec<WebDigest> =
        trimmed(text).filter(is_ours).filter_map(|line| Some(parse_line(line).ok()?.1)).collect();
    // An md5 and a sha256 may stand side by side.
    let kinds: HashSet<_> = known.iter().map(std::mem::discriminant).collect();
    if known.contains(digest) && kinds.len() == known.len() {
        return None;
    }
    with_line(text, url, &digest.to_string(), &is_ours)
}

/// The file with the line `url==version` instead of those that are ours; `None` where the URL is one that a line cannot carry.
pub(crate) fn with_line(
    text: &[u8],
    url: &str,
    version: &str,
    is_ours: &dyn Fn(&&[u8]) -> bool,
) -> Option<Vec<u8>> {
    if url.is_empty() || url.starts_with('#') || url.trim() != url || url.chars().any(char::is_control) {
        return None;
    }
    let head: Vec<&[u8]> = trimmed(text).take_while(|line| line.starts_with(b"#")).collect();
    let pin = format!("{url}=={version}");
    let mut body: Vec<&[u8]> = trimmed(text).skip(head.len()).filter(|line| !is_ours(line)).collect();
    body.push(pin.as_bytes());
    body.sort_unstable();
    body.dedup();
    let mut out = Vec::with_capacity(text.len() + pin.len() + 1);
    for line in head.into_iter().chain(body) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    Some(out)
}

pub(crate) fn trimmed(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty())
}

/// The pins of one URL so far: the first of each kind, and whether another contradicted it.
#[derive(Default)]
struct Kept {
    md5: Option<WebPin>,
    sha256: Option<WebPin>,
    conflict: bool,
}

impl Kept {
    fn slot(&mut self, digest: &WebDigest) -> &mut Option<WebPin> {
        match digest {
            WebDigest::Md5(_) => &mut self.md5,
            WebDigest::Sha256(_) => &mut self.sha256,
        }
    }

    fn holds(&mut self, digest: &WebDigest) -> bool {
        self.slot(digest).as_ref().is_some_and(|pin| pin.digest == *digest)
    }

    fn add(&mut self, pin: WebPin) -> Option<Malformed> {
        let slot = self.slot(&pin.digest);
        let Some(known) = slot else {
            *slot = Some(pin);
            return None;
        };
        if known.digest == pin.digest {
            return None;
        }
        let problem = Malformed { line: pin.line, what: What::Conflict { other: known.line } };
        self.conflict = true;
        Some(problem)
    }

    fn pin(self) -> Option<WebPin> {
        if self.conflict { None } else { self.sha256.or(self.md5) }
    }
}

/// The lines that say something, with their numbers, without blanks around them.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let numbered = text.split(|&b| b == b'\n').enumerate();
    numbered
        .map(|(index, line)| (index + 1, line.trim_ascii()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

/// Whether a line without a good separator begins with a URL that is meant.
pub(crate) fn is_about(line: &[u8], is_meant: &dyn Fn(&[u8]) -> bool) -> bool {
    let ends = (0..line.len()).filter(|&at| matches!(line[at], b'=' | b' ' | b'\t'));
    ends.chain([line.len()]).any(|end| is_meant(&line[..end]))
}

pub(crate) fn split(line: &[u8]) -> Result<(&[u8], &[u8]), What> {
    if [&b"<<<<<<< "[..], b">>>>>>> "].iter().any(|mark| line.starts_with(mark)) {
        return Err(What::Merge);
    }
    let at = line.windows(2).rposition(|pair| pair == b"==").ok_or(What::NoSeparator)?;
    if at == 0 {
        return Err(What::NoUrl);
    }
    Ok((line[..at].trim_ascii_end(), line[at + 2..].trim_ascii_start()))
}

fn parse_line(line: &[u8]) -> Result<(&str, WebDigest), What> {
    let (url, digest) = split(line)?;
    let url = str::from_utf8(url).map_err(|_| What::NotUtf8)?;
    Ok((url, parse_digest(digest).ok_or(What::Digest)?))
}

fn parse_digest(text: &[u8]) -> Option<WebDigest> {
    str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
