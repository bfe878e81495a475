//! Packages into the cache without a build, and whether they are there: for `vcache prefetch` and `vcache check`.
//!
//! The real apt-get fetches, through our acquire method, in a root of its own for each architecture ([`root`]): nothing of the system is touched but
//! its sources and keys are read. `update` brings the indexes (into the cache, too: an `apt-get update` without the network needs them), `download
//! --print-uris` tells which versions they offer, `download` brings those in batches. Nothing is solved, so what depends on what does not
//! matter, and one that fails stops no other.

mod offers;
mod root;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};

use vcache_shim::real_tool::{self, NotFound};
use vcache_shim::{Chain, Host, Settings};
use vcache_store::{Key, Mtime, Record, Sha256Id, Store};

use offers::Offer;
use root::{Root, Said};

/// How many packages one apt-get is asked for: whether a version is offered, which is quick, and to download.
const ASKED: usize = 4000;
const DOWNLOADED: usize = 200;
/// In bytes: what lies in the temporary folder at a time, but for a single package that is larger.
const ROOM: u64 = 256 << 20;

/// A package that is wanted in a version.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Wanted {
    /// Without an architecture.
    pub name: String,
    /// As a version file has it; `+fips` at its end is SONiC's own build of a version that archives have without.
    pub version: String,
    /// As dpkg calls it; a package for all architectures fits any.
    pub architecture: String,
}

impl Wanted {
    /// The version that an archive has of it.
    pub fn archive(&self) -> &str {
        self.version.strip_suffix("+fips").unwrap_or(&self.version)
    }

    /// Where the cache may have it.
    fn keys(&self) -> impl Iterator<Item = Key> {
        let plain = Some(self.archive()).filter(|plain| *plain != self.version);
        let versions = [Some(self.version.as_str()), plain].into_iter().flatten();
        versions.flat_map(|version| {
            [self.architecture.as_str(), "all"].map(|arch| Key::package(&self.name, version, arch))
        })
    }
}

/// What the cache has of a package.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Its content.
    pub id: Sha256Id,
    /// In bytes.
    pub size: u64,
}

/// What the own cache or a lower one has of a package. Second tiers are not asked, and its bytes are not looked at.
pub fn held(store: &Store, wanted: &Wanted) -> Option<Held> {
    wanted.keys().find_map(|key| {
        let record = store.lookup_here(&key).ok()??;
        let held = Held { id: record.sha256, size: record.size };
        store.holds(&held.id, held.size).then_some(held)
    })
}

/// A package that the cache has now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Brought {
    /// It was not there before.
    pub fetched: bool,
    /// In bytes.
    pub size: u64,
}

/// Why a package could not be had.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FillError {
    /// No index has it, or none of those that could be had.
    #[error("no index of the apt sources offers it")]
    NotOffered,
    /// What apt-get said.
    #[error("{0}")]
    Apt(String),
    /// apt-get has it, and not through our method.
    #[error("it did not come over http or https, and the cache keeps nothing else")]
    Elsewhere,
}

/// What has to do with apt and is not the cache's.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The multi-call executable, which is to be apt's method.
    pub method: &'a Path,
    /// Files in apt's two forms, or folders of them; none: the system's.
    pub sources: &'a [PathBuf],
    /// Files with keys, or folders of them; none: the system's.
    pub keyrings: &'a [PathBuf],
}

/// What is told on the way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// What the user should know though the work goes on.
    Warning(String),
    /// How many packages are done.
    Done(usize),
}

/// Whether there is an apt-get to work with.
///
/// # Errors
/// There is none in `PATH`.
pub fn can_fill(host: &Host) -> Result<(), NotFound> {
    real_tool::find(&host.with_args(vec!["apt-get".into()])).map(|_| ())
}

