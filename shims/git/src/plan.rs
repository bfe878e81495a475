//! What is done about a call that speaks to remotes. Pure and total.

use std::collections::BTreeMap;

use vcache_shim::Policy;
use vcache_shim::pins::{Commit, Found};

use crate::address::{Transport, is_secret, shared};
use crate::call::{Command, Remote};
use crate::helper;
use crate::reason::{Code, Reason};
use crate::refusal::Refusal;

/// What a plan depends on besides the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Situation {
    /// What git's configuration has, later values last: names as git prints them.
    pub(crate) config: Vec<(String, String)>,
    /// `GIT_ALLOW_PROTOCOL`.
    pub(crate) allowed: Option<String>,
    /// The remote helper is in `PATH`, or beside the shim.
    pub(crate) has_helper: bool,
}

impl Situation {
    /// The remotes of the repository, by name, with the URLs that they are fetched from: the first of each counts.
    pub(crate) fn remotes(&self) -> BTreeMap<&str, &str> {
        let mut remotes = BTreeMap::new();
        for (name, url) in &self.config {
            if let Some(name) = name.strip_prefix("remote.").and_then(|name| name.strip_suffix(".url")) {
                remotes.entry(name).or_insert(url.as_str());
            }
            // A branch may follow a URL, which then is the remote's name.
            if name.starts_with("branch.") && Transport::of(url).is_remote() {
                remotes.insert(url, url);
            }
        }
        remotes
    }

    /// What git makes of a URL (git-config(1), `url.<base>.insteadOf`): the longest beginning counts, of equal ones the first.
    pub(crate) fn rewritten(&self, url: &str) -> String {
        let rule = |(name, begin): &'_ (String, String)| {
            let base = name.strip_prefix("url.")?.strip_suffix(".insteadof")?;
            Some((base.to_owned(), url.strip_prefix(begin.as_str())?.to_owned()))
        };
        let rules = self.config.iter().filter_map(rule);
        // The shortest rest is the longest beginning.
        let found = rules.reduce(|best, next| if next.1.len() < best.1.len() { next } else { best });
        found.map_or(url.to_owned(), |(base, rest)| base + &rest)
    }

    /// The repository that is named by its URL, as typed; none where a remote's name is typed, or a path.
    pub(crate) fn typed<'c>(&self, call: &'c Remote) -> Option<&'c str> {
        let url = call.url.as_deref().filter(|url| !self.remotes().contains_key(url))?;
        (call.command == Command::Clone || self.is_far(url)).then_some(url)
    }

    /// Whether a URL, as typed or configured, leads to another machine.
    pub(crate) fn is_far(&self, url: &str) -> bool {
        Transport::of(&self.rewritten(url)).is_remote()
    }
}

/// What of git's configuration is asked for, as `git config --get-regexp` has it.
pub(crate) const ASKED: &str = r"^(url\..*\.insteadof|remote\..*\.(url|vcs)|branch\..*\.remote|clone\.defaultremotename|protocol\.(.*\.)?allow|http\..*(extraheader|cookiefile))$";

/// Remotes that the real git reaches by itself: their URLs, and why.
type Others = Vec<(String, Reason)>;

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// The call as it is.
    Passthrough(Reason),
    /// The real git reaches these remotes by our helper.
    Route {
        /// What it is told more than it was, `NAME=VALUE` each.
        config: Vec<String>,
        /// `GIT_ALLOW_PROTOCOL`, where it has to have more.
        allowed: Option<String>,
        /// Remotes that are meant too.
        others: Others,
    },
}

/// Decides.
pub(crate) fn plan(call: &Remote, situation: &Situation) -> Plan {
    let config = match left(call, situation) {
        Some(reason) => Err(reason),
        None if call.command == Command::Clone => {
            of_clone(call, situation).map(|config| (config, Vec::new()))
        }
        None => of_repository(call, situation),
    };
    match config {
        Err(reason) => Plan::Passthrough(reason),
        Ok((mut config, others)) => {
            config.sort();
            config.dedup();
            config.push(format!("protocol.{}.allow=always", helper::VCS));
            let allowed = situation.allowed.as_ref().map(|allowed| format!("{allowed}:{}", helper::VCS));
            Plan::Route { config, allowed, others }
        }
    }
}

/// Why the real git does it all, whatever the remote is.
fn left(call: &Remote, situation: &Situation) -> Option<Reason> {
    if !situation.has_helper {
        return Some(Reason::new(Code::NoHelper, ""));
    }
    // Those that we are reached by. What is said of `file` or `ext` git itself applies, in the helper too.
    let is_protocol = |name: &str| {
        let protocol = name.strip_prefix("protocol.").and_then(|rest| rest.strip_suffix("allow"));
        protocol.is_some_and(|of| matches!(of, "" | "http." | "https." | "ssh." | "git." | "vcache."))
    };
    let code = |name: &str| match name {
        name if is_protocol(name) => Some(Code::Protocol),
        name if is_secret(name) => Some(Code::Credentials),
        name if name.starts_with("remote.") && name.ends_with(".vcs") => Some(Code::Foreign),
        _ => None,
    };
    let configured = || situation.config.iter().find_map(|(name, _)| Some(Reason::new(code(name)?, name)));
    call.left.clone().or_else(configured)
}

