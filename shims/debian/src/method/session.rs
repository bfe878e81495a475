//! One apt that is served: what it asks for, what its own method is busy with, and who says what to whom.

use std::collections::BTreeMap;
use std::io::{self, BufReader, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, mpsc};
use std::time::Duration;

use vcache_shim::cache::{self, Use};
use vcache_shim::child::Deferral;
use vcache_shim::journal::{Journal, Outcome};
use vcache_shim::{Chain, Host, Messages, Policy, Settings, outbox};
use vcache_store::{Blob, Error as StoreError, KeyLock, Kind, Store, public_url};

use super::message::{ACQUIRE, CONFIGURATION, DONE, FAILURE, Message, REDIRECT};
use super::pins::InForce;
use super::request::{Expected, Request};
use super::wishes::Wishes;
use crate::notes::{self, Note};

/// How long a method that has died waits for what was begun.
const PATIENCE: Duration = Duration::from_secs(2);

/// What is at work for one apt.
pub(super) struct Session {
    pub(super) host: Host,
    pub(super) settings: Settings,
    pub(super) policy: Policy,
    pub(super) messages: Messages,
    store: Option<Store>,
    wishes: OnceLock<Wishes>,
    pub(super) pins: OnceLock<InForce>,
    /// The packages that were taken, with their versions.
    used: Mutex<BTreeMap<String, String>>,
    to_apt: Mutex<io::Stdout>,
    to_method: Mutex<Option<ChildStdin>>,
    /// What the method was asked for and has not answered.
    pending: Mutex<Vec<Pending>>,
}

/// A request that is with the method.
pub(super) struct Pending {
    pub(super) request: Request,
    pub(super) journal: Journal,
    /// Of the content, so that others wait for it.
    _lock: Option<KeyLock>,
}