/// Brings packages into the cache; what became of each, in their order.
///
/// # Errors
/// There is no room for a root, its sources can't be read, or apt-get can't be started or is ended by a signal; what was brought before stays.
pub fn fill(
    host: &Host,
    settings: &Settings,
    store: &Store,
    surroundings: &Surroundings<'_>,
    wanted: &[Wanted],
    tell: &mut dyn FnMut(Told),
) -> io::Result<Vec<Result<Brought, FillError>>> {
    let mut results: Vec<Option<Result<Brought, FillError>>> = wanted
        .iter()
        .map(|wanted| Some(Ok(Brought { fetched: false, size: held(store, wanted)?.size })))
        .collect();
    let mut missing: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, wanted) in wanted.iter().enumerate().filter(|(at, _)| results[*at].is_none()) {
        missing.entry(&wanted.architecture).or_default().push(at);
    }
    let mut done = results.iter().flatten().count();
    for (architecture, of_it) in missing {
        tell(Told::Done(done));
        let root = Root::make(host, settings, store, surroundings, architecture)?;
        let mut filling = Filling { store, root, wanted, tell, results: &mut results, done: &mut done };
        filling.fill(&of_it)?;
    }
    let results = results.into_iter().zip(wanted);
    // A version and SONiC's own build of it may both be wanted, and are one package to apt.
    let by_now = |wanted| held(store, wanted).map(|held| Brought { fetched: false, size: held.size });
    Ok(results
        .map(|(result, wanted)| result.unwrap_or_else(|| by_now(wanted).ok_or(FillError::NotOffered)))
        .collect())
}

/// The packages of one architecture.
struct Filling<'a> {
    store: &'a Store,
    root: Root,
    wanted: &'a [Wanted],
    tell: &'a mut dyn FnMut(Told),
    results: &'a mut [Option<Result<Brought, FillError>>],
    /// How many of all are done.
    done: &'a mut usize,
}

impl Filling<'_> {
    fn fill(&mut self, missing: &[usize]) -> io::Result<()> {
        let updated = self.root.apt_get(&["update".into()], &mut |_| {})?;
        // What an index lacks that could not be had is named with the packages.
        updated.troubles().for_each(|line| (self.tell)(Told::Warning(format!("apt-get update: {line}"))));
        for part in missing.chunks(ASKED) {
            let mut offered = self.offered(part)?;
            offered.retain(|(at, offer)| !self.is_here(*at, offer));
            for batch in batches(&offered) {
                self.download(batch)?;
            }
        }
        Ok(())
    }

    /// Which of the packages the indexes offer, and from where.
    fn offered(&mut self, part: &[usize]) -> io::Result<Vec<(usize, Offer)>> {
        let by_name: HashMap<(&str, &str), usize> = part
            .iter()
            .map(|at| ((self.wanted[*at].name.as_str(), self.wanted[*at].archive()), *at))
            .collect();
        let mut args = vec!["download".to_owned(), "--print-uris".to_owned()];
        args.extend(part.iter().map(|at| asked(&self.wanted[*at])));
        let mut offered = Vec::new();
        self.root.apt_get(&args, &mut |line| {
            let offer = Offer::of(line);
            let at = offer.as_ref().and_then(|offer| {
                by_name.get(&(offer.package.name.as_str(), offer.package.version.as_str())).copied()
            });
            offered.extend(at.zip(offer));
        })?;
        let not_offered = part.iter().filter(|at| offered.iter().all(|(offered, _)| offered != *at));
        *self.done += not_offered.count();
        (self.tell)(Told::Done(*self.done));
        Ok(offered)
    }

    /// Content that came in another way, of which it was not known which package it is.
    fn is_here(&mut self, at: usize, offer: &Offer) -> bool {
        let Some(id) = offer.sha256.filter(|id| self.store.holds(id, offer.size)) else { return false };
        let noted = note(self.store, offer, id);
        if let Err(e) = &noted {
            (self.tell)(Told::Warning(Chain(e).to_string()));
        }
        if noted.is_ok() {
            self.results[at] = Some(Ok(Brought { fetched: false, size: offer.size }));
            *self.done += 1;
        }
        noted.is_ok()
    }

    fn download(&mut self, batch: &[(usize, Offer)]) -> io::Result<()> {
        let args: Vec<String> = std::iter::once("download".to_owned())
            .chain(batch.iter().map(|(at, _)| asked(&self.wanted[*at])))
            .collect();
        let (before, mut coming) = (*self.done, 0);
        let (root, tell) = (&self.root, &mut *self.tell);
        let said = root.apt_get(&args, &mut |line| {
            // One line for each package that is asked for now.
            coming += usize::from(line.starts_with("Get:"));
            tell(Told::Done(before + coming.saturating_sub(1).min(batch.len())));
        })?;
        self.root.empty()?;
        said.words_of_method().for_each(|line| (self.tell)(Told::Warning(line.to_owned())));
        for (at, offer) in batch {
            self.results[*at] = Some(match held(self.store, &self.wanted[*at]) {
                Some(held) => Ok(Brought { fetched: true, size: held.size }),
                None => Err(why(&said, offer)),
            });
        }
        *self.done = before + batch.len();
        (self.tell)(Told::Done(*self.done));
        Ok(())
    }
}

