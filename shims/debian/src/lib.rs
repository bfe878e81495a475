//! The shims for apt, apt-get, dpkg and debootstrap: Debian packages and the indexes of their repositories from the cache.
//!
//! apt itself does the work. The shim tells it, by a configuration file of the call's own, which program fetches (`Dir::Bin::Methods::http` and `https`), and that
//! program is ours too ([`method`]): what the cache has by the digest that apt expects never touches the network. So options, solver, output and the
//! state of dpkg are the real tools' own, over any transport, and nothing is copied into an image.
//!
//! debootstrap's finished trees are artifacts ([`debootstrap`]). dpkg's shim waits for the lock of another dpkg or apt instead of failing.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "packages are files, and the real tools are run by us"
)]

mod apt;
mod content;
mod debootstrap;
mod dpkg;
mod fill;
mod method;
mod mirrors;
mod notes;
mod reason;
mod release;
mod release_url;

pub use crate::content::{packages, releases};
pub use crate::fill::{Brought, FillError, Held, Surroundings, Told, Wanted, can_fill, fill, held};
pub use crate::mirrors::{Sources, switch as switch_sources};

use std::process::ExitCode;

use vcache_shim::family::Explanation;
use vcache_shim::{Component, Family, Host, Settings, real_tool};

/// What the multi-call executable needs to know.
pub const FAMILY: Family = Family {
    names: &["apt", "apt-get", "dpkg"],
    also: method::NAMES,
    only_with_tool: false,
    run,
    explain,
    reasons,
};

/// debootstrap, which not every image has.
pub const BOOTSTRAP: Family = Family {
    names: &["debootstrap"],
    also: &[],
    only_with_tool: true,
    run: debootstrap::run,
    explain: debootstrap::explain,
    // They are listed with those of the packages.
    reasons: Vec::new,
};

/// SONiC's name for packages.
pub(crate) const COMPONENT: Component = Component("deb");

fn run(host: &Host, settings: &Settings) -> ExitCode {
    match host.name().to_str() {
        Some("apt" | "apt-get") => apt::run(host, settings),
        Some("dpkg") => dpkg::run(host, settings),
        Some(name) if method::NAMES.contains(&name) => method::run(host, settings),
        _ => real_tool::pass_through(host),
    }
}

fn explain(host: &Host, settings: &Settings) -> Explanation {
    if host.name() == "dpkg" { dpkg::explain(host, settings) } else { apt::explain(host, settings) }
}

fn reasons() -> Vec<(&'static str, &'static str)> {
    reason::Code::ALL.iter().map(|code| (code.name(), code.help())).collect()
}
