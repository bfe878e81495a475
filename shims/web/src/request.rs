//! What a call of wget or curl asks for, in the terms that both tools share.
//!
//! The two `invocation` modules turn an argv into a [`Call`]; `plan` decides about it; `serve` carries the decision out.
//! A call that is not fully understood, or whose effects a cache cannot give back, is [`Parsed::Other`]: the real tool
//! runs with the argv that was given, and the reason is counted.

use std::path::PathBuf;

use crate::reason::Reason;

/// With a limit on redirects that is lower than this ([`Transfer::max_redirects`]), it must be known how many of them led
/// to the content: the real tool might have stopped on the way.
pub(crate) const REDIRECTS_TAKEN_FOR_GRANTED: u32 = 10;

/// The result of reading an argv.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Parsed {
    /// Every option is understood and each transfer can be answered from a cache.
    Fetch(Call),
    /// The real tool must do it.
    Other {
        /// Why, as a counted code with detail.
        reason: Reason,
        /// The URLs that could be recognised, to name in messages; may be empty.
        urls: Vec<String>,
    },
}

/// A call that fetches one or more URLs by GET.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Call {
    /// In the order in which the tool works through them.
    pub(crate) transfers: Vec<Transfer>,
    /// Indexes into argv (argv[0] is the tool) before which options of each operation may be inserted. wget: empty.
    pub(crate) option_slots: Vec<usize>,
    /// Indexes into argv of the words that are URLs, for rewriting; those of lists and configuration files have none.
    pub(crate) url_words: Vec<usize>,
    /// The caller gave `--tries`, `--retry` or the like, so `VCACHE_RETRY` stays out of it.
    pub(crate) retries_given: bool,
    /// The caller shows who it is (`-u`, `Authorization`, …), which is not to be shown to a mirror.
    pub(crate) credentials: bool,
    /// wget's `-o FILE` (false) or `-a FILE` (true: append): messages go there instead of to stderr.
    pub(crate) log: Option<(PathBuf, bool)>,
}

/// One URL and what is to be done with its content.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Transfer {
    /// As typed (globs expanded), with `http://` in front where the tool would put it.
    pub(crate) url: String,
    /// Where the content goes.
    pub(crate) destination: Destination,
    /// What happens when the destination exists.
    pub(crate) existing: Existing,
    /// curl `--create-dirs`; wget creates the folder of `-P` by itself (true there).
    pub(crate) create_dirs: bool,
    /// Which modification time the file gets.
    pub(crate) mtime: FileTime,
    /// How many redirects may be followed; 0 for curl without `-L`.
    pub(crate) max_redirects: u32,
    /// Request properties that may change the answer, sorted, without secrets: `accept: application/json`,
    /// `accept-encoding: curl --compressed`. Empty for an ordinary GET.
    pub(crate) variant: Vec<String>,
    /// curl's `-w` format, where one was given and [`crate::curl`] knows each of its variables.
    pub(crate) write_out: Option<String>,
}

impl Transfer {
    /// The file's name as the tools report it: not made absolute. None for standard output.
    pub(crate) fn name_as_typed(&self, header_name: Option<&str>) -> Option<String> {
        let path = match &self.destination {
            Destination::Stdout => return None,
            Destination::Path(path) => path.clone(),
            Destination::Named { folder, name, from_header } => {
                folder.join(header_name.filter(|_| *from_header).unwrap_or(name))
            }
        };
        Some(path.to_string_lossy().into_owned())
    }
}

/// Where content goes.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Destination {
    /// Standard output.
    Stdout,
    /// This path (relative to the working directory), as `-O FILE` and `-o FILE` give it, `--output-dir` in front.
    Path(PathBuf),
    /// A file named after the URL (`wget URL`, `curl -O URL`).
    Named {
        /// `-P DIR`, `--output-dir DIR`; may be empty.
        folder: PathBuf,
        /// The name from the URL, as the tool makes it.
        name: String,
        /// curl `-J`: a name in the answer's Content-Disposition wins.
        from_header: bool,
    },
}

/// What happens when the destination is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Existing {
    /// It is truncated and written (curl; wget `-O`).
    Truncate,
    /// The new one is called `name.1`, `name.2`, … (wget's default).
    Number,
    /// wget `-N`: fetched only when the server's is newer.
    Timestamp,
    /// wget `-nc`, curl `--skip-existing`: it is left alone and nothing is fetched. The exit status is 0, but 1 for wget
    /// with `-O` ([`Destination::Path`]).
    Keep,
    /// wget `-c`, curl `-C -`: the rest is appended.
    Continue,
    /// curl `-J`: an error, when the name comes from the answer's header; a file named after the URL is truncated.
    Refuse,
}

/// The modification time that a fetched file gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum FileTime {
    /// The server's Last-Modified where it sent one (wget; curl `-R`).
    Server,
    /// The present time (curl; wget `--no-use-server-timestamps`).
    Now,
}
