//! The real git, run by us: with what the caller has set up for it, less what leads back to us.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::process::{Command, Output, Stdio};

use rustix::event::{PollFd, PollFlags};
use vcache_shim::real_tool::{self, NotFound, RealTool};
use vcache_shim::{Chain, Host};

use crate::bare::Bare;
use crate::helper;

/// How git hands on what `-c` has set (git(1) does not tell; `config.c` does): words as `sq_quote` makes them, `'name=value'` or since
/// 2.31 `'name'='value'`.
const PARAMETERS: &str = "GIT_CONFIG_PARAMETERS";

/// What ties git to a repository (`git rev-parse --local-env-vars`), but for the configuration.
const OF_REPOSITORY: &[&str] = &[
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_INTERNAL_SUPER_PREFIX",
    "GIT_NAMESPACE",
    "GIT_NO_REPLACE_OBJECTS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// Why a run of it is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GitError {
    /// It could not be started, or waited for.
    #[error("git can't be run")]
    NotRun(#[source] io::Error),
    /// It has listed what the cache has no place for.
    #[error("a ref of the origin has a name that is not UTF-8")]
    NotText,
    /// It has fetched, and not this.
    #[error("the origin has no object {0}")]
    Absent(String),
    /// A part of a history, which the user does not want.
    #[error("source repository is shallow, reject to clone.")]
    Shallow,
    /// It has failed.
    #[error("{}", short(.said))]
    Failed {
        /// All that it said.
        said: String,
        /// It was shown as it came.
        is_shown: bool,
    },
}

impl GitError {
    fn of(output: &Output, is_shown: bool) -> GitError {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let is_silent = said.trim().is_empty();
        GitError::Failed {
            said: if is_silent { "fatal: git failed without a word\n".to_owned() } else { said },
            is_shown: is_shown && !is_silent,
        }
    }

    /// As git would say it, for who waits for git's own words and has not seen them.
    pub(crate) fn words(&self) -> String {
        match self {
            GitError::Failed { is_shown: true, .. } => String::new(),
            GitError::Failed { said, .. } => said.clone(),
            _ => format!("fatal: {}\n", Chain(self)),
        }
    }

    /// Whether a server said that it has no such object, or gives none by that name.
    pub(crate) fn is_of_absence(&self) -> bool {
        let words = ["not our ref", "no such remote ref", "find remote ref", "unadvertised object"];
        match self {
            GitError::Absent(_) => true,
            GitError::Failed { said, .. } => words.iter().any(|word| said.contains(word)),
            _ => false,
        }
    }

    /// Whether there was no room for what came, as far as its words tell.
    pub(crate) fn is_of_space(&self) -> bool {
        matches!(self, GitError::Failed { said, .. } if said.contains("No space left on device"))
    }
}

/// A way to run it.
#[derive(Clone)]
pub(crate) struct Git {
    host: Host,
    tool: RealTool,
    parameters: Option<OsString>,
    /// What is added to the environment.
    added: Vec<(&'static str, &'static str)>,
    /// Another git is at the other end of our standard input.
    is_spoken_to: bool,
}

impl Git {
    /// For the call in `host`.
    ///
    /// # Errors
    /// There is no real git.
    pub(crate) fn of(host: &Host) -> Result<Git, NotFound> {
        let host = host.with_args(vec!["git".into()]);
        let tool = real_tool::find(&host)?;
        let parameters = host.env(PARAMETERS).map(without_ours);
        Ok(Git { host, tool, parameters, added: Vec::new(), is_spoken_to: false })
    }

    /// For whoever another git speaks to over standard input.
    pub(crate) fn spoken_to(self) -> Git {
        Git { is_spoken_to: true, ..self }
    }

    /// The same, with a variable set that the caller has not set.
    pub(crate) fn with(mut self, name: &'static str, value: &'static str) -> Git {
        if self.host.env(name).is_none() {
            self.added.push((name, value));
        }
        self
    }

    /// For the call itself: with the name that was typed, and all that the caller has set.
    pub(crate) fn as_typed(&self, host: &Host, args: &[OsString]) -> Command {
        self.tool.command(host, args)
    }

    /// In the caller's repository, if there is one.
    pub(crate) fn here<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let args: Vec<OsString> = args.into_iter().map(|arg| arg.as_ref().to_owned()).collect();
        let mut command = self.tool.command(&self.host, &args);
        if let Some(parameters) = &self.parameters {
            command.env(PARAMETERS, parameters);
        }
        command.envs(self.added.iter().copied());
        command.stdin(Stdio::null());
        command
    }

    /// The parameters with more settings, for a command's environment: what they hold is not for everyone who may list processes.
    pub(crate) fn parameters_with(&self, settings: &[(String, String)]) -> (&'static str, OsString) {
        (PARAMETERS, extended(self.parameters.clone().unwrap_or_default(), settings))
    }

    /// In no repository, or in the one that `--git-dir` names.
    pub(crate) fn elsewhere<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = self.here(args);
        for name in OF_REPOSITORY {
            command.env_remove(name);
        }
        command
    }

    /// In a bare repository of ours.
    pub(crate) fn at<S: AsRef<OsStr>>(&self, bare: &Bare, args: impl IntoIterator<Item = S>) -> Command {
        let mut dir = OsString::from("--git-dir=");
        dir.push(bare.path());
        let args = args.into_iter().map(|arg| arg.as_ref().to_owned());
        let mut command = self.elsewhere(std::iter::once(dir).chain(args));
        // What it says is read (`GitError`), and git translates it.
        command.env("LC_ALL", "C");
        command
    }

    /// Its version, `(2, 47)`; `(0, 0)`, older than all, where it can't be told.
    pub(crate) fn version(&self) -> (u32, u32) {
        let output = self.elsewhere(["version"]).output();
        let text =
            output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let mut numbers = text.split(' ').nth(2).unwrap_or_default().split('.').map_while(|n| n.parse().ok());
        (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
    }

    /// What it prints there.
    ///
    /// # Errors
    /// What it said.
    pub(crate) fn ask(&self, bare: &Bare, args: &[&str]) -> Result<Vec<u8>, GitError> {
        let output = self.at(bare, args).output().map_err(GitError::NotRun)?;
        if output.status.success() { Ok(output.stdout) } else { Err(GitError::of(&output, false)) }
    }

    /// The same, where it prints text.
    ///
    /// # Errors
    /// What it said.
    pub(crate) fn ask_text(&self, bare: &Bare, args: &[&str]) -> Result<String, GitError> {
        self.ask(bare, args).map(|printed| String::from_utf8_lossy(&printed).into_owned())
    }

    /// Runs a git that speaks to a server, to its end, or to that of the git which waits for us: then nobody wants it any more, and whoever waits
    /// for our lock is to have it. What it printed. `is_shown`: what it says goes to standard error as it comes.
    ///
    /// # Errors
    /// What it said.
    pub(crate) fn run(&self, command: &mut Command, is_shown: bool) -> Result<Vec<u8>, GitError> {
        let output = self.watched(command, is_shown).map_err(GitError::NotRun)?;
        if output.status.success() { Ok(output.stdout) } else { Err(GitError::of(&output, is_shown)) }
    }

    fn watched(&self, command: &mut Command, is_shown: bool) -> io::Result<Output> {
        let mut child = command.stderr(Stdio::piped()).spawn()?;
        let pid = rustix::process::Pid::from_child(&child);
        let stderr = child.stderr.take();
        let (wakes, woken) = io::pipe()?;
        std::thread::scope(|scope| {
            if self.is_spoken_to {
                scope.spawn(move || {
                    let stdin = io::stdin();
                    let mut watched =
                        [PollFd::new(&stdin, PollFlags::empty()), PollFd::new(&wakes, PollFlags::empty())];
                    let _ = rustix::event::poll(&mut watched, None);
                    if watched[0].revents().contains(PollFlags::HUP) {
                        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
                    }
                });
            }
            let said = scope.spawn(move || stderr.map_or(Vec::new(), |stderr| relayed(stderr, is_shown)));
            let output = child.wait_with_output();
            drop(woken);
            let stderr = said.join().unwrap_or_default();
            output.map(|output| Output { stderr, ..output })
        })
    }

    /// The values of these configuration variables, in the order in which git reads them; none where there are none.
    pub(crate) fn config(&self, globals: &[OsString], asked: &str) -> Vec<(String, String)> {
        let words = ["config", "-z", "--get-regexp", asked].map(OsString::from);
        let mut command = self.here(globals.iter().chain(&words));
        // That one is for `git config` alone.
        let output = command.env_remove("GIT_CONFIG").stderr(Stdio::null()).output();
        output.map(|output| settings(&output.stdout)).unwrap_or_default()
    }
}

