//! What is asked of a shim: settings turned into decisions for one component.
//!
//! Versioning and caching are two switches: pins hold with the cache off, and the cache works for a component whose
//! versions float. With neither set a shim is a plain exec ([`Policy::active`] is false).

use crate::Settings;

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
    /// The form of new pins.
    pub pin_digest: PinDigest,
}

impl Policy {
    /// The policy for `component`, and what was wrong with the settings: each a line that names value and origin.
    pub fn new(settings: &Settings, component: Component) -> (Policy, Vec<String>) {
        let mut wrong = Vec::new();
        let mut odd = |name: &str, use_instead: &str| {
            wrong.push(format!(
                "{name}={:?} ({}) is not understood; using {use_instead}",
                settings.get(name),
                settings.origin(name)
            ));
        };
        let method_name = match settings.get("SONIC_VERSION_CACHE") {
            value if !value.is_empty() && settings.get("SONIC_VERSION_CACHE_METHOD") == "none" => {
                if value == "none" { "SONIC_VERSION_CACHE_METHOD" } else { "SONIC_VERSION_CACHE" }
            }
            _ => "SONIC_VERSION_CACHE_METHOD",
        };
        let (read, write) = match settings.get(method_name) {
            "none" => (false, false),
            "cache" | "rwcache" => (true, true),
            "rcache" => (true, false),
            "wcache" => (false, true),
            // SONiC's own variable is just `y` where a cache is asked for.
            "y" if method_name == "SONIC_VERSION_CACHE" => (true, true),
            _ => {
                odd(method_name, "none");
                (false, false)
            }
        };
        let on_mismatch = match settings.get("VCACHE_ON_MISMATCH") {
            "fail" => OnMismatch::Fail,
            "warn" => OnMismatch::Warn,
            _ => {
                odd("VCACHE_ON_MISMATCH", "fail");
                OnMismatch::Fail
            }
        };
        let pin_digest = match settings.get("VCACHE_PIN_DIGEST") {
            "md5" => PinDigest::Md5,
            "sha256" => PinDigest::Sha256,
            _ => {
                odd("VCACHE_PIN_DIGEST", "md5");
                PinDigest::Md5
            }
        };
        let retry = settings.get("VCACHE_RETRY").parse().unwrap_or_else(|_| {
            odd("VCACHE_RETRY", "0");
            0
        });
        let strict = settings.flag("VCACHE_STRICT");
        let offline = settings.flag("VCACHE_OFFLINE");
        let listed = settings.get("SONIC_VERSION_CONTROL_COMPONENTS");
        let versioned = strict || listed.split([',', ' ']).any(|c| c == "all" || c == component.0);
        (
            Policy {
                read: read || offline,
                write,
                versioned,
                offline,
                strict,
                on_mismatch,
                retry,
                pin_digest,
            },
            wrong,
        )
    }

    /// False when nothing is asked of the shim, so that it is a plain exec.
    pub fn active(&self) -> bool {
        self.read || self.write || self.versioned
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
        let (p, wrong) = policy(&[("SONIC_VERSION_CACHE_METHOD", "fast")]);
        assert!(!p.active());
        assert!(wrong[0].contains("\"fast\" (environment)"), "{wrong:?}");
    }

    #[test]
    fn components_offline_and_strict() {
        assert!(policy(&[("SONIC_VERSION_CONTROL_COMPONENTS", "all")]).0.versioned);
        assert!(policy(&[("SONIC_VERSION_CONTROL_COMPONENTS", "py3,web")]).0.versioned);
        assert!(!policy(&[("SONIC_VERSION_CONTROL_COMPONENTS", "webx")]).0.versioned);
        assert!(policy(&[("VCACHE_STRICT", "y")]).0.versioned);
        assert!(policy(&[("VCACHE_OFFLINE", "y")]).0.read);
    }
}
