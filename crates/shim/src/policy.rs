//! What is asked of a shim: settings turned into decisions for one component.
//!
//! Versioning and caching are two switches: pins hold with the cache off, and the cache works for a component whose
//! versions float. With neither set a shim is a plain exec ([`Policy::active`] is false).

use std::time::Duration;

use crate::{Level, Origin, Settings};

/// What a pin is for: SONiC's names of the components.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Component(pub &'static str);

/// What to do when content contradicts its pin.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnMismatch {
    /// The call fails and the content is not left behind.
    Fail,
    /// A warning; the content is used.
    Warn,
}

/// How a new pin is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PinDigest {
    /// 32 hexadecimal digits, as SONiC's own tools read them.
    Md5,
    /// `sha256:` and 64 hexadecimal digits.
    Sha256,
}

/// The decisions in force for one component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Answers may come from the cache.
    pub read: bool,
    /// What was fetched is kept.
    pub write: bool,
    /// Pins hold and are recorded.
    pub versioned: bool,
    /// The network must not be touched.
    pub offline: bool,
    /// An unpinned request is an error.
    pub strict: bool,
    /// What a violated pin leads to.
    pub on_mismatch: OnMismatch,
    /// Retries for callers who asked for none.
    pub retry: u32,
    /// How long to wait for another process that fetches the same content.
    pub lock_wait: Duration,
    /// The form of new pins.
    pub pin_digest: PinDigest,
}

impl Policy {
    /// The policy for `component`, and what was wrong with the settings: each a line that names value and origin.
    pub fn new(settings: &Settings, component: Component) -> (Policy, Vec<String>) {
        let mut reader = Reader { settings, wrong: Vec::new() };
        let (read, write) = reader.method();
        let strict = reader.switch("VCACHE_STRICT");
        let offline = reader.switch("VCACHE_OFFLINE");
        let listed = settings.get("SONIC_VERSION_CONTROL_COMPONENTS");
        let policy = Policy {
            read: read || offline,
            write,
            versioned: strict || listed.split([',', ' ']).any(|c| c == "all" || c == component.0),
            offline,
            strict,
            on_mismatch: reader
                .choice("VCACHE_ON_MISMATCH", &[("fail", OnMismatch::Fail), ("warn", OnMismatch::Warn)]),
            retry: reader.number("VCACHE_RETRY"),
            lock_wait: Duration::from_secs(reader.number("VCACHE_LOCK_WAIT").into()),
            pin_digest: reader
                .choice("VCACHE_PIN_DIGEST", &[("md5", PinDigest::Md5), ("sha256", PinDigest::Sha256)]),
        };
        reader.components();
        reader.log_level();
        (policy, reader.wrong)
    }

    /// False when nothing is asked of the shim, so that it is a plain exec.
    pub fn active(&self) -> bool {
        self.read || self.write || self.versioned
    }
}

/// Reads settings; what is not understood is as if it had not been set, and noted.
struct Reader<'a> {
    settings: &'a Settings,
    wrong: Vec<String>,
}