/// A clone's remote has whatever name.
fn of_clone(call: &Remote, situation: &Situation) -> Result<Vec<String>, Reason> {
    let url = call.url.as_deref().unwrap_or_default();
    must_be_ours(&situation.rewritten(url))?;
    let named = call.origin.as_deref().or(default_name(situation));
    if named.is_some_and(|name| name.contains('=')) {
        return Err(Reason::new(Code::Equals, ""));
    }
    let of_submodules = default_name(situation).unwrap_or("origin");
    Ok(named.into_iter().chain(["origin", of_submodules]).map(by_helper).collect())
}

/// What the remote of a clone is called where the call does not say.
fn default_name(situation: &Situation) -> Option<&str> {
    let named = situation.config.iter().rfind(|(name, _)| name == "clone.defaultremotename");
    named.map(|(_, value)| value.as_str())
}

/// All remotes of the repository, and the URL that is typed instead of one; then those that are meant and are not ours.
fn of_repository(call: &Remote, situation: &Situation) -> Result<(Vec<String>, Others), Reason> {
    let mut config = Vec::new();
    let remotes = situation.remotes();
    if let Some(url) = situation.typed(call) {
        must_be_ours(&situation.rewritten(url))?;
        if url.contains('=') {
            return Err(Reason::new(Code::Equals, ""));
        }
        config.extend([format!("remote.{url}.url={url}"), by_helper(url)]);
    }
    let mut others = BTreeMap::new();
    for (name, url) in &remotes {
        match must_be_ours(&situation.rewritten(url)) {
            Ok(()) if !name.contains('=') => {
                config.extend((name == url).then(|| format!("remote.{url}.url={url}")));
                config.push(by_helper(name));
            }
            Ok(()) => drop(others.insert(*name, Reason::new(Code::Equals, *name))),
            Err(reason) => drop(others.insert(*name, reason)),
        }
    }
    if config.is_empty() && call.command != Command::Submodule {
        return Err(others.into_values().next().unwrap_or(Reason::new(Code::NoRemote, "")));
    }
    if call.command == Command::Submodule {
        // They have names of their own, of which others would make remotes of this repository.
        let names = ["origin", default_name(situation).unwrap_or("origin")];
        config.extend(names.into_iter().filter(|name| !others.contains_key(name)).map(by_helper));
    }
    let is_meant = |name: &str| call.all || call.url.as_deref() == Some(name);
    others.retain(|name, _| is_meant(name) && situation.is_far(remotes[name]));
    Ok((config, others.into_iter().map(|(name, reason)| (remotes[name].to_owned(), reason)).collect()))
}

fn by_helper(remote: &str) -> String {
    format!("remote.{remote}.vcs={}", helper::VCS)
}

/// Why a call that is left to the real git is not to be carried out, where a URL would be asked.
pub(crate) fn refused(policy: &Policy, reason: &Reason, url: &str, found: &Found<Commit>) -> Option<Refusal> {
    let url = vcache_store::public_url(url);
    match &found.pin {
        _ if policy.offline => Some(Refusal::OfflineLeft { url, reason: reason.clone() }),
        Some(pin) if reason.code == Code::Trouble => {
            Some(Refusal::PinLeft { url, pin: pin.clone(), reason: reason.clone() })
        }
        Some(_) => None,
        None => policy.strict.then_some(Refusal::Unpinned(url)),
    }
}

/// The URLs on other machines that a call may ask, as typed or configured.
pub(crate) fn asked(call: &Remote, situation: &Situation) -> Vec<String> {
    let remotes = situation.remotes();
    let named = call.url.as_deref().and_then(|name| remotes.get(name).copied());
    let urls: Vec<&str> = match situation.typed(call).or(named) {
        Some(url) => vec![url],
        None => remotes.into_values().collect(),
    };
    urls.into_iter().filter(|url| situation.is_far(url)).map(str::to_owned).collect()
}

