//! curl's URL globs: `{a,b}` and `[1-3]`, and the `#1` in `-o` that stands for what was chosen (curl(1), "URL").
//!
//! Pure. The last glob changes fastest, as in curl. An IPv6 host and `[]` stay as they are.

use crate::reason::{Code, Reason};

/// More expansions than this are left to the real curl.
const MOST: usize = 1000;

/// One URL of a pattern.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Expanded {
    /// The URL.
    pub(super) url: String,
    /// What was chosen at each glob.
    pub(super) chosen: Vec<String>,
}

/// Every URL that `pattern` stands for.
pub(super) fn expand(pattern: &str) -> Result<Vec<Expanded>, Reason> {
    let bad = || Reason::new(Code::BadValue, "URL glob");
    let mut all = vec![Expanded { url: String::new(), chosen: Vec::new() }];
    let mut rest = pattern;
    while let Some(at) = rest.find(['\\', '{', '[', '}', ']']) {
        append(&mut all, &rest[..at]);
        let (mark, behind) = rest[at..].split_at(1);
        let alternatives = match mark {
            "\\" => {
                // Only these are escapes; any other backslash is itself.
                let escaped = behind.chars().next().filter(|c| "{}[]".contains(*c));
                append(&mut all, escaped.map_or("\\".to_owned(), String::from).as_str());
                rest = &behind[escaped.map_or(0, char::len_utf8)..];
                continue;
            }
            "[" if behind.starts_with(']') => {
                append(&mut all, "[]");
                rest = &behind[1..];
                continue;
            }
            "[" => {
                let (inside, after) = behind.split_once(']').ok_or_else(bad)?;
                if inside.parse::<std::net::Ipv6Addr>().is_ok() {
                    append(&mut all, &format!("[{inside}]"));
                    rest = after;
                    continue;
                }
                rest = after;
                range(inside).ok_or_else(bad)?
            }
            "{" => {
                let (inside, after) = behind.split_once('}').ok_or_else(bad)?;
                if inside.is_empty() || inside.contains(['{', '[', ']', '\\']) {
                    return Err(bad());
                }
                rest = after;
                inside.split(',').map(str::to_owned).collect()
            }
            _ => return Err(bad()),
        };
        if all.len() * alternatives.len() > MOST {
            return Err(Reason::new(Code::OutputName, "a URL glob of more than 1000 URLs"));
        }
        all = all.iter().flat_map(|one| alternatives.iter().map(move |choice| one.with(choice))).collect();
    }
    append(&mut all, rest);
    Ok(all)
}

impl Expanded {
    fn with(&self, choice: &str) -> Expanded {
        let chosen = self.chosen.iter().cloned().chain([choice.to_owned()]).collect();
        Expanded { url: format!("{}{choice}", self.url), chosen }
    }
}

fn append(all: &mut [Expanded], text: &str) {
    for one in all {
        one.url.push_str(text);
    }
}

/// `1-3`, `001-100`, `a-z`, each perhaps with `:step`.
fn range(inside: &str) -> Option<Vec<String>> {
    let (ends, step) = match inside.split_once(':') {
        Some((ends, step)) => (ends, step.parse().ok().filter(|&step| step > 0)?),
        None => (inside, 1usize),
    };
    let (first, last) = ends.split_once('-')?;
    let letters = |text: &str| text.len() == 1 && text.as_bytes()[0].is_ascii_alphabetic();
    if letters(first) && letters(last) {
        let (first, last) = (first.as_bytes()[0], last.as_bytes()[0]);
        let same_case = first.is_ascii_lowercase() == last.is_ascii_lowercase();
        return (first <= last && same_case)
            .then(|| (first..=last).step_by(step).map(|b| char::from(b).to_string()).collect());
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) {
        return None;
    }
    let width = if first.starts_with('0') { first.len() } else { 0 };
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    // One more than the limit is enough for the caller to see that there are too many.
    (first <= last)
        .then(|| (first..=last).step_by(step).take(MOST + 1).map(|n| format!("{n:0width$}")).collect())
}

/// `name` with each `#N` replaced by what was chosen at the Nth glob; a number that no glob has stays.
pub(super) fn fill(name: &str, chosen: &[String]) -> String {
    let mut parts = name.split('#');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: Option<usize> = part[..digits].parse().ok();
        match number.and_then(|n| chosen.get(n.wrapping_sub(1))) {
            Some(choice) => out.extend([choice.as_str(), &part[digits..]]),
            None => out.extend(["#", part]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, expect: Option<&[&str]>) {
        let seen = expand(pattern).ok().map(|all| all.into_iter().map(|one| one.url).collect::<Vec<_>>());
        assert_eq!(
            seen.as_deref(),
            expect.map(|e| e.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>()).as_deref()
        );
    }

    #[test]
    fn globs_are_expanded() {
        check("http://h/a", Some(&["http://h/a"]));
        check(
            "http://h/{a,b}/[1-2]",
            Some(&["http://h/a/1", "http://h/a/2", "http://h/b/1", "http://h/b/2"]),
        );
        check("http://h/[08-10]", Some(&["http://h/08", "http://h/09", "http://h/10"]));
        check("http://h/[a-e:2]", Some(&["http://h/a", "http://h/c", "http://h/e"]));
        check("http://[::1]:8/x[]", Some(&["http://[::1]:8/x[]"]));
        check("http://h/\\{a\\}\\n", Some(&["http://h/{a}\\n"]));
        for bad in [
            "http://h/{a",
            "http://h/a}",
            "http://h/[1",
            "http://h/[3-1]",
            "http://h/[x]",
            "h/{}",
            "h/[1-9999]",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn names_are_filled() {
        let chosen = ["a".to_owned(), "7".to_owned()];
        assert_eq!(fill("#1_#2#3#x#", &chosen), "a_7#3#x#");
        assert_eq!(fill("f", &chosen), "f");
    }
}
