//! One repository for one git: its refs, from the cache, else from the origin and into the cache, and what is written down of it.

mod objects;

use vcache_shim::Chain;
use vcache_shim::journal::{Event, Journal, Outcome};
use vcache_store::KeyLock;

use crate::address::{SECRETS, Transport};
use crate::bare::Bare;
use crate::cached::{Cached, Seen};
use crate::failure::Failure;
use crate::git::Git;
use crate::options::Options;
use crate::origin;
use crate::reason::Code;
use crate::refusal::Refusal;
use crate::run::Told;
use crate::state::{Extent, State};
use crate::tracking::Refs;
use crate::view::{View, view};

/// An object that git wants, and the ref that it knows it by (its own name, where it knows none).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Want {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Whose word it is that this repository is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// The user's, who has named it in the call.
    Named,
    /// That of a hook, or of a program, inside the call: what the call has named says nothing of it.
    Script,
    /// A superproject's, by the commit that it records.
    Submodule,
}

/// The repository.
pub(crate) struct Server<'a> {
    pub(crate) git: Git,
    pub(crate) cached: Cached<'a>,
    /// As git has it.
    pub(crate) url: String,
    pub(crate) told: Told,
    /// The name that git has it by.
    pub(crate) remote: String,
    pub(crate) role: Role,
    pub(crate) options: Options,
    /// Why it is passed on as the real git has it, and not shared.
    pub(crate) left: Option<Code>,
    pub(crate) journal: Journal,
    pub(crate) state: State,
    pub(crate) view: View,
    pub(crate) bare: Option<Bare>,
    /// What the repository has of the remote already.
    pub(crate) tracked: Refs,
    /// The state is what the cache has, read a moment ago.
    is_read: bool,
    /// The refs are the origin's, as of this call: asked for by us, or by whoever had the lock.
    is_current: bool,
    /// The origin was asked for refs.
    listed: bool,
    /// Objects were asked of it, whether or not any came.
    fetched: bool,
    /// Objects were given.
    pub(crate) given: bool,
    bytes: u64,
}

impl<'a> Server<'a> {
    pub(crate) fn new(git: Git, cached: Cached<'a>, url: String, told: Told, role: Role) -> Server<'a> {
        let journal = Journal::new(&cached.host().with_args(vec!["git".into()]), cached.settings());
        Server {
            git,
            cached,
            url,
            told,
            remote: String::new(),
            role,
            options: Options::default(),
            left: None,
            journal,
            state: State::default(),
            view: View::default(),
            bare: None,
            tracked: Refs::default(),
            is_read: false,
            is_current: false,
            listed: false,
            fetched: false,
            given: false,
            bytes: 0,
        }
    }

    /// Learns the refs.
    pub(crate) fn look(&mut self) -> Result<(), Failure> {
        self.state = if self.left.is_some() { origin::list(&self.git, &self.url)? } else { self.refs()? };
        self.show_pinned();
        Ok(())
    }

    /// Has git see what a clone checks out at what is pinned.
    pub(crate) fn show_pinned(&mut self) {
        let pin = self.cached.pin().map(|pin| pin.id.clone());
        self.show_pin(pin.as_deref());
    }

    /// Has git see what a clone checks out at this commit.
    pub(crate) fn show_pin(&mut self, commit: Option<&str>) {
        let is_clone = self.is_clone();
        let branch = self.told.branch.as_deref().filter(|_| is_clone);
        self.view = view(&self.state, branch, commit);
    }

    /// Whether the real git may do it all in our stead: someone waits who would run it, no pin would be passed by, and the user has named this
    /// repository (what a submodule or a hook has begun can't be begun anew).
    pub(crate) fn may_be_done_anew(&self) -> bool {
        self.is_named() && self.told.may_be_redone && self.told.status.is_some()
    }

    /// It is what the user has named.
    pub(crate) fn is_named(&self) -> bool {
        self.role == Role::Named
    }

    /// Whether the refs are the origin's, as of this call.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current
    }

    /// Whether objects were asked of the origin.
    pub(crate) fn has_fetched(&self) -> bool {
        self.fetched
    }

    /// The clone that the user has typed.
    pub(crate) fn is_clone(&self) -> bool {
        self.is_named() && self.told.is_clone
    }

