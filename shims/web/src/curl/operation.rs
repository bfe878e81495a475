//! One operation of a curl command line, which `--next` ends: the options given in it, and the transfers they make.
//!
//! URLs and outputs meet in the order in which they were typed: the first `-o` or `-O` belongs to the first URL, wherever
//! each stands (`tool_getparam.c` calls such a pair a node).

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use vcache_argv::Opt;

use super::table::Meaning;
use super::{glob, target, write_out};
use crate::address::Address;
use crate::reason::{Code, Reason};
use crate::request::{Destination, Existing, FileTime, Transfer};
use crate::variant;

/// `--max-redirs` (curl(1)).
const DEFAULT_REDIRECTS: u32 = 50;

/// Where a URL's content goes, as typed.
#[derive(Clone, PartialEq, Debug)]
enum Output {
    /// `-o`.
    File(OsString),
    /// `-O`.
    RemoteName,
    /// `--no-remote-name`, or nothing.
    Stdout,
}

/// The options of one operation.
#[derive(Default)]
pub(super) struct Operation {
    /// With what `--remote-name-all` was at that place.
    urls: Vec<(OsString, bool)>,
    outputs: Vec<Output>,
    output_dir: Option<OsString>,
    remote_name_all: bool,
    header_name: bool,
    remote_time: bool,
    create_dirs: bool,
    skip_existing: bool,
    resume: bool,
    follow: bool,
    max_redirects: Option<u32>,
    headers: Vec<String>,
    user_agent: Option<String>,
    compressed: bool,
    path_as_is: bool,
    globoff: bool,
    parallel: bool,
    write_out: Option<String>,
    default_scheme: Option<String>,
    no_http: bool,
    no_https: bool,
    /// `--retry` or its kin.
    pub(super) retries: bool,
    /// `-u`, an `Authorization` header or their kin.
    pub(super) credentials: bool,
}

impl Operation {
    /// A positional word, or `--url`.
    pub(super) fn url(&mut self, word: OsString) {
        self.urls.push((word, self.remote_name_all));
    }

    /// An option of the table. `Config` and `Next` are the caller's.
    pub(super) fn apply(
        &mut self,
        opt: &Opt<Meaning>,
        negated: bool,
        value: Option<&OsStr>,
    ) -> Result<(), Reason> {
        let on = !negated;
        let dashed = || format!("--{}", opt.long);
        let text = || {
            let text = value.unwrap_or_default().to_str();
            text.ok_or_else(|| Reason::new(Code::Encoding, dashed()))
        };
        match opt.meaning {
            Meaning::Harmless | Meaning::Config | Meaning::Next => {}
            Meaning::Info if on => return Err(Reason::new(Code::NoUrl, dashed())),
            Meaning::Refuse(code) if on => return Err(Reason::new(code, dashed())),
            Meaning::Info | Meaning::Refuse(_) => {}
            Meaning::Retries => self.retries = true,
            Meaning::Credential => self.credentials = true,
            Meaning::UserAgent => self.user_agent = Some(format!("user-agent: {}", text()?)),
            Meaning::Output => self.outputs.push(Output::File(value.unwrap_or_default().to_owned())),
            Meaning::OutNull => self.outputs.push(Output::File("/dev/null".into())),
            Meaning::RemoteName => self.outputs.push(if on { Output::RemoteName } else { Output::Stdout }),
            Meaning::RemoteNameAll => self.remote_name_all = on,
            Meaning::OutputDir => self.output_dir = value.filter(|v| !v.is_empty()).map(OsStr::to_owned),
            Meaning::RemoteHeaderName => self.header_name = on,
            Meaning::RemoteTime => self.remote_time = on,
            Meaning::CreateDirs => self.create_dirs = on,
            Meaning::Clobber if negated => return Err(Reason::new(Code::OutputName, "--no-clobber")),
            Meaning::Clobber => {}
            Meaning::SkipExisting => self.skip_existing = on,
            Meaning::Location => self.follow = on,
            Meaning::MaxRedirects => {
                let most: i64 = text()?.parse().map_err(|_| Reason::new(Code::BadValue, dashed()))?;
                // A negative number is no limit.
                self.max_redirects = Some(u32::try_from(most).unwrap_or(u32::MAX));
            }
            Meaning::Header => self.header(text()?)?,
            Meaning::Compressed => self.compressed = on,
            Meaning::PathAsIs => self.path_as_is = on,
            Meaning::Parallel => self.parallel = on,
            Meaning::Request if text()? == "GET" => {}
            Meaning::Request => return Err(Reason::new(Code::Method, text()?)),
            Meaning::Continue if text()? == "-" => self.resume = true,
            Meaning::Continue => return Err(Reason::new(Code::Range, dashed())),
            Meaning::Url => self.url(value.unwrap_or_default().to_owned()),
            Meaning::Globoff => self.globoff = on,
            Meaning::WriteOut => self.write_out = Some(known_format(text()?)?),
            Meaning::Protocols => self.protocols(text()?),
            Meaning::DefaultProtocol => self.default_scheme = Some(text()?.to_owned()),
            Meaning::Engine if text()? == "list" => return Err(Reason::new(Code::NoUrl, dashed())),
            Meaning::Engine => {}
        }
        Ok(())
    }

