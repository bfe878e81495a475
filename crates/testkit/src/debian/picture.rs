//! What apt and dpkg left in a root, as far as two runs at different times can agree on it: sections of lines.
//!
//! Not looked at: apt's binary caches (only that they are there), locks, `lists/partial`, and dates in logs.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::AptRoot;
use crate::sha256_hex;

/// The picture. Sections are in a fixed order; lines of logs are in theirs, all others sorted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Picture {
    /// Names of sections with their lines.
    pub sections: Vec<(&'static str, Vec<String>)>,
}

impl Picture {
    /// Takes it.
    ///
    /// | section | lines |
    /// |---|---|
    /// | `packages` | status, name, architecture, version; `auto` where apt has installed it by itself |
    /// | `files` | what is installed: kind, mode, owner, size, time, digest, path |
    /// | `lists` | the same of `var/lib/apt/lists` |
    /// | `archives` | the same of `var/cache/apt/archives` |
    /// | `dpkg` | names of dpkg's files |
    /// | `caches` | names of apt's other files |
    /// | `history`, `terminal`, `dpkg.log` | logs |
    pub fn of(root: &AptRoot) -> Picture {
        let dir = root.dir();
        let without =
            |skip: &'static [&'static str]| move |path: &str| !skip.iter().any(|one| below(path, one));
        let names = |from: &str| {
            let lines =
                tree(&dir.join(from), false, &|path| !path.ends_with("lock") && !below(path, "triggers"));
            lines.into_iter().filter(|line| !below(line, "lists") && !below(line, "archives")).collect()
        };
        let sections = vec![
            ("packages", packages(root)),
            ("files", tree(dir, true, &without(&["etc/apt", "var", "tmp", "apt.conf"]))),
            ("lists", tree(&dir.join("var/lib/apt/lists"), true, &without(&["partial", "lock"]))),
            ("archives", tree(&dir.join("var/cache/apt/archives"), true, &without(&["lock"]))),
            ("dpkg", names("var/lib/dpkg")),
            ("caches", [names("var/lib/apt"), names("var/cache/apt")].concat()),
            ("history", log(root, "var/log/apt/history.log", &|line| Some(line.to_owned()))),
            ("terminal", log(root, "var/log/apt/term.log", &|line| Some(line.to_owned()))),
            (
                "dpkg.log",
                log(root, "var/log/dpkg.log", &|line| line.splitn(3, ' ').nth(2).map(str::to_owned)),
            ),
        ];
        Picture { sections }
    }

    /// Takes a section out, where two ways of doing a thing may differ in it.
    pub fn without(mut self, section: &str) -> Picture {
        self.sections.retain(|(name, _)| *name != section);
        self
    }

    /// The lines of a section.
    ///
    /// # Panics
    /// When there is none of that name.
    pub fn section(&self, name: &str) -> &[String] {
        let found = self.sections.iter().find(|(section, _)| *section == name);
        &found.unwrap_or_else(|| panic!("no section {name}")).1
    }

    /// What differs from `expected`, a line each: `+` is here alone, `-` there alone.
    pub fn differences(&self, expected: &Picture) -> Vec<String> {
        let mut found = Vec::new();
        for ((name, here), (_, there)) in self.sections.iter().zip(&expected.sections) {
            let before = found.len();
            found.extend(
                there.iter().filter(|line| !here.contains(line)).map(|line| format!("{name}: - {line}")),
            );
            found.extend(
                here.iter().filter(|line| !there.contains(line)).map(|line| format!("{name}: + {line}")),
            );
            if here != there && found.len() == before {
                found.push(format!("{name}: lines have another order or number"));
            }
        }
        found
    }
}

/// Is `path` that one, or below it?
fn below(path: &str, one: &str) -> bool {
    path.strip_prefix(one).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn packages(root: &AptRoot) -> Vec<String> {
    let automatic = root.read("var/lib/apt/extended_states");
    let status = root.read("var/lib/dpkg/status");
    let mut lines: Vec<String> = status
        .split("\n\n")
        .filter(|stanza| !stanza.trim().is_empty())
        .map(|stanza| {
            let [name, architecture] = ["Package", "Architecture"].map(|name| field(stanza, name));
            let is_auto = automatic.split("\n\n").any(|state| {
                field(state, "Package") == name
                    && field(state, "Architecture") == architecture
                    && field(state, "Auto-Installed") == "1"
            });
            let auto = if is_auto { " auto" } else { "" };
            format!("{}: {name}:{architecture} {}{auto}", field(stanza, "Status"), field(stanza, "Version"))
        })
        .collect();
    lines.sort();
    lines
}

fn field<'a>(stanza: &'a str, name: &str) -> &'a str {
    let of = |line: &'a str| line.strip_prefix(name)?.strip_prefix(": ");
    stanza.lines().find_map(of).unwrap_or_default()
}

/// What is below `dir`, with facts or by names alone. What is not `wanted` is not entered.
fn tree(dir: &Path, facts: bool, wanted: &dyn Fn(&str) -> bool) -> Vec<String> {
    let mut lines = Vec::new();
    let mut left = vec![String::new()];
    while let Some(folder) = left.pop() {
        for entry in std::fs::read_dir(dir.join(&folder)).into_iter().flatten() {
            let name = entry.expect("a folder can be listed").file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if wanted(&path) {
                let here = dir.join(&path);
                lines.push(if facts { described(&here, &path) } else { path.clone() });
                if here.is_dir() && !here.is_symlink() {
                    left.push(path);
                }
            }
        }
    }
    lines.sort();
    lines
}

/// The path comes first, so that lines sort by it.
fn described(file: &Path, path: &str) -> String {
    let meta = file.symlink_metadata().unwrap_or_else(|error| panic!("stat {}: {error}", file.display()));
    let mode = meta.mode() & 0o7777;
    let owner = format!("{}:{}", meta.uid(), meta.gid());
    if meta.is_symlink() {
        let target = file.read_link().expect("a link");
        return format!("{path} -> {}", target.display());
    }
    if meta.is_dir() {
        return format!("{path}/ {mode:04o} {owner}");
    }
    let bytes = std::fs::read(file).unwrap_or_else(|error| panic!("read {}: {error}", file.display()));
    let digest = &sha256_hex(&bytes)[..16];
    // What is dated by its origin or its package is older than any test.
    let years = 365 * 86_400;
    let time =
        if meta.mtime() > crate::debian::FIRST_DATE.cast_signed() + 5 * years { 0 } else { meta.mtime() };
    format!("{path} {mode:04o} {owner} {} bytes, {digest}, time {time}", bytes.len())
}

/// The lines of a log without dates and blank lines.
fn log(root: &AptRoot, path: &str, of: &dyn Fn(&str) -> Option<String>) -> Vec<String> {
    let dated = ["Start-Date: ", "End-Date: ", "Log started: ", "Log ended: "];
    let text = root.read(path);
    let own = |line: &&str| !line.is_empty() && !dated.iter().any(|begin| line.starts_with(begin));
    text.lines().filter(own).filter_map(of).collect()
}
