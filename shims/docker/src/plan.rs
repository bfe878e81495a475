//! What is done about an image build. Pure and total.

use std::fmt;

use vcache_store::public_url;

use crate::dockerfile::{Equipped, equipped};
use crate::entry::{Entry, entry};
use crate::invocation::{Build, Tool};
use crate::reason::{Code, Reason};

/// What a plan depends on besides the call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Situation {
    /// `VCACHE_TRANSPORT`.
    pub(crate) transport: String,
    /// `VCACHE_SERVE_ADDRESS`.
    pub(crate) serve_address: String,
    /// `DOCKER_HOST` or a context that leads elsewhere.
    pub(crate) elsewhere: Option<String>,
    /// `noProxy` of the proxies in docker's configuration that count for this daemon.
    pub(crate) configured: Option<String>,
    /// `NO_PROXY` or `no_proxy` of the environment.
    pub(crate) environment: Option<String>,
    /// The environment names a proxy.
    pub(crate) has_proxy: bool,
    /// The text of the Dockerfile; none where it can't be read beforehand.
    pub(crate) dockerfile: Option<String>,
    /// The context has the shims.
    pub(crate) shims_are_staged: bool,
}

/// What is to be done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Plan {
    /// The call as it is; where the user should know why, the reason is a warning.
    Passthrough(Reason),
    /// The build gets the cache over the network.
    HandOver {
        /// How it is told.
        entry: Entry,
        /// How the server is reached.
        reach: Reach,
    },
    /// The build gets the cache in its context, and what it has fetched is carried out.
    Carry {
        /// How it is told.
        entry: Entry,
        /// How it comes out.
        way: Way,
        /// The stages that have the shims.
        stages: Vec<Equipped>,
        /// Why it is done so where nobody asked for it.
        instead: Option<Reason>,
    },
}

/// How what a build has fetched comes out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// As a file of a last stage.
    Stage,
    /// In the log of a last stage.
    Log,
}

/// How a build reaches the server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// A server that runs: its URL.
    Running(String),
    /// One is started at this `ADDRESS` or `ADDRESS:PORT`.
    At(String),
    /// One is started where a build on the host's own network finds it.
    HostNetwork,
    /// One is started where a build on this network of docker's finds it.
    Network(String),
}

impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reach::Running(url) => write!(f, "from the server at {}", public_url(url)),
            Reach::At(address) => write!(f, "from a server at {address}"),
            Reach::HostNetwork => write!(f, "from a server on the host's network"),
            Reach::Network(name) => write!(f, "from a server on docker's network {name}"),
        }
    }
}

/// Decides.
pub(crate) fn plan(tool: Tool, build: &Build, situation: &Situation) -> Plan {
    decide(tool, build, situation).unwrap_or_else(Plan::Passthrough)
}

fn decide(tool: Tool, build: &Build, situation: &Situation) -> Result<Plan, Reason> {
    match situation.transport.as_str() {
        "stage" => carry(tool, build, situation, Way::Stage, None),
        "log" => carry(tool, build, situation, Way::Log, None),
        "serve" => Ok(Plan::HandOver {
            reach: reach(tool, build, situation)?,
            entry: entry(tool, build, situation)?,
        }),
        "" => match reach(tool, build, situation) {
            Ok(reach) => Ok(Plan::HandOver { reach, entry: entry(tool, build, situation)? }),
            Err(reason) => Ok(instead(tool, build, situation, reason)),
        },
        other => Err(Reason::new(Code::Transport, other)),
    }
}

/// What is done where no server can be reached, or none can be started, and nobody has asked for one.
pub(crate) fn instead(tool: Tool, build: &Build, situation: &Situation, reason: Reason) -> Plan {
    carry(tool, build, situation, Way::Stage, Some(reason.clone())).unwrap_or(Plan::Passthrough(reason))
}

