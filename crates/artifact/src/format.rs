//! The members of an artifact: what a header, and the pax records before it, say of one file.
//!
//! A ustar header holds what fits. Numbers that don't (ids over 2^21, files over 8 GiB) are binary, as GNU tar, bsdtar and
//! the `tar` crate have it; the rest is in pax records: `path` and `linkpath` over 100 bytes, `mtime` with a fraction or
//! before 1970, `SCHILY.xattr.*`. Files with holes are "GNU.sparse" of version 1.0 (GNU tar manual, "Storing Sparse Files"):
//! the map stands before the data.

use rustix::fs::Timespec;
use tar::{EntryType, Header};

use crate::Error;
use crate::pax::Records;

pub(crate) const BLOCK: u64 = 512;
/// Two empty blocks end a tar.
pub(crate) const END: [u8; 2 * BLOCK as usize] = [0; 2 * BLOCK as usize];

/// What a ustar header has room for.
const NAME: usize = 100;
const OCTAL_TIME: i64 = 0o777_7777_7777;

/// A file of some kind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Member {
    /// Output, and path below it, without a `/` at either end.
    pub(crate) name: Vec<u8>,
    pub(crate) attributes: Attributes,
    pub(crate) kind: Kind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Attributes {
    /// The twelve bits of `chmod`.
    pub(crate) mode: u32,
    pub(crate) uid: u32,
    pub(crate) gid: u32,
    pub(crate) mtime: Timespec,
    /// Names and values.
    pub(crate) xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Folder,
    /// Data of this many bytes follows.
    File {
        size: u64,
    },
    /// `stored` bytes follow: a map, then what it lists. `size` is the file's.
    Sparse {
        stored: u64,
        size: u64,
    },
    /// Another name of the member with this one.
    HardLink(Vec<u8>),
    /// A symbolic link.
    Link(Vec<u8>),
    Fifo,
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
}

impl Member {
    /// How many bytes follow.
    pub(crate) fn stored(&self) -> u64 {
        match self.kind {
            Kind::File { size } => size,
            Kind::Sparse { stored, .. } => stored,
            _ => 0,
        }
    }

