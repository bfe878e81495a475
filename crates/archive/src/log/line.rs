//! One line: words in, words out. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use vcache_store::Sha256Id;

use super::CHUNK;

/// The length of ids and checks.
const SHORT: usize = 16;

/// What VCSTART and VCEND say of a parcel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Parcel {
    pub(super) sha256: Sha256Id,
    pub(super) bytes: u64,
    pub(super) what: What,
    /// The id of the manifest that lists it.
    pub(super) export: String,
}

/// What a parcel holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum What {
    Manifest,
    /// Records whose content is not in the export.
    Records,
    Content(Sha256Id),
}

/// What was found in a line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Parcel(Parcel),
    Chunk {
        id: String,
        number: u32,
        bytes: Vec<u8>,
    },
    /// It can still be seen which chunk it was.
    Damaged {
        id: String,
        number: u32,
    },
}

impl Parcel {
    pub(super) fn id(&self) -> String {
        short(&self.sha256.to_string())
    }

    pub(super) fn chunks(&self) -> u64 {
        self.bytes.div_ceil(CHUNK as u64)
    }

    /// A line without its end; `word` is VCSTART or VCEND.
    pub(super) fn line(&self, word: &str) -> String {
        let what = match self.what {
            What::Manifest => "manifest".to_owned(),
            What::Records => "records".to_owned(),
            What::Content(id) => id.to_string(),
        };
        let Parcel { sha256, bytes, export, .. } = self;
        let words = format!("{} {} {bytes} {sha256} {what} {export}", self.id(), self.chunks());
        format!("{word} {words} {}", check(&words, b""))
    }

    fn parse(words: &str) -> Option<Parcel> {
        let [id, chunks, bytes, sha256, what, export, told] = first_words(words)?;
        let words = [id, chunks, bytes, sha256, what, export].join(" ");
        if check(&words, b"") != told {
            return None;
        }
        let what = match what {
            "manifest" => What::Manifest,
            "records" => What::Records,
            id => What::Content(id.parse().ok()?),
        };
        let parcel =
            Parcel { sha256: sha256.parse().ok()?, bytes: bytes.parse().ok()?, what, export: hex(export)? };
        (parcel.id() == id && parcel.chunks().to_string() == chunks).then_some(parcel)
    }
}

/// The line of a chunk, without its end.
pub(super) fn chunk(id: &str, number: u32, bytes: &[u8]) -> String {
    let words = format!("{id} {number}");
    format!("VC {words} {} {}", check(&words, bytes), STANDARD.encode(bytes))
}

/// What is in a line, if anything is. The last mark counts: what stands before may be anything.
pub(super) fn find(line: &str) -> Option<Found> {
    for (mark, parse) in [
        ("VCSTART ", (|words| Parcel::parse(words).map(Found::Parcel)) as fn(&str) -> Option<Found>),
        ("VCEND ", |words| Parcel::parse(words).map(Found::Parcel)),
        ("VC ", parse_chunk),
    ] {
        if let Some(at) = line.rfind(mark)
            && let Some(found) = parse(&line[at + mark.len()..])
        {
            return Some(found);
        }
    }
    None
}

fn parse_chunk(words: &str) -> Option<Found> {
    let mut words = words.splitn(4, ' ');
    let id = hex(words.next()?)?;
    let number: u32 = words.next()?.parse().ok()?;
    let intact = || {
        let told = words.next()?;
        let rest = words.next()?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"+/=".contains(c)).unwrap_or(rest.len());
        let bytes = STANDARD.decode(&rest[..end]).ok().filter(|bytes| bytes.len() <= CHUNK)?;
        (check(&format!("{id} {number}"), &bytes) == told).then_some(bytes)
    };
    Some(match { intact }() {
        Some(bytes) => Found::Chunk { id, number, bytes },
        None => Found::Damaged { id, number },
    })
}

/// Exactly as many words as are expected; the last one ends where its digits end.
fn first_words<const N: usize>(text: &str) -> Option<[&str; N]> {
    let mut words = text.splitn(N, ' ');
    let mut found = [""; N];
    for word in &mut found {
        *word = words.next()?;
    }
    let last = found.last_mut()?;
    *last = last.get(..SHORT)?;
    Some(found)
}

fn hex(word: &str) -> Option<String> {
    let is_hex =
        word.len() == SHORT && word.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_hex.then(|| word.to_owned())
}

fn check(words: &str, bytes: &[u8]) -> String {
    let digest = Sha256::new().chain_update(words).chain_update([0]).chain_update(bytes).finalize();
    short(&Sha256Id::from_bytes(digest.into()).to_string())
}

fn short(hex: &str) -> String {
    hex.chars().take(SHORT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel() -> Parcel {
        let what = What::Content(Sha256Id::of(b"content"));
        Parcel { sha256: Sha256Id::of(b"x"), bytes: 7000, what, export: "0123456789abcdef".into() }
    }

    #[test]
    fn lines_are_found_whatever_is_around_them() {
        let whole = [1; CHUNK];
        let chunk_line = chunk("0123456789abcdef", 7, &whole);
        let expected = Found::Chunk { id: "0123456789abcdef".into(), number: 7, bytes: whole.to_vec() };
        assert!(chunk_line.len() < 5 << 10);
        for (line, expected) in [
            (parcel().line("VCSTART"), Found::Parcel(parcel())),
            (parcel().line("VCEND"), Found::Parcel(parcel())),
            (chunk_line, expected),
        ] {
            for (before, behind) in [
                ("", ""),
                ("#12 3.456 ", "\r"),
                ("2024-02-29T12:00:00.000Z ", " "),
                ("{\"log\":\"", "\\n\",\"stream\":\"stdout\"}"),
                ("make: VC VCSTART VCEND x.c", "\u{1b}[0m"),
                ("Setting up libc6", ""),
            ] {
                let line = format!("{before}{line}{behind}");
                assert_eq!(find(&line), Some(expected.clone()), "{line}");
            }
        }
    }

    #[test]
    fn a_line_that_is_damaged_is_not_believed() {
        let damaged = Some(Found::Damaged { id: "0123456789abcdef".into(), number: 7 });
        let line = chunk("0123456789abcdef", 7, b"some content");
        for at in "VC 0123456789abcdef 7 ".len()..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            let found = find(str::from_utf8(&bytes).unwrap());
            assert!(found == damaged, "{at} {found:?}");
            assert_eq!(find(&line[..at]), damaged);
        }
        let line = parcel().line("VCSTART");
        for at in 0..line.len() {
            let mut bytes = line.clone().into_bytes();
            bytes[at] = if bytes[at] == b'1' { b'2' } else { b'1' };
            assert_eq!(find(str::from_utf8(&bytes).unwrap()), None, "{at}");
            assert_eq!(find(&line[..at]), None);
        }
        for line in
            ["", "VC", "VC ", "VC x 1 2 3", "VC 0123456789abcdef -1 a b", "VCSTART", "VCEND 1 2 3 4 5 6 7"]
        {
            assert_eq!(find(line), None, "{line}");
        }
    }
}
