//! Taking in what a log holds: parcel by parcel, each as a whole or not at all. What is missing is named, and what has
//! arrived is kept.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};

use vcache_store::{Sha256Id, Store};

use super::line::What;
use super::read::{Chunks, Gathered};
use crate::{Error, Manifest, Options, Progress};

/// Something that did not arrive.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Loss {
    /// The content, where that is known.
    pub content: Option<Sha256Id>,
    /// What it was asked for by, where that is known.
    pub url: Option<String>,
    /// What is wrong, for people.
    pub why: String,
}

/// What came in, or would, and what did not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// Exports in the log.
    pub exports: u64,
    /// What came in.
    pub taken: crate::Report,
    /// What did not.
    pub lost: Vec<Loss>,
}

/// Takes in all exports that a log holds. A report without exports: there is none in it.
///
/// # Errors
/// The log can't be read, or the cache can't be written to; what has come in by then stays.
pub fn import(
    store: &Store,
    log: &mut dyn BufRead,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let gathered = Gathered::read(log, spool(store, options)?)?;
    let total = gathered.parcels.values().filter_map(|chunks| Some(chunks.parcel.as_ref()?.bytes));
    let mut intake = Intake {
        store,
        options,
        gathered: &gathered,
        report: Report::default(),
        arrived: BTreeSet::new(),
        at: Progress { done: 0, total: total.fold(0, u64::saturating_add) },
        progress,
    };
    for (id, chunks) in &gathered.parcels {
        intake.parcel(id, chunks)?;
    }
    intake.exports()?;
    let mut report = intake.report;
    report.lost.sort();
    report.lost.dedup();
    Ok(report)
}

/// On the cache's disk, which has to have room for its content anyway.
fn spool(store: &Store, options: Options) -> Result<File, Error> {
    let made = match options.dry_run {
        true => tempfile::tempfile(),
        false => tempfile::tempfile_in(store.scratch_folder()?),
    };
    made.map_err(Error::Spool)
}

struct Intake<'a> {
    store: &'a Store,
    options: Options,
    gathered: &'a Gathered,
    report: Report,
    /// Content that came in, or would.
    arrived: BTreeSet<Sha256Id>,
    at: Progress,
    progress: &'a mut dyn FnMut(Progress),
}

impl Intake<'_> {
    fn parcel(&mut self, id: &str, chunks: &Chunks) -> Result<(), Error> {
        let parcel = match &chunks.parcel {
            Some(parcel) if parcel.what == What::Manifest => return Ok(()),
            Some(parcel) => parcel,
            None => {
                let lines = chunks.count() + chunks.damaged().len();
                self.lose(
                    None,
                    format!(
                        "parcel {id}: VCSTART and VCEND are missing or damaged, {lines} chunks are there"
                    ),
                );
                return Ok(());
            }
        };
        let content = match parcel.what {
            What::Content(id) => Some(id),
            _ => None,
        };
        if let Some(why) = self.fault(id, chunks)? {
            self.lose(content, why);
            return Ok(());
        }
        let mut input = self.gathered.open(chunks);
        match crate::import(self.store, &mut input, self.options, &mut |_| {}) {
            Ok(taken) => {
                self.report.taken.add(&taken);
                self.arrived.extend(content);
            }
            // Trouble with the cache will not go away with the next parcel.
            Err(error @ Error::Store(_)) => return Err(error),
            Err(error) => self.lose(content, format!("parcel {id}: {error}")),
        }
        self.at.done = self.at.done.saturating_add(parcel.bytes);
        (self.progress)(self.at);
        Ok(())
    }

    /// Names, by each export's manifest, what else did not arrive, and what the lost content was asked for by.
    fn exports(&mut self) -> Result<(), Error> {
        let parcels = self.gathered.parcels.values().filter_map(|chunks| chunks.parcel.as_ref());
        let exports: BTreeSet<&String> = parcels.map(|parcel| &parcel.export).collect();
        self.report.exports = exports.len() as u64;
        for export in exports {
            let manifest = match self.manifest(export)? {
                Ok(manifest) => manifest,
                Err(why) => {
                    self.lose(None, format!("{why}; so it can't be said whether all of its content is here"));
                    continue;
                }
            };
            self.report.taken.calls.extend_from_slice(&manifest.calls);
            let lost: BTreeSet<_> = self.report.lost.iter().filter_map(|loss| loss.content).collect();
            for content in &manifest.content {
                let is_here =
                    self.arrived.contains(&content.sha256) || self.store.holds(&content.sha256, content.size);
                if !is_here && !lost.contains(&content.sha256) {
                    self.lose(Some(content.sha256), "none of its lines is in the log".to_owned());
                }
            }
            for loss in &mut self.report.lost {
                let asked = manifest.records.iter().find(|entry| Some(entry.record.sha256) == loss.content);
                let asked = asked.and_then(|entry| entry.record.key.lines().next()).map(str::to_owned);
                let first = || manifest.find(&loss.content?)?.origin.clone();
                loss.url = loss.url.take().or(asked).or_else(first);
            }
        }
        Ok(())
    }

    /// The manifest of an export, or why there is none.
    fn manifest(&self, export: &str) -> Result<Result<Manifest, String>, Error> {
        let Some(chunks) = self.gathered.parcels.get(export) else {
            return Ok(Err(format!("export {export}: its manifest is missing")));
        };
        if let Some(why) = self.fault(export, chunks)? {
            return Ok(Err(format!("manifest, {why}")));
        }
        let input = BufReader::new(self.gathered.open(chunks));
        Ok(crate::read::compressed_manifest(input).map_err(|e| format!("export {export}: {e}")))
    }

    fn fault(&self, id: &str, chunks: &Chunks) -> Result<Option<String>, Error> {
        if chunks.contradicted {
            return Ok(Some(format!("parcel {id}: it is there twice, with different content")));
        }
        if let Some(missing) = chunks.missing() {
            let of = chunks.parcel.as_ref().map_or(0, |parcel| parcel.chunks());
            let damaged: Vec<_> = chunks.damaged().iter().map(u32::to_string).collect();
            let damaged =
                if damaged.is_empty() { String::new() } else { format!("; damaged: {}", damaged.join(", ")) };
            return Ok(Some(format!("parcel {id}: chunks missing: {missing} of {of}{damaged}")));
        }
        match chunks.is_whole(&mut self.gathered.open(chunks))? {
            true => Ok(None),
            false => Ok(Some(format!("parcel {id}: its chunks are not what was announced"))),
        }
    }

    fn lose(&mut self, content: Option<Sha256Id>, why: String) {
        self.report.lost.push(Loss { content, url: None, why });
    }
}
