//! Who holds a lock: what fcntl(2) and `/proc` tell of it.

use std::fmt;
use std::fs;
use std::os::fd::AsFd;

use rustix::process::{Flock, FlockType, Pid, fcntl_getlk, getpid};
use vcache_store::public_url;

/// More of a command line than this many characters is not shown.
const SHOWN: usize = 120;

/// A process that holds a lock that we want.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Holder {
    /// None: it is in another namespace of processes.
    pid: Option<i32>,
    /// Its command line, where it can be read.
    command: Option<String>,
}

impl Holder {
    /// Who keeps us from the lock of `file`; none where nobody does any longer.
    pub(super) fn of(file: impl AsFd) -> Option<Holder> {
        let flock = fcntl_getlk(file, &Flock::from(FlockType::WriteLock)).ok()??;
        // A lock that belongs to no process (an open file's own; neither dpkg nor apt has such) has -1: with debug assertions rustix panics on it.
        let pid = Some(Pid::as_raw(flock.pid)).filter(|pid| *pid > 0);
        Some(Holder { pid, command: pid.and_then(command) })
    }

    /// It waits for us, perhaps: it has started us, or what has started us.
    pub(super) fn is_ancestor(&self) -> bool {
        let mut ancestor = Some(getpid().as_raw_nonzero().get());
        while let Some(pid) = ancestor.filter(|pid| *pid > 1) {
            ancestor = parent(pid);
            if ancestor.is_some() && ancestor == self.pid {
                return true;
            }
        }
        false
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.pid, &self.command) {
            (Some(pid), Some(command)) => write!(f, "process {pid} ({command})"),
            (Some(pid), None) => write!(f, "process {pid}"),
            (None, _) => f.write_str("a process that can't be seen from here"),
        }
    }
}

/// The words of a process, fit for a message: one line, no secrets in URLs.
fn command(pid: i32) -> Option<String> {
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = shown(&words);
    Some(text).filter(|text| !text.is_empty())
}

fn shown(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words).replace(char::is_control, " ");
    let text = text.split_whitespace().map(public).collect::<Vec<_>>().join(" ");
    let mut short: String = text.chars().take(SHOWN).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The word, with the secrets of a URL in it taken out.
fn public(word: &str) -> String {
    let Some((before, _)) = word.split_once("://") else { return word.to_owned() };
    let start = before.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |at| at + 1);
    word.get(start..).map_or_else(String::new, |url| format!("{}{}", &word[..start], public_url(url)))
}

/// The parent of a process, from `/proc/PID/stat` (proc(5)): the second word behind its name, which stands in parentheses.
fn parent(pid: i32) -> Option<i32> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_one_short_line_without_secrets() {
        let rows: &[(&[u8], &str)] = &[
            (b"dpkg\0-i\0a b.deb\0", "dpkg -i a b.deb"),
            (b"sh\0-c\0a\nb\x1b[31m\0", "sh -c a b [31m"),
            (
                b"apt\0-oAcquire::http::Proxy=http://u:p@h.example/\0",
                "apt -oAcquire::http::Proxy=http://h.example/",
            ),
            (b"", ""),
        ];
        for (words, text) in rows {
            assert_eq!(shown(words), *text);
        }
        assert_eq!(shown(&[b'x'; 500]).chars().count(), SHOWN + 1);
    }

    #[test]
    fn ancestors() {
        let holder = |pid| Holder { pid, command: None };
        let own = getpid().as_raw_nonzero().get();
        assert!(holder(parent(own)).is_ancestor());
        assert!(!holder(Some(own)).is_ancestor() && !holder(None).is_ancestor());
        assert_eq!(holder(None).to_string(), "a process that can't be seen from here");
    }
}