    fn header(&mut self, line: &str) -> Result<(), Reason> {
        if line.starts_with('@') {
            return Err(Reason::new(Code::InputFile, "-H @file"));
        }
        // `Name;` sends the header empty, `Name:` takes curl's own one out: two requests, and `Name: ;` is a third.
        let (name, value) = match line.split_once(':') {
            Some((name, value)) => (name, Some(value)),
            None => (line.strip_suffix(';').ok_or_else(|| Reason::new(Code::BadValue, "-H"))?, None),
        };
        match variant::of_header(name, value)? {
            variant::Meaning::Harmless => {}
            variant::Meaning::Secret => self.credentials = true,
            variant::Meaning::Variant(line) => self.headers.push(line),
            variant::Meaning::Private(line) => {
                self.headers.push(line);
                self.credentials = true;
            }
        }
        Ok(())
    }

    /// `=https`, `-all,https`, `+http`: what counts is whether http and https remain.
    fn protocols(&mut self, list: &str) {
        for word in list.split(',') {
            let (sign, name) = match word.as_bytes().first() {
                Some(b'+' | b'-' | b'=') => word.split_at(1),
                _ => ("+", word),
            };
            if sign == "=" {
                (self.no_http, self.no_https) = (true, true);
            }
            let denied = sign == "-";
            let name = name.to_ascii_lowercase();
            if name == "all" || name == "http" {
                self.no_http = denied;
            }
            if name == "all" || name == "https" {
                self.no_https = denied;
            }
        }
    }

    /// The transfers, in curl's order.
    pub(super) fn transfers(&self) -> Result<Vec<Transfer>, Reason> {
        if self.urls.is_empty() {
            return Err(Reason::new(Code::NoUrl, ""));
        }
        // Sizes and statuses would be those of another transfer.
        if self.write_out.is_some() && (self.resume || self.compressed) {
            return Err(Reason::new(Code::WriteOut, "with -C or --compressed"));
        }
        let mut transfers = Vec::new();
        for (index, (word, by_remote_name)) in self.urls.iter().enumerate() {
            let typed = word.to_str().ok_or_else(|| Reason::new(Code::Encoding, "URL"))?;
            let unset = if *by_remote_name { Output::RemoteName } else { Output::Stdout };
            let output = self.outputs.get(index).unwrap_or(&unset);
            let expanded = match self.globoff {
                true => vec![glob::Expanded { url: typed.to_owned(), chosen: Vec::new() }],
                false => glob::expand(typed)?,
            };
            for one in expanded {
                transfers.push(self.transfer(&one, output)?);
            }
        }
        // The header dump of parallel transfers does not tell which answer is whose.
        if self.parallel && transfers.len() > 1 {
            return Err(Reason::new(Code::SharedOutput, "--parallel"));
        }
        Ok(transfers)
    }

    fn transfer(&self, one: &glob::Expanded, output: &Output) -> Result<Transfer, Reason> {
        let url = target::web_url(&one.url, self.default_scheme.as_deref())?;
        let secure = url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
        if (secure && self.no_https) || (!secure && self.no_http) {
            return Err(Reason::new(Code::Scheme, "--proto"));
        }
        let destination = self.destination(&url, output, &one.chosen)?;
        let by_header = matches!(destination, Destination::Named { from_header: true, .. });
        let existing = match destination {
            Destination::Stdout => Existing::Truncate,
            _ if self.resume && by_header => return Err(Reason::new(Code::Resume, "-C with -J")),
            _ if self.resume => Existing::Continue,
            _ if self.skip_existing => Existing::Keep,
            _ if by_header => Existing::Refuse,
            _ => Existing::Truncate,
        };
        Ok(Transfer {
            variant: self.variant(&url),
            url,
            existing,
            create_dirs: self.create_dirs,
            mtime: if self.remote_time { FileTime::Server } else { FileTime::Now },
            max_redirects: if self.follow { self.max_redirects.unwrap_or(DEFAULT_REDIRECTS) } else { 0 },
            write_out: self.write_out.clone(),
            destination,
        })
    }

    fn variant(&self, url: &str) -> Vec<String> {
        let mut variant = self.headers.clone();
        variant.extend(self.user_agent.clone());
        if self.compressed {
            variant.push("accept-encoding: curl --compressed".to_owned());
        }
        if self.path_as_is && Address::split(url).is_some_and(|address| address.path.contains("/.")) {
            variant.push("curl --path-as-is".to_owned());
        }
        variant.sort();
        variant.dedup();
        variant
    }

    fn destination(&self, url: &str, output: &Output, chosen: &[String]) -> Result<Destination, Reason> {
        let folder = self.output_dir.clone();
        match output {
            Output::Stdout => Ok(Destination::Stdout),
            Output::File(file) if file == "-" => Ok(Destination::Stdout),
            Output::File(file) if file.is_empty() => Err(Reason::new(Code::BadValue, "-o")),
            Output::File(file) => {
                let file = match (self.globoff, file.to_str()) {
                    (true, _) => file.clone(),
                    (false, Some(text)) => glob::fill(text, chosen).into(),
                    (false, None) => return Err(Reason::new(Code::Encoding, "-o")),
                };
                // curl puts a slash between them even where the file has an absolute path.
                let path = folder.map_or(file.clone(), |mut path| {
                    path.push("/");
                    path.push(&file);
                    path
                });
                Ok(Destination::Path(PathBuf::from(path)))
            }
            Output::RemoteName => Ok(Destination::Named {
                folder: folder.map(PathBuf::from).unwrap_or_default(),
                name: target::remote_name(url)?,
                from_header: self.header_name,
            }),
        }
    }
}

/// A `-w` format that a cached answer can fill.
fn known_format(text: &str) -> Result<String, Reason> {
    let known = !text.starts_with('@') && write_out::render(text, &write_out::Facts::default()).is_some();
    if known { Ok(text.to_owned()) } else { Err(Reason::new(Code::WriteOut, text)) }
}