/// As apt's command line has it; by the sandbox's architecture.
fn asked(wanted: &Wanted) -> String {
    format!("{}={}", wanted.name, wanted.archive())
}

/// Parts that have room.
fn batches(offered: &[(usize, Offer)]) -> impl Iterator<Item = &[(usize, Offer)]> {
    let mut rest = offered;
    std::iter::from_fn(move || {
        let mut bytes = 0_u64;
        let fits = |(_, offer): &&(usize, Offer)| {
            bytes = bytes.saturating_add(offer.size);
            bytes <= ROOM
        };
        let number = rest.iter().take(DOWNLOADED).take_while(fits).count().max(1).min(rest.len());
        let batch;
        (batch, rest) = rest.split_at(number);
        (!batch.is_empty()).then_some(batch)
    })
}

fn why(said: &Said, offer: &Offer) -> FillError {
    match said.about(&offer.uri) {
        Some(line) => FillError::Apt(line),
        None if said.success => FillError::Elsewhere,
        None => FillError::Apt(said.last_words()),
    }
}

/// Notes which package a blob is.
fn note(store: &Store, offer: &Offer, id: Sha256Id) -> Result<(), vcache_store::Error> {
    let package = &offer.package;
    let key = Key::package(&package.name, &package.version, &package.architecture);
    let record = Record::new(&key, id, offer.size, Mtime::Unknown, &offer.uri);
    store.publish(&key, &record)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_and_both_architectures_are_looked_for() {
        let of = |version: &str| {
            let wanted = Wanted { name: "a1".into(), version: version.into(), architecture: "arm64".into() };
            wanted.keys().map(|key| key.text().to_owned()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("1:2"), "deb:a1=1:2:arm64 deb:a1=1:2:all");
        assert_eq!(of("2+fips"), "deb:a1=2+fips:arm64 deb:a1=2+fips:all deb:a1=2:arm64 deb:a1=2:all");
    }

    #[test]
    fn batches_have_room() {
        let offer =
            |size: u64| (0, Offer::of(&format!("'http://h/a1_1_all.deb' a1_1_all.deb {size}")).unwrap());
        for (sizes, expected) in [
            (vec![], vec![]),
            (vec![ROOM * 2, 1, ROOM - 1, 1], vec![1, 2, 1]),
            (vec![1; DOWNLOADED + 1], vec![DOWNLOADED, 1]),
        ] {
            let offered: Vec<_> = sizes.into_iter().map(offer).collect();
            assert_eq!(batches(&offered).map(<[_]>::len).collect::<Vec<_>>(), expected);
        }
    }
}
