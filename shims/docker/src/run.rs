//! One call from beginning to end. Trouble of any sort ends in the real tool with its original argv.

use std::process::ExitCode;

use vcache_shim::cache::{self, Use};
use vcache_shim::child::{self, End, Stdout};
use vcache_shim::handover::{BESIDE, Handover};
use vcache_shim::journal::{Journal, Outcome};
use vcache_shim::real_tool::{self, RealTool};
use vcache_shim::{Host, Messages, Policy, Settings, settings};

use crate::COMPONENT;
use crate::carry::Carrier;
use crate::entry::{self, Entry};
use crate::invocation::{Build, Call, Tool, parse};
use crate::network;
use crate::plan::{self, Plan, Reach, plan};
use crate::reason::{Code, Reason};
use crate::server::Server;
use crate::surroundings;

/// Does the call in `host`.
pub(crate) fn run(host: &Host, settings: &Settings) -> ExitCode {
    let tool = Tool::of(host.name());
    let call = parse(tool, host.args().get(1..).unwrap_or_default());
    if call == Call::Other || settings::hook_skipped(settings) || real_tool::inside_a_call(host) {
        return real_tool::pass_through(host);
    }
    let (policy, wrong) = Policy::new(settings, COMPONENT);
    if !(policy.read || policy.write) {
        return real_tool::pass_through(host);
    }
    let messages = Messages::of(settings);
    wrong.iter().for_each(|line| messages.warn(line));
    let session = Session { host, settings, policy, messages };
    let build = match call {
        Call::Build(build) => build,
        Call::Unclear(word) => return session.pass_through(&Reason::new(Code::UnknownOption, word)),
        Call::Other => return real_tool::pass_through(host),
    };
    let situation = surroundings::look(host, settings, tool, &build);
    let planned = plan(tool, &build, &situation);
    let over_network = matches!(planned, Plan::HandOver { .. });
    match session.carry_out(&build, planned) {
        Err(reason) if over_network && situation.transport.is_empty() => {
            let plan = plan::instead(tool, &build, &situation, reason);
            session.carry_out(&build, plan)
        }
        done => done,
    }
    .unwrap_or_else(|reason| session.pass_through(&reason))
}

struct Session<'a> {
    host: &'a Host,
    settings: &'a Settings,
    policy: Policy,
    messages: Messages,
}

impl Session<'_> {
    /// The build runs without the cache, and the user is told why.
    fn pass_through(&self, reason: &Reason) -> ExitCode {
        self.messages.warn(format_args!("the build does not get the cache: {reason}"));
        let journal = Journal::new(self.host, self.settings);
        let mut event = journal.event(Outcome::Passthrough);
        event.reason = Some(reason.code.name().to_owned());
        event.detail = Some(reason.detail.clone()).filter(|detail| !detail.is_empty());
        let opened = cache::open(self.host, self.settings, Use::ReadOnly);
        journal.write(opened.as_ref().ok().map(|opened| &opened.store), &event);
        real_tool::pass_through(self.host)
    }

    /// Does what is planned, or says why the build is to run without the cache.
    fn carry_out(&self, build: &Build, plan: Plan) -> Result<ExitCode, Reason> {
        let tool = match (&plan, real_tool::find(self.host)) {
            (Plan::Passthrough(reason), _) => return Err(reason.clone()),
            (_, Ok(tool)) => tool,
            (_, Err(missing)) => {
                self.messages.error(&missing);
                return Ok(ExitCode::from(missing.status()));
            }
        };
        match plan {
            Plan::Passthrough(reason) => Err(reason),
            Plan::HandOver { entry, reach } => self.hand_over(&tool, build, &entry, &reach),
            Plan::Carry { entry, way, stages, instead } => {
                let value = self.value(&entry, BESIDE.to_owned());
                let carrier = Carrier {
                    host: self.host,
                    tool,
                    messages: self.messages,
                    build,
                    variables: entry.variables,
                    value,
                    way,
                    stages,
                    brings: self.policy.write,
                };
                carrier.carry(instead)
            }
        }
    }

    fn hand_over(
        &self,
        tool: &RealTool,
        build: &Build,
        entry: &Entry,
        reach: &Reach,
    ) -> Result<ExitCode, Reason> {
        let (remote, server) = self.server(tool, build, reach)?;
        let ended = self.build(tool, build, &entry.variables, &self.value(entry, remote));
        if let Some(server) = server {
            server.stop();
        }
        Ok(match ended {
            Ok(end) => end.now(),
            Err(e) => {
                self.messages
                    .warn(format_args!("{}: {e}; running it without the cache", tool.path.display()));
                tool.exec(self.host)
            }
        })
    }

    /// What the build arguments are set to.
    fn value(&self, entry: &Entry, remote: String) -> String {
        let method = match (self.policy.read, self.policy.write) {
            (true, false) => "rcache",
            (false, true) => "wcache",
            _ => "cache",
        };
        let (offline, strict) = (self.policy.offline, self.policy.strict);
        let handover = Handover { method: method.to_owned(), offline, strict, remote }.encode();
        if entry.keep.is_empty() { handover } else { format!("{},{handover}", entry.keep) }
    }

    /// The tier for the build, and the server behind it where that is ours.
    fn server(
        &self,
        tool: &RealTool,
        build: &Build,
        reach: &Reach,
    ) -> Result<(String, Option<Server>), Reason> {
        let of_network = |network: Option<&str>| {
            network::address(self.host, tool, build, network)
                .map(|address| address.to_string())
                .map_err(|detail| Reason::new(Code::NoNetwork, detail))
        };
        let listen = match reach {
            Reach::Running(url) if url.contains('#') => return Ok((url.clone(), None)),
            Reach::Running(url) => return Ok((format!("{url}#trusted,vcache"), None)),
            Reach::At(address) => address.clone(),
            Reach::HostNetwork => of_network(None)?,
            Reach::Network(name) => of_network(Some(name))?,
        };
        match Server::start(self.host, &listen, build.tags.first().map(String::as_str)) {
            Ok(server) => {
                self.messages.debug(format_args!("the build reaches the cache at {listen}"));
                Ok((server.remote.clone(), Some(server)))
            }
            Err(e) => Err(Reason::new(Code::NoServer, format!("at {listen}: {e}"))),
        }
    }

    /// Runs the real tool. The value travels in its environment, since everyone on the machine can read its argv.
    fn build(&self, tool: &RealTool, build: &Build, variables: &[&str], value: &str) -> std::io::Result<End> {
        let words = self.host.args().get(1..).unwrap_or_default();
        let words = build.with(words, entry::build_args(variables));
        let mut command = tool.command(self.host, &words);
        command.envs(variables.iter().map(|name| (*name, value)));
        child::start(command, Stdout::Inherit)?.wait().map(End::like)
    }
}
