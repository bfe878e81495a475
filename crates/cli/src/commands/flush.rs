//! `vcache flush`: what waits for the second tiers is sent, and waited for.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde::Serialize;
use vcache_shim::{Chain, Settings};
use vcache_store::{LockWait, Store};

use crate::context::Context;
use crate::{output, units};

/// Send what the cache holds for its second tiers
///
/// A build does not wait for a tier: what it has fetched is sent beside it. Run this at its end, before its container or machine goes.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache flush\n         vcache flush --timeout 5m && docker rm -f slave\n\
                        Exit status: 0 all was sent, 1 something still waits.")]
pub(crate) struct Flush {
    /// Wait this long for another process that is at it
    #[arg(long, value_name = "TIME", default_value = "10m", value_parser = units::parse_age)]
    timeout: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What became of the outbox.
#[derive(Serialize)]
pub(crate) struct Facts {
    sent: usize,
    bytes: u64,
    waiting: usize,
    failed: Vec<String>,
}

/// Progress is shown this often.
const EVERY: Duration = Duration::from_secs(2);

impl Flush {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let Some(store) = context.store()? else { return Ok(ExitCode::SUCCESS) };
        if !has_tiers(&context.settings) {
            bail!("there is no second tier to send to; set VCACHE_REMOTE");
        }
        let facts = flush(&store, self.timeout)?;
        output::facts(self.json, &facts, |facts| {
            format!("sent {} ({}), {} waiting\n", facts.sent, units::size(facts.bytes), facts.waiting)
        })?;
        Ok(if facts.waiting == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// True where a second tier is set.
pub(crate) fn has_tiers(settings: &Settings) -> bool {
    !settings.get("VCACHE_REMOTE").is_empty()
}

/// Says that something waits, and what sends it.
pub(crate) fn note_waiting(store: &Store) {
    let has_tiers = store.tiers().iter().any(|tier| tier.is_written());
    let waiting = store.waiting().map_or(0, |waiting| waiting.len());
    if has_tiers && waiting > 0 {
        let records = units::count(waiting as u64, "record");
        output::note(format_args!("waiting for a second tier: {records}; to send them: vcache flush"));
    }
}

/// Sends all that waits; trouble is said on stderr.
///
/// # Errors
/// The outbox can't be read.
pub(crate) fn flush(store: &Store, timeout: Duration) -> Result<Facts> {
    let mut said = Instant::now();
    let mut waiting = |wait: &LockWait| {
        output::note(format_args!(
            "another process is sending; waiting for it ({} s of at most {} s)",
            wait.waited.as_secs(),
            wait.patience.as_secs()
        ));
    };
    let mut progress = |sent, left| {
        if said.elapsed() >= EVERY {
            said = Instant::now();
            output::note(format_args!("sent {sent}, {left} to go"));
        }
    };
    let flushed = vcache_remote::flush(store, timeout, &mut waiting, &mut progress)?;
    let failed: Vec<String> = flushed.failed.iter().map(|error| Chain(error).to_string()).collect();
    // One reason is as good as a thousand of the same.
    let mut reasons: Vec<&String> = failed.iter().collect();
    reasons.dedup();
    reasons.iter().take(3).for_each(output::warn);
    if flushed.left > 0 {
        let records = units::count(flushed.left as u64, "record");
        output::warn(format_args!("waiting for a second tier: {records}; run vcache flush again"));
    }
    Ok(Facts { sent: flushed.sent, bytes: flushed.bytes, waiting: flushed.left, failed })
}
