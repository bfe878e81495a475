//! A command line of git to a [`Call`]. Pure.
//!
//! Since the real git does what is asked in any case, only that is read which decides whether remotes are spoken to, and to
//! which. A word that is not understood costs nothing but the cache.

use std::ffi::OsString;

use vcache_argv::{Kind, scan};

use crate::address::{Transport, is_secret};
use crate::reason::{Code, Reason};
use crate::state::is_id;
use crate::table::{CLONE, FETCH, GLOBAL_ALONE, GLOBAL_WITH_VALUE, LOCAL, Meaning};

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
    /// What is cloned, or which remote is meant: a URL or a path, or a remote's name.
    pub(crate) url: Option<String>,
    /// All remotes are meant, or several.
    pub(crate) all: bool,
    /// Of a clone: the name of its remote.
    pub(crate) origin: Option<String>,
    /// Of a clone: the branch or tag that it checks out.
    pub(crate) branch: Option<String>,
    /// The refs that are named: what is not known must be asked for.
    pub(crate) refs: Vec<String>,
    /// Submodules are to be at a branch of theirs (`--remote`, `--remote-submodules`).
    pub(crate) follows: bool,
    /// Why what the server has may not be what others are given, or may not be known to us.
    pub(crate) left: Option<Reason>,
}

/// The subcommand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Command {
    Clone,
    Submodule,
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
    // Behind switches: of `submodule` and `remote` their own subcommand.
    let first = rest.iter().take_while(|word| word.as_encoded_bytes().starts_with(b"-")).count();
    match name {
        "clone" => Call::Remote(clone(other, rest)),
        "fetch" | "pull" => Call::Remote(fetch(other, rest)),
        // What is listed behind the remote are patterns.
        "ls-remote" if rest.iter().any(|word| word == "--get-url") => Call::Local,
        "ls-remote" => Call::Remote(Remote { refs: Vec::new(), ..fetch(other, rest) }),
        "archive" => {
            let value = |word: &str| word.strip_prefix("--remote=").map(str::to_owned);
            let after = rest.iter().position(|word| word == "--remote").map(|at| word(at + 1).to_owned());
            match rest.iter().find_map(|word| value(word.to_str()?)).or(after) {
                // Over HTTP only the newest gits can.
                Some(remote) if Transport::of(&remote) != Transport::Http => {
                    let url = Some(remote);
                    // Its value may be a secret, so only the name is noted.
                    let is_exec =
                        |word: &OsString| word.to_str().is_some_and(|word| word.starts_with("--exec"));
                    let exec = rest.iter().any(is_exec).then(|| Reason::new(Code::ServerOption, "--exec"));
                    Call::Remote(Remote { url, left: exec, ..other })
                }
                _ => Call::Local,
            }
        }
        "submodule" => {
            match word(first) {
                // What is added is at whatever its branch is at.
                word @ ("add" | "update") => {
                    let follows = word == "add" || rest.iter().any(|word| word == "--remote");
                    Call::Remote(Remote { command: Command::Submodule, follows, ..other })
                }
                _ => Call::Local,
            }
        }
        "remote" => {
            let named = rest.iter().skip(first + 1).filter_map(|word| word.to_str());
            let named = named.filter(|word| !word.starts_with('-')).collect::<Vec<_>>();
            match word(first) {
                // These may be groups of remotes.
                "update" => Call::Remote(Remote { all: true, ..other }),
                "prune" | "show" | "set-head" => {
                    let url = named.first().map(|name| (*name).to_owned());
                    Call::Remote(Remote { url, all: named.len() > 1, ..other })
                }
                "add" if rest.iter().any(fetches) => {
                    let url = named.last().map(|url| (*url).to_owned());
                    Call::Remote(Remote { url, left: Some(Reason::new(Code::RemoteAdd, "")), ..other })
                }
                _ => Call::Local,
            }
        }
        _ if LOCAL.binary_search(&name).is_ok() => Call::Local,
        _ => Call::Unknown { name: name.to_owned(), at },
    }
}

/// Whether a word makes `git remote add` fetch: `-f`, in a bundle too, and `--fetch`, however much of it.
fn fetches(word: &OsString) -> bool {
    let Some(word) = word.to_str() else { return false };
    let is_long = word.len() > 2 && "--fetch".starts_with(word);
    is_long || (word.starts_with('-') && !word.starts_with("--") && word.contains('f'))
}