/// Passes on what git says, as it comes, where it is shown; all of it at the end.
fn relayed(mut from: impl Read, is_shown: bool) -> Vec<u8> {
    let (mut said, mut piece) = (Vec::new(), [0; 4096]);
    while let Ok(count @ 1..) = from.read(&mut piece) {
        said.extend_from_slice(&piece[..count]);
        if is_shown {
            let _ = io::stderr().write_all(&piece[..count]);
        }
    }
    said
}

/// Runs a command that reads this text; what it prints comes back.
///
/// # Errors
/// It has failed, and said why where its standard error leads to.
pub(crate) fn fed(command: &mut Command, text: String) -> Result<String, GitError> {
    let output = write_to(command, text).map_err(GitError::NotRun)?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(GitError::of(&output, false)),
    }
}

fn write_to(command: &mut Command, text: String) -> io::Result<Output> {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let stdin = child.stdin.take();
    // Beside reading: both pipes can be full. Who does not read it all has ended, and says why.
    let writer =
        std::thread::spawn(move || stdin.map_or(Ok(()), |mut stdin| stdin.write_all(text.as_bytes())));
    let output = child.wait_with_output();
    let _ = writer.join();
    output
}

/// Those of these objects that a repository has; `command` is its `cat-file --batch-check=%(objectname)`.
///
/// # Errors
/// It has failed.
pub(crate) fn present(command: &mut Command, ids: &HashSet<&str>) -> Result<HashSet<String>, GitError> {
    if ids.is_empty() {
        return Ok(HashSet::new());
    }
    let asked: String = ids.iter().map(|id| format!("{id}\n")).collect();
    let printed = fed(command.stderr(Stdio::null()), asked)?;
    // A missing one is followed by a word.
    Ok(printed.lines().filter(|line| ids.contains(line)).map(str::to_owned).collect())
}

