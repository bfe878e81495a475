//! What was typed behind apt or apt-get.
//!
//! The real apt reads its words by itself, so what is not understood here costs nothing but what is said about packages.

use std::ffi::OsString;

use vcache_argv::{Kind, scan};

use super::table::{APT, Meaning};

/// Commands that fetch, or may.
const FETCHING: &[&str] = &[
    "build-dep",
    "changelog",
    "dist-upgrade",
    "download",
    "dselect-upgrade",
    "full-upgrade",
    "install",
    "reinstall",
    "satisfy",
    "source",
    "update",
    "upgrade",
];
/// Commands after which other tools may be there than before.
const CHANGING: &[&str] = &[
    "autoremove",
    "autopurge",
    "auto-remove",
    "build-dep",
    "dist-upgrade",
    "dselect-upgrade",
    "full-upgrade",
    "install",
    "purge",
    "reinstall",
    "remove",
    "satisfy",
    "upgrade",
];

/// A call.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Call {
    /// The first word that is no option.
    pub(crate) command: String,
    /// The other words that are none.
    pub(crate) words: Vec<String>,
    /// The options that say how apt is configured, for `apt-config`.
    pub(crate) config: Vec<OsString>,
    /// Nothing is done, only shown.
    pub(crate) only_shows: bool,
    /// An option was not understood: command and words may be others.
    pub(crate) is_unsure: bool,
}

/// Reads the words behind the tool's name.
pub(crate) fn parse(words: &[OsString]) -> Call {
    let mut call = Call::default();
    let mut positionals = Vec::new();
    let mut helps = false;
    for item in scan(&APT, &plain(words)).items {
        match item.kind {
            Kind::Option { opt, value, .. } => match opt.meaning {
                Meaning::ConfigFile => push(&mut call.config, "-c", value),
                Meaning::ConfigItem => push(&mut call.config, "-o", value),
                Meaning::Shows => call.only_shows = true,
                Meaning::Help => helps = true,
                Meaning::Other => {}
            },
            Kind::Positional(word) | Kind::Untrusted(word) => {
                positionals.push(word.to_string_lossy().into_owned());
            }
            Kind::Unknown { .. } => call.is_unsure = true,
            Kind::Separator | Kind::MissingValue { .. } => {}
        }
    }
    let mut positionals = positionals.into_iter();
    call.command = positionals.next().filter(|_| !helps).unwrap_or_default();
    call.words = positionals.collect();
    call
}

/// The words, with apt's `=` between a letter and its value taken out.
fn plain(words: &[OsString]) -> Vec<OsString> {
    let plain = |word: &OsString| {
        let text = word.to_str()?;
        let letter = text.strip_prefix('-')?.split_once('=')?;
        let is_letter = letter.0.len() == 1 && letter.0 != "-";
        let opt = APT.short(*letter.0.as_bytes().first()?).filter(|_| is_letter)?;
        let takes_value = opt.arity == vcache_argv::Arity::Required;
        Some(if takes_value { format!("-{}{}", letter.0, letter.1) } else { format!("-{}", letter.0) })
    };
    words.iter().map(|word| plain(word).map_or_else(|| word.clone(), OsString::from)).collect()
}

fn push(config: &mut Vec<OsString>, option: &str, value: Option<OsString>) {
    if let Some(value) = value {
        config.extend([option.into(), value]);
    }
}

impl Call {
    /// It may fetch something.
    pub(crate) fn fetches(&self) -> bool {
        FETCHING.contains(&self.command.as_str()) || (self.is_unsure && !self.command.is_empty())
    }

    /// Tools may come or go.
    pub(crate) fn changes(&self) -> bool {
        CHANGING.contains(&self.command.as_str()) && !self.only_shows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Call {
        parse(&text.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn commands_and_packages() {
        let rows: &[(&str, &str, &str)] = &[
            ("update", "update", ""),
            ("-y install a b=1:2", "install", "a b=1:2"),
            ("install -yqq --no-install-recommends a", "install", "a"),
            ("-o Acquire::https::Verify-Peer=false update", "update", ""),
            ("-oA::B=c -q=2 -t=buster install a", "install", "a"),
            ("install -t buster-backports a -- -b", "install", "a -b"),
            ("--config-file=x --purge=no autoremove", "autoremove", ""),
            ("--target-release bookworm source a", "source", "a"),
            ("-f install", "install", ""),
            ("--version install", "", ""),
            ("-h", "", ""),
        ];
        for (text, command, words) in rows {
            let call = call(text);
            assert_eq!((call.command.as_str(), call.words.join(" ").as_str()), (*command, *words), "{text}");
        }
    }

    #[test]
    fn configuration_goes_on_to_apt_config() {
        let words = call("-o A=1 install -c=f --option=B::C=2 x").config;
        assert_eq!(words, ["-o", "A=1", "-c", "f", "-o", "B::C=2"].map(OsString::from));
    }

    #[test]
    fn what_is_local_and_what_is_not() {
        assert!(
            call("install a").fetches() && call("update").fetches() && call("--strange install").fetches()
        );
        for local in ["--version", "remove a", "clean", "moo", "list", "-v"] {
            assert!(!call(local).fetches(), "{local}");
        }
        assert!(call("purge a").changes() && !call("-s install a").changes() && !call("update").changes());
    }
}
