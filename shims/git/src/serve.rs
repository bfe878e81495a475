//! One repository for one git: its refs, and the objects that git wants at hand, from the cache, else from the origin and into the cache.

use std::collections::BTreeMap;

use vcache_shim::journal::{Event, Journal, Outcome};
use vcache_shim::{Chain, exit};
use vcache_store::KeyLock;

use crate::bare::{Bare, Unusable};
use crate::git::{Git, short};
use crate::mirror::{Mirror, Seen};
use crate::options::Options;
use crate::origin;
use crate::plan::unpinned;
use crate::run::Told;
use crate::state::{COMPLETE, State};
use crate::view::{View, view};

/// What of the configuration of a repository makes that only some get in.
const SECRET: &str = r"^http\..*(extraheader|cookiefile)$";

/// An object that git wants, and the ref that it knows it by (its own name, where it knows none).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Want {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Why a repository can't be served.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What git said of the origin.
    Origin(String),
    /// An exit status of ours, and what is said.
    Refused(u8, String),
    /// The machine.
    Trouble(String),
}

impl From<Unusable> for Failure {
    fn from(error: Unusable) -> Failure {
        Failure::Trouble(Chain(&error).to_string())
    }
}

/// The repository.
pub(crate) struct Server<'a> {
    pub(crate) git: Git,
    pub(crate) mirror: Mirror<'a>,
    /// As git has it.
    pub(crate) url: String,
    pub(crate) told: Told,
    /// It is what the user has named, and not a submodule.
    pub(crate) is_named: bool,
    pub(crate) options: Options,
    /// A repository of this machine, which is only passed on.
    pub(crate) is_local: bool,
    pub(crate) journal: Journal,
    pub(crate) state: State,
    pub(crate) view: View,
    pub(crate) bare: Option<Bare>,
    /// The origin was asked for refs.
    asked: bool,
    /// Objects have come from it.
    fetched: bool,
    /// Objects were given.
    pub(crate) given: bool,
    bytes: u64,
}

