//! `versions-git`: one `URL==COMMIT` a line, the commit as 40 hexadecimal digits (repositories that hash by SHA-256 have no pins).
//!
//! Lines are as in `versions-web`. URLs are compared as git takes them: a `/` or a `.git` at the end makes no other repository. They are no
//! patterns, and one that begins as another one does is not that one.

use std::collections::{HashMap, HashSet};

use crate::web::{is_about, lines, split, trimmed, with_line};
use crate::{Malformed, What};

/// A pin and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GitPin {
    /// Lower-case hexadecimal digits.
    pub commit: String,
    /// The line, counted from 1.
    pub line: usize,
}

/// What a version file says about one repository.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct GitLookup {
    /// The pin in force; none where no good line names the repository, or two contradict each other.
    pub pin: Option<GitPin>,
    /// Lines about this repository that are not good pins.
    pub problems: Vec<Malformed>,
}

impl GitLookup {
    /// The lines of a contradiction, earlier one first.
    pub fn conflict(&self) -> Option<(usize, usize)> {
        self.problems.iter().find_map(|problem| match problem.what {
            What::Conflict { other } => Some((other, problem.line)),
            _ => None,
        })
    }
}

/// A repository's URL without what makes no difference to git: `/` and `.git` at its end.
///
/// ```
/// assert_eq!(vcache_versions::repository("https://h/a.git/"), "https://h/a");
/// ```
pub fn repository(url: &str) -> &str {
    let url = url.trim_end_matches('/');
    url.strip_suffix(".git").unwrap_or(url).trim_end_matches('/')
}

/// Looks one repository up.
pub fn find_git(text: &[u8], url: &str) -> GitLookup {
    let is_meant = |found: &[u8]| str::from_utf8(found).is_ok_and(|f| repository(f) == repository(url));
    let mut found = GitLookup::default();
    for (line, content) in lines(text) {
        let problem = match split(content) {
            Ok((url, commit)) if is_meant(url) => match (parse_commit(commit), &found.pin) {
                (None, _) => What::Commit,
                (Some(commit), Some(known)) if known.commit == commit => continue,
                (Some(_), Some(known)) => What::Conflict { other: known.line },
                (Some(commit), None) => {
                    found.pin = Some(GitPin { commit, line });
                    continue;
                }
            },
            Err(what) if what == What::Merge || is_about(content, &is_meant) => what,
            Ok(_) | Err(_) => continue,
        };
        found.problems.push(Malformed { line, what: problem });
    }
    if found.conflict().is_some() {
        found.pin = None;
    }
    found
}

/// Reads a whole file, in the order of its lines. A line that is no pin costs only itself. Lines that contradict each other are all in the
/// list of pins, and the later ones are problems too; equal lines are given once.
pub fn parse_git(text: &[u8]) -> (Vec<(String, GitPin)>, Vec<Malformed>) {
    let mut pins: Vec<(String, GitPin)> = Vec::new();
    let mut problems = Vec::new();
    // The first line of each repository.
    let mut first: HashMap<String, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for (line, content) in lines(text) {
        let mut wrong = |what| problems.push(Malformed { line, what });
        let (url, commit) = match split(content) {
            Ok((url, commit)) => (str::from_utf8(url), parse_commit(commit)),
            Err(what) => {
                wrong(what);
                continue;
            }
        };
        let (Ok(url), Some(commit)) = (url, &commit) else {
            wrong(if url.is_err() { What::NotUtf8 } else { What::Commit });
            continue;
        };
        if !seen.insert((repository(url).to_owned(), commit.clone())) {
            continue;
        }
        let other = *first.entry(repository(url).to_owned()).or_insert(line);
        if other != line {
            wrong(What::Conflict { other });
        }
        pins.push((url.to_owned(), GitPin { commit: commit.clone(), line }));
    }
    (pins, problems)
}