/// Whether a commit comes before another one, or is it; `command` is a repository's `merge-base --is-ancestor`. None where that can't be told.
pub(crate) fn is_ancestor(command: &mut Command) -> Option<bool> {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().ok()?;
    match status.code() {
        Some(0) => Some(true),
        Some(1) => Some(false),
        _ => None,
    }
}

/// What `git config -z --get-regexp` prints.
pub(crate) fn settings(text: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(text);
    let entries = text.split('\0').filter(|entry| !entry.is_empty());
    let pair = |entry: &str| {
        let (name, value) = entry.split_once('\n').unwrap_or((entry, "true"));
        (name.to_owned(), value.to_owned())
    };
    entries.map(pair).collect()
}

/// Parameters with more settings behind them.
fn extended(mut parameters: OsString, settings: &[(String, String)]) -> OsString {
    let quoted = |text: &str| text.replace('\'', r"'\''");
    // In this form there is no place for `=` in a name.
    for (name, value) in settings.iter().filter(|(name, _)| !name.contains('=')) {
        let space = if parameters.is_empty() { "" } else { " " };
        parameters.push(format!("{space}'{}={}'", quoted(name), quoted(value)));
    }
    parameters
}

/// The parameters less those that `run` has added.
fn without_ours(value: &OsStr) -> OsString {
    let text = value.to_string_lossy();
    let (mut words, mut quoted, mut begin) = (Vec::new(), false, 0);
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => quoted = !quoted,
            ' ' if !quoted => {
                words.push(&text[begin..at]);
                begin = at + 1;
            }
            _ => {}
        }
    }
    words.push(&text[begin..]);
    let ours = [format!(".vcs={}'", helper::VCS), format!(".vcs'='{}'", helper::VCS)];
    let switch = format!("'protocol.{}.allow", helper::VCS);
    words.retain(|word| !word.starts_with(&switch) && !ours.iter().any(|end| word.ends_with(end)));
    words.join(" ").into()
}

/// Of git's words the line that says why it is fatal, else the last one.
fn short(words: &str) -> &str {
    let line = words.lines().rev().find(|line| line.starts_with("fatal: ") || line.starts_with("error: "));
    let line = line.or_else(|| words.lines().last()).unwrap_or_default();
    line.trim_start_matches("fatal: ").trim_start_matches("error: ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_parameters_are_taken_out_in_both_forms() {
        for (given, left) in [
            ("'a.b=c d' 'remote.origin.vcs=vcache' 'protocol.vcache.allow=always'", "'a.b=c d'"),
            (
                "'remote.origin.vcs'='vcache' 'protocol.vcache.allow'='always' 'a.b'='it'\\''s'",
                "'a.b'='it'\\''s'",
            ),
            ("'remote.http://h/a.url'='http://h/a'", "'remote.http://h/a.url'='http://h/a'"),
            ("", ""),
        ] {
            assert_eq!(without_ours(given.as_ref()), *left, "{given}");
        }
    }

    #[test]
    fn parameters_are_quoted_as_git_does() {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let settings = [setting("a.b", "it's"), setting("url.x=y.insteadof", "z"), setting("c.d", "")];
        assert_eq!(extended(OsString::new(), &settings), *"'a.b=it'\\''s' 'c.d='");
        assert_eq!(extended("'e.f=g'".into(), &settings[2..]), *"'e.f=g' 'c.d='");
    }

    #[test]
    fn settings_are_read() {
        let got = settings(b"remote.origin.url\nhttp://h/a\0a.b\0");
        assert_eq!(
            got,
            [("remote.origin.url", "http://h/a"), ("a.b", "true")].map(|(n, v)| (n.into(), v.into()))
        );
    }
}
