//! What the acquire method has met, and what follows from it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::{Path, PathBuf};

use vcache_shim::child::End;
use vcache_shim::{Chain, exit};
use vcache_store::{Key, Store};

use super::config::{Extras, Folder};
use super::run::Running;
use crate::method::link;
use crate::notes::Note;

/// Finds what a further run of apt needs: packages that the cache has in the version that they are pinned to, and Release files that are to be believed
/// once more.
pub(super) fn learn(running: &Running<'_>, notes: &[Note], folder: &Folder, extras: &mut Extras) {
    let mut packages = BTreeSet::new();
    for note in notes {
        match note {
            Note::Expired(label) => {
                if extras.labels.insert(label.clone()) {
                    running.messages.warn(format_args!(
                        "{label}: its Release file is no longer valid, and given all the same; apt is told so"
                    ));
                }
            }
            Note::Wanted { name, version, architecture, place, .. } => {
                let store = running.store.as_ref().filter(|_| running.policy.read);
                let found = store.and_then(|store| find(running, store, name, version, architecture, folder));
                let Some(file) = found else { return };
                running.messages.warn(format_args!(
                    "{name}: pinned to {version} ({place}), which no index offers; taken from the cache"
                ));
                packages.insert(file);
            }
            Note::OfflineMiss(_) | Note::Unpinned { .. } | Note::Violated(_) => {}
        }
    }
    extras.packages.extend(packages);
}

/// The file of a package in the version of its pin, under a name of its own.
fn find(
    running: &Running<'_>,
    store: &Store,
    name: &str,
    version: &str,
    architecture: &str,
    folder: &Folder,
) -> Option<PathBuf> {
    let plain = version.strip_suffix("+fips").unwrap_or(version);
    let versions = if plain == version { vec![version] } else { vec![version, plain] };
    for version in versions {
        // A package may have become one for all architectures since, or have been one.
        for architecture in [architecture, "all"] {
            let Some(record) = store.lookup(&Key::package(name, version, architecture)).ok().flatten() else {
                continue;
            };
            let Some(blob) = store.find(&record.sha256.into()).ok().flatten() else { continue };
            let file_name = format!("{name}_{}_{architecture}.deb", version.replace(':', "%3a"));
            let file = folder.packages().join(file_name);
            let placed = match blob.file() {
                Some(_) => {
                    blob.verify().map_err(|e| Chain(&e).to_string()).and_then(|()| place(blob.path(), &file))
                }
                None => copy(&blob, &file),
            };
            match placed {
                Ok(()) => return Some(file),
                Err(e) => running.messages.warn(format_args!("{name} {version}: {e}; going on without it")),
            }
        }
    }
    None
}

fn place(blob: &Path, file: &Path) -> Result<(), String> {
    link(blob, file).map_err(|e| e.to_string())
}

fn copy(blob: &vcache_store::Blob, file: &Path) -> Result<(), String> {
    let mut to = File::create(file).map_err(|e| e.to_string())?;
    blob.copy_to(&mut to).map_err(|e| Chain(&e).to_string())
}

/// How the call ends: as apt ended, or by what policy or a pin forbids.
pub(super) fn judge(running: &Running<'_>, end: End, notes: &[Note]) -> End {
    let End::Status(status) = end else { return end };
    let mut statuses = BTreeSet::new();
    let mut lines = BTreeSet::new();
    let is_update = running.call.command == "update";
    for note in notes {
        let (line, ours) = match note {
            Note::Violated(what) => (what.clone(), exit::PIN_VIOLATED),
            Note::Wanted { name, version, place, instead, .. } => {
                let line = format!(
                    "{name}: pinned to {version} ({place}), which neither an index nor the cache has; apt would take {instead}. Correct the line, or remove it, or use a cache that has it"
                );
                (line, exit::PIN_VIOLATED)
            }
            Note::Unpinned { name, version } => {
                let line = format!(
                    "{name}: not pinned in versions-deb, and VCACHE_STRICT allows nothing else; add `{name}=={version}`"
                );
                (line, exit::STRICT_REFUSAL)
            }
            Note::OfflineMiss(url) if status != 0 || is_update => {
                let line = format!(
                    "{url}: offline (VCACHE_OFFLINE=y) and not in the cache; run it once with the network, or point VCACHE_DIR at a cache that has it"
                );
                (line, exit::OFFLINE_MISS)
            }
            Note::OfflineMiss(_) | Note::Expired(_) => continue,
        };
        lines.insert(line);
        statuses.insert(ours);
    }
    lines.iter().for_each(|line| running.messages.error(line));
    // A pin that is violated is the graver news.
    statuses.last().map_or(end, |status| End::Status(*status))
}
