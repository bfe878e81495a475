//! wget's argv to a [`Call`].
//!
//! The words are scanned with the option table, each option is applied to `Settings` in the order in which it was typed
//! (wget's later options win), and the settings are then made into transfers. The configuration files come first, as in
//! wget. The first thing that a cache cannot give back ends the reading.
//!
//! Not handled, and left to the real wget: names that depend on the answer, FTP, recursion, and whatever
//! [`Meaning::Refuse`] names.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use vcache_argv::{Item, Kind, Opt, Scan, scan};

use super::name::{Folders, Target, file_name, folders, target};
use super::rc;
use super::table::{Meaning, TABLE};
use crate::address::{Address, recognised};
use crate::reason::{Code, Reason};
use crate::request::{Call, Destination, Existing, FileTime, Parsed, Transfer};
use crate::surroundings::Surroundings;
use crate::variant;

/// `--max-redirect` (wget(1)).
const DEFAULT_REDIRECTS: u32 = 20;

/// Reads a call of wget. `args[0]` is the tool's name.
pub(crate) fn parse(args: &[OsString], around: &Surroundings<'_>) -> Parsed {
    let scan = scan(&TABLE, args.get(1..).unwrap_or_default());
    match read(&scan, around) {
        Ok(call) => Parsed::Fetch(call),
        Err(reason) => Parsed::Other {
            reason,
            urls: recognised(&scan, |_| false, |opt| opt.meaning == Meaning::InputFile),
        },
    }
}

fn read(scan: &Scan<Meaning>, around: &Surroundings<'_>) -> Result<Call, Reason> {
    let mut settings = Settings { server_times: true, host_folder: true, ..Settings::default() };
    settings.configured.merge(configuration(scan, around)?);
    for item in &scan.items {
        match &item.kind {
            Kind::Option { opt, negated, value, .. } => settings.apply(opt, *negated, value.as_deref())?,
            Kind::Positional(url) => settings.urls.push(url.clone()),
            Kind::Unknown { text, .. } => {
                return Err(Reason::new(Code::UnknownOption, text.to_string_lossy()));
            }
            Kind::MissingValue { opt, .. } => return Err(Reason::new(Code::MissingValue, dashed(opt))),
            Kind::Separator | Kind::Untrusted(_) => {}
        }
    }
    // `-x`: folders are named after the URL, and would change with it.
    let positional =
        |item: &&Item<Meaning>| matches!(item.kind, Kind::Positional(_)) && !settings.directories;
    let url_words = scan.items.iter().filter(positional).map(|item| item.at + 1).collect();
    Ok(Call { url_words, ..settings.call(around)? })
}

/// wget looks for `--config` and `--no-config` before all else; the first of them counts.
fn configuration(scan: &Scan<Meaning>, around: &Surroundings<'_>) -> Result<rc::Configured, Reason> {
    for item in &scan.items {
        match &item.kind {
            Kind::Option { opt: Opt { meaning: Meaning::NoConfig, .. }, .. } => {
                return Ok(rc::Configured::default());
            }
            Kind::Option { opt: Opt { meaning: Meaning::ConfigFile, .. }, value: Some(file), .. } => {
                return rc::named_file(Path::new(file), around);
            }
            _ => {}
        }
    }
    rc::default_files(around)
}

fn dashed<M>(opt: &Opt<M>) -> String {
    format!("--{}", opt.long)
}

/// wget's variables, as far as they matter.
#[derive(Default)]
struct Settings {
    urls: Vec<OsString>,
    input_file: Option<OsString>,
    output_document: Option<OsString>,
    folder: PathBuf,
    log: Option<PathBuf>,
    append_log: bool,
    timestamping: bool,
    no_clobber: bool,
    resume: bool,
    server_times: bool,
    variant: Vec<String>,
    user_agent: Option<String>,
    compression: Option<String>,
    max_redirect: Option<u32>,
    /// The option that makes names from URLs uncertain.
    naming: Option<String>,
    directories: bool,
    host_folder: bool,
    protocol_folder: bool,
    cut_dirs: usize,
    quiet: bool,
    verbose: bool,
    inet4: bool,
    inet6: bool,
    quota: bool,
    configured: rc::Configured,
    compares_sizes: bool,
}

