//! What every command needs to know: surroundings, settings, and the cache that they lead to.
//!
//! Commands that look at a cache never make one: a folder without the store's mark is told from a cache before it is
//! opened, so that `vcache --cache ~ ls` leaves a home as it was.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use vcache_shim::cache::Use;
use vcache_shim::{Host, Origin, Settings, cache};
use vcache_store::Store;

use crate::output;

/// The surroundings of one command.
pub(crate) struct Context {
    /// Argv, environment and working directory, `--cache` already in it.
    pub(crate) host: Host,
    /// The settings in force.
    pub(crate) settings: Settings,
    /// `--cache` was given.
    cache_option: bool,
}

/// The cache directory and why it is that one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct CacheDir {
    /// Absolute.
    pub(crate) path: PathBuf,
    /// For people: `--cache`, `VCACHE_DIR (environment)`, `/vcache exists`, ….
    pub(crate) why: String,
}

impl Context {
    /// The surroundings in `host`; `cache` stands for `VCACHE_DIR` where it is given.
    pub(crate) fn new(host: &Host, cache: Option<&Path>) -> Context {
        let mut env: Vec<_> = host.env_all().map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        if let Some(dir) = cache {
            env.push(("VCACHE_DIR".into(), host.cwd().join(dir).into()));
        }
        let host = Host::new(host.args().to_vec(), env, host.cwd().to_owned());
        let settings = Settings::load(&host);
        Context { host, settings, cache_option: cache.is_some() }
    }

    /// Where the value of a variable came from, for people.
    pub(crate) fn origin(&self, name: &str) -> String {
        match name {
            "VCACHE_DIR" if self.cache_option => "--cache".to_owned(),
            _ => self.settings.origin(name).to_string(),
        }
    }

    /// The cache directory; it need not exist.
    pub(crate) fn cache_dir(&self) -> Option<CacheDir> {
        let (path, origin) = cache::directory(&self.host, &self.settings)?;
        let why = match origin {
            Origin::Default => self.why_default(&path),
            _ if self.cache_option => "--cache".to_owned(),
            origin => {
                let named = self.settings.path("VCACHE_DIR").is_some();
                format!("{} ({origin})", if named { "VCACHE_DIR" } else { "SONIC_VERSION_CACHE_SOURCE" })
            }
        };
        Some(CacheDir { path, why })
    }

    fn why_default(&self, path: &Path) -> String {
        if path == Path::new("/vcache") {
            "/vcache exists".to_owned()
        } else if path == Path::new("/sonic/target/vcache") {
            "/sonic exists".to_owned()
        } else if self.host.env("XDG_CACHE_HOME").is_some() {
            "XDG_CACHE_HOME".to_owned()
        } else {
            "HOME".to_owned()
        }
    }

    /// The store, where there is a cache; nothing, and a line that says so, where none has been made yet.
    ///
    /// # Errors
    /// No setting leads to a directory; `--cache` names one that is no cache; the cache can't be opened.
    pub(crate) fn store(&self) -> Result<Option<Store>> {
        let Some(CacheDir { path, why }) = self.cache_dir() else {
            bail!("no cache directory: give --cache DIR, or set VCACHE_DIR or HOME");
        };
        if !is_cache(&path) {
            // What was typed must be there; what follows from the surroundings may not have been needed yet.
            if self.cache_option || (path.exists() && !path.is_dir()) {
                bail!(
                    "{}: is not a cache ({why}); a cache is made by the first build that uses it",
                    path.display()
                );
            }
            output::note(format_args!("no cache at {} ({why}) yet; nothing was kept so far", path.display()));
            return Ok(None);
        }
        let opened = cache::open(&self.host, &self.settings, Use::ReadWrite).with_context(|| {
            format!("the cache at {} ({why}) can't be used; try: vcache doctor", path.display())
        })?;
        opened.wrong.iter().for_each(output::warn);
        Ok(Some(opened.store))
    }
}

/// True where a store has been made in `dir`.
pub(crate) fn is_cache(dir: &Path) -> bool {
    dir.join("vcache.version").exists()
}

/// Messages of the level that the settings ask for: for what may be silenced.
pub(crate) fn is_quiet(settings: &Settings) -> bool {
    vcache_shim::Level::parse(settings.get("VCACHE_LOG"))
        .is_some_and(|level| level < vcache_shim::Level::Warn)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(env: &[(&str, &str)], cache: Option<&str>) -> Context {
        let nowhere = ("VCACHE_BUILDINFO".into(), "/nonexistent".into());
        let env = env.iter().map(|(k, v)| ((*k).into(), (*v).into())).chain([nowhere]);
        Context::new(&Host::new(vec!["vcache".into()], env, "/work".into()), cache.map(Path::new))
    }

    #[test]
    fn the_option_wins_and_says_so() {
        let given = context(&[("VCACHE_DIR", "/b")], Some("a"));
        assert_eq!(given.cache_dir(), Some(CacheDir { path: "/work/a".into(), why: "--cache".into() }));
        assert_eq!(given.origin("VCACHE_DIR"), "--cache");
        let set = context(&[("VCACHE_DIR", "/b")], None);
        assert_eq!(
            set.cache_dir(),
            Some(CacheDir { path: "/b".into(), why: "VCACHE_DIR (environment)".into() })
        );
    }

    #[test]
    fn a_folder_that_is_no_cache_is_not_made_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().to_str().unwrap();
        assert!(context(&[], Some(path)).store().is_err());
        assert!(context(&[("VCACHE_DIR", path)], None).store().unwrap().is_none());
        assert!(crate::files::entries(dir.path()).is_empty());
    }

    #[test]
    fn quiet_is_below_warn() {
        for (level, quiet) in
            [("off", true), ("error", true), ("warn", false), ("debug", false), ("odd", false)]
        {
            assert_eq!(is_quiet(&context(&[("VCACHE_LOG", level)], None).settings), quiet, "{level}");
        }
    }
}
