//! What a repository has of its remote already (`refs/remotes/…`, by the refspecs of the remote) and the cache has not seen: pushed from here, or fetched by
//! other means. A listing that is older than that would have a fetch force branches back and prune, and `git pull --rebase` drop what was pushed.
//!
//! So the origin is asked where it can be; where not, such a ref is shown as the repository has it, which changes nothing in it.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::failure::Failure;
use crate::git::{Git, fed, is_ancestor, present};
use crate::serve::Server;
use crate::state::Extent;

/// What git writes into the log of a ref that a push has brought up to date (`transport.c`).
const BY_PUSH: &str = "update by push";

/// A ref of the remote as the repository has it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tracked {
    id: String,
    /// Where it has it.
    local: String,
}

impl Server<'_> {
    /// Asks the origin where the repository is ahead of what the cache has seen.
    pub(crate) fn catch_up(&mut self) -> Result<(), Failure> {
        if self.is_clone() || self.left.is_some() {
            return Ok(());
        }
        self.tracked = Refs::of(&self.git, &self.remote);
        if !self.is_current() && !self.cached.policy.offline && self.has_unseen() {
            let known = self.cached.load(&Extent::Whole);
            self.state = self.ask(known)?;
            self.show_pinned();
        }
        Ok(())
    }

    /// Whether the repository has a ref that is not listed, or is listed at another commit that the repository has as well; where it lacks that
    /// commit, the listing is the newer one.
    fn has_unseen(&self) -> bool {
        let listed_or_pinned = |name: &String| [self.state.refs.get(name), self.view.refs.get(name)];
        let tracked = &self.tracked.tracked;
        let differing = tracked.iter().filter(|(name, of)| !listed_or_pinned(name).contains(&Some(&of.id)));
        let listed: Vec<Option<&String>> = differing.map(|(name, _)| self.state.refs.get(name)).collect();
        let ids: HashSet<&str> = listed.iter().flatten().map(|id| id.as_str()).collect();
        listed.contains(&None)
            || (!ids.is_empty() && (self.tracked.is_part(&self.git) || !self.here(&ids).is_empty()))
    }

    /// Those of these objects that the repository has.
    fn here(&self, ids: &HashSet<&str>) -> HashSet<String> {
        present(&mut self.git.here(["cat-file", "--batch-check=%(objectname)"]), ids).unwrap_or_default()
    }

    /// Shows what the repository is ahead with as it has it: where the origin could not be asked, and where it has pushed to what is pinned.
    pub(crate) fn spare(&mut self) {
        let mut of_remote = std::mem::take(&mut self.tracked);
        let is_pinned =
            |name: &String| self.cached.pin().is_some() && self.view.selected.as_ref() == Some(name);
        let differs = |(name, tracked): &(String, Tracked)| {
            self.view.refs.get(name) != Some(&tracked.id) && (is_pinned(name) || !self.is_current())
        };
        let ahead: Vec<_> = std::mem::take(&mut of_remote.tracked).into_iter().filter(differs).collect();
        if ahead.is_empty() {
            return;
        }
        let listed: HashSet<&str> =
            ahead.iter().filter_map(|(name, _)| self.view.refs.get(name).map(String::as_str)).collect();
        let here = if of_remote.is_part(&self.git) { HashSet::new() } else { self.here(&listed) };
        let is_older = |old: &String, new: &String| {
            here.contains(old)
                && is_ancestor(&mut self.git.here(["merge-base", "--is-ancestor", old, new])) == Some(true)
        };
        let logs = path(&self.git, "logs");
        let stays = |(name, Tracked { id, local }): &(String, Tracked)| {
            let listed = self.view.refs.get(name).filter(|_| !is_pinned(name));
            by_push(&logs.join(local)) || listed.is_some_and(|listed| is_older(listed, id))
        };
        let staying: Vec<_> = ahead.into_iter().filter(stays).collect();
        self.view.refs.extend(staying.into_iter().map(|(name, tracked)| (name, tracked.id)));
    }
}

/// The refs of a remote as the repository has them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Refs {
    /// By the names that they have at the remote.
    tracked: BTreeMap<String, Tracked>,
    /// It is a partial clone.
    is_partial: bool,
}

impl Refs {
    fn of(git: &Git, remote: &str) -> Refs {
        let settings = git.config(&[], r"^(remote\..*\.(fetch|promisor)|extensions\.partialclone)$");
        let variable = format!("remote.{remote}.fetch");
        let refspecs: Vec<&str> =
            settings.iter().filter(|(name, _)| *name == variable).map(|(_, value)| value.as_str()).collect();
        let is_partial = |name: &str| name.ends_with(".promisor") || name.ends_with("partialclone");
        let is_partial = settings.iter().any(|(name, _)| is_partial(name));
        Refs { tracked: tracked(git, &refspecs), is_partial }
    }

    /// Whether the repository lacks objects: it is shallow, or a partial clone, where to look for one would be to fetch it.
    fn is_part(&self, git: &Git) -> bool {
        self.is_partial || path(git, "shallow").exists()
    }
}

fn tracked(git: &Git, refspecs: &[&str]) -> BTreeMap<String, Tracked> {
    if refspecs.is_empty() {
        return BTreeMap::new();
    }
    // A symbolic one is what another one is.
    let format = "--format=%(if)%(symref)%(then)%(else)%(objectname) %(refname)%(end)";
    let mut command = git.here(["for-each-ref", format]);
    let refs = fed(command.stderr(Stdio::null()), String::new()).unwrap_or_default();
    let mut tracked = BTreeMap::new();
    for (id, local) in refs.lines().filter_map(|line| line.split_once(' ')) {
        for name in refspecs.iter().filter_map(|refspec| source(refspec, local)) {
            tracked.insert(name, Tracked { id: id.to_owned(), local: local.to_owned() });
        }
    }
    tracked
}

/// What a refspec (git-fetch(1)) maps to this ref.
fn source(refspec: &str, local: &str) -> Option<String> {
    let (from, to) = refspec.trim_start_matches('+').split_once(':')?;
    match (from.split_once('*'), to.split_once('*')) {
        (Some((begin, end)), Some((to_begin, to_end))) => {
            let middle = local.strip_prefix(to_begin)?.strip_suffix(to_end)?;
            Some(format!("{begin}{middle}{end}"))
        }
        (None, None) if to == local => Some(from.to_owned()),
        _ => None,
    }
}

/// A file of the repository.
fn path(git: &Git, name: &str) -> PathBuf {
    let printed = git.here(["rev-parse", "--git-path", name]).output();
    printed.map(|output| String::from_utf8_lossy(&output.stdout).trim_end().into()).unwrap_or_default()
}

/// Whether it was a push that has last changed a ref, by its log (git-reflog(1)); false where none is kept, as in bare repositories.
fn by_push(log: &Path) -> bool {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().next_back().is_some_and(|line| line.ends_with(&format!("\t{BY_PUSH}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refspecs_are_read_backwards() {
        for (refspec, local, name) in [
            ("+refs/heads/*:refs/remotes/origin/*", "refs/remotes/origin/a/b", Some("refs/heads/a/b")),
            ("refs/heads/m:refs/remotes/o/m", "refs/remotes/o/m", Some("refs/heads/m")),
            ("+refs/*:refs/*", "refs/heads/m", Some("refs/heads/m")),
            ("+refs/heads/*:refs/remotes/origin/*", "refs/heads/a", None),
            ("refs/heads/m", "refs/heads/m", None),
            ("^refs/heads/m", "refs/heads/m", None),
        ] {
            assert_eq!(source(refspec, local).as_deref(), name, "{refspec} {local}");
        }
    }
}
