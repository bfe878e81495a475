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
    let docker_host = env("DOCKER_HOST").filter(|host| !host.starts_with("unix:"));
    let context = env("DOCKER_CONTEXT").or_else(|| text("/currentContext")).filter(|name| name != "default");
    let builder = env("BUILDX_BUILDER").filter(|name| name != "default");
    let elsewhere = docker_host
        .map(|host| format!("DOCKER_HOST={host}"))
        // A host that is named leaves no room for a context.
        .or_else(|| context.filter(|_| env("DOCKER_HOST").is_none()).map(|name| format!("context {name}")))
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
