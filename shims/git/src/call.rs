//! A command line of git to a [`Call`]. Pure.
//!
//! Since the real git does what is asked in any case, only that is read which decides whether remotes are spoken to, and to
//! which. A word that is not understood costs nothing but the cache.

use std::ffi::OsString;

use vcache_argv::{Kind, scan};

use crate::address::Transport;
use crate::state::is_id;
use crate::table::{CLONE, GLOBAL_ALONE, GLOBAL_WITH_VALUE, LOCAL, Meaning};

/// What was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// No remote is spoken to, but perhaps to push.
    Local,
    /// No command of git's own: an alias, or a program.
    Unknown {
        /// The word.
        name: String,
        /// Where it stands.
        at: usize,
    },
    /// Remotes may be spoken to.
    Remote(Remote),
}

/// A call that speaks to remotes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Remote {
    /// Which command.
    pub(crate) command: Command,
    /// The words before the subcommand: how many.
    pub(crate) globals: usize,
    /// A URL that is typed instead of a remote's name.
    pub(crate) url: Option<String>,
    /// Of a clone: the name of its remote.
    pub(crate) origin: Option<String>,
    /// Of a clone: the branch or tag that it checks out.
    pub(crate) branch: Option<String>,
    /// The refs that are named: what is not known must be asked for.
    pub(crate) refs: Vec<String>,
    /// Submodules are to be at a branch of theirs (`--remote`, `--remote-submodules`).
    pub(crate) follows: bool,
    /// An option by which the server is asked in another way, or that hands it a secret.
    pub(crate) server: Option<String>,
    /// A word of a clone that is not understood.
    pub(crate) unclear: Option<String>,
}

/// The subcommand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Command {
    Clone,
    Submodule,
    RemoteAdd,
    #[default]
    Other,
}

/// Reads the words behind `git`.
pub(crate) fn parse(words: &[OsString]) -> Call {
    let mut at = 0;
    loop {
        let Some(word) = words.get(at).and_then(|word| word.to_str()) else { return Call::Local };
        if GLOBAL_ALONE.contains(&word) {
            return Call::Local;
        }
        match word {
            _ if GLOBAL_WITH_VALUE.contains(&word) => at += 2,
            _ if word.starts_with('-') => at += 1,
            _ => return subcommand(word, at, &words[at + 1..]),
        }
    }
}

fn subcommand(name: &str, at: usize, rest: &[OsString]) -> Call {
    let other = Remote { globals: at, ..Remote::default() };
    let word = |index: usize| rest.get(index).and_then(|word| word.to_str()).unwrap_or_default();
    match name {
        "clone" => Call::Remote(clone(other, rest)),
        "fetch" | "pull" => {
            Call::Remote(Remote { url: url(rest), refs: refs(rest), server: server(rest), ..other })
        }
        "ls-remote" => Call::Remote(Remote { url: url(rest), server: server(rest), ..other }),
        "archive" => {
            let value = |word: &str| word.strip_prefix("--remote=").map(str::to_owned);
            let after = rest.iter().position(|word| word == "--remote").map(|at| word(at + 1).to_owned());
            match rest.iter().find_map(|word| value(word.to_str()?)).or(after) {
                // Over HTTP only the newest gits can.
                Some(remote) if Transport::of(&remote) != Transport::Http => {
                    let url = Some(remote).filter(|remote| Transport::of(remote).is_remote());
                    Call::Remote(Remote { url, server: server(rest), ..other })
                }
                _ => Call::Local,
            }
        }
        "submodule" => {
            let quiet = usize::from(matches!(word(0), "-q" | "--quiet"));
            match word(quiet) {
                // What is added is at whatever its branch is at.
                word @ ("add" | "update") => {
                    let follows = word == "add" || rest.iter().any(|word| word == "--remote");
                    Call::Remote(Remote { command: Command::Submodule, follows, ..other })
                }
                _ => Call::Local,
            }
        }
        "remote" => {
            let verbose = usize::from(matches!(word(0), "-v" | "--verbose"));
            match word(verbose) {
                "update" | "prune" | "show" | "set-head" => Call::Remote(other),
                "add" if rest.iter().any(|word| word == "-f" || word == "--fetch") => {
                    Call::Remote(Remote { command: Command::RemoteAdd, ..other })
                }
                _ => Call::Local,
            }
        }
        _ if LOCAL.binary_search(&name).is_ok() => Call::Local,
        _ => Call::Unknown { name: name.to_owned(), at },
    }
}

fn clone(mut call: Remote, rest: &[OsString]) -> Remote {
    call.command = Command::Clone;
    for item in scan(&CLONE, rest).items {
        match item.kind {
            Kind::Positional(word) if call.url.is_none() => call.url = word.to_str().map(str::to_owned),
            Kind::Option { opt, value: Some(value), .. } => match opt.meaning {
                Meaning::Branch => call.branch = value.to_str().map(str::to_owned),
                Meaning::Origin => call.origin = value.to_str().map(str::to_owned),
                Meaning::Server => call.server = Some(format!("--{}", opt.long)),
                Meaning::Config if is_header(&value.to_string_lossy()) => {
                    call.server = Some("--config http.extraHeader".to_owned());
                }
                Meaning::Config => {}
                Meaning::Other => {}
            },
            Kind::Option { opt, negated: false, .. } if opt.long == "remote-submodules" => {
                call.follows = true
            }
            Kind::Unknown { text, .. } => call.unclear = Some(text.to_string_lossy().into_owned()),
            _ => {}
        }
    }
    call.refs.extend(call.branch.clone());
    call
}