fn carry(
    tool: Tool,
    build: &Build,
    situation: &Situation,
    way: Way,
    instead: Option<Reason>,
) -> Result<Plan, Reason> {
    let entry = entry(tool, build, situation)?;
    let none = |why: &str| Err(Reason::new(Code::ServeOnly, why));
    if tool != Tool::Docker {
        return none("another tool");
    }
    if let Some(option) = &build.result {
        return none(option);
    }
    // The layers that the image would then name are those with the cache.
    if build.arguments.iter().any(|(name, _)| name == "BUILDKIT_INLINE_CACHE") {
        return none("--build-arg BUILDKIT_INLINE_CACHE");
    }
    if build.tags.is_empty() {
        return none("no -t");
    }
    // docker says so at once, and not when all is built.
    if build.tags.iter().any(|tag| repository(tag).chars().any(char::is_uppercase)) {
        return none("a name with upper case");
    }
    if !situation.shims_are_staged {
        return none("the context has no shims/vcache-shim");
    }
    let text = situation.dockerfile.as_deref().unwrap_or_default();
    let stages = equipped(text, build.target.as_deref());
    if stages.is_empty() {
        return none("no COPY shims FOLDER in what is built");
    }
    Ok(Plan::Carry { entry, way, stages, instead })
}

/// A name without its host and its tag.
fn repository(name: &str) -> &str {
    let path =
        name.split_once('/').filter(|(host, _)| host.contains(['.', ':'])).map_or(name, |(_, path)| path);
    path.split(':').next().unwrap_or_default()
}