    /// The header, after one with pax records if it needs any.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut header = Header::new_ustar();
        let mut pax = Records::default();
        let mut name = self.name.clone();
        if self.kind == Kind::Folder {
            name.push(b'/');
        }
        put_name(&mut header.as_ustar_mut().expect("it was made one").name, &name, "path", &mut pax);
        let Attributes { mode, uid, gid, mtime, xattrs } = &self.attributes;
        header.set_mode(*mode);
        header.set_uid((*uid).into());
        header.set_gid((*gid).into());
        header.set_size(self.stored());
        let octal = (0..=OCTAL_TIME).contains(&mtime.tv_sec);
        header.set_mtime(if octal { mtime.tv_sec as u64 } else { 0 });
        if !octal || mtime.tv_nsec != 0 {
            pax.add("mtime", decimal(*mtime));
        }
        for (name, value) in xattrs {
            pax.add_xattr(name, value);
        }
        let entry_type = match &self.kind {
            Kind::Folder => EntryType::Directory,
            Kind::File { .. } => EntryType::Regular,
            Kind::Sparse { size, .. } => {
                pax.add("GNU.sparse.major", "1");
                pax.add("GNU.sparse.minor", "0");
                pax.add("GNU.sparse.name", name);
                pax.add("GNU.sparse.realsize", size.to_string());
                EntryType::Regular
            }
            Kind::HardLink(target) | Kind::Link(target) => {
                put_name(
                    &mut header.as_ustar_mut().expect("it was made one").linkname,
                    target,
                    "linkpath",
                    &mut pax,
                );
                if matches!(self.kind, Kind::Link(_)) { EntryType::Symlink } else { EntryType::Link }
            }
            Kind::Fifo => EntryType::Fifo,
            Kind::Device { block, major, minor } => {
                let ustar = header.as_ustar_mut().expect("it was made one");
                ustar.set_device_major(*major);
                ustar.set_device_minor(*minor);
                if *block { EntryType::Block } else { EntryType::Char }
            }
        };
        header.set_entry_type(entry_type);
        header.set_cksum();
        let mut bytes = if pax == Records::default() { Vec::new() } else { extended(&pax) };
        bytes.extend(header.as_bytes());
        bytes
    }

    /// Reads a header and the pax records that came before it.
    ///
    /// # Errors
    /// [`Error::Malformed`]: numbers that are none, or a kind that is not written here.
    pub(crate) fn decode(header: &Header, pax: &Records) -> Result<Self, Error> {
        let written = pax.get("path").map_or_else(|| header.path_bytes().into_owned(), <[u8]>::to_vec);
        let shown = String::from_utf8_lossy(&written).into_owned();
        let refused = |what: &str| Error::malformed(format!("{shown}: {what}"));
        let unread = |source| Error::Malformed {
            what: format!("{shown}: a field is no number"),
            source: Some(source),
        };
        let link = || {
            let found = pax.get("linkpath").map(<[u8]>::to_vec);
            found.or_else(|| Some(header.link_name_bytes()?.into_owned())).unwrap_or_default()
        };
        let id = |id: u64| u32::try_from(id).map_err(|_| refused("an id is too large"));
        let size = header.entry_size().map_err(unread)?;
        let device = |block| -> Result<Kind, Error> {
            let (major, minor) =
                (header.device_major().map_err(unread)?, header.device_minor().map_err(unread)?);
            Ok(Kind::Device { block, major: major.unwrap_or(0), minor: minor.unwrap_or(0) })
        };
        let kind = match header.entry_type() {
            EntryType::Directory => Kind::Folder,
            EntryType::Regular if pax.get("GNU.sparse.major").is_some() => {
                if (pax.get("GNU.sparse.major"), pax.get("GNU.sparse.minor")) != (Some(b"1"), Some(b"0")) {
                    return Err(refused("holes are noted in a form that is not known"));
                }
                let text = pax.get("GNU.sparse.realsize").and_then(|text| str::from_utf8(text).ok());
                let real = text.and_then(|text| text.parse().ok());
                Kind::Sparse { stored: size, size: real.ok_or_else(|| refused("its size is not known"))? }
            }
            EntryType::Regular => Kind::File { size },
            EntryType::Link => Kind::HardLink(link()),
            EntryType::Symlink => Kind::Link(link()),
            EntryType::Fifo => Kind::Fifo,
            EntryType::Char => device(false)?,
            EntryType::Block => device(true)?,
            other => return Err(refused(&format!("a member of kind {:?}", char::from(other.as_byte())))),
        };
        let mtime = match pax.get("mtime") {
            Some(text) => timespec(text).ok_or_else(|| refused("its time is none"))?,
            None => Timespec { tv_sec: header.mtime().map_err(unread)? as i64, tv_nsec: 0 },
        };
        let attributes = Attributes {
            mode: header.mode().map_err(unread)? & 0o7777,
            uid: id(header.uid().map_err(unread)?)?,
            gid: id(header.gid().map_err(unread)?)?,
            mtime,
            xattrs: pax.xattrs(),
        };
        let mut name = written;
        if kind == Kind::Folder && name.last() == Some(&b'/') {
            name.pop();
        }
        Ok(Self { name, attributes, kind })
    }
}

/// Bytes that fill the last block.
pub(crate) fn padding(length: u64) -> &'static [u8] {
    &END[..((BLOCK - length % BLOCK) % BLOCK) as usize]
}

fn put_name(field: &mut [u8; NAME], name: &[u8], keyword: &str, pax: &mut Records) {
    let fits = name.len().min(NAME);
    field[..fits].copy_from_slice(&name[..fits]);
    if name.len() > NAME {
        // Otherwise a reader may take the bytes for UTF-8, as which POSIX has them, and convert them.
        if !name.is_ascii() {
            pax.add("hdrcharset", "BINARY");
        }
        pax.add(keyword, name);
    }
}

fn extended(pax: &Records) -> Vec<u8> {
    let records = pax.encode();
    let mut header = Header::new_ustar();
    // Where a program that knows no pax would put it.
    put_name(
        &mut header.as_ustar_mut().expect("it was made one").name,
        b"PaxHeaders",
        "",
        &mut Records::default(),
    );
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(records.len() as u64);
    header.set_entry_type(EntryType::XHeader);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(&records);
    bytes.extend(padding(records.len() as u64));
    bytes
}

