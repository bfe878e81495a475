//! The Release file of a suite at a mirror: its digest stands for all packages that a bootstrap takes from there.

use std::fs::File;
use std::io::{Read, Seek};
use std::process::Stdio;

use vcache_shim::pins::Pins;
use vcache_shim::{Chain, real_tool};
use vcache_store::{Hashes, Key, Mtime, Record, Sha256Id, Store};
use vcache_versions::MirrorState;

use super::run::Running;
use crate::release_url::ReleaseUrl;

/// Which Release file a bootstrap is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Index {
    pub(super) sha256: Sha256Id,
    /// `file:line` of the pin.
    pub(super) pinned_at: Option<String>,
}

/// Finds it: the pinned one, else what the mirror has now, else, offline or where the mirror can't be reached, what it had when it was last seen.
pub(super) fn of_suite(running: &Running<'_>, store: &Store, mirror: &str, suite: &str) -> Option<Index> {
    let url = format!("{mirror}/dists/{suite}/InRelease");
    let pinned = pin(running, &url);
    if let Some((sha256, place)) = pinned {
        return Some(Index { sha256, pinned_at: Some(place) });
    }
    if !running.policy.offline {
        match fetch(running, store, &url) {
            Ok(sha256) => return Some(Index { sha256, pinned_at: None }),
            Err(why) => running.messages.debug(format_args!("{url}: {why}")),
        }
    }
    let record = store.lookup(&Key::deb_index(&url, "")).ok().flatten()?;
    running
        .messages
        .warn(format_args!("{url}: not asked, or not reached; going on with what was last seen of it"));
    Some(Index { sha256: record.sha256, pinned_at: None })
}

fn pin(running: &Running<'_>, url: &str) -> Option<(Sha256Id, String)> {
    let key = ReleaseUrl::of(url)?.key().filter(|_| running.policy.versioned)?;
    let pin = Pins::load(&running.buildinfo(), "mirror").ok()?.release(&key).pin?;
    let MirrorState::Release { sha256: Some(digits), .. } = pin.state else { return None };
    Some((digits.parse().ok()?, pin.place))
}

/// What the mirror has now; it is kept, so that the same is known later.
pub(super) fn fetch(running: &Running<'_>, store: &Store, url: &str) -> Result<Sha256Id, String> {
    let wget = running.host.with_args(vec!["wget".into()]);
    let tool = real_tool::find(&wget).map_err(|e| e.to_string())?;
    let mut file = tempfile::tempfile().map_err(|e| e.to_string())?;
    let mut command =
        tool.command(&wget, &["-q", "--tries=2", "--timeout=30", "-O", "-", url].map(Into::into));
    let to = file.try_clone().map_err(|e| e.to_string())?;
    let status = command.stdin(Stdio::null()).stderr(Stdio::null()).stdout(to).status();
    let status = status.map_err(|e| e.to_string())?;
    if !status.success() {
        return Err(format!("wget: {status}"));
    }
    file.rewind().map_err(|e| e.to_string())?;
    let mut first = [0];
    if (&mut file as &mut dyn Read).read(&mut first).map_err(|e| e.to_string())? == 0 {
        return Err("it is empty".to_owned());
    }
    let sha256 = Hashes::of(&file, false).map_err(|e| Chain(&e).to_string())?.sha256;
    if running.policy.write
        && let Err(e) = keep(store, url, &mut file)
    {
        running.messages.warn(format_args!("{}; {url} is not kept", Chain(&e)));
    }
    Ok(sha256)
}

fn keep(store: &Store, url: &str, file: &mut File) -> Result<(), vcache_store::Error> {
    let ingested = store.ingest(file, false)?;
    let key = Key::deb_index(url, "");
    let record = Record::new(&key, ingested.id, ingested.size, Mtime::Unknown, url);
    ingested.publish(url)?;
    store.publish(&key, &record)
}
