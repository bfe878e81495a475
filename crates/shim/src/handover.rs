//! What a build in a container is told without a change to its Dockerfile: the method, and the tier to use.
//!
//! It travels as one more entry of `NO_PROXY`. Docker, BuildKit and buildah give this predefined build argument to every
//! `RUN` and keep it out of history, layers, environment and cache keys. The entry is a host name below
//! `vcache.invalid`, a domain that can't exist (RFC 6761), so whoever else reads the list is not disturbed: its labels are
//! the hexadecimal digits of `METHOD[,offline][,strict] URL`.

/// What is handed over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Handover {
    /// For `SONIC_VERSION_CACHE_METHOD`.
    pub method: String,
    /// For `VCACHE_OFFLINE`.
    pub offline: bool,
    /// For `VCACHE_STRICT`.
    pub strict: bool,
    /// For `VCACHE_REMOTE`, credentials included; or [`BESIDE`].
    pub remote: String,
}

/// In the place of a tier: the cache is the [`FOLDER`] that came with the shims through the build's context.
pub const BESIDE: &str = "beside:";
/// The folder in that of the shims. It goes before the image is done, so nobody else should come to this name.
pub const FOLDER: &str = "vcache-for-this-build";

/// The folder beside our own executable; none where there is none.
pub(crate) fn beside_us() -> Option<String> {
    let folder = std::fs::read_link("/proc/self/exe").ok()?.with_file_name(FOLDER);
    folder.join("vcache.version").exists().then(|| folder.to_str().map(str::to_owned))?
}

const DOMAIN: &str = ".vcache.invalid";
/// A label of a host name has 63 characters at most (RFC 1035, 2.3.4).
const LABEL: usize = 60;

impl Handover {
    /// The entry for `NO_PROXY`.
    pub fn encode(&self) -> String {
        let switch = |on: bool, text: &'static str| if on { text } else { "" };
        let (offline, strict) = (switch(self.offline, ",offline"), switch(self.strict, ",strict"));
        let digits = hex::encode(format!("{}{offline}{strict} {}", self.method, self.remote));
        let labels: Vec<&str> =
            (0..digits.len()).step_by(LABEL).map(|at| &digits[at..digits.len().min(at + LABEL)]).collect();
        labels.join(".") + DOMAIN
    }

    /// What a value of `NO_PROXY` holds for us; none where it holds nothing, or something damaged. Of several entries the last counts.
    pub fn decode_from_no_proxy(list: &str) -> Option<Handover> {
        let entries = list.split([',', ' ']).rev();
        entries.filter_map(|entry| entry.strip_suffix(DOMAIN)).find_map(decode)
    }
}

fn decode(labels: &str) -> Option<Handover> {
    let text = String::from_utf8(hex::decode(labels.replace('.', "")).ok()?).ok()?;
    let (words, remote) = text.split_once(' ')?;
    let mut words = words.split(',');
    let method = words.next()?.to_owned();
    let mut handover = Handover { method, offline: false, strict: false, remote: remote.to_owned() };
    for word in words {
        match word {
            "offline" => handover.offline = true,
            "strict" => handover.strict = true,
            _ => return None,
        }
    }
    Some(handover)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handover(offline: bool, strict: bool) -> Handover {
        let remote = "http://:0123456789abcdef0123456789abcdef@172.17.0.1:41235#trusted,vcache".to_owned();
        Handover { method: "cache".into(), offline, strict, remote }
    }

    #[test]
    fn what_is_handed_over_arrives_beside_other_entries() {
        for (offline, strict) in [(false, false), (true, false), (false, true), (true, true)] {
            let given = handover(offline, strict);
            let entry = given.encode();
            for list in [entry.clone(), format!("localhost,.example,{entry}"), format!("{entry}, 10.0.0.0/8")]
            {
                assert_eq!(Handover::decode_from_no_proxy(&list), Some(given.clone()), "{list}");
            }
        }
    }

    #[test]
    fn an_entry_is_a_host_name() {
        let entry = handover(true, true).encode();
        assert!(entry.len() <= 253, "{}", entry.len());
        assert!(entry.split('.').all(|label| (1..=63).contains(&label.len())), "{entry}");
        assert!(!entry.contains(':') && !entry.contains(','), "{entry}");
    }

    #[test]
    fn the_last_entry_counts_and_damage_is_nothing() {
        let (first, last) = (handover(false, false), handover(true, false));
        let both = format!("{},{}", first.encode(), last.encode());
        assert_eq!(Handover::decode_from_no_proxy(&both), Some(last));
        for list in
            ["", "localhost", "zz.vcache.invalid", "vcache.invalid", "6162.vcache.invalid", ".vcache.invalid"]
        {
            assert_eq!(Handover::decode_from_no_proxy(list), None, "{list}");
        }
    }
}
