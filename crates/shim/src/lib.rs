//! What every shim shares, whatever tool it stands for.
//!
//! A shim reads argv and its surroundings through [`Host`], learns from [`Settings`] what is asked of it, turns that
//! into a [`Policy`] for its component, and decides. To leave a call alone it calls [`real_tool::pass_through`], which
//! replaces the process. To do the work itself it opens the store through [`cache::open`], reads and records pins
//! through [`pins`], starts the real tool through [`child`], and tells what happened through [`journal`].
//!
//! Nothing here knows a particular tool. Two rules hold everywhere: trouble with the cache is a warning and the real
//! tool with its original argv; a violated pin, a miss in offline mode and a refusal in strict mode end in
//! [`exit::PIN_VIOLATED`], [`exit::OFFLINE_MISS`] and [`exit::STRICT_REFUSAL`].
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "this crate is the door: it owns the environment, processes, and files outside the store"
)]

pub mod cache;
pub mod child;
pub mod exit;
pub mod family;
pub mod handover;
pub mod host;
pub mod journal;
pub mod links;
pub mod message;
pub mod mirrors;
pub mod outbox;
pub mod pins;
pub mod policy;
pub mod real_tool;
mod reason;
pub mod settings;

pub use family::Family;
pub use host::Host;
pub use message::{Chain, Level, Messages};
pub use policy::{Component, OnMismatch, PinDigest, Policy};
pub use settings::{Origin, Settings};
