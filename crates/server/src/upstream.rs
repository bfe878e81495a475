//! What is put here goes on to the store's own tiers: by one thread that is woken for each record, so that no client waits for it. What it has not sent when
//! the server ends waits in the outbox, and is sent when one is started again, or by `vcache flush`.

use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use vcache_remote::flush;
use vcache_shim::Chain;
use vcache_store::Store;

/// Wakes the thread; nothing where there is no tier to write to.
#[derive(Debug)]
pub(crate) struct Upstream(Option<SyncSender<()>>);

impl Upstream {
    /// Starts the thread, and begins with what an earlier server has left.
    pub(crate) fn new(store: &Arc<Store>, tell: fn(&str)) -> Upstream {
        if !store.tiers().iter().any(|tier| tier.is_written()) {
            return Upstream(None);
        }
        // One that waits stands for all that come until it is taken.
        let (wake, woken) = sync_channel(1);
        let store = Arc::clone(store);
        let started = std::thread::Builder::new().spawn(move || {
            let mut told = String::new();
            while woken.recv().is_ok() {
                // Someone else of this user may be at it: then ours is sent with theirs.
                let flushed = flush(&store, Duration::ZERO, &mut |_| {}, &mut |_, _| {});
                let failed = flushed.map_or_else(|error| vec![error], |flushed| flushed.failed);
                // One for all, and once: each has the same reason, as a rule.
                let trouble = failed.first().map(|error| Chain(error).to_string()).unwrap_or_default();
                if !trouble.is_empty() && trouble != told {
                    tell(&format!("{trouble}; what clients put waits to be sent"));
                }
                told = trouble;
            }
        });
        let upstream = Upstream(started.is_ok().then_some(wake));
        upstream.wake();
        upstream
    }

    /// Something is to be sent.
    pub(crate) fn wake(&self) {
        if let Some(wake) = &self.0 {
            let _ = wake.try_send(());
        }
    }
}
