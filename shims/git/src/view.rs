//! The refs that git is shown: those that were seen, with what is pinned at its pin. Pure.

use std::collections::BTreeMap;

use crate::state::{HEAD, State};

/// What is shown.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct View {
    /// The ref that `HEAD` stands for.
    pub(crate) head: Option<String>,
    /// As [`State::refs`].
    pub(crate) refs: BTreeMap<String, String>,
    /// What a clone checks out.
    pub(crate) selected: Option<String>,
    /// The commit that it led to where the pin is another one.
    pub(crate) instead_of: Option<String>,
}

/// Puts what a clone of `branch` (a tag too), or by default, would check out to the pinned commit.
pub(crate) fn view(state: &State, branch: Option<&str>, pin: Option<&str>) -> View {
    let State { head, mut refs, .. } = state.clone();
    let default = || head.clone().or_else(|| refs.contains_key(HEAD).then(|| HEAD.to_owned()));
    let selected = match branch {
        Some(branch) => state.named(branch),
        // Where the origin has none, a clone ends on no branch, at the pin.
        None => default().or(pin.map(|_| HEAD.to_owned())),
    };
    let mut instead_of = None;
    if let (Some(name), Some(pin)) = (&selected, pin) {
        instead_of = state.commit(name).filter(|commit| *commit != pin).map(str::to_owned);
        refs.insert(name.clone(), pin.to_owned());
        // It is the commit itself now.
        refs.remove(&format!("{name}^{{}}"));
        if head.as_ref() == Some(name) {
            refs.insert(HEAD.to_owned(), pin.to_owned());
        }
    }
    View { head, refs, selected, instead_of }
}

impl View {
    /// As the helper's `list` prints it (gitremote-helpers(7)), with the empty line that ends it.
    pub(crate) fn listing(&self) -> String {
        let mut text = String::new();
        for (name, id) in &self.refs {
            match &self.head {
                Some(head) if name == HEAD && self.refs.contains_key(head) => {
                    text += &format!("@{head} HEAD\n")
                }
                _ => text += &format!("{id} {name}\n"),
            }
        }
        text + "\n"
    }

    /// The commit that a clone checks out.
    pub(crate) fn checked_out(&self) -> Option<&str> {
        let name = self.selected.as_ref()?;
        self.refs.get(&format!("{name}^{{}}")).or_else(|| self.refs.get(name)).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    const C: &str = "cccccccccccccccccccccccccccccccccccccccc";

    fn state() -> State {
        State::listed(&format!(
            "ref: refs/heads/m\tHEAD\n{A}\tHEAD\n{B}\trefs/heads/dev\n{A}\trefs/heads/m\n{B}\trefs/tags/v\n{A}\trefs/tags/v^{{}}\n"
        ))
    }

    #[test]
    fn the_branch_that_is_checked_out_is_at_the_pin_and_no_other() {
        for (branch, pin, shown, commit) in [
            (
                None,
                None,
                format!(
                    "@refs/heads/m HEAD\n{B} refs/heads/dev\n{A} refs/heads/m\n{B} refs/tags/v\n{A} refs/tags/v^{{}}\n\n"
                ),
                A,
            ),
            (
                None,
                Some(C),
                format!(
                    "@refs/heads/m HEAD\n{B} refs/heads/dev\n{C} refs/heads/m\n{B} refs/tags/v\n{A} refs/tags/v^{{}}\n\n"
                ),
                C,
            ),
            (
                Some("dev"),
                Some(C),
                format!(
                    "@refs/heads/m HEAD\n{C} refs/heads/dev\n{A} refs/heads/m\n{B} refs/tags/v\n{A} refs/tags/v^{{}}\n\n"
                ),
                C,
            ),
            (
                Some("v"),
                Some(C),
                format!("@refs/heads/m HEAD\n{B} refs/heads/dev\n{A} refs/heads/m\n{C} refs/tags/v\n\n"),
                C,
            ),
            (Some("v"), None, view(&state(), None, None).listing(), A),
        ] {
            let view = view(&state(), branch, pin);
            assert_eq!(view.listing(), shown, "{branch:?} {pin:?}");
            assert_eq!(view.checked_out(), Some(commit), "{branch:?} {pin:?}");
        }
    }

    #[test]
    fn it_is_told_what_the_pin_replaces() {
        assert_eq!(view(&state(), Some("v"), Some(C)).instead_of.as_deref(), Some(A));
        assert_eq!(view(&state(), Some("v"), Some(A)).instead_of, None);
        assert_eq!(view(&state(), Some("none"), Some(C)).selected, None);
    }

    #[test]
    fn heads_that_stand_for_nothing() {
        let detached = State::listed(&format!("{A}\tHEAD\n{B}\trefs/heads/m\n"));
        assert_eq!(view(&detached, None, Some(C)).listing(), format!("{C} HEAD\n{B} refs/heads/m\n\n"));
        // Where nothing is checked out by default it is the pin, on no branch.
        assert_eq!(view(&State::default(), None, Some(C)).listing(), format!("{C} HEAD\n\n"));
        assert_eq!(view(&State::default(), None, None).listing(), "\n");
    }
}
