//! How a build is told where its cache is. Pure.
//!
//! The hand-over is one more entry in the value of the build argument `NO_PROXY`, which keeps the entries that the build would have had: those of the
//! last `--build-arg` of that name, else those of docker's configuration, else (podman and buildah, which hand the proxies of the
//! environment on) those of the environment. The tool reads the variable for itself, too: where it has a proxy the entries of the
//! environment stay as well. A lower-case value that is there gets the same, with the entries of both, since BuildKit takes whichever it meets first.

use std::ffi::OsString;

use crate::dockerfile::may_show;
use crate::invocation::{Build, Tool};
use crate::plan::Situation;
use crate::reason::{Code, Reason};

const UPPER: &str = "NO_PROXY";
const LOWER: &str = "no_proxy";

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

/// The build arguments for a build.
///
/// # Errors
/// The Dockerfile can't be read, or its image would show them.
pub(crate) fn entry(tool: Tool, build: &Build, situation: &Situation) -> Result<Entry, Reason> {
    let of_tool = || match tool {
        Tool::Docker => situation.configured.clone(),
        Tool::Podman | Tool::Buildah => situation.environment.clone(),
    };
    let lower_case_is_set = of_tool().is_some() || build.arguments.iter().any(|(name, _)| name == LOWER);
    let of_build = [UPPER, LOWER].map(|name| given(build, situation, name).or_else(of_tool));
    let own = situation.environment.clone().filter(|_| situation.has_proxy);
    let keep = of_build.into_iter().chain([own]).flatten().reduce(joined).unwrap_or_default();
    let dockerfile = situation.dockerfile.as_deref().ok_or(Reason::new(Code::Unread, ""))?;
    let upper_is_free = !may_show(dockerfile, UPPER);
    let lower_is_free = !may_show(dockerfile, LOWER);
    let variables = match (upper_is_free, lower_is_free, lower_case_is_set) {
        (true, _, false) => vec![UPPER],
        (true, true, true) => vec![UPPER, LOWER],
        (false, true, false) if build.arguments.iter().all(|(name, _)| name != UPPER) => vec![LOWER],
        _ => return Err(Reason::new(Code::Declared, "")),
    };
    Ok(Entry { variables, keep })
}

/// The entries of both, each once.
fn joined(all: String, more: String) -> String {
    more.split(',').fold(all, |all, entry| match all.split(',').any(|known| known.trim() == entry.trim()) {
        true => all,
        false if all.is_empty() => entry.to_owned(),
        false => format!("{all},{entry}"),
    })
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

    fn told(line: &str, situation: &Situation) -> Result<Entry, Code> {
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        let tool = Tool::of(&words[0]);
        let Call::Build(build) = parse(tool, &words[1..]) else { panic!("{line} is no build") };
        entry(tool, &build, situation).map_err(|reason| reason.code)
    }

    fn by(variables: &[&'static str], keep: &str) -> Result<Entry, Code> {
        Ok(Entry { variables: variables.to_vec(), keep: keep.into() })
    }

    #[test]
    fn entries_that_the_build_would_have_had_are_kept() {
        let configured =
            Situation { configured: Some("c".into()), environment: Some("e".into()), ..situation() };
        let environment = Situation { environment: Some("e".into()), ..situation() };
        let proxied = Situation { has_proxy: true, ..environment.clone() };
        for (line, around, variables, keep) in [
            ("docker build .", &environment, &["NO_PROXY"][..], ""),
            ("docker build .", &configured, &["NO_PROXY", "no_proxy"], "c"),
            ("buildah bud .", &environment, &["NO_PROXY", "no_proxy"], "e"),
            (
                "docker build --build-arg NO_PROXY=a --build-arg NO_PROXY=b .",
                &configured,
                &["NO_PROXY", "no_proxy"],
                "b,c",
            ),
            (
                "docker build --build-arg NO_PROXY=b --build-arg no_proxy=a,b .",
                &environment,
                &["NO_PROXY", "no_proxy"],
                "b,a",
            ),
            ("docker build .", &proxied, &["NO_PROXY"], "e"),
            ("buildah bud --build-arg NO_PROXY=b .", &proxied, &["NO_PROXY", "no_proxy"], "b,e"),
            ("buildah bud .", &proxied, &["NO_PROXY", "no_proxy"], "e"),
            ("docker build --build-arg no_proxy=a .", &configured, &["NO_PROXY", "no_proxy"], "c,a"),
            ("docker build --build-arg no_proxy .", &environment, &["NO_PROXY", "no_proxy"], "e"),
        ] {
            assert_eq!(told(line, around), by(variables, keep), "{line}");
        }
    }

    #[test]
    fn what_a_dockerfile_declares_is_not_used() {
        let with = |text: &str| Situation { dockerfile: Some(text.into()), ..situation() };
        let line = "docker build .";
        for (text, variables) in [
            ("ARG no_proxy\n", &["NO_PROXY"][..]),
            ("arg NO_PROXY=x\n", &["no_proxy"]),
            ("# ARG NO_PROXY\nARG OTHER\nRUN echo ARG NO_PROXY\n", &["NO_PROXY"]),
            ("ARG a \\\n NO_PROXY\n", &["no_proxy"]),
            ("ARG a \\\n# between\n NO_PROXY=x\n", &["no_proxy"]),
            ("# escape=`\nARG a `\n NO_PROXY\n", &["no_proxy"]),
            ("RUN x <<Y\nARG NO_PROXY\nY\n", &["no_proxy"]),
            ("RUN echo $NO_PROXY\nENV A=MY_NO_PROXY\n", &["NO_PROXY"]),
            ("ENV A=${NO_PROXY:-x}\n", &["no_proxy"]),
            ("ARG \"NO_PROXY\"\n", &["no_proxy"]),
            ("ARG N\\\nO_PROXY\n", &["no_proxy"]),
            ("ONBUILD ARG NO_PROXY\n", &["no_proxy"]),
            ("RUN x <<Y\nARG NO_PROXY\n", &["no_proxy"]),
        ] {
            assert_eq!(told(line, &with(text)), by(variables, ""), "{text}");
        }
        let both = with("ARG NO_PROXY\nARG no_proxy\n");
        for (line, around) in [
            (line, &both),
            (line, &with("ARG P=NO\nARG ${P}_PROXY\n")),
            ("docker build --build-arg no_proxy=a .", &with("ARG no_proxy\n")),
            ("docker build --build-arg NO_PROXY=a .", &with("ARG NO_PROXY\n")),
        ] {
            assert_eq!(told(line, around), Err(Code::Declared), "{line}");
        }
    }
}
