//! What a repository has of its remote already (`refs/remotes/…`, by the refspecs of the remote) and the cache has not seen: pushed from here, or fetched by
//! other means. A listing that is older than that would have a fetch force branches back and prune, and `git pull --rebase` drop what was pushed.
//!
//! So the origin is asked where it can be; where not, such a ref is shown as the repository has it, which changes nothing in it.

use std::collections::{BTreeMap, HashSet};
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
        self.ahead = self.ahead_of_view();
        let is_unseen = |(name, tracked): &(String, Tracked)| self.state.refs.get(name) != Some(&tracked.id);
        if self.ahead.iter().any(is_unseen) && !self.is_current() && !self.cached.policy.offline {
            let known = self.cached.load(&Extent::Whole);
            self.state = self.ask(known)?;
            let pin = self.cached.pin().map(|pin| pin.id.clone());
            self.show_pin(pin.as_deref());
        }
        Ok(())
    }

    /// Shows what the repository is ahead with as it has it: where the origin could not be asked, and where it has pushed to what is pinned.
    pub(crate) fn spare(&mut self) {
        for (name, Tracked { id, local }) in std::mem::take(&mut self.ahead) {
            let is_pinned = self.cached.pin().is_some() && self.view.selected.as_ref() == Some(&name);
            let is_pushed = || by_push(&self.git, &local) == Some(true);
            let stays = match self.is_current() {
                true => is_pinned && is_pushed(),
                // What is listed has moved on here. What is not may have been pruned by others, so it stays only where a push made it.
                false => (!is_pinned && self.view.refs.contains_key(&name)) || is_pushed(),
            };
            if stays {
                self.view.refs.insert(name, id);
            }
        }
    }

    /// Refs of the remote that git would see as they were before, or not at all though they may have been pushed from here.
    fn ahead_of_view(&self) -> Vec<(String, Tracked)> {
        let shown = &self.view.refs;
        let mut tracked = tracked(&self.git, &self.remote);
        tracked.retain(|name, tracked| shown.get(name) != Some(&tracked.id));
        let listed: HashSet<&str> =
            tracked.keys().filter_map(|name| shown.get(name).map(String::as_str)).collect();
        let mut command = self.git.here(["cat-file", "--batch-check=%(objectname)"]);
        let here = present(&mut command, &listed).unwrap_or_default();
        let is_older = |old: &str, new: &str| {
            is_ancestor(&mut self.git.here(["merge-base", "--is-ancestor", old, new])) == Some(true)
        };
        let is_ahead = |name: &String, tracked: &Tracked| match shown.get(name) {
            None => by_push(&self.git, &tracked.local) != Some(false),
            Some(listed) => here.contains(listed) && is_older(listed, &tracked.id),
        };
        tracked.into_iter().filter(|(name, tracked)| is_ahead(name, tracked)).collect()
    }
}

/// By the names that they have at the remote.
fn tracked(git: &Git, remote: &str) -> BTreeMap<String, Tracked> {
    let variable = format!("remote.{remote}.fetch");
    let settings = git.config(&[], r"^remote\..*\.fetch$");
    let refspecs: Vec<&str> =
        settings.iter().filter(|(name, _)| *name == variable).map(|(_, value)| value.as_str()).collect();
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

/// Whether it was a push that has last changed a ref; none where git keeps no log of it, as in bare repositories.
fn by_push(git: &Git, local: &str) -> Option<bool> {
    let mut command = git.here(["reflog", "show", "-1", "--format=%gs", local, "--"]);
    let last = fed(command.stderr(Stdio::null()), String::new()).unwrap_or_default();
    Some(last.trim_end() == BY_PUSH).filter(|_| !last.is_empty())
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