/// Seconds with nine digits after the point.
fn decimal(time: Timespec) -> String {
    let (seconds, nanos) = (i128::from(time.tv_sec), i128::from(time.tv_nsec));
    let all = seconds * 1_000_000_000 + nanos;
    let sign = if all < 0 { "-" } else { "" };
    let all = all.abs();
    format!("{sign}{}.{:09}", all / 1_000_000_000, all % 1_000_000_000)
}

fn timespec(text: &[u8]) -> Option<Timespec> {
    let text = str::from_utf8(text).ok()?;
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if !(seconds.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())) || seconds.is_empty() {
        return None;
    }
    let nanos: i128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let all = i128::from(seconds.parse::<i64>().ok()?) * 1_000_000_000 + nanos;
    let all = if negative { -all } else { all };
    let tv_sec = i64::try_from(all.div_euclid(1_000_000_000)).ok()?;
    Some(Timespec { tv_sec, tv_nsec: all.rem_euclid(1_000_000_000) as _ })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(tv_sec: i64, tv_nsec: i64) -> Timespec {
        Timespec { tv_sec, tv_nsec: tv_nsec as _ }
    }

    fn again(member: &Member) -> Member {
        let bytes = member.encode();
        let (mut pax, mut at) = (Records::default(), 0);
        let mut header = Header::from_byte_slice(&bytes[..512]);
        if header.entry_type() == EntryType::XHeader {
            let length = header.entry_size().unwrap();
            pax = Records::parse(&bytes[512..][..length as usize]).unwrap();
            at = (512 + length.next_multiple_of(BLOCK)) as usize;
            header = Header::from_byte_slice(&bytes[at..]);
        }
        assert_eq!(bytes.len(), at + 512);
        Member::decode(header, &pax).unwrap()
    }

    #[test]
    fn members_survive() {
        let plain = Attributes { mode: 0o644, uid: 0, gid: 0, mtime: time(1, 0), xattrs: Vec::new() };
        let hard = Attributes {
            mode: 0o7777,
            uid: u32::MAX - 1,
            gid: 3_000_000,
            mtime: time(-2, 999_999_999),
            xattrs: vec![(b"security.capability".to_vec(), b"\n\0=".to_vec())],
        };
        let kinds = [
            Kind::Folder,
            Kind::File { size: 0 },
            Kind::File { size: 9 << 30 },
            Kind::Sparse { stored: 512, size: 1 << 40 },
            Kind::HardLink(b"o/x".to_vec()),
            Kind::Link(vec![b'\xff'; 300]),
            Kind::Fifo,
            Kind::Device { block: false, major: 5, minor: 1_048_575 },
            Kind::Device { block: true, major: 4095, minor: 0 },
        ];
        for kind in kinds {
            for attributes in [&plain, &hard] {
                for length in [1, 98, 99, 100, 101, 3000] {
                    let name = vec![b'\xe9'; length];
                    let member = Member { name, attributes: attributes.clone(), kind: kind.clone() };
                    assert_eq!(again(&member), member);
                }
            }
        }
    }

    #[test]
    fn times_are_decimal() {
        for (at, text) in [
            (time(0, 0), "0.000000000"),
            (time(1, 5), "1.000000005"),
            (time(-1, 0), "-1.000000000"),
            (time(-1, 500_000_000), "-0.500000000"),
            (time(-2, 999_999_999), "-1.000000001"),
            (time(i64::MAX, 999_999_999), "9223372036854775807.999999999"),
            (time(i64::MIN + 1, 0), "-9223372036854775807.000000000"),
        ] {
            assert_eq!(decimal(at), text);
            assert_eq!(timespec(text.as_bytes()), Some(at));
        }
        for (text, at) in
            [("7", time(7, 0)), ("7.1", time(7, 100_000_000)), ("7.1234567899", time(7, 123_456_789))]
        {
            assert_eq!(timespec(text.as_bytes()), Some(at));
        }
        for text in ["", ".", "-", "x", "1.x", "--1", "1e3", "9223372036854775808", "+1"] {
            assert_eq!(timespec(text.as_bytes()), None, "{text}");
        }
    }
}
