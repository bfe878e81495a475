//! A row: one call, what it finds, and what is expected of the shim.
//!
//! In argv, in files and on standard input `{o}` stands for the origin's `http://HOST:PORT`, `{h}` for `HOST:PORT`,
//! `{w}` for the working folder.

use std::path::PathBuf;

use vcache_testkit::SETUP_TIME;

/// What the shim makes of a call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expect {
    /// Answered from the cache once it is warm: the same with the origin stopped and with the network cut.
    Cached,
    /// Answered from the cache once other calls have filled it ([`Row::fill`]); not kept itself, since its outputs can't be
    /// told apart.
    Warm,
    /// Left to the real tool, with one of these counted reasons (`a|b`; `*` for any).
    Uncached(&'static str),
    /// Understood, but the answer is not one to keep (a 404): always the real tool's own.
    Live,
    /// Cached or not, either is right; with the origin there the effect is the real tool's.
    Any,
}

/// A file that is there before the call.
#[derive(Clone, Debug)]
pub enum Setup {
    /// A regular file: path below the sandbox's root (`work/…`, `home/…`), content, time (seconds), mode.
    File(PathBuf, Content, u64, u32),
    /// A folder with a mode.
    Folder(PathBuf, u32),
    /// A symbolic link: path and target.
    Link(PathBuf, PathBuf),
    /// A hard link: new path and existing path.
    Hard(PathBuf, PathBuf),
}

/// The content of a file that is there before the call.
#[derive(Clone, Debug)]
pub enum Content {
    /// This text, placeholders filled in.
    Text(String),
    /// The first so many bytes of what the origin has at this path; all of it for `None`.
    Of(&'static str, Option<usize>),
}

/// One call. Built by [`cached`], [`uncached`], [`live`] or [`any`], then refined.
#[derive(Clone, Debug)]
pub struct Row {
    pub(crate) words: Vec<String>,
    pub(crate) setup: Vec<Setup>,
    pub(crate) stdin: Option<String>,
    pub(crate) env: Vec<(String, String)>,
    pub(crate) expect: Expect,
    pub(crate) fill: Vec<String>,
    pub(crate) pins: bool,
    pub(crate) extra_pins: Vec<&'static str>,
    pub(crate) floating_offline: bool,
    pub(crate) cross: bool,
    pub(crate) blurred: Vec<&'static str>,
    pub(crate) blurred_stdout: bool,
}

/// A call that the cache answers. `line` is split at blanks; single quotes keep them.
pub fn cached(line: &str) -> Row {
    Row::new(line, Expect::Cached)
}

/// A call that the cache answers once its contents are there by way of [`Row::fill`].
pub fn warm(line: &str) -> Row {
    Row::new(line, Expect::Warm)
}

/// A call that is left to the real tool for one of `reasons` (`a|b`; `*` for any).
pub fn uncached(reasons: &'static str, line: &str) -> Row {
    Row::new(line, Expect::Uncached(reasons))
}

/// A call whose answer is not one to keep.
pub fn live(line: &str) -> Row {
    Row::new(line, Expect::Live)
}

/// A call that may be cached or not.
pub fn any(line: &str) -> Row {
    Row::new(line, Expect::Any)
}

impl Row {
    fn new(line: &str, expect: Expect) -> Row {
        Row::of(super::split_words(line), expect)
    }

    /// A row from words that are split already.
    pub fn of(words: Vec<String>, expect: Expect) -> Row {
        Row {
            words,
            setup: Vec::new(),
            stdin: None,
            env: Vec::new(),
            expect,
            fill: Vec::new(),
            pins: true,
            extra_pins: Vec::new(),
            floating_offline: true,
            cross: true,
            blurred: Vec::new(),
            blurred_stdout: false,
        }
    }

    /// A file in the working folder with this text, old.
    pub fn file(self, name: &str, text: &str) -> Row {
        self.put(Setup::File(at(name), Content::Text(text.to_owned()), SETUP_TIME, 0o644))
    }

    /// A file in the working folder with this text, as old as `seconds` since the epoch.
    pub fn file_at(self, name: &str, text: &str, seconds: u64) -> Row {
        self.put(Setup::File(at(name), Content::Text(text.to_owned()), seconds, 0o644))
    }

    /// A file in the working folder with the content of a path of the origin, or its first bytes.
    pub fn copy_of(self, name: &str, path: &'static str, bytes: Option<usize>, seconds: u64) -> Row {
        self.put(Setup::File(at(name), Content::Of(path, bytes), seconds, 0o644))
    }

    /// Anything else that is there before.
    pub fn put(mut self, setup: Setup) -> Row {
        self.setup.push(setup);
        self
    }

    /// Standard input.
    pub fn stdin(mut self, text: &str) -> Row {
        self.stdin = Some(text.to_owned());
        self
    }

    /// A variable of the environment.
    pub fn env(mut self, name: &str, value: &str) -> Row {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Warms the cache by these calls (run in a folder of their own), since the call itself does not fetch a whole
    /// content.
    pub fn fill(mut self, line: &str) -> Row {
        self.fill.push(line.to_owned());
        self.cross = false;
        self
    }

    /// Runs without pins only: what the URL answers by itself is not what it leads to.
    pub fn unpinned(mut self) -> Row {
        self.pins = false;
        self.cross = false;
        self
    }

    /// Pins this path of the origin, for a call that asks for nothing by itself.
    pub fn pin(mut self, path: &'static str) -> Row {
        self.extra_pins.push(path);
        self
    }

    /// Leaves out the unpinned call without a network, since the real tool tries for long before it gives up.
    pub fn patient(mut self) -> Row {
        self.floating_offline = false;
        self
    }

    /// Does not let the other tool warm the cache: the answer depends on this tool's request or headers.
    pub fn alone(mut self) -> Row {
        self.cross = false;
        self
    }

    /// Compares only the presence of this file, whose content differs from run to run.
    pub fn blur(mut self, path: &'static str) -> Row {
        self.blurred.push(path);
        self
    }

    /// Does not compare standard output, which holds times.
    pub fn blur_stdout(mut self) -> Row {
        self.blurred_stdout = true;
        self
    }
}

fn at(name: &str) -> PathBuf {
    PathBuf::from("work").join(name)
}
