//! What is pinned, before anything is listed: it is at hand, or the call ends here.

use vcache_shim::{OnMismatch, exit};

use crate::git::short;
use crate::serve::{Failure, Server, Want};
use crate::view::view;

impl Server<'_> {
    /// Sees to it that what is pinned can be given.
    pub(crate) fn settle_pin(&mut self) -> Result<(), Failure> {
        let (Some(pin), Some(name)) = (self.mirror.pin().cloned(), self.view.selected.clone()) else {
            return Ok(());
        };
        if let Some(other) =
            self.view.instead_of.as_ref().filter(|_| self.is_clone() && self.told.branch.is_some())
        {
            self.mirror.messages.warn(format_args!(
                "{}: `{}` is {other}, and the pin is what counts: {} ({})",
                self.mirror.key,
                self.told.branch.as_deref().unwrap_or_default(),
                pin.id,
                pin.place
            ));
        }
        let why = match self.ensure(&[Want { id: pin.id.clone(), name }]) {
            Err(Failure::Origin(why)) => why,
            other => return other,
        };
        let (url, why) = (&self.mirror.key, short(&why));
        let message = format!(
            "{url}: pinned to {} ({}), which neither the cache nor the origin has: {why}",
            pin.id, pin.place
        );
        if self.mirror.policy.on_mismatch == OnMismatch::Fail {
            return Err(Failure::Refused(
                exit::PIN_VIOLATED,
                format!("{message}; correct the line, or remove it"),
            ));
        }
        self.mirror.messages.warn(format_args!("{message}; going on with what the origin has"));
        self.view = view(&self.state, None, None);
        Ok(())
    }
}
