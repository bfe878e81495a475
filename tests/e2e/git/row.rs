//! A row: one command line of git, or several with `&&` between them, and what is expected of the shim.
//!
//! In words and variables `{h}` and `{g}` stand for the origin over HTTP and over the git protocol, `{H}` for its `HOST:PORT` over HTTP,
//! `{s}` for its ssh, `{r}` for the folder of its repositories, `{w}` for the working folder, and `{id:REPOSITORY:REVISION}` for a commit.

use std::fmt;

/// What the shim makes of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Answered from the cache once it is warm: the same with the origin stopped and with the network cut.
    Cached,
    /// Asks the origin each time that the real git does: what is not there cannot be kept.
    Live,
    /// Left to the real git, with one of these counted reasons (`a|b`).
    Passed(&'static str),
    /// Needs no network and gets no cache: the same at any time.
    Local,
}

/// What of standard error is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Words {
    /// All lines, in any order.
    All,
    Last,
    Any,
}

/// One row. Built by [`cached`], [`live`], [`passed`] or [`local`], then refined.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) line: &'static str,
    pub(super) expect: Expect,
    pub(super) before: Vec<&'static str>,
    pub(super) env: Vec<(&'static str, &'static str)>,
    pub(super) packs: Option<Vec<&'static str>>,
    pub(super) words: Words,
    pub(super) same_objects: bool,
    pub(super) ignored: Vec<&'static str>,
    pub(super) since: u32,
}

/// A row that the cache answers. The line is split at blanks; single quotes keep them.
pub fn cached(line: &'static str) -> Row {
    Row::new(line, Expect::Cached)
}

/// A row that only the origin can answer.
pub fn live(line: &'static str) -> Row {
    Row::new(line, Expect::Live)
}

/// A row that is left to the real git for one of `reasons` (`a|b`).
pub fn passed(reasons: &'static str, line: &'static str) -> Row {
    Row::new(line, Expect::Passed(reasons))
}

/// A row that is none of the cache's business.
pub fn local(line: &'static str) -> Row {
    Row::new(line, Expect::Local)
}

impl fmt::Display for Row {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let env = self.env.iter().map(|(name, value)| format!("{name}={value} "));
        write!(out, "{}{}", env.collect::<String>(), self.line)?;
        self.before.iter().try_for_each(|line| write!(out, "  [before: {line}]"))
    }
}

impl Row {
    fn new(line: &'static str, expect: Expect) -> Row {
        Row {
            line,
            expect,
            before: Vec::new(),
            env: Vec::new(),
            packs: None,
            words: Words::All,
            same_objects: true,
            ignored: Vec::new(),
            since: 0,
        }
    }

    /// The command line, to tell rows apart.
    pub fn line(&self) -> &str {
        self.line
    }

    /// Commands that the real git runs before, with the origin there.
    pub fn before(mut self, line: &'static str) -> Row {
        self.before.push(line);
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &'static str, value: &'static str) -> Row {
        self.env.push((name, value));
        self
    }

    /// With an ssh that finds the origin at every host.
    pub fn ssh(self) -> Row {
        self.env("GIT_SSH", "{s}").env("GIT_SSH_VARIANT", "simple")
    }

    /// The packs that the origin makes at most for a cold cache, where they are others than one for each repository that the real
    /// git gets objects from.
    pub fn packs(mut self, repositories: &[&'static str]) -> Row {
        self.packs = Some(repositories.to_vec());
        self
    }

    /// Compares of standard error the last line alone.
    pub fn last_line(mut self) -> Row {
        self.words = Words::Last;
        self
    }

    /// Does not compare standard error, which tells how objects came.
    pub fn any_words(mut self) -> Row {
        self.words = Words::Any;
        self
    }

    /// Lets repositories have other objects than the real git has got: more than what was asked for does no harm.
    pub fn more_objects(mut self) -> Row {
        self.same_objects = false;
        self
    }

    /// Runs with git 2.`minor` and newer ones alone.
    pub fn since(mut self, minor: u32) -> Row {
        self.since = minor;
        self
    }

    /// Does not compare these files.
    pub fn ignore(mut self, path: &'static str) -> Row {
        self.ignored.push(path);
        self
    }
}
