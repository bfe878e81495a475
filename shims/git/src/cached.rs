//! A repository as the cache has it: its pin, its states, its lock.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use vcache_shim::cache::{self, Use};
use vcache_shim::pins::{self, Commit, Found, Pins};
use vcache_shim::{Chain, Host, Messages, Policy, Settings, outbox};
use vcache_store::{Error as StoreError, Ingested, Key, KeyLock, Kind, Mtime, Record, Sha256Id, Store};

use crate::COMPONENT;
use crate::address::{key, public};
use crate::bare::Bare;
use crate::failure::Trouble;
use crate::state::{Extent, Pack, State};

/// In bytes: what is larger is no state, since some million refs are not.
const LARGEST_STATE: u64 = 256 << 20;

/// The repository.
pub(crate) struct Cached<'a> {
    host: &'a Host,
    settings: &'a Settings,
    pub(crate) policy: Policy,
    pub(crate) messages: Messages,
    store: Option<Arc<Store>>,
    /// By which the cache knows it.
    pub(crate) key: String,
    found: Found<Commit>,
    /// What waits for second tiers is sent beside the call; `vcache` leaves that to whoever runs it.
    sends: bool,
    /// When the call began, in seconds since 1970.
    started: u64,
}

/// A state, and when its refs were seen, in seconds since 1970.
pub(crate) struct Seen {
    pub(crate) state: State,
    pub(crate) at: u64,
}

