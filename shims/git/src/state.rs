//! What the cache knows of a repository. JSON, one blob, whose record has the key `URL`, `git state`, or `git state WORDS` for a part of the history ([`Extent`]):
//!
//! ```json
//! {"head": "refs/heads/main", "refs": {"HEAD": "<hex>", "refs/tags/v1^{}": "<hex>"},
//!  "packs": [{"name": "<hex>", "pack": "<sha256>", "pack_size": 3, "idx": "<sha256>", "idx_size": 3}], "shallow": []}
//! ```
//!
//! Each pack and each index of one is a blob with a record of its own (`git pack NAME`, `git idx NAME`), so that an export takes them along; they are found
//! by digest.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use vcache_store::Sha256Id;

/// How much of a repository's history a state is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Extent {
    /// All of it.
    Whole,
    /// A part, by what it was asked for with.
    Part {
        /// Options of `git fetch`, between blanks: `--depth=1`.
        deepening: String,
        /// Refs, sorted, between blanks.
        refs: String,
    },
}

impl Extent {
    /// In the key of its record.
    pub(crate) fn name(&self) -> String {
        match self {
            Extent::Whole => STATE.to_owned(),
            Extent::Part { deepening, refs } => format!("{STATE} {deepening} {refs}"),
        }
    }

    /// Of a part of a key; None where it is no state's.
    pub(crate) fn of_name(name: &str) -> Option<Extent> {
        match name.strip_prefix(STATE)? {
            "" => Some(Extent::Whole),
            words => {
                let words: Vec<&str> = words.strip_prefix(' ')?.split(' ').collect();
                let (options, refs) =
                    words.split_at(words.iter().take_while(|word| word.starts_with("--")).count());
                Some(Extent::Part { deepening: options.join(" "), refs: refs.join(" ") })
            }
        }
    }
}

/// The beginning of what states are called in keys.
const STATE: &str = "state";
/// By its name what is checked out by default.
pub(crate) const HEAD: &str = "HEAD";

/// Refs as they were seen, and objects.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct State {
    /// The ref that `HEAD` stands for; none where it is detached, or was not told.
    #[serde(default)]
    pub(crate) head: Option<String>,
    /// Each ref's object, and behind `NAME^{}` the one that a tag's object stands for.
    pub(crate) refs: BTreeMap<String, String>,
    /// The objects of heads and tags, of some time or other.
    #[serde(default)]
    pub(crate) packs: Vec<Pack>,
    /// Commits whose parents are not there.
    #[serde(default)]
    pub(crate) shallow: Vec<String>,
}

/// A pack of git's (gitformat-pack(5)) and its index.
#[derive(Serialize, Deserialize, Clone, PartialEq, Eq, Debug)]
pub(crate) struct Pack {
    /// Of its files, between `pack-` and the dot.
    pub(crate) name: String,
    pub(crate) pack: Sha256Id,
    pub(crate) pack_size: u64,
    pub(crate) idx: Sha256Id,
    pub(crate) idx_size: u64,
}

impl State {
    /// Reads JSON. None for what no version of ours has written: names become file names and lines of files.
    pub(crate) fn read(text: &[u8]) -> Option<State> {
        let state: State = serde_json::from_slice(text).ok()?;
        let names = state.refs.keys().chain(&state.head);
        let commits =
            state.refs.values().chain(&state.shallow).chain(state.packs.iter().map(|pack| &pack.name));
        let is_sound = names.into_iter().all(|name| is_ref(name)) && commits.into_iter().all(|id| is_id(id));
        is_sound.then_some(state)
    }

    /// Reads what `git ls-remote --symref` prints.
    pub(crate) fn listed(text: &str) -> State {
        let mut state = State::default();
        for line in text.lines() {
            let Some((what, name)) = line.split_once('\t') else { continue };
            match what.strip_prefix("ref: ") {
                Some(target) if name == HEAD && is_ref(target) => state.head = Some(target.to_owned()),
                Some(_) => {}
                None if is_id(what) && is_ref(name) => {
                    state.refs.insert(name.to_owned(), what.to_owned());
                }
                None => {}
            }
        }
        state
    }

