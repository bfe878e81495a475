//! Hits: content of the cache for apt, checked on its way.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use vcache_shim::journal::{Journal, Outcome};
use vcache_store::{Blob, Error as StoreError, Hashes, Key, Mtime, Record};

use super::message::{DONE, Message, START};
use super::request::{Expected, Request};
use super::session::Session;

/// As apt's own methods leave files.
const MODE: u32 = 0o644;

/// Why content can't be given.
enum Trouble {
    /// The cache: the origin is asked instead.
    Cache(StoreError),
    /// The place where apt wants it: its own method meets the same, and says so.
    Place(io::Error),
}

impl Session {
    /// The key of the content that a request names by a digest.
    pub(super) fn key(&self, request: &Request) -> Key {
        self.key_at(request, &request.uri)
    }

    /// The same at another URL.
    fn key_at(&self, request: &Request, url: &str) -> Key {
        let digest = match &request.expected {
            Expected::Sha512(digest) => format!("sha512:{digest}"),
            _ => String::new(),
        };
        match request.is_index() || request.expected == Expected::Nothing {
            true => Key::deb_index(url, &digest),
            false => Key::deb(url, &digest),
        }
    }

    /// Answers a request that names its content by a digest, where the cache has that; whether it did.
    pub(super) fn answer(&self, request: &Request, journal: &Journal) -> bool {
        let Some(store) = self.store().filter(|_| self.policy.read) else { return false };
        let record = self.heard(store.lookup(&self.key(request))).flatten();
        let id = match &request.expected {
            Expected::Sha256(id) => Some(*id),
            // What was kept under a SHA-512 was compared with it.
            _ => record.as_ref().map(|record| record.sha256),
        };
        let Some(id) = id else { return false };
        let Some(blob) = self.heard(store.find(&id.into())).flatten() else { return false };
        // Behind a redirect, or on another mirror, it has the date of the place that it came from.
        let elsewhere = || store.lookup_here(&self.key_at(request, &store.origin(id)?)).ok().flatten();
        let record = record.or_else(elsewhere).filter(|record| record.sha256 == id);
        // Whoever brought it (an archive, another URL) may not have noted what we look for later.
        if self.policy.write {
            self.note_package(request, &blob);
        }
        self.give(request, journal, &blob, record.as_ref())
    }

    /// Gives a blob; whether apt has it.
    pub(super) fn give(
        &self,
        request: &Request,
        journal: &Journal,
        blob: &Blob,
        record: Option<&Record>,
    ) -> bool {
        let mtime = match record.map(|record| record.mtime) {
            Some(Mtime::At(seconds)) => Some(seconds),
            _ => None,
        };
        if request.expected == Expected::Nothing
            && mtime.is_some()
            && mtime == request.last_modified
            && request.kept().is_some_and(|file| is_same(&file, blob))
        {
            self.say_unchanged(request, mtime);
            self.record(journal, Outcome::Hit, request, |event| event.bytes = blob.size());
            return true;
        }
        let place = match self.name_for(request, blob) {
            Some(path) => blob.verify().map(|()| path).map_err(Trouble::Cache),
            None => copy(blob, &request.dest, mtime).map(|()| request.dest.clone()),
        };
        let place = match place {
            Ok(place) => place,
            Err(Trouble::Cache(error)) => {
                self.record(journal, Outcome::Corrupt, request, |event| event.bytes = blob.size());
                self.put_aside(blob, &error);
                return false;
            }
            Err(Trouble::Place(error)) => {
                self.messages.debug(format_args!("{}: {error}", request.dest.display()));
                return false;
            }
        };
        self.say_done(request, blob, &place, mtime);
        self.record(journal, Outcome::Hit, request, |event| {
            event.bytes = blob.size();
            event.tier = blob.tier().map(str::to_owned);
        });
        true
    }

    /// The file that apt has is that one; servers say so by status 304.
    fn say_unchanged(&self, request: &Request, mtime: Option<u64>) {
        let mut done = Message::new(DONE, "URI Done").with("URI", &request.uri).with("IMS-Hit", "true");
        done = done.with("Filename", request.dest.as_os_str().as_bytes());
        if let Some(seconds) = mtime {
            done = done.with("Last-Modified", date(seconds));
        }
        self.say(&done);
    }

    fn say_done(&self, request: &Request, blob: &Blob, place: &Path, mtime: Option<u64>) {
        let size = blob.size().to_string();
        let mut start = Message::new(START, "URI Start").with("URI", &request.uri).with("Size", &size);
        let mut done = Message::new(DONE, "URI Done")
            .with("URI", &request.uri)
            .with("Filename", place.as_os_str().as_bytes())
            .with("Size", &size);
        if let Some(seconds) = mtime {
            start = start.with("Last-Modified", date(seconds));
            done = done.with("Last-Modified", date(seconds));
        }
        // Without digests apt hashes the file itself, by those it wants.
        let is_known = matches!(request.expected, Expected::Sha256(_) | Expected::Nothing);
        if is_known && !self.wishes().is_some_and(super::wishes::Wishes::wants_other_digest) {
            done = done.with("SHA256-Hash", blob.id().to_string()).with("Checksum-FileSize-Hash", &size);
        }
        self.say(&start);
        self.say(&done);
    }

    /// Where a package that is to be unpacked can be read without being copied; none for all else.
    fn name_for(&self, request: &Request, blob: &Blob) -> Option<PathBuf> {
        request.package().filter(|_| request.is_archive() && blob.file().is_some())?;
        let wishes = self.wishes()?;
        if wishes.only_downloads() || wishes.moves_dpkg() {
            return None;
        }
        // An older attempt's part of it would be taken for the whole.
        match fs::remove_file(&request.dest) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return None,
            _ => {}
        }
        // dpkg shows the name.
        let named = wishes.packages()?.join(request.dest.file_name()?);
        let _ = fs::remove_file(&named);
        blob.link_to(&named).is_ok_and(|is_linked| is_linked).then_some(named)
    }
}

/// Whether a file of apt's has the content.
fn is_same(file: &Path, blob: &Blob) -> bool {
    File::open(file).is_ok_and(|file| Hashes::of(&file, false).is_ok_and(|hashes| hashes.sha256 == blob.id()))
}

fn date(seconds: u64) -> String {
    httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// Copies a blob to where apt wants it, with the date of its origin.
fn copy(blob: &Blob, dest: &Path, mtime: Option<u64>) -> Result<(), Trouble> {
    match fs::remove_file(dest) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(Trouble::Place(e)),
        _ => {}
    }
    let mut file = File::options().write(true).create_new(true).open(dest).map_err(Trouble::Place)?;
    let copied = blob.copy_to(&mut file).map_err(|error| match error {
        StoreError::Output { source } => Trouble::Place(source),
        error => Trouble::Cache(error),
    });
    let dated = copied.and_then(|()| {
        file.set_permissions(Permissions::from_mode(MODE)).map_err(Trouble::Place)?;
        let time = mtime.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        time.map_or(Ok(()), |time| file.set_modified(time)).map_err(Trouble::Place)
    });
    dated.inspect_err(|_| {
        let _ = fs::remove_file(dest);
    })
}
