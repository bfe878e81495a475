//! The shims for wget and curl.
//!
//! `wget::invocation` and `curl::invocation` read an argv into a [`request::Call`]; [`plan::plan`] decides, from that, the
//! pins and the policy; `session` carries the decision out. A miss runs the real tool once with its own options; the
//! content is then taken into the store from where the tool put it, or on its way to standard output. So proxies,
//! credentials, retries, progress and TLS options keep working, and the origin sees one GET.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "deliver, target, keep and transfer write and read the caller's files, as the tools do"
)]

mod address;
mod answer;
mod curl;
mod deliver;
mod explain;
mod header_dumps;
mod keep;
mod mirrors;
mod packages;
mod plan;
mod reason;
mod request;
mod run;
mod serve;
mod session;
mod surroundings;
mod target;
mod transfer;
mod undo;
mod variant;
mod wget;

use std::ffi::OsString;
use std::process::ExitCode;

use vcache_shim::{Component, Family, Host, Settings};

use crate::request::Parsed;
use crate::surroundings::Surroundings;

/// What the multi-call executable needs to know.
pub const FAMILY: Family = Family {
    names: &["wget", "curl"],
    also: &[],
    only_with_tool: false,
    run,
    explain: explain::explain,
    reasons,
};

/// SONiC's name for what these shims fetch: pins are in `versions-web`.
pub(crate) const COMPONENT: Component = Component("web");

/// Which of the two.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tool {
    /// GNU Wget.
    Wget,
    /// curl.
    Curl,
}

impl Tool {
    /// The tool that `host` was called as.
    pub(crate) fn of(host: &Host) -> Tool {
        if host.name() == "curl" { Tool::Curl } else { Tool::Wget }
    }

    /// Reads an argv, and the configuration files that go with it.
    pub(crate) fn parse(self, host: &Host) -> Parsed {
        let around = Surroundings {
            env: &|name| match name {
                "HOME" => host.home(),
                _ => host.env(name).map(ToOwned::to_owned),
            },
            read: &|path| std::fs::read(host.cwd().join(path)),
        };
        self.read(host.args(), &around)
    }

    fn read(self, args: &[OsString], around: &Surroundings<'_>) -> Parsed {
        match self {
            Tool::Wget => wget::invocation::parse(args, around),
            Tool::Curl => curl::invocation::parse(args, around),
        }
    }
}

fn run(host: &Host, settings: &Settings) -> ExitCode {
    session::run(host, settings)
}

fn reasons() -> Vec<(&'static str, &'static str)> {
    reason::Code::ALL.iter().map(|c| (c.name(), c.help())).collect()
}