    /// With what another state of the repository has more of objects.
    pub(crate) fn with_packs_of(mut self, other: &State) -> State {
        let new = other.packs.iter().filter(|pack| !self.packs.contains(pack));
        self.packs.extend(new.cloned().collect::<Vec<_>>());
        self.shallow.extend(other.shallow.iter().cloned());
        self.shallow.sort();
        self.shallow.dedup();
        self
    }

    /// The full name of the branch, or else of the tag, that is called so.
    pub(crate) fn named(&self, name: &str) -> Option<String> {
        let mut names = ["refs/heads/", "refs/tags/"].into_iter().map(|prefix| format!("{prefix}{name}"));
        names.find(|name| self.refs.contains_key(name))
    }

    /// Whether a ref of this name, however much of it is typed, was seen.
    pub(crate) fn knows(&self, name: &str) -> bool {
        let prefixes = ["", "refs/", "refs/tags/", "refs/heads/"];
        prefixes.iter().any(|prefix| self.refs.contains_key(&format!("{prefix}{name}")))
    }

    /// The commit that a ref leads to.
    pub(crate) fn commit(&self, name: &str) -> Option<&str> {
        self.refs.get(&format!("{name}^{{}}")).or_else(|| self.refs.get(name)).map(String::as_str)
    }

    /// Bytes of all packs.
    pub(crate) fn bytes(&self) -> u64 {
        self.packs.iter().map(|pack| pack.pack_size + pack.idx_size).sum()
    }
}

/// An object's name as git prints it. Those of repositories that hash by SHA-256 are none here: such repositories are git's alone.
pub(crate) fn is_id(text: &str) -> bool {
    vcache_versions::is_commit(text) && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

/// Whether a name stands for what the object of a tag stands for.
pub(crate) fn is_peeled(name: &str) -> bool {
    name.ends_with("^{}")
}

/// Whether a ref is a branch or a tag: what a clone fetches.
pub(crate) fn is_general(name: &str) -> bool {
    name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}

/// A ref's name that does no harm as a line of a file.
pub(crate) fn is_ref(name: &str) -> bool {
    (name == HEAD || name.starts_with("refs/"))
        && !name.contains("..")
        && name.bytes().all(|b| b > b' ' && b != 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";

    #[test]
    fn a_listing_is_read() {
        let text = format!(
            "ref: refs/heads/main\tHEAD\n{A}\tHEAD\n{A}\trefs/heads/main\n{A}\trefs/tags/v\n{A}\trefs/tags/v^{{}}\nx\n"
        );
        let state = State::listed(&text);
        assert_eq!(state.head.as_deref(), Some("refs/heads/main"));
        assert_eq!(
            state.refs.keys().collect::<Vec<_>>(),
            ["HEAD", "refs/heads/main", "refs/tags/v", "refs/tags/v^{}"]
        );
        assert_eq!(state.named("v").as_deref(), Some("refs/tags/v"));
        assert_eq!(State::read(&serde_json::to_vec(&state).unwrap()), Some(state));
    }

    #[test]
    fn what_would_do_harm_as_a_name_is_refused() {
        for text in [
            r#"{"refs":{"refs/heads/a\nx":"0123456789abcdef0123456789abcdef01234567"}}"#,
            r#"{"refs":{"../a":"0123456789abcdef0123456789abcdef01234567"}}"#,
            r#"{"refs":{"refs/heads/a":"../../etc"}}"#,
            r#"{"refs":{},"head":"refs/heads/a b"}"#,
            r#"{"refs":{},"shallow":["x"]}"#,
            "{",
        ] {
            assert_eq!(State::read(text.as_bytes()), None, "{text}");
        }
    }
}
