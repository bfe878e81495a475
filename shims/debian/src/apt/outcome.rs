//! What the acquire method has met, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use vcache_shim::child::End;
use vcache_shim::exit;

use super::config::Extras;
use super::old::Shelf;
use super::run::Running;
use crate::notes::Note;

/// Finds what a further run of apt needs: packages that the cache has in the version that they are pinned to, and Release files that are to be believed
/// once more.
pub(super) fn learn(
    running: &Running<'_>,
    end: End,
    notes: &[Note],
    shelf: Option<&Shelf<'_>>,
    extras: &mut Extras,
) {
    let mut packages = BTreeMap::new();
    for note in notes {
        match note {
            Note::Expired(label) => {
                if end != End::Status(0) && extras.labels.insert(label.clone()) {
                    running.messages.warn(format_args!(
                        "{label}: its Release file is no longer valid, and given all the same; apt is told so"
                    ));
                }
            }
            Note::Wanted { name, version, architecture, place, .. } => {
                let found = shelf.and_then(|shelf| shelf.find(name, version, architecture));
                let Some(old) = found else { continue };
                running.messages.warn(format_args!(
                    "{name}: pinned to {version} ({place}), which no index offers; taken from the cache"
                ));
                packages.insert(old.file.clone(), old);
            }
            Note::OfflineMiss(_) | Note::Unpinned { .. } | Note::Violated(_) => {}
        }
    }
    if let Some(shelf) = shelf {
        shelf.add_dependencies(&mut packages);
    }
    extras.packages.extend(packages);
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