/// Says that a thread has ended, however it did.
struct Ended(mpsc::Sender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Opens the cache. Where it can't be used, only pins remain.
    pub(super) fn open(
        host: &Host,
        settings: &Settings,
        policy: Policy,
        messages: Messages,
        to_method: ChildStdin,
    ) -> Arc<Session> {
        let what_for = if policy.write { Use::ReadWrite } else { Use::ReadOnly };
        let store = match cache::open(host, settings, what_for) {
            _ if !(policy.read || policy.write) => None,
            Ok(opened) => {
                opened.wrong.iter().for_each(|line| messages.warn(line));
                Some(opened.store)
            }
            Err(e) => {
                messages.warn(format_args!("{}; going on without the cache", Chain(&e)));
                None
            }
        };
        Arc::new(Session {
            host: host.clone(),
            settings: settings.clone(),
            policy,
            messages,
            store,
            wishes: OnceLock::new(),
            pins: OnceLock::new(),
            used: Mutex::default(),
            to_apt: Mutex::new(io::stdout()),
            to_method: Mutex::new(Some(to_method)),
            pending: Mutex::default(),
        })
    }

    /// Serves until apt, or the method, has nothing more to say.
    pub(super) fn serve(self: &Arc<Session>, from_method: ChildStdout) {
        let (says, either) = mpsc::channel();
        let (session, ended) = (Arc::clone(self), Ended(says.clone()));
        let listener = std::thread::spawn(move || {
            let _ended = ended;
            session.listen(from_method);
        });
        let (session, ended) = (Arc::clone(self), Ended(says));
        std::thread::spawn(move || {
            let _ended = ended;
            session.hear();
        });
        // A method that has died answers nothing more, and apt would wait for it for ever: it has to see that we end.
        let _ = either.recv();
        // apt interrupts its methods when it needs them no more (SIGINT), and does not wait for what they still write down.
        let deferral = Deferral::begin();
        // The method ends when it hears no more.
        held(&self.to_method).take();
        let _ = listener.join();
        // The other end of the two: who hears apt may have something to finish, or waits for an apt that waits for us.
        let _ = either.recv_timeout(PATIENCE);
        self.write_down_packages();
        if let Some(store) = self.store().filter(|_| self.policy.write) {
            outbox::send_beside(&self.host, store);
        }
        drop(deferral);
    }

    /// Hears what apt wants, to the end.
    fn hear(self: &Arc<Session>) {
        let mut from_apt = BufReader::new(io::stdin());
        while let Ok(Some(message)) = Message::read(&mut from_apt) {
            match message.number() {
                CONFIGURATION => {
                    let _ = self.wishes.set(Wishes::of(&message));
                    self.hand_on(&message);
                }
                ACQUIRE => match Request::of(message.clone()) {
                    Some(request) => self.acquire(request),
                    None => self.hand_on(&message),
                },
                _ => self.hand_on(&message),
            }
        }
    }

    fn listen(&self, from_method: ChildStdout) {
        let mut from = BufReader::new(from_method);
        while let Ok(Some(message)) = Message::read(&mut from) {
            let pending = self.take_pending(&message);
            let answer = match (message.number(), pending) {
                (DONE, Some(pending)) => self.done(message, &pending),
                (FAILURE, Some(pending)) => self.failed(message, &pending),
                (REDIRECT, Some(pending)) => self.redirected(message, &pending),
                _ => Some(message),
            };
            if let Some(answer) = answer {
                self.say(&answer);
            }
        }
    }

    /// The request that a message ends, if it ends one.
    fn take_pending(&self, message: &Message) -> Option<Pending> {
        if ![DONE, FAILURE, REDIRECT].contains(&message.number()) {
            return None;
        }
        let uri = message.text("URI")?;
        let mut pending = held(&self.pending);
        let at = pending.iter().position(|pending| pending.request.uri == uri)?;
        Some(pending.remove(at))
    }

    fn acquire(self: &Arc<Session>, request: Request) {
        let journal = Journal::new(&self.host.with_args(vec!["apt-method".into()]), &self.settings);
        if !self.may_be_taken(&request) {
            return self.record(&journal, Outcome::Refused, &request, |_| {});
        }
        // `apt-helper download-file URL /dev/null`: nothing to keep, and nothing to replace.
        if request.dest.symlink_metadata().is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
            return match self.policy.offline {
                true => self.miss_offline(&request, &journal),
                false => self.hand_on(&request.message),
            };
        }
        match &request.expected {
            Expected::Sha256(_) | Expected::Sha512(_) => self.by_digest(request, journal),
            Expected::Nothing => self.by_url(request, journal),
            Expected::Weak if self.policy.offline => self.miss_offline(&request, &journal),
            Expected::Weak => self.delegate(request, journal, None),
        }
    }

    fn by_digest(self: &Arc<Session>, request: Request, journal: Journal) {
        if self.answer(&request, &journal) {
            return;
        }
        if self.policy.offline {
            return self.miss_offline(&request, &journal);
        }
        let Some(store) = self.store().filter(|_| self.policy.read && self.policy.write) else {
            return self.delegate(request, journal, None);
        };
        let what = self.key(&request).text().to_owned();
        // A lock that can't be had costs a download of our own, no more.
        match store.lock(&what, Duration::ZERO, &mut |_| {}) {
            Ok(None) => self.wait_for_another(what, request, journal),
            lock => {
                let lock = lock.ok().flatten();
                // Who had it a moment ago may have brought it.
                if !self.answer(&request, &journal) {
                    self.delegate(request, journal, lock);
                }
            }
        }
    }

    /// Another process fetches the content.
    fn wait_for_another(self: &Arc<Session>, what: String, request: Request, journal: Journal) {
        let session = Arc::clone(self);
        let wait = move || {
            let url = public_url(&request.uri);
            let messages = session.messages;
            let mut waiting = |wait: &vcache_store::LockWait| {
                let (waited, patience) = (wait.waited.as_secs(), wait.patience.as_secs());
                messages.warn(format_args!(
                    "{url}: another process fetches it; waited {waited} of at most {patience} seconds so far"
                ));
            };
            let patience = session.policy.lock_wait;
            let lock =
                session.store().and_then(|store| store.lock(&what, patience, &mut waiting).ok().flatten());
            if !session.answer(&request, &journal) {
                session.delegate(request, journal, lock);
            }
        };
        // Where there is no room for a thread the request is lost, and apt would wait for ever: a panic ends us, which apt sees.
        std::thread::spawn(wait);
    }

    /// Leaves a request to apt's own method.
    pub(super) fn delegate(&self, request: Request, journal: Journal, lock: Option<KeyLock>) {
        let message = request.message.clone();
        held(&self.pending).push(Pending { request, journal, _lock: lock });
        self.hand_on(&message);
    }

    /// Passes a message of apt on to the method.
    fn hand_on(&self, message: &Message) {
        if let Some(to) = held(&self.to_method).as_mut() {
            // One that is gone ends the listener, and thereby us.
            let _ = to.write_all(&message.bytes()).and_then(|()| to.flush());
        }
    }

    /// Says something to apt.
    pub(super) fn say(&self, message: &Message) {
        let mut to = held(&self.to_apt);
        let _ = to.write_all(&message.bytes()).and_then(|()| to.flush());
    }

    /// The request can't be fulfilled, and asking once more would not help.
    pub(super) fn fail(&self, request: &Request, why: &str) {
        let failure = Message::new(FAILURE, "URI Failure").with("URI", &request.uri).with("Message", why);
        self.say(&failure);
    }

    /// The network must not be touched, and the cache has it not.
    pub(super) fn miss_offline(&self, request: &Request, journal: &Journal) {
        // Of several places that may have something, apt goes on to the next.
        if !request.message.is_true("Fail-Ignore") {
            self.note(&Note::OfflineMiss(public_url(&request.uri)));
        }
        self.record(journal, Outcome::Refused, request, |_| {});
        self.fail(request, "not in the cache, and the network must not be touched (VCACHE_OFFLINE=y)");
    }

    /// Tells the shim, where there is one.
    pub(super) fn note(&self, note: &Note) {
        if let Some(file) = self.wishes().and_then(Wishes::notes)
            && let Err(e) = notes::write(&file, note)
        {
            self.messages.warn(format_args!("{}: {e}", file.display()));
        }
    }

    pub(super) fn used(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        held(&self.used)
    }

    pub(super) fn store(&self) -> Option<&Store> {
        self.store.as_ref()
    }

    pub(super) fn wishes(&self) -> Option<&Wishes> {
        self.wishes.get()
    }

    /// What the store says, or none with a warning.
    pub(super) fn heard<T>(&self, result: Result<T, StoreError>) -> Option<T> {
        if let Some(store) = &self.store {
            for trouble in store.tier_troubles() {
                self.messages.warn(format_args!("{}; going on without it", Chain(&trouble)));
            }
        }
        result.inspect_err(|e| self.messages.warn(format_args!("{}; going on without it", Chain(e)))).ok()
    }

    /// Puts a blob that is not what it claims to be aside.
    pub(super) fn put_aside(&self, blob: &Blob, error: &StoreError) {
        if matches!(error, StoreError::Corrupt { .. }) {
            self.messages.warn(format_args!("{}; it is put aside and fetched again", Chain(error)));
            if let Some(store) = &self.store {
                let _ = store.quarantine(blob);
            }
        } else {
            self.messages.warn(format_args!("{}; going on without it", Chain(error)));
        }
    }

    /// Writes an event of a request.
    pub(super) fn record(
        &self,
        journal: &Journal,
        outcome: Outcome,
        request: &Request,
        fill: impl FnOnce(&mut vcache_shim::journal::Event),
    ) {
        let mut event = journal.event(outcome);
        event.url = Some(public_url(&request.uri));
        let is_index = request.is_index() || request.expected == Expected::Nothing;
        let kind = if is_index { Kind::DebIndex } else { Kind::Deb };
        event.kind = Some(kind.name().to_owned());
        fill(&mut event);
        journal.write(self.store(), &event);
    }
}
