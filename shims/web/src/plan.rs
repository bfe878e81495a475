//! What is to be done about a call: pure and total, from what was typed, the pins and the policy.
//!
//! No file, cache or network is looked at here. What only a look outside can tell (is it cached? is the destination
//! there?) is left to `serve`, which carries the plan out.

use std::collections::HashSet;
use std::path::Path;

use vcache_shim::pins::{Found, Pin};
use vcache_shim::{Policy, exit};

use crate::address::Address;
use crate::reason::{Code, Reason};
use crate::request::{Call, Destination, Existing, Parsed, Transfer};

/// What is to be done.
#[derive(Clone, PartialEq, Debug)]
pub(crate) enum Plan {
    /// The real tool does it, with the argv that was given.
    Passthrough {
        /// Why.
        reason: Reason,
        /// A pin that would hold for what it fetches, and that nobody checks then: `URL (file:line)`.
        unchecked: Option<String>,
    },
    /// The call is not carried out.
    Refuse {
        /// One of [`exit`].
        status: u8,
        /// For people: what, where, what to do.
        message: String,
    },
    /// Each request is answered from the cache, or by one run of the real tool for all of them.
    Serve(Service),
}

/// What is to be served, and how the real tool is run where it must be.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct Service {
    /// In the order of the call.
    pub(crate) jobs: Vec<Job>,
    /// What else the call says; its transfers are in `jobs`.
    pub(crate) call: Call,
    /// Why the real tool's output could not be taken apart again: what is not in the cache is left to it, and not kept.
    pub(crate) inseparable: Option<Reason>,
}

/// One request, with where its answer may come from.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Job {
    /// What was typed.
    pub(crate) transfer: Transfer,
    /// The URL without fragment and secrets: what pins, records and messages name.
    pub(crate) url: String,
    /// What the content must be.
    pub(crate) pin: Option<Pin>,
    /// Cache and origin, in which order.
    pub(crate) order: Order,
}

/// Where an answer comes from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Order {
    /// The cache where it can, else the origin.
    CacheFirst,
    /// The origin; the cache when the network fails. For requests whose version is to be found out.
    OriginFirst,
    /// The origin: the cache is off, or is being refreshed.
    OriginOnly,
}

/// Decides about a call. `pins` says what the version file has for a URL as it was typed.
///
/// `proxied`: the environment names a proxy, so that even a call for this machine may leave it.
pub(crate) fn plan(parsed: Parsed, policy: &Policy, pins: &dyn Fn(&str) -> Found, proxied: bool) -> Plan {
    match parsed {
        Parsed::Other { reason, urls } => refused_passthrough(&reason, &urls, policy, pins, proxied)
            .unwrap_or_else(|| Plan::Passthrough {
                unchecked: unchecked_pin(&reason, &urls, policy, pins),
                reason,
            }),
        Parsed::Fetch(call) => serve(call, policy, pins),
    }
}

fn serve(mut call: Call, policy: &Policy, pins: &dyn Fn(&str) -> Found) -> Plan {
    if !policy.offline && call.transfers.iter().all(|transfer| is_discarded(&transfer.destination)) {
        let reason = Reason::new(Code::Discarded, "");
        return Plan::Passthrough { reason, unchecked: None };
    }
    let inseparable = shared_output(&call);
    let mut jobs = Vec::with_capacity(call.transfers.len());
    for mut transfer in std::mem::take(&mut call.transfers) {
        let url = vcache_store::public_url(&transfer.url);
        let found = if policy.versioned { pins(&transfer.url) } else { Found::default() };
        if found.contradictory {
            return contradiction(&url, &found);
        }
        if policy.strict && found.pin.is_none() {
            return unpinned(&url);
        }
        if names_stdout(&transfer.destination) {
            transfer.destination = Destination::Stdout;
        }
        let order = match &found.pin {
            _ if !policy.read => Order::OriginOnly,
            None if policy.versioned && !policy.offline => Order::OriginFirst,
            _ => Order::CacheFirst,
        };
        jobs.push(Job { transfer, url, pin: found.pin, order });
    }
    Plan::Serve(Service { jobs, call, inseparable })
}

/// What is asked is then whether the server answers, and the cache can't know.
pub(crate) fn is_discarded(destination: &Destination) -> bool {
    matches!(destination, Destination::Path(path) if path == Path::new("/dev/null"))
}

/// `-o /dev/stdout` is standard output by another name.
fn names_stdout(destination: &Destination) -> bool {
    let names = ["/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"];
    matches!(destination, Destination::Path(path) if names.iter().any(|n| path == Path::new(n)))
}