impl Settings {
    fn apply(&mut self, opt: &Opt<Meaning>, negated: bool, value: Option<&OsStr>) -> Result<(), Reason> {
        let text = || text(opt, value);
        let on = || switched(opt, negated, value);
        match opt.meaning {
            Meaning::Harmless => {
                on()?;
            }
            Meaning::Retries => self.configured.retries = true,
            Meaning::Credential => self.configured.credentials = true,
            Meaning::UserAgent => self.user_agent = Some(format!("user-agent: {}", text()?)),
            Meaning::IfModifiedSince => self.compares_sizes = !on()?,
            Meaning::Info => return Err(Reason::new(Code::NoUrl, dashed(opt))),
            Meaning::Refuse(code) if on()? => return Err(Reason::new(code, dashed(opt))),
            Meaning::Refuse(_) | Meaning::ConfigFile | Meaning::NoConfig => {}
            Meaning::Parent => {
                on()?;
            }
            Meaning::OutputDocument => self.output_document = value.map(OsStr::to_owned),
            Meaning::Folder => self.folder = value.map(PathBuf::from).unwrap_or_default(),
            Meaning::Log => self.log = value.map(PathBuf::from),
            Meaning::AppendLog => {
                self.log = value.map(PathBuf::from);
                self.append_log = true;
            }
            Meaning::InputFile => self.input_file = value.map(OsStr::to_owned),
            Meaning::Timestamping => self.timestamping = on()?,
            Meaning::NoClobber => self.no_clobber = on()?,
            Meaning::Clobber => self.no_clobber = !on()?,
            Meaning::Continue => self.resume = on()?,
            Meaning::ServerTimes => self.server_times = on()?,
            Meaning::Header => self.header(&text()?)?,
            Meaning::Compression => self.compression(&text()?)?,
            Meaning::MaxRedirect => self.max_redirect = Some(number(opt, &text()?)?),
            Meaning::Method if text()?.eq_ignore_ascii_case("GET") => {}
            Meaning::Method => return Err(Reason::new(Code::Method, text()?)),
            Meaning::Naming => self.naming = Some(dashed(opt)),
            Meaning::Directories => self.directories = on()?,
            Meaning::HostFolder => self.host_folder = on()?,
            Meaning::ProtocolFolder => self.protocol_folder = on()?,
            Meaning::CutDirs => self.cut_dirs = number(opt, &text()?)? as usize,
            Meaning::Letters => self.letters(&text()?)?,
            Meaning::Execute => self.configured.merge(rc::command(&text()?)?),
            Meaning::Quiet => self.quiet = on()?,
            Meaning::Verbose => self.verbose = on()?,
            Meaning::Inet4 => self.inet4 = on()?,
            Meaning::Inet6 => self.inet6 = on()?,
            Meaning::Quota => self.quota = true,
        }
        Ok(())
    }

    /// `-nv`, `-nc`, …
    fn letters(&mut self, letters: &str) -> Result<(), Reason> {
        for letter in letters.chars() {
            match letter {
                'v' => self.verbose = false,
                'H' => self.host_folder = false,
                'd' => self.directories = false,
                'c' => self.no_clobber = true,
                'p' => {}
                _ => return Err(Reason::new(Code::UnknownOption, format!("-n{letter}"))),
            }
        }
        Ok(())
    }

    fn header(&mut self, line: &str) -> Result<(), Reason> {
        if line.is_empty() {
            self.variant.clear();
            return Ok(());
        }
        let (name, value) = line.split_once(':').ok_or_else(|| Reason::new(Code::BadValue, "--header"))?;
        match variant::of_header(name, Some(value))? {
            variant::Meaning::Harmless => {}
            variant::Meaning::Secret => self.configured.credentials = true,
            variant::Meaning::Variant(line) => self.variant.push(line),
            variant::Meaning::Private(line) => {
                self.variant.push(line);
                self.configured.credentials = true;
            }
        }
        Ok(())
    }

    fn compression(&mut self, kind: &str) -> Result<(), Reason> {
        self.compression = match kind.to_ascii_lowercase().as_str() {
            "none" => None,
            kind @ ("auto" | "gzip") => Some(format!("accept-encoding: wget {kind}")),
            _ => return Err(Reason::new(Code::BadValue, "--compression")),
        };
        Ok(())
    }

    fn call(mut self, around: &Surroundings<'_>) -> Result<Call, Reason> {
        self.refuse_contradictions()?;
        let urls = self.targets(around)?;
        if let Some(log) = self.log.as_deref()
            && log == Path::new("-")
        {
            return Err(Reason::new(Code::SideEffect, "-o -"));
        }
        // Into a file wget writes one after the other; into standard output as well, but there it can be told apart.
        if self.output_document.as_ref().is_some_and(|file| file != "-") && urls.len() > 1 {
            return Err(Reason::new(Code::SharedOutput, "-O"));
        }
        self.variant.extend(self.compression.take());
        self.variant.extend(self.user_agent.take());
        self.variant.sort();
        self.variant.dedup();
        let transfers = urls.into_iter().map(|url| self.transfer(url)).collect::<Result<_, _>>()?;
        let append = self.append_log;
        let log = self.log.map(|file| (file, append));
        let rc::Configured { retries, credentials } = self.configured;
        Ok(Call { transfers, retries_given: retries, credentials, log, ..Call::default() })
    }

