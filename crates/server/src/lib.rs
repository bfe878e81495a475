//! `vcache serve`: the local store for other machines, containers and builds, by the HTTP protocol of Bazel's remote cache
//! (bazel.build/remote/caching, "HTTP caching protocol").
//!
//! Life: [`Server::bind`] opens the listener and measures the store, [`Server::run`] answers until a signal (or the end
//! of stdin) asks it to stop, lets running transfers finish, and removes the socket file.
//!
//! Promises:
//! - A client reads nothing outside the store: a path is a room and a name of 64 digits, or it is refused.
//! - What a client stores was hashed to its name while it came. What a client reads is not checked here, since it checks:
//!   that is what the protocol is made of. One that finds a blob wrong puts the right one, and the wrong one goes aside.
//! - The store does not grow past its limit, by whatever number of clients ([`budget`]).
//! - Memory is bounded by the number of connections and by [`warm`], not by the size of blobs; a slow client costs its connection.
//! - No token and no credential is printed, logged or stored.
//!
//! Files: `listen` (where), `run` (connections, stop), `routes` (what is asked for), `cas`, `ac`, `events`, `status`,
//! `counts` (figures), `auth`, `budget`, `upstream` (tiers behind the store), `body` (content out), `warm` (small content in memory),
//! `straight` (large content out of its file), `intake` (content in), `refusal` (every "no").
//!
//! Not handled: TLS (put a proxy in front, or a tunnel), HTTP/2, ranges.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the server owns its socket file and reads its token file"
)]

mod ac;
mod auth;
mod body;
mod budget;
mod cas;
mod counts;
mod events;
mod intake;
mod listen;
mod patient;
mod refusal;
mod routes;
mod run;
mod status;
mod straight;
mod upstream;
mod warm;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use vcache_shim::Chain;
use vcache_store::Store;

pub use crate::auth::{Token, TokenError};
pub use crate::listen::{Listen, ListenError};
pub use crate::run::{ServeError, Server};

/// What is served, to whom.
#[derive(Debug)]
pub struct Config {
    /// Where.
    pub listen: Listen,
    /// What a client must send, if anything.
    pub token: Option<Token>,
    /// An address that other machines reach may be served without a token.
    pub insecure: bool,
    /// Nothing is taken.
    pub read_only: bool,
    /// The store is kept below this many bytes on disk.
    pub max_size: Option<u64>,
    /// Events that clients report are noted as those of this image.
    pub image: Option<String>,
    /// A look into the store may take long: it has lower layers or tiers.
    pub slow_store: bool,
    /// What is told of trouble with tiers.
    pub tell: fn(&str),
    /// A file to which the events of clients are added, besides the store.
    pub event_log: Option<PathBuf>,
}

/// What all connections share.
#[derive(Debug)]
struct Shared {
    store: Arc<Store>,
    measured: status::Measured,
    token: Option<Token>,
    read_only: bool,
    image: Option<String>,
    slow_store: bool,
    tell: fn(&str),
    event_log: Option<PathBuf>,
    budget: budget::Budget,
    upstream: upstream::Upstream,
    counts: counts::Counts,
    buffers: Arc<body::Buffers>,
    warm: warm::Warm,
    started: Instant,
}

impl Shared {
    /// A look into the store. The own directory answers in microseconds; what lies behind it may not, and then other
    /// connections of this thread go on in another one.
    fn look<T>(&self, look: impl FnOnce(&Store) -> T) -> T {
        if !self.slow_store {
            return look(&self.store);
        }
        let found = tokio::task::block_in_place(|| look(&self.store));
        for trouble in self.store.tier_troubles() {
            (self.tell)(&Chain(&trouble).to_string());
        }
        found
    }
}