impl<'a> Server<'a> {
    pub(crate) fn new(git: Git, mirror: Mirror<'a>, url: String, told: Told, is_named: bool) -> Server<'a> {
        let journal = Journal::new(&mirror.host().with_args(vec!["git".into()]), mirror.settings());
        Server {
            git,
            mirror,
            url,
            told,
            is_named,
            options: Options::default(),
            is_local: false,
            journal,
            state: State::default(),
            view: View::default(),
            bare: None,
            asked: false,
            fetched: false,
            given: false,
            bytes: 0,
        }
    }

    /// Learns the refs.
    pub(crate) fn look(&mut self) -> Result<&View, Failure> {
        self.state = if self.is_local {
            origin::list(&self.git, &self.url).map_err(Failure::Origin)?
        } else {
            self.refs()?
        };
        let is_clone = self.is_clone();
        let branch = self.told.branch.as_deref().filter(|_| is_clone);
        self.view = view(&self.state, branch, self.mirror.pin().map(|pin| pin.id.as_str()));
        Ok(&self.view)
    }

    /// The refs, as git is told them.
    pub(crate) fn listing(&self) -> String {
        self.view.listing()
    }

    /// Whether the real git can do it all in our stead: someone waits who would run it, nothing has come of the call yet, and
    /// no pin would be passed by.
    pub(crate) fn may_be_done_anew(&self) -> bool {
        let is_free = self.mirror.pin().is_none() && !self.mirror.policy.offline;
        self.is_named && is_free && !self.told.status.is_empty()
    }

    /// Whether objects were asked of the origin.
    pub(crate) fn has_fetched(&self) -> bool {
        self.fetched
    }

    /// The clone that the user has typed.
    pub(crate) fn is_clone(&self) -> bool {
        self.is_named && self.told.clone.is_some()
    }

    fn refs(&mut self) -> Result<State, Failure> {
        let found = self.mirror.found();
        let url = &self.mirror.key;
        if found.contradictory {
            let message = format!("{url}: pinned to more than one commit ({})", found.problems.join("; "));
            return Err(Failure::Refused(exit::PIN_VIOLATED, message));
        }
        found
            .problems
            .iter()
            .for_each(|problem| self.mirror.messages.warn(format_args!("{problem}; the line is ignored")));
        if self.mirror.policy.strict && self.is_named && found.pin.is_none() {
            let (status, message) = unpinned(url);
            return Err(Failure::Refused(status, message));
        }
        let known = self.mirror.load(COMPLETE);
        match known {
            Some(seen)
                if !self.mirror.asks_first(self.is_named || self.told.follows)
                    && (self.mirror.policy.offline || self.knows(&seen.state)) =>
            {
                if self.mirror.policy.offline
                    && self.mirror.policy.versioned
                    && self.is_named
                    && found.pin.is_none()
                {
                    self.mirror
                        .messages
                        .warn(format_args!("{url}: offline and not pinned; as it was seen last"));
                }
                Ok(seen.state)
            }
            None if self.mirror.policy.offline => Err(self.offline()),
            known => self.ask(known),
        }
    }

    /// Whether a state has all refs that the user has named.
    fn knows(&self, state: &State) -> bool {
        !self.is_named || self.told.refs.iter().all(|name| state.knows(name))
    }

    /// Asks the origin for its refs.
    pub(crate) fn ask(&mut self, known: Option<Seen>) -> Result<State, Failure> {
        let lock = self.mirror.lock();
        // Whoever had the lock may have done it.
        let known = self.mirror.load(COMPLETE).or(known);
        let known = match known {
            Some(seen) if lock.as_ref().is_some_and(KeyLock::waited) && self.mirror.is_fresh(&seen) => {
                return Ok(seen.state);
            }
            known => known.map(|seen| seen.state),
        };
        if !self.git.config(&[], SECRET).is_empty() {
            return Err(Failure::Origin(String::new()));
        }
        match (origin::list(&self.git, &self.url), known) {
            (Ok(listed), known) => {
                let mut state = State { packs: known.map(|state| state.packs).unwrap_or_default(), ..listed };
                if !state.refs.is_empty() {
                    self.mirror.keep(COMPLETE, &mut state, None);
                }
                self.asked = true;
                drop(lock);
                Ok(state)
            }
            (Err(said), Some(state)) if self.mirror.policy.read => {
                self.mirror.messages.warn(format_args!(
                    "{}; {} as it was seen last",
                    short(&said),
                    self.mirror.key
                ));
                Ok(state)
            }
            (Err(said), _) => Err(Failure::Origin(said)),
        }
    }

    pub(crate) fn offline(&self) -> Failure {
        let message = format!("{}: not in the cache, and VCACHE_OFFLINE allows no network", self.mirror.key);
        Failure::Refused(exit::OFFLINE_MISS, message)
    }

    /// Sees to it that these can be given.
    pub(crate) fn ensure(&mut self, wants: &[Want]) -> Result<(), Failure> {
        if self.bare.as_ref().is_some_and(|bare| self.missing(bare, wants).is_empty()) {
            return Ok(());
        }
        let names: Vec<&str> = wants.iter().map(|want| want.name.as_str()).collect();
        let part = self.options.is_shallow().then(|| self.options.lane(&names));
        if self.has_in(part.as_deref(), wants) {
            return Ok(());
        }
        if self.mirror.policy.offline {
            return Err(self.offline());
        }
        let lock = self.mirror.lock();
        if self.has_in(part.as_deref(), wants) {
            return Ok(());
        }
        // A server may not give a part (a commit that no ref names); then it is all or nothing.
        if part.is_some_and(|lane| self.fetch(&lane, wants).is_ok()) {
            return Ok(());
        }
        let fetched = self.fetch(COMPLETE, wants);
        drop(lock);
        if fetched.is_err() && !self.asked {
            // What it was thought to have is out of date: the next call is to know.
            let _ = self.ask(None);
        }
        fetched
    }

    /// Whether the cache has them, in a whole history or in this part of one; then they are at hand.
    fn has_in(&mut self, part: Option<&str>, wants: &[Want]) -> bool {
        self.has(COMPLETE, wants) || part.is_some_and(|lane| self.has(lane, wants))
    }

    /// Whether the cache has them in a lane; then they are at hand.
    pub(crate) fn has(&mut self, lane: &str, wants: &[Want]) -> bool {
        let Some(store) = self.mirror.store().filter(|_| self.mirror.policy.read || self.asked) else {
            return false;
        };
        let Some(seen) = self.mirror.load(lane).filter(|seen| !seen.state.packs.is_empty()) else {
            return false;
        };
        // Of a part so many commits are there only behind what it was asked for.
        let is_tip = |want: &Want| want.name == want.id || seen.state.refs.get(&want.name) == Some(&want.id);
        if lane != COMPLETE && !wants.iter().all(is_tip) {
            return false;
        }
        match Bare::of(store, &seen.state) {
            Ok(bare) if self.missing(&bare, wants).is_empty() => {
                self.bytes = seen.state.bytes();
                self.bare = Some(bare);
                true
            }
            Ok(_) => false,
            Err(e) => {
                self.mirror.messages.warn(format_args!("{}; fetching it again", Chain(&e)));
                false
            }
        }
    }

    fn missing<'w>(&self, bare: &Bare, wants: &'w [Want]) -> Vec<&'w Want> {
        let ids = wants.iter().map(|want| want.id.as_str()).collect();
        let present = bare.present(&self.git, &ids).unwrap_or_default();
        wants.iter().filter(|want| !present.contains(&want.id)).collect()
    }

    /// Fetches them from the origin, and keeps what came.
    fn fetch(&mut self, lane: &str, wants: &[Want]) -> Result<(), Failure> {
        self.fetched = true;
        let known = self.mirror.load(lane).map(|seen| seen.state).unwrap_or_default();
        let of_cache = self.mirror.store().map(|store| Bare::of(store, &known));
        let (bare, packs) = match of_cache {
            Some(Ok(bare)) => (bare, known.packs),
            _ => (Bare::empty(self.mirror.store())?, Vec::new()),
        };
        let mut state = match lane {
            COMPLETE => State { packs, ..self.state.clone() },
            _ => {
                let tips = wants.iter().filter(|want| want.name != want.id);
                let tips = tips.map(|want| (want.name.clone(), want.id.clone()));
                State { packs, refs: tips.collect(), ..State::default() }
            }
        };
        self.show(&bare, &[])?;
        let is_part = lane != COMPLETE;
        let fetch = |refspecs: &[String]| {
            origin::fetch(&self.git, &self.url, &bare, refspecs, &self.options, is_part)
        };
        let mut fetched = fetch(&self.refspecs(lane, wants));
        let missing = self.missing(&bare, wants);
        if !missing.is_empty() && (fetched.is_ok() || is_part) {
            // By their names, where the server gives what no ref leads to.
            let named: Vec<String> =
                missing.iter().map(|want| format!("+{0}:refs/vcache/{0}", want.id)).collect();
            fetched = fetch(&named);
        }
        // Only what git took for whole is kept.
        fetched.map_err(Failure::Origin)?;
        if !self.missing(&bare, wants).is_empty() {
            return Err(Failure::Origin("fatal: the origin has no such object\n".to_owned()));
        }
        self.mirror.keep(lane, &mut state, Some(&bare));
        self.bytes = state.bytes();
        self.bare = Some(bare);
        Ok(())
    }

    fn refspecs(&self, lane: &str, wants: &[Want]) -> Vec<String> {
        let mut refspecs = Vec::new();
        if lane == COMPLETE {
            refspecs.extend(["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(str::to_owned));
        }
        for Want { id, name } in wants {
            let is_listed = self.state.refs.get(name) == Some(id);
            match is_listed && name.starts_with("refs/") {
                true if lane == COMPLETE && is_general(name) => {}
                true => refspecs.push(format!("+{name}:{name}")),
                false if lane == COMPLETE => {}
                false => refspecs.push(format!("+{id}:refs/vcache/{id}")),
            }
        }
        refspecs
    }

    /// Gives a repository the refs of the view whose objects it has, and these.
    pub(crate) fn show(&self, bare: &Bare, wants: &[Want]) -> Result<(), Failure> {
        let mut refs: BTreeMap<String, String> = self
            .view
            .refs
            .iter()
            .filter(|(name, _)| is_general(name))
            .map(|(name, id)| (name.clone(), id.clone()))
            .collect();
        refs.extend(wants.iter().map(|Want { id, name }| match name.starts_with("refs/") {
            true => (name.clone(), id.clone()),
            // Protocol 0 gives nothing from a repository that has no ref at all.
            false => (format!("refs/vcache/{id}"), id.clone()),
        }));
        let failed = |e: std::io::Error| Failure::Trouble(format!("{}: {e}", bare.path().display()));
        bare.set_present_refs(&self.git, refs).map(drop).map_err(failed)
    }

    /// Writes down what was done.
    pub(crate) fn note(&self, outcome: Option<Outcome>) {
        if self.is_local {
            return;
        }
        let is_miss = if self.given { self.fetched } else { self.asked };
        let done = if is_miss { Outcome::Miss } else { Outcome::Hit };
        let event = Event {
            url: Some(self.mirror.key.clone()),
            bytes: self.bytes,
            ..self.journal.event(outcome.unwrap_or(done))
        };
        self.journal.write(self.mirror.store(), &event);
        // Hooks of a clone may fetch for other repositories.
        if let (Some(url), Some(commit), None) = (&self.told.clone, self.view.checked_out(), outcome)
            && self.is_named
            && self.options.cloning
        {
            self.mirror.record(url, commit);
        }
    }
}

/// What a clone fetches.
pub(crate) fn is_general(name: &str) -> bool {
    name.starts_with("refs/heads/") || name.starts_with("refs/tags/")
}