/// The first word that can't be anything but a URL; else the first one that is no option, if it is one.
fn url(rest: &[OsString]) -> Option<String> {
    let words = || rest.iter().filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-'));
    let is_remote = |word: &&str| Transport::of(word).is_remote();
    let sure = words().find(|word| word.contains("://") && is_remote(word));
    sure.or_else(|| words().next().filter(is_remote)).map(str::to_owned)
}

/// Whether a setting of a clone is one by which only some get in.
fn is_header(setting: &str) -> bool {
    let name = setting.split('=').next().unwrap_or_default().to_ascii_lowercase();
    name.starts_with("http.") && (name.ends_with("extraheader") || name.ends_with("cookiefile"))
}

/// The sources of the refspecs behind the remote, without patterns and names of objects.
fn refs(rest: &[OsString]) -> Vec<String> {
    let words = rest.iter().filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-'));
    let sources =
        words.skip(1).map(|word| word.trim_start_matches(['+', '^']).split(':').next().unwrap_or_default());
    let is_name = |source: &&str| !source.is_empty() && !source.contains('*') && !is_id(source);
    sources.filter(is_name).map(str::to_owned).collect()
}

/// The option's name; its value may be a secret.
fn server(rest: &[OsString]) -> Option<String> {
    let options = ["--upload-pack", "--exec", "--server-option", "-o"];
    let mut names = rest.iter().filter_map(|word| word.to_str()?.split('=').next());
    names.find(|name| options.contains(name)).map(str::to_owned)
}

/// The words of an alias, as git splits them (`split_cmdline`): at blanks, with quotes and backslashes as in a shell. None where a quote is
/// left open.
pub(crate) fn split(text: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            _ if quote.is_none() && letter.is_ascii_whitespace() => words.extend(word.take()),
            '\'' | '"' if quote.is_none() => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            _ if quote == Some(letter) => quote = None,
            '\\' if quote != Some('\'') => word.get_or_insert_default().push(letters.next()?),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(line: &str) -> Call {
        parse(&line.split_whitespace().skip(1).map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn what_speaks_to_no_remote() {
        for line in [
            "git",
            "git --version",
            "git status",
            "git -C clone log --grep clone",
            "git commit -m clone",
            "git push origin",
            "git submodule init",
            "git submodule",
            "git remote -v",
            "git remote add origin http://h/a",
            "git archive HEAD",
            "git archive --remote=http://h/a HEAD",
            "git --exec-path",
            "git -C",
        ] {
            assert_eq!(of(line), Call::Local, "{line}");
        }
        assert_eq!(of("git -C x lfs pull"), Call::Unknown { name: "lfs".into(), at: 2 });
    }

    #[test]
    fn clones() {
        for (line, url, branch, origin) in [
            ("git clone http://h/a", Some("http://h/a"), None, None),
            ("git clone -b x http://h/a d", Some("http://h/a"), Some("x"), None),
            (
                "git -c a=b -C d clone --depth 1 --bran=x -o up -- http://h/a",
                Some("http://h/a"),
                Some("x"),
                Some("up"),
            ),
            ("git clone -nqbx http://h/a", Some("http://h/a"), Some("x"), None),
            ("git clone --recurse-submodules -j 4 h:a", Some("h:a"), None, None),
            ("git clone /a http://h/a", Some("/a"), None, None),
            ("git clone", None, None, None),
        ] {
            let Call::Remote(got) = of(line) else { panic!("{line}") };
            assert_eq!(got.command, Command::Clone);
            let got = (got.url.as_deref(), got.branch.as_deref(), got.origin.as_deref());
            assert_eq!(got, (url, branch, origin), "{line}");
        }
        let Call::Remote(got) = of("git clone -u x http://h/a") else { panic!() };
        assert_eq!(got.server.as_deref(), Some("--upload-pack"));
    }

    #[test]
    fn urls_instead_of_remotes() {
        for (line, url) in [
            ("git fetch", None),
            ("git fetch origin a:b", None),
            ("git fetch --depth 1 http://h/a x", Some("http://h/a")),
            ("git pull git@h:a", Some("git@h:a")),
            ("git ls-remote -q http://h/a", Some("http://h/a")),
            ("git archive --remote=git://h/a HEAD", Some("git://h/a")),
            ("git archive --remote git://h/a HEAD", Some("git://h/a")),
            ("git remote update", None),
        ] {
            let Call::Remote(got) = of(line) else { panic!("{line}") };
            assert_eq!(got.url.as_deref(), url, "{line}");
        }
    }

    #[test]
    fn refs_that_are_named() {
        for (line, refs) in [
            ("git fetch", &[][..]),
            ("git fetch origin", &[]),
            ("git fetch origin a +b:c refs/heads/*:refs/x/* --depth 1", &["a", "b", "1"]),
            ("git fetch origin 0123456789abcdef0123456789abcdef01234567", &[]),
            ("git clone -b x http://h/a", &["x"]),
        ] {
            let Call::Remote(got) = of(line) else { panic!("{line}") };
            assert_eq!(got.refs, refs, "{line}");
        }
    }

    #[test]
    fn aliases_are_split_as_git_splits_them() {
        let words = |text: &str| split(text).map(|words| words.join("|"));
        assert_eq!(words("clone  -b 'a b' \"c\"d e\\ f"), Some("clone|-b|a b|cd|e f".into()));
        assert_eq!(words("a ''"), Some("a|".into()));
        assert_eq!(words("a 'b"), None);
        assert_eq!(words(""), Some(String::new()));
    }
}