fn clone(mut call: Remote, rest: &[OsString]) -> Remote {
    call.command = Command::Clone;
    for item in scan(&CLONE, rest).items {
        match item.kind {
            Kind::Positional(word) if call.url.is_none() => call.url = word.to_str().map(str::to_owned),
            Kind::Option { opt, value: Some(value), .. } => match opt.meaning {
                Meaning::Branch => call.branch = value.to_str().map(str::to_owned),
                Meaning::Origin => call.origin = value.to_str().map(str::to_owned),
                Meaning::Server => {
                    call.left = Some(Reason::new(Code::ServerOption, format!("--{}", opt.long)));
                }
                Meaning::Config => {
                    let value = value.to_string_lossy();
                    let name = value.split('=').next().unwrap_or_default();
                    if is_secret(name) {
                        call.left = Some(Reason::new(Code::Credentials, name));
                    }
                }
                Meaning::All | Meaning::Follows | Meaning::Other => {}
            },
            Kind::Option { opt, negated: false, .. } if opt.meaning == Meaning::Follows => {
                call.follows = true
            }
            Kind::Unknown { text, .. } => {
                call.left = Some(Reason::new(Code::UnknownOption, text.to_string_lossy()));
            }
            _ => {}
        }
    }
    call.refs.extend(call.branch.clone());
    call
}

/// The remote, where it is typed as a URL, and the sources of the refspecs behind it, without patterns and names of objects. With `--multiple`
/// they are all remotes, of which none is known by such a name: the origin is asked once too often.
fn fetch(mut call: Remote, rest: &[OsString]) -> Remote {
    let (mut words, mut has_unknown) = (Vec::new(), false);
    let items = scan(&FETCH, rest).items;
    for item in &items {
        match &item.kind {
            Kind::Positional(word) => words.extend(word.to_str()),
            Kind::Unknown { .. } => has_unknown = true,
            Kind::Option { opt, .. } if opt.meaning == Meaning::All => call.all = true,
            Kind::Option { opt, .. } if opt.meaning == Meaning::Server => {
                // Its value may be a secret.
                call.left = Some(Reason::new(Code::ServerOption, format!("--{}", opt.long)));
            }
            _ => {}
        }
    }
    if has_unknown {
        // What follows may be its value: only that is the remote which can be nothing else.
        let is_sure =
            |word: &&str| (word.contains("://") || word.contains('@')) && Transport::of(word).is_remote();
        let rest = rest.iter().filter_map(|word| word.to_str()).filter(|word| !word.starts_with('-'));
        words = rest.skip_while(|word| !is_sure(word)).collect();
    }
    let mut words = words.into_iter();
    call.url = words.next().map(str::to_owned);
    let sources = words.map(|word| word.trim_start_matches(['+', '^']).split(':').next().unwrap_or_default());
    let is_name = |source: &&str| !source.is_empty() && !source.contains('*') && !is_id(source);
    call.refs = sources.filter(is_name).map(str::to_owned).collect();
    call
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
            "git ls-remote --get-url origin",
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
        assert_eq!(got.left, Some(Reason::new(Code::ServerOption, "--upload-pack")));
        let Call::Remote(got) = of("git clone -c http.cookieFile=x http://h/a") else { panic!() };
        assert_eq!(got.left, Some(Reason::new(Code::Credentials, "http.cookieFile")));
        // Of archive it is a file's name.
        let Call::Remote(got) = of("git archive --remote=git://h/a -o x HEAD") else { panic!() };
        assert_eq!(got.left, None);
    }

    #[test]
    fn urls_instead_of_remotes() {
        for (line, url) in [
            ("git fetch", None),
            ("git fetch origin a:b", Some("origin")),
            ("git ls-remote --ref git@h:a", Some("git@h:a")),
            ("git fetch --depth 1 http://h/a x", Some("http://h/a")),
            ("git pull git@h:a", Some("git@h:a")),
            ("git ls-remote -q http://h/a", Some("http://h/a")),
            ("git fetch -j 4 --refmap x http://h/a", Some("http://h/a")),
            ("git pull -s ours http://h/a", Some("http://h/a")),
            ("git fetch --new 1 http://h/a x", Some("http://h/a")),
            ("git archive --remote=git://h/a HEAD", Some("git://h/a")),
            ("git archive --remote git://h/a HEAD", Some("git://h/a")),
            ("git remote update", None),
            ("git remote add -f x http://h/a", Some("http://h/a")),
            ("git remote add -ft main x http://h/a", Some("http://h/a")),
            ("git remote add --fet x http://h/a", Some("http://h/a")),
            ("git remote -v -v show x", Some("x")),
            ("git fetch --recurse-submodules-default yes h:a", Some("h:a")),
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
            ("git fetch origin a +b:c refs/heads/*:refs/x/* --depth 1", &["a", "b"]),
            ("git fetch --depth 1 origin a", &["a"]),
            ("git pull -X theirs --no-rebase origin a", &["a"]),
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
