//! What the planner wants to know of the world: variables, docker's configuration, the Dockerfile.

use std::path::PathBuf;

use vcache_shim::links::EXECUTABLE;
use vcache_shim::{Host, Settings};

use crate::dockerfile::SHIMS;
use crate::invocation::{Build, Tool};
use crate::plan::Situation;

/// Where docker looks for a daemon that nobody has named.
const OWN_DAEMON: &str = "unix:///var/run/docker.sock";

/// Looks around, for this build.
pub(crate) fn look(host: &Host, settings: &Settings, tool: Tool, build: &Build) -> Situation {
    // As docker has it, what is empty is not set.
    let env = |name: &str| {
        host.env(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
    };
    let config = config(host, build);
    let text = |pointer: &str| Some(config.pointer(pointer)?.as_str()?.to_owned());
    // As docker looks for it: those of the daemon's address, else those that count for all.
    let daemon = build.daemon.clone().or_else(|| env("DOCKER_HOST")).unwrap_or(OWN_DAEMON.to_owned());
    let proxies = config.pointer("/proxies");
    let proxies = proxies.and_then(|all| all.get(daemon).or_else(|| all.get("default")));
    let no_proxy = proxies.and_then(|proxies| proxies.get("noProxy")?.as_str());
    let docker_host = env("DOCKER_HOST").filter(|host| build.daemon.is_none() && !host.starts_with("unix:"));
    let context = env("DOCKER_CONTEXT").or_else(|| text("/currentContext")).filter(|name| name != "default");
    let builder = env("BUILDX_BUILDER").filter(|name| name != "default");
    // A host that is named leaves no room for a context.
    let context = context.filter(|_| env("DOCKER_HOST").is_none() && build.daemon.is_none());
    let elsewhere = docker_host
        .map(|host| format!("DOCKER_HOST={host}"))
        .or_else(|| context.map(|name| format!("context {name}")))
        .or_else(|| builder.map(|name| format!("BUILDX_BUILDER={name}")));
    Situation {
        transport: settings.get("VCACHE_TRANSPORT").to_owned(),
        serve_address: settings.get("VCACHE_SERVE_ADDRESS").to_owned(),
        elsewhere: elsewhere.filter(|_| tool == Tool::Docker),
        configured: no_proxy.filter(|value| !value.is_empty()).map(str::to_owned),
        environment: env("NO_PROXY").or_else(|| env("no_proxy")),
        has_proxy: ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
            .iter()
            .any(|name| env(name).is_some() || env(&name.to_ascii_lowercase()).is_some()),
        shims_are_staged: build
            .context
            .as_ref()
            .is_some_and(|context| host.cwd().join(context).join(SHIMS).join(EXECUTABLE).is_file()),
        dockerfile: dockerfile(host, tool, build).and_then(|path| std::fs::read_to_string(path).ok()),
    }
}

/// docker's `config.json`; null where there is none.
fn config(host: &Host, build: &Build) -> serde_json::Value {
    let folder = build.config.clone().or_else(|| host.env("DOCKER_CONFIG").map(PathBuf::from));
    let folder = folder.filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.or_else(|| Some(PathBuf::from(host.home()?).join(".docker")));
    let read =
        || serde_json::from_slice(&std::fs::read(host.cwd().join(folder?).join("config.json")).ok()?).ok();
    read().unwrap_or_default()
}

/// `-f`, looked for from where the call is made, else in the context as podman does; without it `Dockerfile` in the context, for podman and buildah
/// `Containerfile` before it.
pub(crate) fn dockerfile(host: &Host, tool: Tool, build: &Build) -> Option<PathBuf> {
    let context = host.cwd().join(build.context.as_ref()?);
    let candidates = match &build.file {
        // Standard input.
        Some(file) if file == "-" => return None,
        Some(file) => vec![host.cwd().join(file), context.join(file)],
        None if tool == Tool::Docker => vec![context.join("Dockerfile")],
        None => vec![context.join("Containerfile"), context.join("Dockerfile")],
    };
    candidates.into_iter().find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invocation::{Call, parse};
    use std::ffi::OsString;

    /// What is seen of a call in a folder with two configurations, `a` and `b`.
    fn seen(line: &str, env: &[(&str, &str)]) -> Situation {
        let dir = tempfile::tempdir().unwrap();
        for (name, config) in [
            (
                "a",
                r#"{"currentContext":"far","proxies":{"default":{"noProxy":"all"},"tcp://h:1":{"noProxy":"one"}}}"#,
            ),
            ("b", r#"{"proxies":{"unix:///var/run/docker.sock":{"noProxy":"own"}}}"#),
        ] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
            std::fs::write(dir.path().join(name).join("config.json"), config).unwrap();
        }
        std::fs::write(dir.path().join("-"), "FROM wrong\n").unwrap();
        let words: Vec<OsString> = line.split_whitespace().map(Into::into).collect();
        let Call::Build(build) = parse(Tool::Docker, &words[1..]) else { panic!("{line} is no build") };
        let env = env.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let host = Host::new(words, env, dir.path().to_owned());
        look(&host, &Settings::load(&host), Tool::Docker, &build)
    }

    #[test]
    fn the_configuration_that_docker_would_read() {
        let far = ("DOCKER_HOST", "tcp://h:1");
        for (line, env, no_proxy, elsewhere) in [
            ("docker build .", &[][..], None, None),
            ("docker build .", &[("DOCKER_CONFIG", "b")], Some("own"), None),
            ("docker build .", &[("DOCKER_CONFIG", "a")], Some("all"), Some("context far")),
            ("docker build .", &[("DOCKER_CONFIG", "a"), ("DOCKER_CONTEXT", "default")], Some("all"), None),
            ("docker --config b build .", &[("DOCKER_CONFIG", "a")], Some("own"), None),
            ("docker --config a -H tcp://h:1 build .", &[], Some("one"), None),
            ("docker --config a build .", &[far], Some("one"), Some("DOCKER_HOST=tcp://h:1")),
            ("docker --config a -H unix:///x build .", &[far], Some("all"), None),
            ("docker --config b build .", &[("DOCKER_HOST", "")], Some("own"), None),
            ("docker --config b build .", &[("BUILDX_BUILDER", "default")], Some("own"), None),
            (
                "docker --config b build .",
                &[("BUILDX_BUILDER", "far")],
                Some("own"),
                Some("BUILDX_BUILDER=far"),
            ),
        ] {
            let seen = seen(line, env);
            assert_eq!(seen.configured.as_deref(), no_proxy, "{line} {env:?}");
            assert_eq!(seen.elsewhere.as_deref(), elsewhere, "{line} {env:?}");
        }
    }

    #[test]
    fn standard_input_is_no_file_of_that_name() {
        assert_eq!(seen("docker build -f - .", &[]).dockerfile, None);
    }
}
