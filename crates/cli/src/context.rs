//! What every command needs to know: surroundings, settings, and the cache that they lead to.
//!
//! Commands that look at a cache never make one: a folder without the store's mark is told from a cache before it is
//! opened, so that `vcache --cache ~ ls` leaves a home as it was.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Once;

use anyhow::{Context as _, Result, bail};
use vcache_remote::Address;
use vcache_shim::cache::Use;
use vcache_shim::{Host, Origin, Settings, cache};
use vcache_store::{Store, Tier};

use crate::{files, output};

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

    /// The same surroundings with a variable set.
    pub(crate) fn with(&self, name: &str, value: &str) -> Context {
        let env = self.host.env_all().map(|(name, value)| (name.to_owned(), value.to_owned()));
        let env = env.chain([(name.into(), value.into())]);
        let host = Host::new(self.host.args().to_vec(), env, self.host.cwd().to_owned());
        let settings = Settings::load(&host);
        Context { host, settings, cache_option: self.cache_option }
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
        self.open(Use::ReadWrite).map(Some)
    }

    /// The store, to be looked at; where no cache has been made yet, an empty one, that is not made either.
    ///
    /// # Errors
    /// As [`Self::store`].
    pub(crate) fn store_or_empty(&self) -> Result<Store> {
        match self.store()? {
            Some(store) => Ok(store),
            None => self.open(Use::ReadOnly),
        }
    }

    /// The store, made where there is none yet.
    ///
    /// # Errors
    /// No setting leads to a directory; it holds something else; it can't be made or opened.
    pub(crate) fn store_to_fill(&self) -> Result<Store> {
        if let Some(CacheDir { path, why }) = self.cache_dir()
            && !is_cache(&path)
            && files::entries(&path).iter().any(|(entry, _)| !is_of_killed_maker(entry))
        {
            let path = path.display();
            bail!("{path}: is not a cache ({why}), and not empty; name an empty folder or a new one");
        }
        self.open(Use::ReadWrite)
    }

    /// The store; what is wrong with the settings of its tiers is said.
    ///
    /// # Errors
    /// It can't be opened, or made.
    pub(crate) fn open(&self, what_for: Use) -> Result<Store> {
        let clouds = self.clouds();
        let opened =
            cache::open_with(&self.host, &self.settings, what_for, Some(&clouds)).with_context(|| {
                let dir = self.cache_dir().map_or_else(
                    || "nowhere".to_owned(),
                    |dir| format!("{} ({})", dir.path.display(), dir.why),
                );
                format!("the cache at {dir} can't be used; try: vcache doctor")
            })?;
        // However often a command opens it.
        static SAID: Once = Once::new();
        SAID.call_once(|| opened.wrong.iter().for_each(output::warn));
        Ok(opened.store)
    }

    /// What makes tiers of buckets. Their clients look for credentials in the environment, as far as it is text.
    pub(crate) fn clouds(&self) -> impl Fn(Address) -> Box<dyn Tier> + use<> {
        let text = |(name, value): (&OsStr, &OsStr)| Some((name.to_str()?.into(), value.to_str()?.into()));
        let variables: Vec<vcache_cloud::Variable> = self.host.env_all().filter_map(text).collect();
        move |address| vcache_cloud::open(address, &variables)
    }
}

/// True where a store has been made in `dir`.
pub(crate) fn is_cache(dir: &Path) -> bool {
    dir.join("vcache.version").exists()
}

/// What a process leaves that was killed while it made a cache.
fn is_of_killed_maker(entry: &Path) -> bool {
    entry.file_name().is_some_and(|name| name == "tmp" || name == "CACHEDIR.TAG")
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
