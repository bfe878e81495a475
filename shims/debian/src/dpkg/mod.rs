//! Calls of dpkg: the real one, after its locks are free.
//!
//! dpkg fails at once where another one, or apt, is at work. A call that changes the database waits for the end of that instead, and becomes
//! the real dpkg with the locks in hand. Everything else is a plain exec, and so is a call within the work of whoever holds the locks.

mod call;
mod holder;
mod lock;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use vcache_shim::family::Explanation;
use vcache_shim::{Host, Messages, Policy, Settings, real_tool, settings};

use crate::COMPONENT;

/// Does the call in `host`.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let Some((folder, policy, wrong)) = waited_for(host, settings) else {
        return real_tool::pass_through(host);
    };
    let messages = Messages::of(settings);
    wrong.iter().for_each(|line| messages.warn(line));
    let locks = lock::wait(&folder, policy.lock_wait, messages);
    if let Some(locks) = &locks {
        locks.keep_over_exec();
    }
    real_tool::pass_through(host)
}

/// The folder of the database whose locks are waited for, if that is to be; and the policy, with what was wrong with the settings.
fn waited_for(host: &Host, settings: &Settings) -> Option<(PathBuf, Policy, Vec<String>)> {
    let folder = call::changed_database(host)?;
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    let is_plain = !policy.active() || settings::hook_skipped(settings) || real_tool::started_by_a_shim(host);
    (!is_plain).then_some((folder, policy, wrong))
}

/// Says what [`run`] would do.
pub(crate) fn explain(host: &Host, settings: &Settings) -> Explanation {
    let mut explanation = Explanation::exec(host);
    if let Some((folder, ..)) = waited_for(host, settings) {
        explanation.plan = "wait".to_owned();
        explanation.detail = Some(folder.display().to_string());
    }
    explanation
}
