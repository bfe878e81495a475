//! A row: command lines with `&&` between them, what the archive and the sources are like, and what is expected of the shims.
//!
//! In words and variables `{u}` stands for the archive's address, `{o}` for that of its origin, `{r}` for the root's folder, `{w}` for the working folder, `{a}` for this machine's
//! architecture and `{f}` for another one. The line `move on` is no command: the archive moves on then.

use std::fmt;

use vcache_testkit::debian::{SandboxUser, Signing, Sources, Trust};

use super::Setup;

/// What the shims make of a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Answered from the cache once it is warm: the same with the origin stopped and with the network cut.
    Cached,
    /// Asks the origin each time that the real apt does.
    Live,
    /// Left to the real tool, with one of these counted reasons (`a|b`).
    Passed(&'static str),
    /// Needs no network and gets no cache: the same at any time.
    Local,
}

/// One row. Built by [`cached`], [`live`], [`passed`] or [`local`], then refined.
#[derive(Clone, Debug)]
pub struct Row {
    pub(super) line: &'static str,
    pub(super) expect: Expect,
    pub(super) before: Vec<&'static str>,
    pub(super) installed: Vec<(&'static str, &'static str)>,
    pub(super) env: Vec<(&'static str, &'static str)>,
    pub(super) ignored: Vec<&'static str>,
    pub(super) debs: Vec<&'static str>,
    pub(super) code: i32,
    pub(super) setup: Setup,
}

/// A row that the cache answers. The line is split at blanks; single quotes keep them.
pub fn cached(line: &'static str) -> Row {
    Row::new(line, Expect::Cached)
}

/// A row that only the origin can answer.
pub fn live(line: &'static str) -> Row {
    Row::new(line, Expect::Live)
}

/// A row that is left to the real tool for one of `reasons` (`a|b`).
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
        self.before.iter().try_for_each(|line| write!(out, "  [before: {line}]"))?;
        if self.setup != Setup::default() { write!(out, "  {:?}", self.setup) } else { Ok(()) }
    }
}

impl Row {
    fn new(line: &'static str, expect: Expect) -> Row {
        Row {
            line,
            expect,
            before: Vec::new(),
            installed: Vec::new(),
            env: Vec::new(),
            ignored: Vec::new(),
            debs: Vec::new(),
            code: 0,
            setup: Setup::default(),
        }
    }

    /// Commands that the real tools run before, with the origin there and the archive as it is at first.
    pub fn before(mut self, line: &'static str) -> Row {
        self.before.push(line);
        self
    }

    /// A package without dependencies that is installed before.
    pub fn installed(mut self, name: &'static str, version: &'static str) -> Row {
        self.installed.push((name, version));
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &'static str, value: &'static str) -> Row {
        self.env.push((name, value));
        self
    }

    /// The real tool fails with this status, or its like; unless told otherwise it succeeds.
    pub fn fails(mut self, code: i32) -> Row {
        self.code = code;
        self
    }

    /// Does not compare this section of the picture.
    pub fn ignore(mut self, section: &'static str) -> Row {
        self.ignored.push(section);
        self
    }

    /// Puts the deb of a package of the archive into the working folder.
    pub fn deb(mut self, name: &'static str) -> Row {
        self.debs.push(name);
        self
    }

    /// Names these suites in the sources.
    pub fn suites(mut self, names: &[&'static str]) -> Row {
        self.setup.suites = names.to_vec();
        self
    }

    /// Writes the sources as stanzas that name their key.
    pub fn deb822(mut self) -> Row {
        self.setup.form = Sources::Deb822;
        self.trust(Trust::SignedBy)
    }

    /// Sets why apt believes the sources.
    pub fn trust(mut self, trust: Trust) -> Row {
        self.setup.trust = trust;
        self
    }

    /// Sets how the suites are signed.
    pub fn signing(mut self, signing: Signing) -> Row {
        self.setup.signing = signing;
        self
    }

    /// Publishes the archive without `by-hash`.
    pub fn no_by_hash(mut self) -> Row {
        self.setup.by_hash = false;
        self
    }

    /// Publishes differences to the state before.
    pub fn diffs(mut self) -> Row {
        self.setup.diffs = true;
        self
    }

    /// Publishes the archive with an end of validity that has passed.
    pub fn expired(mut self) -> Row {
        self.setup.expired = true;
        self
    }

    /// Has the methods of apt become `_apt`.
    pub fn sandboxed(mut self) -> Row {
        self.setup.user = SandboxUser::Apt;
        self
    }

    /// Reaches the archive over HTTPS, with a manner of none.
    pub fn https(mut self) -> Row {
        self.setup.https = true;
        self
    }

    pub(super) fn is_https(&self) -> bool {
        self.setup.https
    }

    pub(super) fn is_sandboxed(&self) -> bool {
        self.setup.user == SandboxUser::Apt
    }

    /// Puts something before the archive's path (`/redir/1`, `/auth`).
    pub fn manner(mut self, manner: &'static str) -> Row {
        self.setup.manner = manner;
        self
    }

    /// Makes the other architecture known.
    pub fn foreign(mut self) -> Row {
        self.setup.foreign = true;
        self
    }

    /// Adds a line of apt's configuration.
    pub fn configured(mut self, line: &'static str) -> Row {
        self.setup.configuration.push(line);
        self
    }

    /// Writes a file of the root; `{o}` in its text is the origin's address.
    pub fn file(mut self, path: &'static str, text: &'static str) -> Row {
        self.setup.files.push((path, text));
        self
    }
}
