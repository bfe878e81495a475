//! What content is named by. [`Sha256Id`] names blobs; [`Digest`] is what a pin may hold, since SONiC's version
//! files pin md5. Parsing takes either letter case, printing is lower case, so one digest has one file name.
//!
//! MD5 identifies here, it does not prove: a file pinned by md5 is exactly as safe as its pin.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of some content: the name of its blob. Prints as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256Id([u8; 32]);

impl Sha256Id {
    /// The id whose raw bytes are these.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The raw bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The id of this content.
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }
}

impl fmt::Display for Sha256Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Sha256Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sha256Id({self})")
    }
}

impl FromStr for Sha256Id {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        decode(text, text).map(Self)
    }
}

impl Serialize for Sha256Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Sha256Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// What a pin says about content. Prints and parses as version files have it: `sha256:<64 hex>` or `<32 hex>`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Digest {
    /// SHA-256.
    Sha256(Sha256Id),
    /// MD5, as SONiC's version files have it.
    Md5([u8; 16]),
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(id) => write!(f, "sha256:{id}"),
            Self::Md5(md5) => f.write_str(&hex::encode(md5)),
        }
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        match text.strip_prefix("sha256:") {
            Some(rest) => decode(rest, text).map(|bytes| Self::Sha256(Sha256Id(bytes))),
            None => decode(text, text).map(Self::Md5),
        }
    }
}

impl From<Sha256Id> for Digest {
    fn from(id: Sha256Id) -> Self {
        Self::Sha256(id)
    }
}

/// Text that is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a digest: `sha256:` and 64 hex digits, or 32 hex digits (md5), were expected")]
pub struct DigestError {
    /// The text.
    pub text: String,
}

fn decode<const N: usize>(digits: &str, whole: &str) -> Result<[u8; N], DigestError> {
    let mut bytes = [0; N];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| DigestError { text: whole.to_owned() })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_survive_a_round_trip() {
        let sha256 = format!("sha256:{}", Sha256Id::of(b"abc"));
        assert_eq!(sha256, "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        for text in [sha256.as_str(), "900150983cd24fb0d6963f7d28e17f72"] {
            assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
            let upper = text.to_uppercase().replace("SHA256", "sha256");
            assert_eq!(upper.parse::<Digest>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_digest_is_refused() {
        for text in [
            "",
            "sha256:",
            "900150983cd24fb0d6963f7d28e17f7",
            "zz0150983cd24fb0d6963f7d28e17f72",
            "sha256:00",
        ] {
            assert_eq!(text.parse::<Digest>(), Err(DigestError { text: text.to_owned() }));
        }
    }
}
