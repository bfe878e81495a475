//! What the cache has of what version files name: for `vcache gc`, which keeps it, and `vcache export`. Only the own cache is looked at, and nothing counts as
//! used by it.

use std::collections::HashMap;

use vcache_store::{Digest, Key, Kind, Record, Sha256Id, Store};
use vcache_versions::{MirrorState, release_digests};

use crate::method::{LARGEST_RELEASE, made_at, signature_of};
use crate::release_url::ReleaseUrl;

/// The packages of which `is_meant` (name, version, architecture) holds: `NAME=VERSION`, and the content.
pub fn packages(store: &Store, is_meant: impl Fn(&str, &str, &str) -> bool) -> Vec<(String, Digest)> {
    let package = |record: Record| {
        let (name, version, architecture) = Key::package_of(&record.key)?;
        is_meant(name, version, architecture).then(|| (format!("{name}={version}"), record.sha256.into()))
    };
    records(store, Kind::Deb).filter_map(package).collect()
}

/// What belongs to states of archives, by the lines of `versions-mirror`: a Release file with its signature and all indexes that it names, or all that came from
/// a snapshot. Each has the name of its line; an index that the cache has not may be among them.
pub fn releases(store: &Store, pinned: &[(String, MirrorState)]) -> Vec<(String, Digest)> {
    let mut content: Vec<(String, Digest)> = Vec::new();
    // Release files, with the line that names them.
    let mut found: HashMap<Sha256Id, &str> = HashMap::new();
    let mut snapshots = Vec::new();
    let mut dates: HashMap<(String, String), &str> = HashMap::new();
    for (key, state) in pinned {
        match state {
            MirrorState::Release { sha256: Some(digits), .. } => {
                found.extend(digits.parse().ok().map(|id: Sha256Id| (id, key.as_str())));
            }
            MirrorState::Release { date, sha256: None } => {
                dates.insert((key.clone(), made_at(date)), key);
            }
            MirrorState::Snapshot(time) => snapshots.push((key.as_str(), format!("/{key}/{time}/"))),
        }
    }
    let mut signatures = Vec::new();
    for record in records(store, Kind::DebIndex) {
        let Some((url, part)) = Key::deb_index_of(&record.key) else { continue };
        if let Some((key, _)) = snapshots.iter().find(|(_, folder)| url.contains(folder)) {
            content.push(((*key).to_owned(), record.sha256.into()));
        }
        let Some(of) = ReleaseUrl::of(url).and_then(|url| url.key()) else { continue };
        if let Some(key) = dates.get(&(of, part.to_owned())) {
            found.insert(record.sha256, key);
        }
        signatures.push((part.to_owned(), record.sha256));
    }
    for (release, key) in found {
        let own = signature_of(&release);
        let named = std::iter::once(release.into())
            .chain(signatures.iter().filter(|(part, _)| *part == own).map(|(_, id)| (*id).into()))
            .chain(indexes(store, release));
        content.extend(named.map(|digest| (key.to_owned(), digest)));
    }
    content
}

fn records(store: &Store, kind: Kind) -> impl Iterator<Item = Record> + '_ {
    store.records_of(kind).filter_map(|(_, record)| record.ok())
}

/// The indexes that a Release file names; none where it is not here, or not what its digest says.
fn indexes(store: &Store, release: Sha256Id) -> Vec<Digest> {
    let text = || {
        let blob = store.peek(&release).ok()?.filter(|blob| blob.size() <= LARGEST_RELEASE)?;
        let mut text = Vec::new();
        blob.stream_to(&mut text).ok()?;
        Some(text)
    };
    let digests = release_digests(&text().unwrap_or_default());
    digests.iter().filter_map(|digits| Some(digits.parse::<Sha256Id>().ok()?.into())).collect()
}
