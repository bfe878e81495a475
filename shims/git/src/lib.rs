//! The shim for git: clones, fetches and submodules from the cache, at pinned commits.
//!
//! Real git does the work, every bit of it. The shim (`run`) only tells it, for the one call, to reach its remotes by a remote helper
//! (gitremote-helpers(7), `remote.<name>.vcs`), and that helper is ours too, by the name `git-remote-vcache` (`helper`): git gives it a URL, asks for refs, then for
//! objects. So options, messages, `FETCH_HEAD`, submodules at any depth and the configuration that a clone leaves are git's own.
//!
//! What the cache knows of a repository is a `State` (`state`): refs as they were seen, and the packs that hold their objects, each of them a blob.
//! A bare repository is put together from it for each call (`bare`): nothing that is shared is ever changed in place, so there
//! is nothing for a kill to leave half, for another user to own, or for a clone to depend on. What is missing comes from the origin by one run of the
//! real git (`origin`), under the lock of the repository.
//!
//! Not handled: pushes, `git remote add -f`, LFS content, aliases for shell commands, what git runs by itself with its own folder ahead in `PATH` (hooks,
//! `submodule foreach`), remotes with credentials in their URL, repositories that hash by SHA-256; all these are the real git's alone. What a partial clone
//! has left out it fetches from its origin.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "repositories are files, and the real git is run by us"
)]

mod address;
mod bare;
mod bundle;
mod cached;
mod call;
mod explain;
mod failure;
mod fill;
mod git;
mod give;
mod helper;
mod options;
mod origin;
mod pinned;
mod plan;
mod push;
mod reason;
mod refusal;
mod run;
mod serve;
mod state;
mod submodules;
mod table;
mod tracking;
mod unbundle;
mod upkeep;
mod view;

pub use crate::bundle::{Bundle, Packed, pack};
pub use crate::fill::{FillError, Filled, Repository, fill, held};
pub use crate::unbundle::{NotTaken, Taken, is_archive, take};
pub use crate::upkeep::{Examined, Fault, content, examine, forget_incomplete};

use vcache_shim::{Component, Family};

/// The name of the remote helper, which stands beside the shim and has no real tool.
pub const HELPER: &str = helper::NAME;

/// What the multi-call executable needs to know.
pub const FAMILY: Family = Family {
    names: &["git", helper::NAME],
    also: run::ALSO,
    only_with_tool: false,
    run: run::run,
    explain: explain::explain,
    reasons,
};

/// SONiC's name for repositories.
pub(crate) const COMPONENT: Component = Component("git");

fn reasons() -> Vec<(&'static str, &'static str)> {
    reason::Code::ALL.iter().map(|code| (code.name(), code.help())).collect()
}
