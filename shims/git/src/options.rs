//! What git asks of a transport by `option` lines (gitremote-helpers(7)), and what that means for `git fetch-pack` and `git fetch`. Pure.

use std::collections::BTreeSet;

use crate::state::Extent;

/// A depth that means all of it, as `--unshallow` sends it.
const INFINITE: u64 = 0x7fff_ffff;

/// The options in force.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Options {
    /// 0 is quiet, 1 as usual.
    verbosity: i32,
    progress: bool,
    depth: Option<u64>,
    since: Option<String>,
    excluded: Vec<String>,
    relative: bool,
    filter: Option<String>,
    follow_tags: bool,
    update_shallow: bool,
    refetch: bool,
    /// A repository of a part of a history is no origin.
    pub(crate) reject_shallow: bool,
    from_promisor: bool,
    /// Until 2.29: not to take for granted what the commits that are there lead to.
    no_dependents: bool,
    /// An empty repository is being filled.
    pub(crate) cloning: bool,
    /// Git wants to know whether all that objects lead to is there.
    pub(crate) check_connectivity: bool,
}

impl Options {
    /// Takes an option; the answer is the line to send.
    pub(crate) fn set(&mut self, line: &str) -> &'static str {
        let (name, value) = line.split_once(' ').unwrap_or((line, ""));
        let is_on = value == "true";
        match name {
            // Git quotes as C does what has strange letters in it; none of these values has any.
            _ if value.starts_with('"') => return "error a value in quotes is not understood",
            "verbosity" => self.verbosity = value.parse().unwrap_or(1),
            "progress" => self.progress = is_on,
            "depth" => self.depth = value.parse().ok().filter(|depth| *depth > 0),
            "deepen-since" => self.since = Some(value.to_owned()),
            "deepen-not" => self.excluded.push(value.to_owned()),
            "deepen-relative" => self.relative = is_on,
            "filter" => self.filter = Some(value.to_owned()).filter(|value| !value.is_empty()),
            "followtags" => self.follow_tags = is_on,
            "update-shallow" => self.update_shallow = is_on,
            // Sent with other values than `true`; they are switches that are never taken back.
            "refetch" => self.refetch = true,
            "rejectshallow" => self.reject_shallow = true,
            "from-promisor" => self.from_promisor = true,
            "no-dependents" => self.no_dependents = true,
            "cloning" => self.cloning = is_on,
            "check-connectivity" => self.check_connectivity = is_on,
            _ => return "unsupported",
        }
        "ok"
    }

    /// Whether the last so many commits are asked for, which a repository of just these can give as well as one of all.
    pub(crate) fn is_shallow(&self) -> bool {
        let is_part = self.depth.is_some_and(|depth| depth < INFINITE);
        is_part && !self.relative && self.since.is_none() && self.excluded.is_empty()
    }

    /// Whether everything is asked for that branches and tags lead to.
    pub(crate) fn is_plain(&self) -> bool {
        self.deepening().is_empty() && self.filter.is_none()
    }

    /// Which part of a history that is, with these refs.
    pub(crate) fn part(&self, names: BTreeSet<&str>) -> Extent {
        let refs = names.into_iter().collect::<Vec<_>>().join(" ");
        Extent::Part { deepening: self.deepening().join(" "), refs }
    }

    /// For `git fetch` and `git fetch-pack` alike.
    pub(crate) fn deepening(&self) -> Vec<String> {
        let depth = self.depth.map(|depth| format!("--depth={depth}"));
        let since = self.since.as_ref().map(|since| format!("--shallow-since={since}"));
        let excluded = self.excluded.iter().map(|name| format!("--shallow-exclude={name}"));
        depth.into_iter().chain(since).chain(excluded).collect()
    }

    /// Whether git shows how far it is.
    pub(crate) fn shows_progress(&self) -> bool {
        self.progress && self.verbosity > 0
    }

    /// For `git fetch-pack`.
    pub(crate) fn of_fetch_pack(&self) -> Vec<String> {
        let mut words = self.deepening();
        let switches = [
            ("--quiet", self.verbosity < 2),
            ("--no-progress", !self.shows_progress()),
            ("--include-tag", self.follow_tags),
            ("--cloning", self.cloning),
            ("--update-shallow", self.update_shallow),
            ("--check-self-contained-and-connected", self.check_connectivity),
            ("--deepen-relative", self.relative),
            ("--refetch", self.refetch),
            ("--from-promisor", self.from_promisor),
            ("--no-dependents", self.no_dependents),
        ];
        words.extend(switches.iter().filter(|(_, is_on)| *is_on).map(|(word, _)| (*word).to_owned()));
        words.extend(self.filter.iter().map(|filter| format!("--filter={filter}")));
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Options {
        let mut options = Options::default();
        lines.iter().for_each(|line| assert_eq!(options.set(line), "ok", "{line}"));
        options
    }

    #[test]
    fn what_is_asked_for() {
        assert!(of(&["verbosity 1", "followtags true"]).is_plain());
        assert!(of(&["depth 1"]).is_shallow());
        assert!(!of(&["depth 1", "deepen-relative true"]).is_shallow());
        for line in ["depth 1", "deepen-since 2020-01-01", "deepen-not v1"] {
            assert!(!of(&[line]).is_plain(), "{line}");
        }
        let all = of(&["depth 2147483647"]);
        assert!(!all.is_shallow() && !all.is_plain());
        assert!(!of(&["filter blob:none"]).is_plain());
        let part = of(&["depth 2", "deepen-not v1"]).part(BTreeSet::from(["refs/heads/b", "refs/heads/a"]));
        assert_eq!(Extent::of_name(&part.name()), Some(part));
        assert_eq!(
            of(&["depth 2", "deepen-not v1"]).part(BTreeSet::from(["refs/heads/b", "refs/heads/a"])).name(),
            "state --depth=2 --shallow-exclude=v1 refs/heads/a refs/heads/b"
        );
    }

    #[test]
    fn what_is_not_understood_is_said() {
        assert_eq!(Options::default().set("servers many"), "unsupported");
        assert!(Options::default().set("deepen-not \"a\\nb\"").starts_with("error "));
    }

    #[test]
    fn words_for_fetch_pack() {
        let words = of(&["verbosity 1", "depth 3", "followtags true", "filter blob:none", "cloning true"]);
        assert_eq!(
            words.of_fetch_pack(),
            ["--depth=3", "--quiet", "--no-progress", "--include-tag", "--cloning", "--filter=blob:none"]
        );
    }
}
