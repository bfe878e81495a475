//! The cache directory that settings name, and the store in it.

use std::path::PathBuf;

use vcache_store::{Config, OpenError, Store};

use crate::settings::Origin;
use crate::{Host, Settings};

/// Where the cache is, and why there: `$VCACHE_DIR`, else `$SONIC_VERSION_CACHE_SOURCE` when it exists, else `/vcache`
/// when it exists, else `/sonic/target/vcache` in a SONiC slave, else `$XDG_CACHE_HOME/vcache`, else `~/.cache/vcache`.
/// None where there is no home either.
pub fn directory(host: &Host, settings: &Settings) -> Option<(PathBuf, Origin)> {
    if let Some(dir) = settings.path("VCACHE_DIR") {
        return Some((host.cwd().join(dir), settings.origin("VCACHE_DIR").clone()));
    }
    if let Some(dir) = settings.path("SONIC_VERSION_CACHE_SOURCE").filter(|d| d.exists()) {
        return Some((host.cwd().join(dir), settings.origin("SONIC_VERSION_CACHE_SOURCE").clone()));
    }
    let fixed = [("/vcache", "/vcache"), ("/sonic", "/sonic/target/vcache")];
    let fixed =
        fixed.into_iter().find(|(sign, _)| PathBuf::from(sign).is_dir()).map(|(_, dir)| PathBuf::from(dir));
    let dir = fixed
        .or_else(|| Some(PathBuf::from(host.env("XDG_CACHE_HOME")?).join("vcache")))
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

/// Opens the store. It is made where it is missing, unless it is only to be read.
///
/// # Errors
/// [`Unusable`]; the caller warns and goes on without a cache.
pub fn open(host: &Host, settings: &Settings, read_only: bool) -> Result<Store, Unusable> {
    let (dir, _) = directory(host, settings).ok_or(Unusable::NoDirectory)?;
    let lower =
        settings.get("VCACHE_LOWER").split(':').filter(|p| !p.is_empty()).map(PathBuf::from).collect();
    let trusted_uids =
        settings.get("VCACHE_TRUSTED_UIDS").split(',').filter_map(|u| u.trim().parse().ok()).collect();
    Ok(Store::open(&Config { dir, lower, trusted_uids, read_only })?)
}
