//! The cache that settings name: its directory, the tiers behind it, and the store over both.

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use vcache_remote::Watch;

use vcache_remote::{Clouds, Credentials};
use vcache_store::{Config, Keeping, OpenError, Store, Tier};

use crate::settings::Origin;
use crate::{Host, Settings};

/// Where the cache is, and why there: `$VCACHE_DIR`, else `$SONIC_VERSION_CACHE_SOURCE` when it exists, else `/vcache`
/// when it exists, else, in a container build to which a tier was handed over, a folder in memory, else `/sonic/target/vcache`
/// in a SONiC slave, else `$XDG_CACHE_HOME/vcache`, else `~/.cache/vcache`. None where there is no home either.
pub fn directory(host: &Host, settings: &Settings) -> Option<(PathBuf, Origin)> {
    if let Some(dir) = settings.path("VCACHE_DIR") {
        return Some((host.cwd().join(dir), settings.origin("VCACHE_DIR").clone()));
    }
    if let Some(dir) = settings.path("SONIC_VERSION_CACHE_SOURCE").filter(|d| d.exists()) {
        return Some((host.cwd().join(dir), settings.origin("SONIC_VERSION_CACHE_SOURCE").clone()));
    }
    if Path::new("/vcache").is_dir() {
        return Some(("/vcache".into(), Origin::Default));
    }
    if *settings.origin("VCACHE_REMOTE") == Origin::HandedOver {
        let uid = rustix::process::geteuid().as_raw();
        return Some((format!("/dev/shm/vcache-{uid}").into(), Origin::HandedOver));
    }
    if Path::new("/sonic").is_dir() {
        return Some(("/sonic/target/vcache".into(), Origin::Default));
    }
    let dir = Some(())
        .and_then(|()| Some(PathBuf::from(host.env("XDG_CACHE_HOME")?).join("vcache")))
        .or_else(|| Some(PathBuf::from(host.env("HOME")?).join(".cache/vcache")))?;
    Some((dir, Origin::Default))
}

/// Why there is no cache to use.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// No setting names a directory and there is no home.
    #[error("no cache directory: set VCACHE_DIR, or HOME")]
    NoDirectory,
    /// It is there, or can't be made.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// A store, and what was wrong with the settings of its tiers: each a line to be said.
pub struct Opened {
    /// To be used.
    pub store: Store,
    /// Each names a setting.
    pub wrong: Vec<String>,
}

/// What a store is opened for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Use {
    /// A build, or a command that changes the cache.
    ReadWrite,
    /// Nothing is stored, and nothing made.
    ReadOnly,
    /// Sending beside a build: nobody would hear that a tier is given up, so failures are left for others to count.
    Unheard,
}

/// Opens the store. It is made where it is missing, unless it is only to be read. Tiers are not asked yet.
///
/// # Errors
/// [`Unusable`]; the caller warns and goes on without a cache.
pub fn open(host: &Host, settings: &Settings, what_for: Use) -> Result<Opened, Unusable> {
    open_with(host, settings, what_for, None)
}

/// As [`open`], for whoever speaks to clouds.
///
/// # Errors
/// As [`open`].
pub fn open_with(
    host: &Host,
    settings: &Settings,
    what_for: Use,
    clouds: Option<Clouds<'_>>,
) -> Result<Opened, Unusable> {
    let (dir, origin) = directory(host, settings).ok_or(Unusable::NoDirectory)?;
    let lower =
        settings.get("VCACHE_LOWER").split(':').filter(|p| !p.is_empty()).map(PathBuf::from).collect();
    let trusted_uids =
        settings.get("VCACHE_TRUSTED_UIDS").split(',').filter_map(|u| u.trim().parse().ok()).collect();
    let keeping = match origin {
        _ if what_for == Use::ReadOnly => Keeping::Nowhere,
        // What is kept on this file system would become part of the image.
        Origin::HandedOver if settings.path("VCACHE_DIR").is_none() => Keeping::Tiers,
        _ => Keeping::Here,
    };
    let watch = Watch { markers: dir.join("tmp"), counts: what_for != Use::Unheard };
    let (tiers, wrong) = tiers(host, settings, &watch, clouds);
    Ok(Opened {
        store: Store::open(&Config { dir, lower, trusted_uids, keeping, tiers, stored_at: None })?,
        wrong,
    })
}

/// The second tiers that are set, and what is wrong with the settings, a line each. Nothing is asked yet.
pub fn tiers(
    host: &Host,
    settings: &Settings,
    watch: &Watch,
    clouds: Option<Clouds<'_>>,
) -> (Vec<Arc<dyn Tier>>, Vec<String>) {
    let addresses = settings.get("VCACHE_REMOTE");
    if addresses.is_empty() {
        return Default::default();
    }
    let mut wrong = Vec::new();
    let credentials = credentials(host, settings, &mut wrong);
    let (tiers, errors) = vcache_remote::tiers(addresses, &credentials, watch, clouds);
    let origin = settings.origin("VCACHE_REMOTE");
    wrong.extend(errors.iter().map(|e| format!("VCACHE_REMOTE ({origin}): {e}; going on without it")));
    (tiers, wrong)
}

fn credentials(host: &Host, settings: &Settings, wrong: &mut Vec<String>) -> Credentials {
    let Some(file) = settings.path("VCACHE_REMOTE_CREDENTIALS") else { return Credentials::default() };
    let file = host.cwd().join(file);
    match std::fs::read_to_string(&file) {
        Ok(text) => Credentials::parse(&text),
        Err(e) => {
            let origin = settings.origin("VCACHE_REMOTE_CREDENTIALS");
            wrong.push(format!("VCACHE_REMOTE_CREDENTIALS ({origin}): {}: {e}", file.display()));
            Credentials::default()
        }
    }
}