    /// What wget refuses, and combinations whose outcome differs between versions.
    fn refuse_contradictions(&self) -> Result<(), Reason> {
        let bad = |what: &str| Err(Reason::new(Code::BadValue, what));
        match () {
            () if self.quiet && self.verbose => bad("-q -v"),
            () if self.inet4 && self.inet6 => bad("-4 -6"),
            () if self.timestamping && self.no_clobber => bad("-N -nc"),
            () if self.timestamping && self.compares_sizes => {
                Err(Reason::new(Code::Conditional, "--no-if-modified-since"))
            }
            () if self.resume && self.timestamping && self.output_document.is_none() => {
                Err(Reason::new(Code::Resume, "-c -N"))
            }
            () if self.resume && self.compression.is_some() => {
                Err(Reason::new(Code::Resume, "-c --compression"))
            }
            () => Ok(()),
        }
    }

    /// The URLs of argv, then those of `-i`.
    fn targets(&self, around: &Surroundings<'_>) -> Result<Vec<String>, Reason> {
        let mut words = self.urls.clone();
        if let Some(file) = &self.input_file {
            let unreadable = || Reason::new(Code::InputFile, file.to_string_lossy());
            let remote = file.to_str().is_none_or(|name| crate::address::scheme(name).is_some());
            if file == "-" || remote || self.quota {
                return Err(unreadable());
            }
            let text = (around.read)(Path::new(file)).map_err(|_| unreadable())?;
            let lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
            words.extend(lines.map(|line| OsString::from_vec(line.to_vec())));
        }
        if words.is_empty() {
            return Err(Reason::new(Code::NoUrl, ""));
        }
        words.iter().map(|word| web_url(word)).collect()
    }

    fn transfer(&self, url: String) -> Result<Transfer, Reason> {
        let destination = self.destination(&url)?;
        let named = matches!(destination, Destination::Named { .. });
        let existing = match destination {
            Destination::Stdout => Existing::Truncate,
            _ if self.no_clobber => Existing::Keep,
            _ if self.resume => Existing::Continue,
            // With -O, wget says that -N does nothing.
            _ if self.timestamping && named => Existing::Timestamp,
            _ if named && !self.directories => Existing::Number,
            _ => Existing::Truncate,
        };
        Ok(Transfer {
            url,
            destination,
            existing,
            create_dirs: named,
            mtime: if self.server_times { FileTime::Server } else { FileTime::Now },
            max_redirects: self.max_redirect.unwrap_or(DEFAULT_REDIRECTS),
            variant: self.variant.clone(),
            write_out: None,
        })
    }

    fn destination(&self, url: &str) -> Result<Destination, Reason> {
        if let Some(file) = &self.output_document {
            return match file.as_encoded_bytes() {
                b"-" => Ok(Destination::Stdout),
                b"" => Err(Reason::new(Code::BadValue, "-O")),
                _ => Ok(Destination::Path(PathBuf::from(file))),
            };
        }
        if let Some(option) = &self.naming {
            return Err(Reason::new(Code::OutputName, option));
        }
        let uncertain = || Reason::new(Code::OutputName, url);
        let address = Address::split(url).ok_or_else(uncertain)?;
        let name = file_name(&address).ok_or_else(uncertain)?;
        let mut folder = self.folder.clone();
        if self.directories {
            let shape =
                Folders { host: self.host_folder, protocol: self.protocol_folder, cut: self.cut_dirs };
            folder.push(folders(&address, shape).ok_or_else(uncertain)?);
        }
        Ok(Destination::Named { folder, name, from_header: false })
    }
}

fn web_url(word: &OsStr) -> Result<String, Reason> {
    // wget converts what is not ASCII from the locale's character set.
    let typed = word.to_str().filter(|url| url.is_ascii());
    let typed = typed.ok_or_else(|| Reason::new(Code::Encoding, word.to_string_lossy()))?;
    match target(typed) {
        Target::Web(url) => Ok(url),
        Target::Elsewhere => Err(Reason::new(Code::Scheme, typed)),
        Target::Bad => Err(Reason::new(Code::BadValue, typed)),
    }
}

fn text(opt: &Opt<Meaning>, value: Option<&OsStr>) -> Result<String, Reason> {
    let value = value.unwrap_or_default().to_str();
    value.map(str::to_owned).ok_or_else(|| Reason::new(Code::Encoding, dashed(opt)))
}

fn number(opt: &Opt<Meaning>, value: &str) -> Result<u32, Reason> {
    value.parse().map_err(|_| Reason::new(Code::BadValue, format!("{}={value}", dashed(opt))))
}

/// Whether a boolean is switched on; options that take another kind of value always are.
fn switched(opt: &Opt<Meaning>, negated: bool, value: Option<&OsStr>) -> Result<bool, Reason> {
    let takes_word = matches!(
        opt.long,
        "backups" | "check-certificate" | "report-speed" | "restrict-file-names" | "show-progress"
    );
    let Some(value) = value.filter(|_| opt.arity == vcache_argv::Arity::Optional && !takes_word) else {
        return Ok(!negated);
    };
    match value.to_string_lossy().to_ascii_lowercase().as_str() {
        "on" | "yes" | "1" => Ok(true),
        "off" | "no" | "0" => Ok(false),
        other => Err(Reason::new(Code::BadValue, format!("{}={other}", dashed(opt)))),
    }
}

#[cfg(test)]
mod tests;