    fn refs(&mut self) -> Result<State, Failure> {
        let found = self.cached.found();
        let url = &self.cached.key;
        if found.contradictory {
            return Err(Refusal::Contradictory { url: url.clone(), problems: found.problems.clone() }.into());
        }
        found
            .problems
            .iter()
            .for_each(|problem| self.cached.messages.warn(format_args!("{problem}; the line is ignored")));
        let policy = &self.cached.policy;
        let is_unpinned = self.role != Role::Submodule && found.pin.is_none();
        if policy.strict && is_unpinned {
            return Err(Refusal::Unpinned(url.clone()).into());
        }
        let asks_first = self.cached.asks_first(self.role != Role::Submodule || self.told.follows);
        match self.cached.load(&Extent::Whole) {
            Some(seen) if !asks_first && (policy.offline || self.knows(&seen.state)) => {
                if policy.offline && policy.versioned && is_unpinned {
                    self.cached
                        .messages
                        .warn(format_args!("{url}: offline and not pinned; as it was seen last"));
                }
                self.is_read = true;
                Ok(seen.state)
            }
            None if policy.offline => Err(self.offline()),
            known => self.ask(known),
        }
    }

    /// Whether a state has all refs that the user has named.
    fn knows(&self, state: &State) -> bool {
        !self.is_named() || self.told.refs.iter().all(|name| state.knows(name))
    }

    /// Asks the origin for its refs.
    pub(crate) fn ask(&mut self, known: Option<Seen>) -> Result<State, Failure> {
        self.must_be_shared()?;
        let lock = self.cached.lock();
        // Whoever had the lock may have done it.
        let known = match self.cached.load(&Extent::Whole).or(known) {
            Some(seen) if lock.as_ref().is_some_and(KeyLock::waited) && self.cached.is_fresh(&seen) => {
                self.is_current = true;
                return Ok(seen.state);
            }
            known => known.map(|seen| seen.state),
        };
        match (origin::list(&self.git, &self.url), known) {
            (Ok(listed), known) => {
                let State { packs, shallow, .. } = known.unwrap_or_default();
                let mut state = State { packs, shallow, ..listed };
                if !state.refs.is_empty() {
                    self.cached.keep(&Extent::Whole, &mut state, None);
                }
                (self.listed, self.is_current) = (true, true);
                drop(lock);
                Ok(state)
            }
            (Err(error), Some(state)) if self.cached.policy.read => {
                let key = &self.cached.key;
                self.cached.messages.warn(format_args!("{}; {key} as it was seen last", Chain(&error)));
                Ok(state)
            }
            (Err(error), _) => Err(error.into()),
        }
    }

    /// What the repository itself has in its configuration counts too, and that of a submodule.
    fn must_be_shared(&self) -> Result<(), Failure> {
        let is_secret =
            Transport::of(&self.url) == Transport::Http && !self.git.config(&[], SECRETS).is_empty();
        if is_secret { Err(Failure::Unshared(Code::Credentials)) } else { Ok(()) }
    }

    pub(crate) fn offline(&self) -> Failure {
        Refusal::OfflineMiss(self.cached.key.clone()).into()
    }

    /// Writes down what was done; without an outcome, whether it came from the cache.
    pub(crate) fn note(&self, outcome: Option<Outcome>) {
        if self.left == Some(Code::Local) {
            return;
        }
        let is_miss = if self.given { self.fetched } else { self.listed };
        let done = match self.left {
            Some(_) => Outcome::Passthrough,
            None if is_miss => Outcome::Miss,
            None => Outcome::Hit,
        };
        let event = Event {
            url: Some(self.cached.key.clone()),
            bytes: self.bytes,
            reason: self.left.map(|code| code.name().to_owned()),
            ..self.journal.event(outcome.unwrap_or(done))
        };
        self.journal.write(self.cached.store(), &event);
        let is_clone = self.role != Role::Submodule && self.options.cloning;
        if let (true, Some(commit), None) = (is_clone, self.view.checked_out(), outcome) {
            let typed = if self.is_named() { self.told.typed_as(&self.remote, &self.url) } else { None };
            self.cached.record(typed.unwrap_or(&self.url), commit);
        }
    }
}
