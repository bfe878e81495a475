//! What is pinned, before anything is listed: it is at hand, or the call ends here.

use vcache_shim::OnMismatch;
use vcache_shim::pins::Commit;

use crate::bare::Bare;
use crate::failure::Failure;
use crate::git::is_ancestor;
use crate::refusal::Refusal;
use crate::serve::{Server, Want};

impl Server<'_> {
    /// Sees to it that what is pinned can be given.
    pub(crate) fn settle_pin(&mut self) -> Result<(), Failure> {
        let (Some(pin), Some(name)) = (self.cached.pin().cloned(), self.view.selected.clone()) else {
            return Ok(());
        };
        let refusal = match self.ensure(&[Want { id: pin.id.clone(), name }]) {
            Ok(()) => match self.bare.as_ref().and_then(|bare| bare.commit(&self.git, &pin.id)) {
                Some(commit) => {
                    // It may have been the object of a tag.
                    self.show_pin(Some(&commit));
                    self.tell_of(&pin, &commit);
                    return Ok(());
                }
                None => Refusal::PinNoCommit { url: self.cached.key.clone(), pin },
            },
            Err(Failure::Git(source)) if !source.is_of_absence() => {
                return Err(Failure::PinUnfetched { url: self.cached.key.clone(), pin, source });
            }
            Err(Failure::Git(error)) => {
                Refusal::PinAbsent { url: self.cached.key.clone(), pin, why: error.to_string() }
            }
            Err(other) => return Err(other),
        };
        if self.cached.policy.on_mismatch == OnMismatch::Fail {
            return Err(refusal.into());
        }
        self.cached.messages.warn(format_args!("{refusal}; going on with what the origin has"));
        self.show_pin(None);
        Ok(())
    }

    /// Says so where a clone is not at what was asked for, or at what its branch never had, as far as that is known.
    fn tell_of(&self, pin: &Commit, commit: &str) {
        let (Some(other), Some(name)) = (&self.view.instead_of, &self.view.selected) else { return };
        let is_chosen = self.told.branch.is_some();
        let never_had = |bare: &Bare| {
            let mut command = self.git.at(bare, ["merge-base", "--is-ancestor", commit, other]);
            bare.shallow().is_empty() && is_ancestor(&mut command) == Some(false)
        };
        if self.is_clone() && (is_chosen || self.bare.as_ref().is_some_and(never_had)) {
            let name = self.told.branch.as_deref().unwrap_or(name);
            let Commit { id, place } = pin;
            self.cached.messages.warn(format_args!(
                "{}: `{name}` is {other}, and the pin is what counts: {id} ({place})",
                self.cached.key
            ));
        }
    }
}
