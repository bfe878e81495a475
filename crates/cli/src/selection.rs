//! What is to be exported, as options say it.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use vcache_archive::{Selection, manifest_of};
use vcache_shim::journal::Event;
use vcache_store::{Kind, Store, public_url};

use crate::context::Context;
use crate::{files, pinned, units};

/// The options that restrict; all that are given must hold.
#[derive(clap::Args, Debug)]
pub(crate) struct Wanted {
    /// Only what this does not have: a marker that --mark wrote, or an archive
    #[arg(long, value_name = "BASE")]
    delta: Option<PathBuf>,
    /// Only what was stored or fetched since: an age such as 2h or 7d, or a date such as 2024-02-29 or 2024-02-29T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = parse_since)]
    since: Option<u64>,
    /// Only what requests of this kind brought; may be given several times
    #[arg(long, value_name = "KIND", value_parser = parse_kind)]
    kind: Vec<Kind>,
    /// Only what this version file names, or those in this folder and below; may be given several times
    #[arg(long, value_name = "PATH")]
    versions: Vec<PathBuf>,
    /// Only what the recorded builds of this image asked for
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
}

impl Wanted {
    /// Reads what the options name.
    ///
    /// # Errors
    /// Something that is named can't be read, is not what it should be, or is unknown.
    pub(crate) fn selection(&self, context: &Context, store: &Store) -> Result<Selection> {
        let mut selection = Selection { since: self.since, kinds: self.kind.clone(), ..Selection::default() };
        if let Some(base) = &self.delta {
            let path = context.host.cwd().join(base);
            let base = manifest_of(&mut files::input(&path)?);
            let what = || format!("{}: is neither a marker nor an archive", path.display());
            selection.without = Some(base.with_context(what)?);
        }
        for path in &self.versions {
            let pins = pinned::pins(&context.host.cwd().join(path), Some(store))?;
            selection.pins.get_or_insert_default().extend(pins);
        }
        if let Some(image) = &self.image {
            selection.urls = Some(urls_of(store, image)?);
        }
        Ok(selection)
    }
}

/// What the recorded builds of an image asked for, whether it was in the cache or not.
///
/// # Errors
/// No call of the image is recorded, or the events can't be read.
pub(crate) fn urls_of(store: &Store, image: &str) -> Result<HashSet<String>> {
    let mut urls = HashSet::new();
    let mut images = BTreeSet::new();
    let dir = store.dir().display();
    for line in store.events().with_context(|| format!("{dir}: its events can't be read"))? {
        let Ok(event) = serde_json::from_str::<Event>(&line) else { continue };
        let Some(of) = event.image else { continue };
        if of == image {
            urls.extend(event.url.map(|url| public_url(&url)));
        }
        images.insert(of);
    }
    if images.contains(image) {
        return Ok(urls);
    }
    let known: Vec<_> = images.into_iter().take(20).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    bail!("no call of an image {image:?} is recorded in {dir}; recorded are: {known}")
}

/// The kind with this name.
pub(crate) fn parse_kind(text: &str) -> Result<Kind, String> {
    let known = || Kind::ALL.map(Kind::name).join(", ");
    Kind::ALL
        .into_iter()
        .find(|kind| kind.name() == text)
        .ok_or_else(|| format!("the kinds are: {}", known()))
}

/// Seconds since 1970; a time without its distance from UTC is in UTC.
fn parse_since(text: &str) -> Result<u64, String> {
    if let Ok(age) = units::parse_age(text) {
        return Ok(units::now().saturating_sub(age).as_secs());
    }
    let in_utc =
        || text.parse::<DateTime>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    let time = text.parse::<Timestamp>().ok().or_else(in_utc).ok_or_else(|| {
        format!("{text:?} is neither an age (2h, 7d) nor a date (2024-02-29, 2024-02-29T12:00:00Z)")
    })?;
    Ok(u64::try_from(time.as_second()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        for (text, seconds) in [
            ("2024-02-29", 1_709_164_800),
            ("2024-02-29T12:00:00Z", 1_709_208_000),
            ("2024-02-29T12:00:00+02:00", 1_709_200_800),
            ("2024-02-29 12:00:00.5Z", 1_709_208_000),
            ("2024-02-29T12:00:00", 1_709_208_000),
            ("1960-01-01", 0),
        ] {
            assert_eq!(parse_since(text), Ok(seconds), "{text}");
        }
        assert!(parse_since("1h").unwrap() > parse_since("2h").unwrap());
        for text in ["", "yesterday", "2024-02-30", "12"] {
            assert!(parse_since(text).unwrap_err().contains("2024-02-29"), "{text}");
        }
    }

    #[test]
    fn kinds_are_read() {
        assert_eq!(parse_kind("web"), Ok(Kind::Web));
        assert_eq!(parse_kind("image"), Ok(Kind::Image));
        assert_eq!(parse_kind("deb-index"), Ok(Kind::DebIndex));
        assert_eq!(
            parse_kind("web-v1"),
            Err("the kinds are: web, image, git, deb, deb-index, artifact".to_owned())
        );
    }
}