impl<'a> Cached<'a> {
    /// For a call that fetches; pins count for it by the first of these URLs that has any. The cache is opened where it is to be used.
    pub(crate) fn open(host: &'a Host, settings: &'a Settings, url: &str, pinned_as: &[&str]) -> Cached<'a> {
        let (policy, _) = Policy::new(settings, COMPONENT);
        let what_for = if policy.write { Use::ReadWrite } else { Use::ReadOnly };
        Cached::new(host, settings, url, policy, pinned_as, what_for)
    }

    /// For whoever only wants to know.
    pub(crate) fn only_looking(host: &'a Host, settings: &'a Settings, url: &str) -> Option<Cached<'a>> {
        let (policy, _) = Policy::new(settings, COMPONENT);
        policy.active().then(|| Cached::new(host, settings, url, policy, &[url], Use::ReadOnly))
    }

    /// In a store that is open already; without pins.
    pub(crate) fn in_store(
        host: &'a Host,
        settings: &'a Settings,
        store: &Arc<Store>,
        url: &str,
    ) -> Cached<'a> {
        let (policy, _) = Policy::new(settings, COMPONENT);
        let (messages, store) = (Messages::of(settings), Some(Arc::clone(store)));
        let (key, found) = (key(url), Found::default());
        Cached { host, settings, policy, messages, store, key, found, sends: false, started: now() }
    }

    fn new(
        host: &'a Host,
        settings: &'a Settings,
        url: &str,
        policy: Policy,
        pinned_as: &[&str],
        what_for: Use,
    ) -> Cached<'a> {
        let messages = Messages::of(settings);
        let store = match cache::open(host, settings, what_for) {
            _ if !(policy.read || policy.write) => None,
            Ok(opened) => {
                opened.wrong.iter().for_each(|line| messages.warn(line));
                Some(Arc::new(opened.store))
            }
            Err(e) => {
                messages.warn(format_args!("{}; going on without the cache", Chain(&e)));
                None
            }
        };
        let found = pins(host, settings, &policy, &messages, pinned_as);
        Cached { host, settings, policy, messages, store, key: key(url), found, sends: true, started: now() }
    }

    pub(crate) fn host(&self) -> &Host {
        self.host
    }

    pub(crate) fn settings(&self) -> &Settings {
        self.settings
    }

    pub(crate) fn store(&self) -> Option<&Store> {
        self.store.as_deref()
    }

    /// What the version file says.
    pub(crate) fn found(&self) -> &Found<Commit> {
        &self.found
    }

    /// The commit that is pinned.
    pub(crate) fn pin(&self) -> Option<&Commit> {
        self.found.pin.as_ref()
    }

    /// What would come of a call: `hit`, `refresh` or `miss`.
    pub(crate) fn outlook(&self) -> &'static str {
        match self.load(&Extent::Whole) {
            None => "miss",
            Some(_) if self.asks_first(true) => "refresh",
            Some(_) => "hit",
        }
    }

    /// Whether the origin is asked for its refs though some are known. `by_refs`: what is wanted is told by refs, and not by the commit that a
    /// superproject records.
    pub(crate) fn asks_first(&self, by_refs: bool) -> bool {
        let floats = by_refs && self.policy.versioned && self.pin().is_none();
        !self.policy.offline && (floats || !self.policy.read)
    }

    /// What is known of it; nothing where that may not be used.
    pub(crate) fn load(&self, extent: &Extent) -> Option<Seen> {
        let store = self.store().filter(|_| self.policy.read || self.policy.write)?;
        let record = self.heard(store, store.lookup(&Key::git(&self.key, &extent.name())))??;
        self.read(store, &record)
    }

    /// What lower caches and tiers know of it, for whoever finds that [`Self::load`] does not do.
    pub(crate) fn load_beyond(&self, extent: &Extent) -> impl Iterator<Item = Seen> {
        let key = Key::git(&self.key, &extent.name());
        self.store().into_iter().flat_map(move |store| {
            store.lookup_beyond(&key).filter_map(move |record| self.read(store, &record))
        })
    }

    fn read(&self, store: &Store, record: &Record) -> Option<Seen> {
        let blob = self.heard(store, store.find(&record.sha256.into()))??;
        let mut text = Vec::new();
        if blob.size() > LARGEST_STATE {
            return None;
        }
        if let Err(e) = blob.stream_to(&mut text) {
            if matches!(e, StoreError::Corrupt { .. }) {
                let _ = store.quarantine(&blob);
            }
            self.messages.warn(format_args!("{}; going on without it", Chain(&e)));
            return None;
        }
        Some(Seen { state: State::read(&text)?, at: record.fetched })
    }

    /// The parts of its history of which there is a state. Every record is looked at.
    pub(crate) fn parts(&self) -> Vec<Extent> {
        let records = self
            .store()
            .into_iter()
            .flat_map(|store| store.records_of(Kind::Git))
            .filter_map(|(_, record)| record.ok());
        let extent = |record: Record| {
            let (url, name) = Key::git_of(&record.key)?;
            Extent::of_name(name).filter(|extent| url == self.key && *extent != Extent::Whole)
        };
        let mut parts: Vec<Extent> = records.filter_map(extent).collect();
        parts.sort();
        parts
    }

    /// Whether refs were seen since this call began, by whoever had the lock.
    pub(crate) fn is_fresh(&self, seen: &Seen) -> bool {
        seen.at >= self.started
    }

    /// Says what went wrong, with the cache or its tiers.
    fn heard<T>(&self, store: &Store, result: Result<T, StoreError>) -> Option<T> {
        self.tell_of_tiers(store);
        result.inspect_err(|e| self.messages.warn(format_args!("{}; going on without it", Chain(e)))).ok()
    }

    fn tell_of_tiers(&self, store: &Store) {
        for trouble in store.tier_troubles() {
            self.messages.warn(format_args!("{}; going on without it", Chain(&trouble)));
        }
    }

    /// The lock under which the origin is fetched from; none where it can't be had, or another one holds it for too long.
    pub(crate) fn lock(&self) -> Option<KeyLock> {
        let store = self.store()?;
        let waiting = &mut |wait: &vcache_store::LockWait| {
            let (waited, patience) = (wait.waited.as_secs(), wait.patience.as_secs());
            self.messages.warn(format_args!(
                "{}: another process fetches it; waited {waited} of at most {patience} seconds so far",
                self.key
            ));
        };
        store.lock(Key::git(&self.key, "fetch").text(), self.policy.lock_wait, waiting).ok().flatten()
    }

    /// Keeps a state, with the packs that came into `bare`, which are then its own.
    pub(crate) fn keep(&self, extent: &Extent, state: &mut State, bare: Option<&Bare>) {
        let Some(store) = self.store().filter(|_| self.policy.write) else { return };
        if let Err(e) = self.try_to_keep(store, extent, state, bare) {
            self.messages.warn(format_args!("{}; {} is not kept", Chain(&e), self.key));
        }
        self.tell_of_tiers(store);
        if self.sends {
            outbox::send_beside(self.host, store);
        }
    }

    fn try_to_keep(
        &self,
        store: &Store,
        extent: &Extent,
        state: &mut State,
        bare: Option<&Bare>,
    ) -> Result<(), Trouble> {
        if let Some(bare) = bare {
            for name in bare.new_packs()? {
                let (pack, pack_size) =
                    self.take(store, &format!("pack {name}"), &bare.pack_path(&name, "pack"))?;
                let (idx, idx_size) =
                    self.take(store, &format!("idx {name}"), &bare.pack_path(&name, "idx"))?;
                // Git has made it from what came. Where that can't be noted it is looked at when it is used.
                let _ = store.note_derived(&idx, &pack);
                state.packs.push(Pack { name, pack, pack_size, idx, idx_size });
            }
            state.shallow = bare.shallow();
        }
        let mut writer = store.writer(false)?;
        serde_json::to_vec(state)
            .map_err(std::io::Error::from)
            .and_then(|text| writer.write_all(&text))
            .map_err(Trouble::at(writer.path()))?;
        self.publish(store, &extent.name(), writer.seal()?)
    }

    fn take(&self, store: &Store, part: &str, path: &Path) -> Result<(Sha256Id, u64), Trouble> {
        let mut file = File::open(path).map_err(Trouble::at(path))?;
        let ingested = store.ingest(&mut file, false)?;
        let (id, size) = (ingested.id, ingested.size);
        self.publish(store, part, ingested).map(|()| (id, size))
    }

    fn publish(&self, store: &Store, part: &str, ingested: Ingested) -> Result<(), Trouble> {
        let key = Key::git(&self.key, part);
        let record = Record::new(&key, ingested.id, ingested.size, Mtime::Unknown, &self.key);
        // What is there under this name stays; what is corrupt is not to.
        if let Ok(Some(there)) = store.peek(&ingested.id)
            && matches!(there.verify(), Err(StoreError::Corrupt { .. }))
        {
            let _ = store.quarantine(&there);
        }
        ingested.publish(&self.key)?;
        Ok(store.publish(&key, &record)?)
    }

    /// Writes into `build-versions/versions-git` which commit this build has used.
    pub(crate) fn record(&self, url: &str, commit: &str) {
        if !self.policy.versioned {
            return;
        }
        let folder = buildinfo(self.host, self.settings);
        if let Err(e) = pins::record_git(&folder, &public(url), commit) {
            let file = folder.join("build-versions/versions-git");
            self.messages.warn(format_args!("{}: {e}; the commit of {url} is not recorded", file.display()));
        }
    }
}

/// What the version file says of the first of these URLs of which it says anything; nothing without version control.
pub(crate) fn pins(
    host: &Host,
    settings: &Settings,
    policy: &Policy,
    messages: &Messages,
    urls: &[&str],
) -> Found<Commit> {
    if !policy.versioned || urls.is_empty() {
        return Found::default();
    }
    let folder = buildinfo(host, settings);
    match Pins::load(&folder, COMPONENT.0) {
        Ok(pins) => {
            let found = urls.iter().map(|url| pins.git(&public(url)));
            found.into_iter().find(|found| *found != Found::default()).unwrap_or_default()
        }
        Err(e) => {
            messages
                .warn(format_args!("{}/versions/versions-git: {e}; no pins are in force", folder.display()));
            Found::default()
        }
    }
}

fn buildinfo(host: &Host, settings: &Settings) -> std::path::PathBuf {
    settings.buildinfo(host)
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
