//! Records of pax headers (POSIX.1-2024, pax, "pax Extended Header"): `<length> <keyword>=<value>\n`, where the length in decimal counts
//! the whole record, itself too. Values are bytes; those of extended attributes may hold line ends and zeros, which is why
//! the `tar` crate's reader, which splits at line ends, is not used.

use crate::Error;

/// Before the name of an extended attribute, as GNU tar, bsdtar and star have it.
pub(crate) const XATTR: &[u8] = b"SCHILY.xattr.";

/// Records by keyword, in the order in which they were written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Records(pub(crate) Vec<(Vec<u8>, Vec<u8>)>);

impl Records {
    pub(crate) fn add(&mut self, keyword: &str, value: impl Into<Vec<u8>>) {
        self.0.push((keyword.into(), value.into()));
    }

    pub(crate) fn add_xattr(&mut self, name: &[u8], value: &[u8]) {
        let mut keyword = XATTR.to_vec();
        // `=` ends a keyword; GNU tar escapes it so.
        for &byte in name {
            match byte {
                b'=' => keyword.extend(b"%3D"),
                b'%' => keyword.extend(b"%25"),
                _ => keyword.push(byte),
            }
        }
        self.0.push((keyword, value.to_vec()));
    }

    /// The last value of a keyword.
    pub(crate) fn get(&self, keyword: &str) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(name, _)| name == keyword.as_bytes());
        found.map(|(_, value)| value.as_slice())
    }

    /// Names and values of the extended attributes.
    pub(crate) fn xattrs(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let of = |(keyword, value): &(Vec<u8>, Vec<u8>)| {
            Some((unescaped(keyword.strip_prefix(XATTR)?), value.clone()))
        };
        self.0.iter().filter_map(of).collect()
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (keyword, value) in &self.0 {
            text.extend(length_of(keyword.len() + value.len() + 3).to_string().bytes());
            text.push(b' ');
            text.extend(keyword);
            text.push(b'=');
            text.extend(value);
            text.push(b'\n');
        }
        text
    }

    pub(crate) fn parse(mut text: &[u8]) -> Result<Self, Error> {
        let mut records = Vec::new();
        while !text.is_empty() {
            let record = first_of(text).ok_or_else(|| Error::malformed("a pax record is none"))?;
            text = &text[record.length..];
            records.push((record.keyword.to_vec(), record.value.to_vec()));
        }
        Ok(Self(records))
    }
}

struct First<'a> {
    length: usize,
    keyword: &'a [u8],
    value: &'a [u8],
}

fn first_of(text: &[u8]) -> Option<First<'_>> {
    let space = text.iter().take(20).position(|&byte| byte == b' ')?;
    let length: usize = str::from_utf8(&text[..space]).ok()?.parse().ok()?;
    let record = text.get(space + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some(First { length, keyword: &record[..equals], value: &record[equals + 1..] })
}

/// The whole length of a record whose other bytes are `rest`.
fn length_of(rest: usize) -> usize {
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    length
}

fn unescaped(mut name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    while let Some((&first, rest)) = name.split_first() {
        let (byte, rest) = match name {
            [b'%', b'3', b'D', rest @ ..] => (b'=', rest),
            [b'%', b'2', b'5', rest @ ..] => (b'%', rest),
            _ => (first, rest),
        };
        plain.push(byte);
        name = rest;
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_counts_itself() {
        for (value, record) in [
            ("", "5 k=\n".to_owned()),
            ("1234", "9 k=1234\n".to_owned()),
            ("12345", "11 k=12345\n".to_owned()),
            (&"x".repeat(92), format!("98 k={}\n", "x".repeat(92))),
            (&"x".repeat(93), format!("99 k={}\n", "x".repeat(93))),
            (&"x".repeat(94), format!("101 k={}\n", "x".repeat(94))),
        ] {
            let mut records = Records::default();
            records.add("k", value);
            let text = records.encode();
            assert_eq!(String::from_utf8(text.clone()).unwrap(), record);
            assert_eq!(record.len().to_string(), record.split(' ').next().unwrap());
            assert_eq!(Records::parse(&text).unwrap(), records);
        }
    }

    #[test]
    fn any_byte_survives() {
        let mut records = Records::default();
        records.add("path", b"a\n7 b=\xff".as_slice());
        records.add_xattr(b"user.100%=x", b"\0\n=\n");
        let again = Records::parse(&records.encode()).unwrap();
        assert_eq!(again, records);
        assert_eq!(again.get("path"), Some(b"a\n7 b=\xff".as_slice()));
        assert_eq!(again.xattrs(), [(b"user.100%=x".to_vec(), b"\0\n=\n".to_vec())]);
    }

    #[test]
    fn what_is_no_record_is_refused() {
        for text in [
            "x",
            "5 k=",
            "6 k=\n",
            "0 k=\n",
            "3 \n",
            "4 k\n",
            "99999999999999999999 k=\n",
            "-5 k=\n",
            " 5 k=\n",
        ] {
            assert!(Records::parse(text.as_bytes()).is_err(), "{text:?}");
        }
    }
}