/// The file with this pin in it, instead of others of the same repository; `None` when nothing is to be written. See
/// [`insert`](crate::insert).
pub fn insert_git(text: &[u8], url: &str, commit: &str) -> Option<Vec<u8>> {
    let is_ours = |line: &&[u8]| {
        split(line).is_ok_and(|(found, _)| {
            str::from_utf8(found).is_ok_and(|found| repository(found) == repository(url))
        })
    };
    let pin = format!("{url}=={commit}");
    let mut ours = trimmed(text).filter(is_ours);
    if ours.next().is_some_and(|line| line == pin.as_bytes()) && ours.next().is_none() {
        return None;
    }
    with_line(text, url, commit, &is_ours)
}

/// Whether a text is the name of an object: 40 hexadecimal digits.
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn parse_commit(text: &[u8]) -> Option<String> {
    str::from_utf8(text).ok().filter(|text| is_commit(text)).map(str::to_ascii_lowercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "0123456789abcdef0123456789abcdef01234567";
    const B: &str = "ffffffffffffffffffffffffffffffffffffffff";

    fn check(text: &str, url: &str, expect: Option<(&str, usize)>, problems: &[usize]) {
        let found = find_git(text.as_bytes(), url);
        let pin = found.pin.as_ref().map(|pin| (pin.commit.as_str(), pin.line));
        assert_eq!(pin, expect, "{text} {url}");
        let lines: Vec<usize> = found.problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, problems, "{text} {url}");
    }

    #[test]
    fn endings_make_no_other_repository_and_beginnings_do() {
        let text = format!("https://h/ab=={A}\nhttps://h/a.git=={B}\n");
        for url in ["https://h/a", "https://h/a/", "https://h/a.git", "https://h/a.git/"] {
            check(&text, url, Some((B, 2)), &[]);
        }
        check(&text, "https://h/ab.git", Some((A, 1)), &[]);
        for url in ["https://h/abc", "https://h/", "https://h/a.b", "https://x/a", "https://h/a.git.git"] {
            check(&text, url, None, &[]);
        }
        check(&format!("git@h:o/r.git=={A}"), "git@h:o/r", Some((A, 1)), &[]);
    }

    #[test]
    fn bad_lines_are_told_and_hide_no_good_one() {
        check(&format!("https://h/a==master\nhttps://h/a=={A}\n"), "https://h/a", Some((A, 2)), &[1]);
        check(&format!("https://h/a=={A}\nhttps://h/a.git=={B}\n"), "https://h/a", None, &[2]);
        check(&format!("https://h/a=={A}\nhttps://h/a.git/=={A}\n"), "https://h/a", Some((A, 1)), &[]);
        check("https://h/a\n", "https://h/a", None, &[1]);
        check(&format!("<<<<<<< x\nhttps://h/b=={A}\n"), "https://h/a", None, &[1]);
    }

    #[test]
    fn a_whole_file_is_read() {
        let text = format!(
            "# c\nhttps://h/a.git=={A}\nhttps://h/a=={A}\nhttps://h/a=={B}\nhttps://h/b==master\n\n<<<<<<< x\nhttps://h/c== {B}\n"
        );
        let (pins, problems) = parse_git(text.as_bytes());
        let pins: Vec<_> =
            pins.iter().map(|(url, pin)| (url.as_str(), pin.commit.as_str(), pin.line)).collect();
        assert_eq!(pins, [("https://h/a.git", A, 2), ("https://h/a", B, 4), ("https://h/c", B, 8)]);
        let lines: Vec<_> = problems.iter().map(|problem| problem.line).collect();
        assert_eq!(lines, [4, 5, 7]);
        assert_eq!(problems[0].what, What::Conflict { other: 2 });
    }

    #[test]
    fn one_line_for_each_repository() {
        let text = format!("# c\nhttps://h/a.git=={A}\nhttps://h/b=={A}\n");
        assert_eq!(insert_git(text.as_bytes(), "https://h/a.git", A), None);
        let new = insert_git(text.as_bytes(), "https://h/a", B).unwrap();
        assert_eq!(String::from_utf8(new).unwrap(), format!("# c\nhttps://h/a=={B}\nhttps://h/b=={A}\n"));
        assert_eq!(insert_git(b"", "#x", A), None);
    }
}