impl Reader<'_> {
    fn odd(&mut self, name: &str) {
        let (value, origin) = (self.settings.get(name), self.settings.origin(name));
        let default = Settings::default_of(name);
        self.wrong.push(format!("{name}={value:?} ({origin}) is not understood; using {default}"));
    }

    /// Whether the cache is read and written. SONiC's internal name counts where the other is not set.
    fn method(&mut self) -> (bool, bool) {
        let internal = !self.settings.get("SONIC_VERSION_CACHE").is_empty()
            && *self.settings.origin("SONIC_VERSION_CACHE_METHOD") == Origin::Default;
        let name = if internal { "SONIC_VERSION_CACHE" } else { "SONIC_VERSION_CACHE_METHOD" };
        match self.settings.get(name) {
            "none" => (false, false),
            "cache" | "rwcache" => (true, true),
            "rcache" => (true, false),
            "wcache" => (false, true),
            // SONiC's own variable is just `y` where a cache is asked for.
            "y" if internal => (true, true),
            _ => {
                self.odd(name);
                (false, false)
            }
        }
    }

    fn switch(&mut self, name: &str) -> bool {
        self.settings.flag(name).unwrap_or_else(|| {
            self.odd(name);
            false
        })
    }

    /// The first choice is the default.
    fn choice<T: Copy>(&mut self, name: &str, choices: &[(&str, T)]) -> T {
        let value = self.settings.get(name);
        choices
            .iter()
            .find(|(text, _)| *text == value)
            .unwrap_or_else(|| {
                self.odd(name);
                &choices[0]
            })
            .1
    }

    fn number(&mut self, name: &str) -> u32 {
        self.settings.get(name).parse().unwrap_or_else(|_| {
            self.odd(name);
            Settings::default_of(name).parse().unwrap_or(0)
        })
    }

    fn components(&mut self) {
        let known = ["none", "all", "deb", "py2", "py3", "web", "git", "docker", "go", ""];
        let listed = self.settings.get("SONIC_VERSION_CONTROL_COMPONENTS");
        if let Some(odd) = listed.split([',', ' ']).find(|name| !known.contains(name)) {
            let origin = self.settings.origin("SONIC_VERSION_CONTROL_COMPONENTS");
            self.wrong.push(format!(
                "SONIC_VERSION_CONTROL_COMPONENTS: {odd:?} ({origin}) is no component that is known"
            ));
        }
    }

    fn log_level(&mut self) {
        if Level::parse(self.settings.get("VCACHE_LOG")).is_none() {
            self.odd("VCACHE_LOG");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Host;

    fn policy(env: &[(&str, &str)]) -> (Policy, Vec<String>) {
        let nowhere = ("VCACHE_BUILDINFO".into(), "/nonexistent".into());
        let env = env.iter().map(|(k, v)| ((*k).into(), (*v).into())).chain([nowhere]);
        let host = Host::new(vec!["wget".into()], env, "/".into());
        Policy::new(&Settings::load(&host), Component("web"))
    }

    #[test]
    fn no_configuration_is_a_plain_exec() {
        assert!(!policy(&[]).0.active());
        assert!(!policy(&[("SONIC_VERSION_CACHE_METHOD", "none")]).0.active());
        assert!(!policy(&[("SONIC_VERSION_CONTROL_COMPONENTS", "deb,py3")]).0.active());
    }

    #[test]
    fn methods() {
        for (method, read, write) in
            [("cache", true, true), ("rwcache", true, true), ("rcache", true, false), ("wcache", false, true)]
        {
            let (p, wrong) = policy(&[("SONIC_VERSION_CACHE_METHOD", method)]);
            assert_eq!((p.read, p.write, wrong), (read, write, vec![]), "{method}");
        }
        assert!(policy(&[("SONIC_VERSION_CACHE", "cache")]).0.write);
        assert!(policy(&[("SONIC_VERSION_CACHE", "y")]).0.write);
        assert!(!policy(&[("SONIC_VERSION_CACHE_METHOD", "y")]).0.write);
        let off = [("SONIC_VERSION_CACHE_METHOD", "none"), ("SONIC_VERSION_CACHE", "cache")];
        assert!(!policy(&off).0.active());
        let (p, wrong) = policy(&[("SONIC_VERSION_CACHE_METHOD", "fast")]);
        assert!(!p.active());
        assert!(wrong[0].contains("\"fast\" (environment)"), "{wrong:?}");
    }

    #[test]
    fn each_switch_makes_a_shim_active() {
        for (name, value) in [
            ("SONIC_VERSION_CACHE_METHOD", "rcache"),
            ("SONIC_VERSION_CACHE_METHOD", "wcache"),
            ("SONIC_VERSION_CONTROL_COMPONENTS", "web"),
        ] {
            assert!(policy(&[(name, value)]).0.active(), "{name}={value}");
        }
    }

    #[test]
    fn choices() {
        let of = |name, value| policy(&[(name, value)]);
        assert_eq!(of("VCACHE_ON_MISMATCH", "warn").0.on_mismatch, OnMismatch::Warn);
        assert_eq!(of("VCACHE_PIN_DIGEST", "sha256").0.pin_digest, PinDigest::Sha256);
        assert_eq!(policy(&[]).0.on_mismatch, OnMismatch::Fail);
        let (odd, wrong) = of("VCACHE_ON_MISMATCH", "perhaps");
        assert_eq!((odd.on_mismatch, wrong.len()), (OnMismatch::Fail, 1));
    }

    #[test]
    fn components_offline_and_strict() {
        assert!(policy(&[("SONIC_VERSION_CONTROL_COMPONENTS", "all")]).0.versioned);
        assert!(policy(&[("SONIC_VERSION_CONTROL_COMPONENTS", "py3,web")]).0.versioned);
        assert!(!policy(&[("SONIC_VERSION_CONTROL_COMPONENTS", "webx")]).0.versioned);
        assert!(policy(&[("VCACHE_STRICT", "y")]).0.versioned);
        assert!(policy(&[("VCACHE_OFFLINE", "y")]).0.read);
        assert!(
            policy(&[("VCACHE_OFFLINE", "TRUE")]).0.offline && policy(&[("VCACHE_STRICT", "Yes")]).0.strict
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for name in ["VCACHE_OFFLINE", "VCACHE_STRICT", "VCACHE_LOCK_WAIT", "VCACHE_RETRY", "VCACHE_LOG"] {
            let (_, wrong) = policy(&[(name, "odd")]);
            assert!(wrong.len() == 1 && wrong[0].starts_with(name), "{wrong:?}");
        }
        assert_eq!(policy(&[("VCACHE_LOCK_WAIT", "odd")]).0.lock_wait.as_secs(), 600);
    }
}
