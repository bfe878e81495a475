//! wget's configuration: `/etc/wgetrc`, `~/.wgetrc`, `--config`, and the lines of `-e`.
//!
//! Only what has no influence on the content, nor on where it goes, is accepted; Debian's default file (`passive_ftp =
//! on`) is such. Anything else that a file sets leaves the call to the real wget, with the name of the command.

use std::path::{Path, PathBuf};

use super::table::{Meaning, TABLE};
use crate::reason::{Code, Reason};
use crate::surroundings::Surroundings;

/// What the configuration says that matters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Configured {
    /// `tries`, `waitretry`, …
    pub(super) retries: bool,
    /// `user`, `password`, …
    pub(super) credentials: bool,
}

/// Reads the files that wget would read when neither `--config` nor `--no-config` is given.
pub(super) fn default_files(around: &Surroundings<'_>) -> Result<Configured, Reason> {
    let mut found = Configured::default();
    let system = around.path("SYSTEM_WGETRC").filter(|path| (around.read)(path).is_ok());
    let system = system.unwrap_or_else(|| PathBuf::from("/etc/wgetrc"));
    if let Ok(text) = (around.read)(&system) {
        found.merge(file(&text)?);
    }
    if let Some(own) = around.path("WGETRC") {
        // wget gives up when this one is missing.
        found.merge(named_file(&own, around)?);
    } else if let Some(home) = around.path("HOME")
        && let Ok(text) = (around.read)(&home.join(".wgetrc"))
    {
        found.merge(file(&text)?);
    }
    Ok(found)
}

/// Reads a file that must be there.
pub(super) fn named_file(path: &Path, around: &Surroundings<'_>) -> Result<Configured, Reason> {
    match (around.read)(path) {
        Ok(text) => file(&text),
        Err(_) => Err(Reason::new(Code::InputFile, path.to_string_lossy())),
    }
}

fn file(text: &[u8]) -> Result<Configured, Reason> {
    let mut found = Configured::default();
    for line in text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii) {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let line =
            str::from_utf8(line).map_err(|_| Reason::new(Code::Configured, "a line that is not UTF-8"))?;
        found.merge(command(line)?);
    }
    Ok(found)
}

/// Reads one line, `name = value`.
pub(super) fn command(line: &str) -> Result<Configured, Reason> {
    let Some((name, value)) = line.split_once('=') else {
        return Err(Reason::new(Code::Configured, "a line without `=`"));
    };
    let (name, value) = (name.trim(), value.trim());
    let plain: String = name.chars().filter(|c| !"-_".contains(*c)).collect::<String>().to_ascii_lowercase();
    let off = matches!(value.to_ascii_lowercase().as_str(), "off" | "no" | "0");
    match meaning(&plain) {
        Some(Meaning::Harmless | Meaning::Quiet | Meaning::Verbose | Meaning::Inet4 | Meaning::Inet6) => {
            Ok(Configured::default())
        }
        Some(Meaning::Retries) => Ok(Configured { retries: true, ..Configured::default() }),
        Some(Meaning::Credential) => Ok(Configured { credentials: true, ..Configured::default() }),
        // What is off by default and is said to be off.
        Some(Meaning::Refuse(_) | Meaning::Timestamping | Meaning::Continue | Meaning::NoClobber) if off => {
            Ok(Configured::default())
        }
        _ => Err(Reason::new(Code::Configured, name)),
    }
}

/// The meaning of a command, its name in lower case without `-` and `_`. Most are called as the option is.
fn meaning(plain: &str) -> Option<Meaning> {
    match plain {
        "dotbytes" | "dotsinline" | "dotspacing" | "dotstyle" | "ftpproxy" | "httpproxy" | "httpsproxy"
        | "login" | "noproxy" | "passwd" | "robots" | "showalldnsentries" | "useproxy" => {
            Some(Meaning::Harmless)
        }
        "numtries" => Some(Meaning::Retries),
        _ => {
            let same = |long: &str| long.bytes().filter(|b| *b != b'-').eq(plain.bytes());
            TABLE.options.iter().find(|opt| same(opt.long)).map(|opt| opt.meaning)
        }
    }
}

impl Configured {
    pub(super) fn merge(&mut self, other: Configured) {
        self.retries |= other.retries;
        self.credentials |= other.credentials;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, expect: Result<bool, &str>) {
        let seen = command(line).map(|found| found.retries).map_err(|reason| reason.detail);
        assert_eq!(seen, expect.map_err(str::to_owned), "{line}");
    }

    #[test]
    fn commands_are_sorted_out() {
        check("passive_ftp = on", Ok(false));
        check("passive-ftp=on", Ok(false));
        check("robots=off", Ok(false));
        check("https_proxy = http://p:3128", Ok(false));
        check("check_certificate = off", Ok(false));
        check("user_agent = x", Err("user_agent"));
        check("password = x", Ok(false));
        check("tries = 20", Ok(true));
        check("waitretry=5", Ok(true));
        check("timestamping = off", Ok(false));
        check("timestamping = on", Err("timestamping"));
        check("dir_prefix = /tmp", Err("dir_prefix"));
        check("output_document=x", Err("output_document"));
        check("header = Accept: x", Err("header"));
        check("Quiet=on", Ok(false));
        check("recursive = on", Err("recursive"));
        check("logfile = x", Err("logfile"));
        check("no such thing = x", Err("no such thing"));
        check("quiet", Err("a line without `=`"));
    }
}
