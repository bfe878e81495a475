//! Folders that an origin serves, and files of them that are answered wrongly.
//!
//! A folder is mounted at a name (`/debian`). Whatever stands before that name in a path is the manner of the answer: `/debian/a`
//! is the file, `/auth/debian/a` the same for `user:pw`, `/redir/2/debian/a` after two redirects, `/drip/50/debian/a` slowly. The
//! file's modification time is its `Last-Modified`.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use super::answer::{Answer, Framing, Pace, plain, redirect};
use super::{Origin, Request, Shared};

/// What goes wrong with one path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// These bytes instead of the file's, with a length that is right for them.
    Bytes(Vec<u8>),
    /// The file's length is told, so many bytes come, and the connection closes.
    Truncated(usize),
    /// This status with a small body.
    Status(u16),
    /// The head of the answer, then silence.
    Hang,
    /// 302 to this URL.
    Redirect(String),
}

/// A path below a folder that is served.
pub(super) enum File {
    /// Its bytes, and its modification time in seconds since the epoch.
    Found(Arc<Vec<u8>>, u64),
    Absent,
}

impl Origin {
    /// Serves the files below `dir` at `name` (`/debian`). A folder that is mounted there already is replaced.
    pub fn mount(&self, name: &str, dir: &Path) {
        Shared::lock(&self.shared.mounts).insert(name.to_owned(), dir.to_owned());
    }

    /// Answers a path (as it is asked for, without `%` escapes) wrongly from now on.
    pub fn fault(&self, path: &str, fault: Fault) {
        Shared::lock(&self.shared.faults).insert(path.to_owned(), fault);
    }

    /// Forgets all faults.
    pub fn mend(&self) {
        Shared::lock(&self.shared.faults).clear();
    }

    /// How often each path was asked for since the log was taken, in the order of paths.
    pub fn counts(&self) -> std::collections::BTreeMap<String, usize> {
        let mut counts = std::collections::BTreeMap::new();
        for request in Shared::lock(&self.shared.log).iter() {
            *counts.entry(unescape(&request.target)).or_default() += 1;
        }
        counts
    }
}

impl Shared {
    /// The file that a path leads to; none where no folder is mounted for it.
    pub(super) fn file(&self, path: &str) -> Option<File> {
        let path = unescape(path);
        let mounts = Shared::lock(&self.mounts);
        let (dir, rest) = mounts.iter().find_map(|(name, dir)| {
            let begin = path.find(&format!("{name}/"))?;
            Some((dir.clone(), &path[begin + name.len() + 1..]))
        })?;
        drop(mounts);
        if rest.split('/').any(|part| part == "..") {
            return Some(File::Absent);
        }
        let file = dir.join(rest);
        let Ok(bytes) = std::fs::read(&file) else { return Some(File::Absent) };
        let modified = file.metadata().and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        let seconds = modified.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Some(File::Found(Arc::new(bytes), seconds))
    }

    pub(super) fn fault(&self, path: &str) -> Option<Fault> {
        Shared::lock(&self.faults).get(&unescape(path)).cloned()
    }
}

impl Fault {
    /// The answer to a request for `file`.
    pub(super) fn answer(&self, request: &mut Request, file: Option<&File>) -> Answer {
        let whole = match file {
            Some(File::Found(bytes, _)) => bytes.to_vec(),
            _ => Vec::new(),
        };
        let length = whole.len() as u64;
        match self {
            Fault::Bytes(bytes) => plain(200, bytes),
            Fault::Truncated(size) => {
                let body = &whole[..whole.len().min(*size)];
                Answer { framing: Framing::Claimed(length), ..plain(200, body) }
            }
            Fault::Status(status) => plain(*status, format!("status {status}\n").as_bytes()),
            Fault::Hang => {
                Answer { framing: Framing::Claimed(length.max(1)), pace: Pace::Stall, ..plain(200, b"") }
            }
            Fault::Redirect(url) => redirect(request, 302, url.clone()),
        }
    }
}

/// Takes `%XX` out of a path.
fn unescape(path: &str) -> String {
    let mut out = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let escaped = (*first == b'%').then(|| behind.get(..2)).flatten();
        let byte = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                out.push(byte);
                rest = &behind[2..];
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::unescape;

    #[test]
    fn escapes_are_read_and_a_lone_percent_stays() {
        assert_eq!(unescape("/a%2bb%7E/%zz%"), "/a+b~/%zz%");
    }
}