fn must_be_ours(url: &str) -> Result<(), Reason> {
    shared(url).map_err(|code| Reason::new(code, if code == Code::Foreign { url } else { "" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::call::{Call, parse};
    use std::ffi::OsString;

    /// The reason, or the configuration, of a call where the configuration has these lines.
    fn of(line: &str, config: &[(&str, &str)]) -> String {
        let words: Vec<OsString> = line.split_whitespace().skip(1).map(OsString::from).collect();
        let Call::Remote(call) = parse(&words) else { panic!("{line}") };
        let config = config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        match plan(&call, &Situation { config, allowed: None, has_helper: true }) {
            Plan::Passthrough(reason) => reason.code.name().to_owned(),
            Plan::Route { mut config, .. } => {
                assert_eq!(config.pop().as_deref(), Some("protocol.vcache.allow=always"));
                config.join(" ")
            }
        }
    }

    #[test]
    fn what_is_left_is_refused_where_it_would_pass_something_by() {
        let found = |pin: Option<Commit>| Found { pin, ..Found::default() };
        let pin = || Some(Commit { id: "ab".to_owned(), place: "f:1".to_owned() });
        let policy = |offline, strict| {
            let names = ["VCACHE_OFFLINE", "VCACHE_STRICT", "SONIC_VERSION_CACHE_METHOD"];
            let env = names
                .into_iter()
                .zip([offline, strict, "cache"])
                .map(|(name, value)| (name.into(), value.into()));
            let settings =
                vcache_shim::Settings::load(&vcache_shim::Host::new(vec!["git".into()], env, "/".into()));
            Policy::new(&settings, crate::COMPONENT).0
        };
        for (policy, code, found, status) in [
            (policy("y", ""), Code::Credentials, found(pin()), Some(118)),
            (policy("", ""), Code::Trouble, found(pin()), Some(119)),
            (policy("", "y"), Code::Credentials, found(pin()), None),
            (policy("", "y"), Code::Credentials, found(None), Some(117)),
            (policy("", ""), Code::Trouble, found(None), None),
        ] {
            let refusal = refused(&policy, &Reason::new(code, ""), "http://h/a", &found);
            assert_eq!(refusal.map(|refusal| refusal.status()), status, "{code:?}");
        }
    }

    #[test]
    fn what_is_asked_for_are_secrets_too() {
        assert!(ASKED.contains(crate::address::SECRETS.trim_start_matches('^').trim_end_matches('$')));
    }

    #[test]
    fn protocols_that_are_allowed_stay_so_beside_ours() {
        let Call::Remote(call) = parse(&["clone".into(), "https://h/a".into()]) else { panic!() };
        let situation =
            |has_helper| Situation { allowed: Some("https".to_owned()), has_helper, ..Situation::default() };
        let Plan::Route { allowed, .. } = plan(&call, &situation(true)) else { panic!() };
        assert_eq!(allowed.as_deref(), Some("https:vcache"));
        let Plan::Passthrough(reason) = plan(&call, &situation(false)) else { panic!() };
        assert_eq!(reason.code, Code::NoHelper);
    }

    #[test]
    fn plans() {
        let origin = &[("remote.origin.url", "http://h/a")][..];
        let two = &[("remote.origin.url", "/local"), ("remote.up.url", "git@h:a")][..];
        for (line, config, expect) in [
            ("git clone http://h/a", &[][..], "remote.origin.vcs=vcache"),
            ("git clone -o up http://h/a", &[], "remote.origin.vcs=vcache remote.up.vcs=vcache"),
            (
                "git clone http://h/a",
                &[("clone.defaultremotename", "x")],
                "remote.origin.vcs=vcache remote.x.vcs=vcache",
            ),
            ("git clone --new http://h/a", &[], "git-unknown-option"),
            ("git clone --revision x http://h/a", &[], "git-server-option"),
            ("git clone -c http.extraHeader=x http://h/a", &[], "git-credentials"),
            ("git clone -o a=b http://h/a", &[], "git-url-equals"),
            ("git clone alice@h:a", &[], "git-ssh-user"),
            (
                "git clone far:a",
                &[("url.alice@h:.insteadof", "fa"), ("url.http://h/.insteadof", "far:")],
                "remote.origin.vcs=vcache",
            ),
            ("git clone http://h/a", &[("url.http://u:p@h/.insteadof", "http://h/")], "git-credentials"),
            ("git clone /a", &[], "git-local"),
            ("git clone ext::x", &[], "git-foreign-helper"),
            ("git clone http://t@h/a", &[], "git-credentials"),
            ("git clone http://h/a", &[("http.https://h/.extraheader", "x")], "git-credentials"),
            ("git clone http://h/a", &[("http.cookiefile", "x")], "git-credentials"),
            ("git clone http://h/a", &[("protocol.allow", "user")], "git-protocol"),
            ("git clone http://h/a", &[("protocol.http.allow", "never")], "git-protocol"),
            ("git clone http://h/a", &[("protocol.file.allow", "always")], "remote.origin.vcs=vcache"),
            ("git clone -u x http://h/a", &[], "git-server-option"),
            ("git fetch", origin, "remote.origin.vcs=vcache"),
            ("git fetch --all", two, "remote.up.vcs=vcache"),
            ("git fetch", &[("remote.origin.url", "/a")], "git-local"),
            ("git fetch", &[], "git-no-remote"),
            (
                "git pull",
                &[("branch.main.remote", "http://h/a")],
                "remote.http://h/a.url=http://h/a remote.http://h/a.vcs=vcache",
            ),
            ("git fetch", &[("remote.origin.vcs", "hg")], "git-foreign-helper"),
            ("git fetch", &[("remote.origin.url", "http://u:p@h/a")], "git-credentials"),
            (
                "git fetch http://h/b x",
                origin,
                "remote.http://h/b.url=http://h/b remote.http://h/b.vcs=vcache remote.origin.vcs=vcache",
            ),
            ("git ls-remote http://h/b?x=y", &[], "git-url-equals"),
            ("git submodule update --init", &[], "remote.origin.vcs=vcache"),
            ("git remote add -f x http://h/a", &[], "git-remote-add"),
        ] {
            assert_eq!(of(line, config), expect, "{line}");
        }
    }
}
