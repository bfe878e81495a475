//! What is pinned, before anything is listed: it is at hand, or the call ends here.

use vcache_shim::OnMismatch;

use crate::failure::Failure;
use crate::refusal::Refusal;
use crate::serve::{Server, Want};

impl Server<'_> {
    /// Sees to it that what is pinned can be given.
    pub(crate) fn settle_pin(&mut self) -> Result<(), Failure> {
        let (Some(pin), Some(name)) = (self.cached.pin().cloned(), self.view.selected.clone()) else {
            return Ok(());
        };
        if let Some(other) =
            self.view.instead_of.as_ref().filter(|_| self.is_clone() && self.told.branch.is_some())
        {
            self.cached.messages.warn(format_args!(
                "{}: `{}` is {other}, and the pin is what counts: {} ({})",
                self.cached.key,
                self.told.branch.as_deref().unwrap_or_default(),
                pin.id,
                pin.place
            ));
        }
        let refusal = match self.ensure(&[Want { id: pin.id.clone(), name }]) {
            Ok(()) => match self.bare.as_ref().and_then(|bare| bare.commit(&self.git, &pin.id)) {
                Some(commit) if commit == pin.id => return Ok(()),
                // The object of a tag.
                Some(commit) => {
                    self.show_pin(Some(&commit));
                    return Ok(());
                }
                None => Refusal::PinNoCommit { url: self.cached.key.clone(), pin },
            },
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
}
