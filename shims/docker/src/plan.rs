//! What is done about an image build. Pure and total.
//!
//! The hand-over is one more entry in the value of the build argument `NO_PROXY`, which keeps the entries that the build would have had: those of the
//! last `--build-arg` of that name in either case, else those of docker's configuration, else (podman and buildah, which hand the proxies of the
//! environment on) those of the environment. The tool reads the variable for itself, too: where it has a proxy the entries of the
//! environment stay as well. A lower-case value that is there gets the same, since BuildKit takes whichever of both it meets first.

use std::ffi::OsString;
use std::fmt;

use vcache_store::public_url;

use crate::dockerfile::{Equipped, declares, equipped};
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
    /// `proxies.default.noProxy` of docker's configuration.
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

/// Build arguments that the hand-over travels in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    /// The variables to be set, all to the same.
    pub(crate) variables: Vec<&'static str>,
    /// Their entries so far, separated by commas; may be empty.
    pub(crate) keep: String,
}

/// The options that hand variables of the tool's own environment to a build.
pub(crate) fn build_args(variables: &[&str]) -> impl Iterator<Item = OsString> {
    variables.iter().flat_map(|name| [OsString::from("--build-arg"), (*name).into()])
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

const UPPER: &str = "NO_PROXY";
const LOWER: &str = "no_proxy";

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

fn entry(tool: Tool, build: &Build, situation: &Situation) -> Result<Entry, Reason> {
    let given = given(build, situation, UPPER).or_else(|| given(build, situation, LOWER));
    let of_tool = || match tool {
        Tool::Docker => situation.configured.clone(),
        Tool::Podman | Tool::Buildah => situation.environment.clone(),
    };
    let lower_case_is_set = of_tool().is_some() || build.arguments.iter().any(|(name, _)| name == LOWER);
    let mut keep = given.or_else(of_tool).unwrap_or_default();
    if let Some(own) = situation.environment.as_deref().filter(|own| situation.has_proxy && keep != *own) {
        keep = if keep.is_empty() { own.to_owned() } else { format!("{keep},{own}") };
    }
    let dockerfile = situation.dockerfile.as_deref().ok_or(Reason::new(Code::Unread, ""))?;
    let upper_is_free = !declares(dockerfile, UPPER);
    let lower_is_free = !declares(dockerfile, LOWER);
    let variables = match (upper_is_free, lower_is_free, lower_case_is_set) {
        (true, _, false) => vec![UPPER],
        (true, true, true) => vec![UPPER, LOWER],
        (false, true, false) if build.arguments.iter().all(|(name, _)| name != UPPER) => vec![LOWER],
        _ => return Err(Reason::new(Code::Declared, "")),
    };
    Ok(Entry { variables, keep })
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

/// The value of the last `--build-arg` of this name; without `=` it is the environment's.
fn given(build: &Build, situation: &Situation, name: &str) -> Option<String> {
    let (_, value) = build.arguments.iter().rfind(|(argument, _)| argument == name)?;
    value.clone().or_else(|| situation.environment.clone())
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
    fn entries_that_the_build_would_have_had_are_kept() {
        let configured =
            Situation { configured: Some("c".into()), environment: Some("e".into()), ..situation() };
        let environment = Situation { environment: Some("e".into()), ..situation() };
        let proxied = Situation { has_proxy: true, ..environment.clone() };
        for (line, around, variables, keep) in [
            ("docker build --network host .", &environment, &["NO_PROXY"][..], ""),
            ("docker build --network host .", &configured, &["NO_PROXY", "no_proxy"], "c"),
            ("buildah bud --network host .", &environment, &["NO_PROXY", "no_proxy"], "e"),
            (
                "docker build --network host --build-arg NO_PROXY=a --build-arg NO_PROXY=b .",
                &configured,
                &["NO_PROXY", "no_proxy"],
                "b",
            ),
            ("docker build --network host .", &proxied, &["NO_PROXY"], "e"),
            (
                "buildah bud --network host --build-arg NO_PROXY=b .",
                &proxied,
                &["NO_PROXY", "no_proxy"],
                "b,e",
            ),
            ("buildah bud --network host .", &proxied, &["NO_PROXY", "no_proxy"], "e"),
            (
                "docker build --network host --build-arg no_proxy=a .",
                &configured,
                &["NO_PROXY", "no_proxy"],
                "a",
            ),
            (
                "docker build --network host --build-arg no_proxy .",
                &environment,
                &["NO_PROXY", "no_proxy"],
                "e",
            ),
        ] {
            assert_eq!(planned(line, around), handed(variables, keep, Reach::HostNetwork), "{line}");
        }
    }

    #[test]
    fn no_secret_is_shown() {
        let shown = Reach::Running("http://:secret@h:1".into()).to_string();
        assert!(shown.contains("http://h:1") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn what_a_dockerfile_declares_is_not_used() {
        let with = |text: &str| Situation { dockerfile: Some(text.into()), ..situation() };
        let line = "docker build --network host .";
        for (text, variables) in [
            ("ARG no_proxy\n", &["NO_PROXY"][..]),
            ("arg NO_PROXY=x\n", &["no_proxy"]),
            ("# ARG NO_PROXY\nARG OTHER\nRUN echo ARG NO_PROXY\n", &["NO_PROXY"]),
            ("ARG a \\\n NO_PROXY\n", &["no_proxy"]),
            ("ARG a \\\n# between\n NO_PROXY=x\n", &["no_proxy"]),
            ("# escape=`\nARG a `\n NO_PROXY\n", &["no_proxy"]),
            ("RUN x <<Y\nARG NO_PROXY\nY\n", &["NO_PROXY"]),
            ("RUN x <<Y\nARG NO_PROXY\n", &["no_proxy"]),
        ] {
            assert_eq!(planned(line, &with(text)), handed(variables, "", Reach::HostNetwork), "{text}");
        }
        let both = with("ARG NO_PROXY\nARG no_proxy\n");
        for (line, around) in [
            (line, &both),
            ("docker build --network host --build-arg no_proxy=a .", &with("ARG no_proxy\n")),
            ("docker build --network host --build-arg NO_PROXY=a .", &with("ARG NO_PROXY\n")),
        ] {
            assert!(
                matches!(planned(line, around), Plan::Passthrough(reason) if reason.code == Code::Declared),
                "{line}"
            );
        }
    }
}