/// Contents that end up in one place can't be told apart afterwards.
fn shared_output(call: &Call) -> Option<Reason> {
    let stdouts = call.transfers.iter().filter(|t| is_stdout(&t.destination)).count();
    if stdouts > 1 {
        return Some(Reason::new(Code::SharedOutput, "stdout"));
    }
    if stdouts == 1 && call.transfers.iter().any(|t| t.write_out.is_some()) {
        return Some(Reason::new(Code::WriteOut, "with content on stdout"));
    }
    let mut seen = HashSet::new();
    for transfer in &call.transfers {
        let path = match &transfer.destination {
            Destination::Stdout => continue,
            Destination::Path(path) => path.clone(),
            // wget's own numbering keeps these apart.
            Destination::Named { .. } if transfer.existing == Existing::Number => continue,
            Destination::Named { folder, name, .. } => folder.join(name),
        };
        if path.as_os_str() != "/dev/null" && !seen.insert(path.clone()) {
            return Some(Reason::new(Code::SharedOutput, path.to_string_lossy()));
        }
    }
    None
}

fn is_stdout(destination: &Destination) -> bool {
    *destination == Destination::Stdout || names_stdout(destination)
}

/// A call that can't be answered from a cache is refused where policy forbids what it would do.
fn refused_passthrough(
    reason: &Reason,
    urls: &[String],
    policy: &Policy,
    pins: &dyn Fn(&str) -> Found,
    proxied: bool,
) -> Option<Plan> {
    if matches!(reason.code, Code::NoUrl | Code::MissingValue) {
        return None;
    }
    let remote = || urls.iter().map(String::as_str).filter(|url| leaves_the_machine(url));
    // What is asked for, or where, stands elsewhere too.
    let uncertain =
        matches!(reason.code, Code::Connection | Code::InputFile | Code::Configured | Code::Scheme);
    if policy.offline && (urls.is_empty() || uncertain || proxied || remote().next().is_some()) {
        return Some(offline(reason, remote().next().or(urls.first().map(String::as_str))));
    }
    // A HEAD request brings no content that a pin could speak of.
    if !policy.strict || reason.code == Code::HeadersOnly {
        return None;
    }
    if urls.is_empty() && matches!(reason.code, Code::InputFile | Code::Encoding) {
        let why = describe(reason);
        let message =
            format!("strict mode (VCACHE_STRICT=y), and it can't be told whether it is pinned: {why}");
        return Some(Plan::Refuse { status: exit::STRICT_REFUSAL, message });
    }
    remote().find(|url| pins(url).pin.is_none()).map(unpinned)
}

/// The refusal of a call that would need the network.
pub(crate) fn offline(reason: &Reason, url: Option<&str>) -> Plan {
    let message = format!(
        "{}: offline (VCACHE_OFFLINE=y), and this call can't be answered from the cache: {}",
        url.map_or_else(|| "this call".to_owned(), vcache_store::public_url),
        describe(reason)
    );
    Plan::Refuse { status: exit::OFFLINE_MISS, message }
}

/// A HEAD request, and one for nothing at all, bring no content that a pin could speak of.
fn unchecked_pin(
    reason: &Reason,
    urls: &[String],
    policy: &Policy,
    pins: &dyn Fn(&str) -> Found,
) -> Option<String> {
    if !policy.versioned || matches!(reason.code, Code::HeadersOnly | Code::NoUrl) {
        return None;
    }
    urls.iter().find_map(|url| {
        let pin = pins(url).pin?;
        Some(format!("{} ({})", vcache_store::public_url(url), pin.place))
    })
}

/// False for `file:` and for servers on this very machine: nothing of these comes from a network.
pub(crate) fn leaves_the_machine(url: &str) -> bool {
    if url.starts_with("file:") {
        return false;
    }
    let Some(address) = Address::split(url) else { return true };
    let host = address.host.trim_matches(['[', ']']);
    host != "localhost" && !host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn describe(reason: &Reason) -> String {
    match reason.detail.as_str() {
        "" => reason.code.help().to_owned(),
        detail => format!("{} ({detail})", reason.code.help()),
    }
}

fn unpinned(typed: &str) -> Plan {
    let url = vcache_store::public_url(typed);
    let message = format!(
        "{url}: strict mode (VCACHE_STRICT=y), and versions-web has no pin for this URL; \
         add a line `{url}==<digest>`, or build once without strict mode and take it from build-versions/versions-web"
    );
    Plan::Refuse { status: exit::STRICT_REFUSAL, message }
}

fn contradiction(url: &str, found: &Found) -> Plan {
    let message = format!(
        "{url}: contradictory pins, so no content can be right: {}; remove one of the lines",
        found.problems.join("; ")
    );
    Plan::Refuse { status: exit::PIN_VIOLATED, message }
}

#[cfg(test)]
mod tests;
