//! Rewrite rules for mirrors: where else content may be fetched from, as data.
//!
//! The file that `VCACHE_MIRRORS` names (by default `/etc/vcache/mirrors`) has one rule a line,
//! `prefix -> mirror [mirror…]`, say `https://github.com/ -> http://mirror.example/github/`. A URL that begins with the
//! prefix is asked for with the mirror's in its stead, at each mirror in the order of the line, and at last as it was
//! typed. Of several rules the one with the longest prefix counts. Keys, pins and records name the URL as it was typed.
//!
//! Prefixes and mirrors end in `/`, so that a rewritten URL keeps its last part and with it the name of the file. Empty
//! lines and lines that begin with `#` say nothing; a malformed line costs only itself.

use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::{Host, Origin, Settings};

/// The rules in force.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mirrors {
    /// The file that they stand in.
    pub file: PathBuf,
    /// In the order of their lines.
    pub rules: Vec<Rule>,
    /// What is wrong with other lines, each as `file:line: what`.
    pub problems: Vec<String>,
}

/// One line.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    /// The line, counted from 1.
    pub line: usize,
    /// What a URL must begin with.
    pub prefix: String,
    /// What takes its place; at least one.
    pub mirrors: Vec<String>,
}

impl Mirrors {
    /// Reads the file that `settings` name. One that nobody named need not be there; one that can't be read is a problem.
    pub fn load(host: &Host, settings: &Settings) -> Mirrors {
        let file = host.cwd().join(settings.path("VCACHE_MIRRORS").unwrap_or_default());
        match fs::read(&file) {
            Ok(text) => Mirrors::parse(&String::from_utf8_lossy(&text), &file),
            Err(e)
                if e.kind() == io::ErrorKind::NotFound
                    && *settings.origin("VCACHE_MIRRORS") == Origin::Default =>
            {
                Mirrors { file, ..Mirrors::default() }
            }
            Err(e) => {
                let problems = vec![format!("{}: {e}; no mirror is asked", file.display())];
                Mirrors { file, problems, ..Mirrors::default() }
            }
        }
    }

    fn parse(text: &str, file: &Path) -> Mirrors {
        let mut mirrors = Mirrors { file: file.to_owned(), ..Mirrors::default() };
        for (index, line) in text.lines().enumerate() {
            let (number, line) = (index + 1, line.trim());
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            match rule(number, line) {
                Some(rule) => mirrors.rules.push(rule),
                None => mirrors.problems.push(format!(
                    "{}:{number}: not a rule `prefix/ -> mirror/ …` of URLs that end in `/`; the line is ignored",
                    file.display()
                )),
            }
        }
        mirrors
    }

    /// The rule for a URL.
    pub fn rule(&self, url: &str) -> Option<&Rule> {
        let matching = self.rules.iter().filter(|rule| url.starts_with(&rule.prefix));
        matching.max_by_key(|rule| rule.prefix.len())
    }
}

impl Rule {
    /// The URL at the `n`th mirror, counted from 0.
    pub fn rewritten(&self, url: &str, n: usize) -> Option<String> {
        Some(format!("{}{}", self.mirrors.get(n)?, url.strip_prefix(&self.prefix)?))
    }
}

fn rule(line: usize, text: &str) -> Option<Rule> {
    let (prefix, mirrors) = text.split_once("->")?;
    let has_host =
        |word: &str| word.split_once("://").is_some_and(|(_, rest)| rest.len() > 1 && !rest.starts_with('/'));
    let is_url = |word: &str| has_host(word) && word.ends_with('/') && !word.contains(char::is_whitespace);
    let prefix = prefix.trim();
    let mirrors: Vec<String> = mirrors.split_whitespace().map(str::to_owned).collect();
    let good = is_url(prefix) && !mirrors.is_empty() && mirrors.iter().all(|mirror| is_url(mirror));
    good.then(|| Rule { line, prefix: prefix.to_owned(), mirrors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_that_is_named_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("mirrors");
        let load = || {
            let env = [("VCACHE_MIRRORS".into(), file.clone().into())];
            let host = Host::new(vec!["x".into()], env, "/".into());
            Mirrors::load(&host, &Settings::load(&host))
        };
        assert!(load().problems[0].contains("no mirror is asked"), "one that was named is missed");
        fs::write(&file, "http://a.example/ -> http://b.example/\n").unwrap();
        let found = load();
        assert_eq!((found.rules.len(), found.file, found.problems.len()), (1, file.clone(), 0));
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        let found = load();
        assert!(found.file == file && found.problems[0].contains("no mirror is asked"), "{found:?}");
    }

    #[test]
    fn the_longest_prefix_counts_and_bad_lines_cost_only_themselves() {
        let text = "# rules\nhttps://h.example/ -> http://a.example/h/  http://b.example/\n\
            https://h.example/deep/ -> http://c.example/\nhttps://no -> http://x/\nhttps://h.example/ ->\nnonsense\nhttp:// -> http://x/\n";
        let mirrors = Mirrors::parse(text, Path::new("/m"));
        assert_eq!(mirrors.problems.len(), 4, "{:?}", mirrors.problems);
        assert!(mirrors.problems[0].starts_with("/m:4: "), "{:?}", mirrors.problems);
        let at = |url: &str, n| mirrors.rule(url).and_then(|rule| rule.rewritten(url, n));
        assert_eq!(at("https://h.example/x/y.tgz", 0).as_deref(), Some("http://a.example/h/x/y.tgz"));
        assert_eq!(at("https://h.example/x/y.tgz", 1).as_deref(), Some("http://b.example/x/y.tgz"));
        assert_eq!(at("https://h.example/x/y.tgz", 2), None);
        assert_eq!(at("https://h.example/deep/y", 0).as_deref(), Some("http://c.example/y"));
        assert_eq!(at("https://other.example/", 0), None);
    }
}