fn reach(tool: Tool, build: &Build, situation: &Situation) -> Result<Reach, Reason> {
    let network = build.network.as_deref().unwrap_or("default");
    if network == "none" {
        return Err(Reason::new(Code::NoNetwork, "--network none"));
    }
    let address = situation.serve_address.as_str();
    if address.contains("://") {
        return Ok(Reach::Running(address.to_owned()));
    }
    if !address.is_empty() {
        return Ok(Reach::At(address.to_owned()));
    }
    if let Some(elsewhere) = build.elsewhere.as_ref().or(situation.elsewhere.as_ref()) {
        return Err(Reason::new(Code::Elsewhere, elsewhere.as_str()));
    }
    match (tool, network) {
        (_, "host") => Ok(Reach::HostNetwork),
        (Tool::Docker, "default") => Ok(Reach::Network("bridge".to_owned())),
        (Tool::Docker, name) if !name.contains(':') => Ok(Reach::Network(name.to_owned())),
        (_, name) => Err(Reason::new(
            Code::NoNetwork,
            format!("--network {name}; use --network host, or set VCACHE_SERVE_ADDRESS"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::{Call, parse};

    fn situation() -> Situation {
        Situation { dockerfile: Some("FROM x\nRUN y\n".into()), ..Situation::default() }
    }

    fn planned(line: &str, situation: &Situation) -> Plan {
        let words: Vec<std::ffi::OsString> = line.split_whitespace().map(Into::into).collect();
        let tool = Tool::of(&words[0]);
        let Call::Build(build) = parse(tool, &words[1..]) else { panic!("{line} is no build") };
        plan(tool, &build, situation)
    }

    fn handed(variables: &[&'static str], keep: &str, reach: Reach) -> Plan {
        Plan::HandOver { entry: Entry { variables: variables.to_vec(), keep: keep.into() }, reach }
    }

    #[test]
    fn how_the_server_is_reached() {
        let bridge = Reach::Network("bridge".into());
        let at = Situation { serve_address: "10.0.0.5:77".into(), ..situation() };
        let running = Situation { serve_address: "http://:t@h:1".into(), ..situation() };
        for (line, around, reach) in [
            ("docker build .", situation(), bridge),
            ("docker build --network host .", situation(), Reach::HostNetwork),
            ("docker build --network farm .", situation(), Reach::Network("farm".into())),
            ("buildah bud --network host .", situation(), Reach::HostNetwork),
            ("docker build .", at.clone(), Reach::At("10.0.0.5:77".into())),
            ("docker -H tcp://far:1 build .", running.clone(), Reach::Running("http://:t@h:1".into())),
            ("podman build .", running, Reach::Running("http://:t@h:1".into())),
        ] {
            assert_eq!(planned(line, &around), handed(&["NO_PROXY"], "", reach), "{line}");
        }
        let far = Situation { elsewhere: Some("DOCKER_HOST=tcp://far:1".into()), ..situation() };
        for (line, around, code) in [
            ("docker build --network none .", situation(), Code::NoNetwork),
            ("docker build --network none .", at, Code::NoNetwork),
            ("docker build --network container:x .", situation(), Code::NoNetwork),
            ("podman build .", situation(), Code::NoNetwork),
            ("docker -H tcp://far:1 build .", situation(), Code::Elsewhere),
            ("docker build .", far, Code::Elsewhere),
            ("docker build .", Situation { transport: "smoke".into(), ..situation() }, Code::Transport),
            ("docker build .", Situation { transport: "log".into(), ..situation() }, Code::ServeOnly),
            ("docker build .", Situation { dockerfile: None, ..situation() }, Code::Unread),
        ] {
            assert!(
                matches!(planned(line, &around), Plan::Passthrough(reason) if reason.code == code),
                "{line}"
            );
        }
    }

    #[test]
    fn what_no_server_can_be_reached_for_is_carried() {
        let staged = |transport: &str| Situation {
            dockerfile: Some("FROM x AS a\nCOPY shims /s\nFROM y\nCOPY shims /t\n".into()),
            shims_are_staged: true,
            transport: transport.into(),
            ..situation()
        };
        let carried = |line: &str, transport: &str| match planned(line, &staged(transport)) {
            Plan::Carry { way, stages, instead, .. } => {
                Ok((way, stages.len(), instead.map(|reason| reason.code)))
            }
            Plan::HandOver { .. } => Err(None),
            Plan::Passthrough(reason) => Err(Some(reason.code)),
        };
        for (line, transport, plan) in [
            ("docker build -t i .", "stage", Ok((Way::Stage, 1, None))),
            ("docker build -t i --target a .", "log", Ok((Way::Log, 1, None))),
            ("docker build -t i --network none .", "", Ok((Way::Stage, 1, Some(Code::NoNetwork)))),
            ("docker -H tcp://h:1 build -t i .", "", Ok((Way::Stage, 1, Some(Code::Elsewhere)))),
            ("docker build -t i .", "", Err(None)),
            ("docker build -t i --network none .", "serve", Err(Some(Code::NoNetwork))),
            ("docker build --network none .", "", Err(Some(Code::NoNetwork))),
            ("docker build -t Image .", "stage", Err(Some(Code::ServeOnly))),
            ("docker build -t Host.example:5000/image:Tag .", "stage", Ok((Way::Stage, 1, None))),
            ("docker build .", "stage", Err(Some(Code::ServeOnly))),
            ("docker build -t i -o out .", "stage", Err(Some(Code::ServeOnly))),
            ("docker build -t i --cache-to d .", "stage", Err(Some(Code::ServeOnly))),
            ("docker build -t i --build-arg BUILDKIT_INLINE_CACHE=1 .", "log", Err(Some(Code::ServeOnly))),
            ("docker build -t i --quiet=false .", "stage", Ok((Way::Stage, 1, None))),
            ("docker build -t i --target none .", "stage", Err(Some(Code::ServeOnly))),
            ("podman build -t i .", "stage", Err(Some(Code::ServeOnly))),
        ] {
            assert_eq!(carried(line, transport), plan, "{line} {transport}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = Reach::Running("http://:secret@h:1".into()).to_string();
        assert!(shown.contains("http://h:1") && !shown.contains("secret"), "{shown}");
    }
}
