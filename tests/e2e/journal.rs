//! The per-build log that shims write, read back.

use vcache_testkit::Sandbox;

/// One line of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `hit`, `miss`, `passthrough`, `refused` or `failed`.
    pub outcome: String,
    /// The counted code, where there is one.
    pub reason: Option<String>,
    /// The URL, where there is one.
    pub url: Option<String>,
    /// The second tier that a hit came from.
    pub tier: Option<String>,
}

/// The lines of the sandbox's build log.
///
/// # Panics
/// When a line is not a JSON object with an outcome.
pub fn entries(sandbox: &Sandbox) -> Vec<Entry> {
    let text = |value: &serde_json::Value, name: &str| value[name].as_str().map(str::to_owned);
    let entry = |line: &String| {
        let value: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("build log: {error}: {line}"));
        Entry {
            outcome: text(&value, "outcome").unwrap_or_else(|| panic!("build log: no outcome: {line}")),
            reason: text(&value, "reason"),
            url: text(&value, "url"),
            tier: text(&value, "tier"),
        }
    };
    sandbox.log_lines().iter().map(entry).collect()
}
