//! Taking an archive in: everything or nothing. Content is staged in the cache's own `tmp/`, hashed as it comes; when
//! the whole archive has been read and is what its manifest says it is published, content first, then records.
//!
//! One content is hashed beside while the next one comes, so that the whole takes as long as its slowest hash.
//!
//! What the cache has already is hashed and not written. A record is taken unless the cache has one that was fetched
//! later (and whose content is there). A record can't come from the future: it would stay the latest for ever.

use std::io::{ErrorKind, Read};
use std::time::{SystemTime, UNIX_EPOCH};

use md5::{Digest as _, Md5};
use sha2::Sha256;
use vcache_store::{Digest, Filled, Record, Sha256Id, Stage, Staged, Store};

use crate::read::{Taker, read};
use crate::{Content, Entry, Error, Manifest, Progress};

/// Bytes of content that are taken at a time.
const PIECE: u64 = 256 << 10;

/// How to take an archive in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Only check it, and say what would come in.
    pub dry_run: bool,
}

/// What came in, or would.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Content that is new.
    pub blobs: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Content that was there.
    pub blobs_held: u64,
    /// Its bytes.
    pub bytes_held: u64,
    /// Records that are new, or newer than what was there.
    pub records: u64,
    /// Records that were there, or older than what is there.
    pub records_held: u64,
    /// The calls that came with it; they are left to the caller.
    pub calls: Vec<String>,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Report) {
        self.blobs += other.blobs;
        self.bytes += other.bytes;
        self.blobs_held += other.blobs_held;
        self.bytes_held += other.bytes_held;
        self.records += other.records;
        self.records_held += other.records_held;
        self.calls.extend_from_slice(&other.calls);
    }
}

/// Takes an archive in.
///
/// # Errors
/// Whatever is wrong with the archive or the cache; the cache is then as it was.
pub fn import(
    store: &Store,
    input: &mut (dyn Read + Send),
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let stage = if options.dry_run { None } else { Some(store.stage()?) };
    let mut intake = Intake {
        store,
        stage: stage.as_ref(),
        staged: Vec::new(),
        hashed: None,
        report: Report::default(),
        at: Progress::default(),
        progress,
    };
    let manifest = read(input, &mut intake)?;
    intake.settle()?;
    let Intake { staged, report, .. } = intake;
    publish(store, stage.as_ref(), &manifest, &staged, report)
}

struct Intake<'a> {
    store: &'a Store,
    stage: Option<&'a Stage<'a>>,
    staged: Vec<Staged>,
    /// The one that came last: its digests are still being computed.
    hashed: Option<(Content, Filled<'a>)>,
    report: Report,
    at: Progress,
    progress: &'a mut dyn FnMut(Progress),
}

impl Taker for Intake<'_> {
    fn manifest(&mut self, manifest: &Manifest) -> Result<(), Error> {
        self.at.total = manifest.bytes();
        for Entry { record, .. } in &manifest.records {
            let id = record.sha256;
            if manifest.find(&id).is_none() && !self.store.holds(&id, record.size) {
                return Err(Error::Missing { key: record.key.clone(), id });
            }
        }
        Ok(())
    }

    fn content(&mut self, content: &Content, input: &mut dyn Read) -> Result<(), Error> {
        let held = self.store.holds(&content.sha256, content.size);
        let (blobs, bytes) = match held {
            true => (&mut self.report.blobs_held, &mut self.report.bytes_held),
            false => (&mut self.report.blobs, &mut self.report.bytes),
        };
        *blobs += 1;
        *bytes += content.size;
        match self.stage.filter(|_| !held) {
            Some(stage) => {
                let mut filling = stage.fill(content.md5.is_some())?;
                self.pass(content, input, &mut |piece| Ok(filling.push(piece)?))?;
                let filled = filling.end()?;
                self.settle()?;
                self.hashed = Some((content.clone(), filled));
            }
            None => {
                let (mut sha256, mut md5) = (Sha256::new(), content.md5.map(|_| Md5::new()));
                self.pass(content, input, &mut |piece| {
                    sha256.update(&piece);
                    if let Some(md5) = &mut md5 {
                        md5.update(&piece);
                    }
                    Ok(())
                })?;
                let id = Sha256Id::from_bytes(sha256.finalize().into());
                compare(content, id, md5.map(|md5| md5.finalize().into()))?;
            }
        }
        Ok(())
    }
}

impl Intake<'_> {
    /// The content that came last is what the manifest says, and waits for the others.
    fn settle(&mut self) -> Result<(), Error> {
        let Some((content, filled)) = self.hashed.take() else { return Ok(()) };
        let staged = filled.hold()?;
        compare(&content, staged.id, staged.md5)?;
        self.staged.push(staged);
        Ok(())
    }

    fn pass(
        &mut self,
        content: &Content,
        input: &mut dyn Read,
        take: &mut dyn FnMut(Vec<u8>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut left = content.size;
        while left > 0 {
            let wanted = left.min(PIECE);
            let mut piece = Vec::with_capacity(wanted as usize);
            let count = input.take(wanted).read_to_end(&mut piece).map_err(Error::Read)? as u64;
            if count < wanted {
                return Err(Error::Read(ErrorKind::UnexpectedEof.into()));
            }
            take(piece)?;
            left -= count;
            self.at.done += count;
            (self.progress)(self.at);
        }
        Ok(())
    }
}

fn compare(content: &Content, sha256: Sha256Id, md5: Option<[u8; 16]>) -> Result<(), Error> {
    let found = if sha256 != content.sha256 {
        format!("its sha256 is {sha256}")
    } else if let Some(found) = md5.filter(|_| md5 != content.md5) {
        format!("its md5 is {}, not what the manifest says", hex::encode(found))
    } else {
        return Ok(());
    };
    Err(Error::Content { id: content.sha256, found })
}

fn publish(
    store: &Store,
    stage: Option<&Stage<'_>>,
    manifest: &Manifest,
    staged: &[Staged],
    mut report: Report,
) -> Result<Report, Error> {
    report.calls.clone_from(&manifest.calls);
    let mut publication = stage.map(Stage::publication);
    for staged in staged {
        let origin = manifest.find(&staged.id).and_then(|content| content.origin.as_deref());
        if let Some(publication) = &mut publication {
            publication.content(staged, origin.unwrap_or_default())?;
        }
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    for entry in &manifest.records {
        if !is_wanted(store, entry)? {
            report.records_held += 1;
            continue;
        }
        report.records += 1;
        if let Some(publication) = &mut publication {
            let fetched = entry.record.fetched.min(now);
            publication.record(&entry.key(), &Record { fetched, ..entry.record.clone() })?;
        }
    }
    let Some(publication) = publication else { return Ok(report) };
    publication.finish();
    // Content that was there may not have been asked for by its md5 yet. Computed anew, as everything that is believed; where that
    // fails it is computed when it is asked for.
    let is_staged = |id: &Sha256Id| staged.binary_search_by_key(id, |staged| staged.id).is_ok();
    for content in &manifest.content {
        if let Some(md5) = content.md5.filter(|_| !is_staged(&content.sha256)) {
            let _ = store.find_or(&Digest::Md5(md5), content.sha256);
        }
    }
    Ok(report)
}

/// Whether the cache has no record of this key that is as new, or one that leads nowhere.
fn is_wanted(store: &Store, entry: &Entry) -> Result<bool, Error> {
    let known = store.lookup_named(&entry.key().name())?;
    Ok(known.is_none_or(|(kind, known)| {
        kind != entry.kind || known.fetched < entry.record.fetched || !store.holds(&known.sha256, known.size)
    }))
}
