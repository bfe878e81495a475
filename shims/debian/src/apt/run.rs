//! One call of apt or apt-get, carried out.

use std::ffi::OsString;
use std::process::{Command, ExitCode, Stdio};

use vcache_shim::cache::{self, Use};
use vcache_shim::child::{self, End, Stdout};
use vcache_shim::family::Explanation;
use vcache_shim::journal::{Journal, Outcome};
use vcache_shim::{Host, Messages, Policy, Settings, exit, links, real_tool, settings};
use vcache_store::Workspace;

use super::call::{Call, parse};
use super::config::{self, Folder, VARIABLE};
use crate::COMPONENT;
use crate::notes::{self, Note};
use crate::reason::Code;

/// Does the call in `host`.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let call = parse(host.args().get(1..).unwrap_or_default());
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    let is_plain = !policy.active() || settings::hook_skipped(settings) || real_tool::started_by_a_shim(host);
    if is_plain || !(call.fetches() || call.changes()) {
        return real_tool::pass_through(host);
    }
    let messages = Messages::of(settings);
    wrong.iter().for_each(|line| messages.warn(line));
    let served = config::look(host, &call).and_then(|()| {
        // Packages get their names where links to them can be made.
        let room = cache::open(host, settings, Use::ReadWrite)
            .ok()
            .filter(|_| policy.write)
            .and_then(|opened| opened.store.workspace().ok());
        serve(host, &call, &messages, room).map_err(|e| (Code::Trouble, e.to_string()))
    });
    match served {
        Ok(status) => status,
        Err((code, detail)) => {
            messages.debug(format_args!("passthrough: {}: {detail}", code.name()));
            let journal = Journal::new(host, settings);
            let mut event = journal.event(Outcome::Passthrough);
            event.reason = Some(code.name().to_owned());
            event.detail = Some(detail);
            let opened = cache::open(host, settings, Use::ReadWrite).ok();
            journal.write(opened.as_ref().map(|opened| &opened.store), &event);
            real_tool::pass_through(host)
        }
    }
}

/// Runs apt with our method, and ends as it ended; or as policy has it.
fn serve(
    host: &Host,
    call: &Call,
    messages: &Messages,
    room: Option<Workspace>,
) -> std::io::Result<ExitCode> {
    let tool = match real_tool::find(host) {
        Ok(tool) => tool,
        Err(missing) => {
            messages.error(&missing);
            return Ok(ExitCode::from(missing.status()));
        }
    };
    let folder = Folder::make(host, room.as_ref().map(Workspace::path))?;
    let mut command = tool.command(host, host.args().get(1..).unwrap_or_default());
    command.env(VARIABLE, folder.config());
    let status = child::start(command, Stdout::Inherit)?.wait()?;
    if call.changes() {
        refresh_links();
    }
    let mut end = End::like(status);
    let mut missed: Vec<String> = Vec::new();
    for note in notes::read(&folder.notes()) {
        match note {
            Note::OfflineMiss(url) if !missed.contains(&url) => missed.push(url),
            Note::OfflineMiss(_) => {}
        }
    }
    if end != End::Status(0) && matches!(end, End::Status(_)) && !missed.is_empty() {
        messages.error(format_args!(
            "offline (VCACHE_OFFLINE=y), and not in the cache: {}; run it once with the network, or `vcache prefetch`",
            missed.join(" ")
        ));
        end = End::Status(exit::OFFLINE_MISS);
    }
    drop((folder, room));
    Ok(end.now())
}

/// Tools have come or gone, and with them links of shims.
fn refresh_links() {
    let Ok(own) = std::fs::read_link("/proc/self/exe") else { return };
    let stands_with_links = own.parent().is_some_and(|folder| links::is_linked(folder, "apt-get"));
    if own.ends_with(links::EXECUTABLE) && stands_with_links {
        let _ = Command::new(&own)
            .arg("--refresh-links")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
    }
}

/// Says what [`run`] would do.
pub(crate) fn explain(host: &Host, settings: &Settings) -> Explanation {
    let mut explanation = Explanation::exec(host);
    let words: &[OsString] = host.args().get(1..).unwrap_or_default();
    let call = parse(words);
    let (policy, _) = Policy::new(settings, COMPONENT);
    if !policy.active() || settings::hook_skipped(settings) || !call.fetches() {
        return explanation;
    }
    match config::look(host, &call) {
        Ok(()) => explanation.plan = "serve".to_owned(),
        Err((code, detail)) => {
            explanation.plan = "passthrough".to_owned();
            explanation.reason = Some(code.name().to_owned());
            explanation.detail = Some(detail);
        }
    }
    explanation
}
