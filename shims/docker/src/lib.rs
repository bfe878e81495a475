//! The shims for docker, podman and buildah: an image build is given the cache, and every other call is a plain exec.
//!
//! `invocation` reads the argv, `plan` decides, `run` starts `vcache serve` for the time of the build (`server`), at an address that the build can
//! reach (`network`), and hands (`entry`) address and token over as one more entry of `NO_PROXY` ([`vcache_shim::handover`]): a build argument that builders
//! give to every `RUN` and keep out of history, layers, environment and cache keys. The Dockerfile need not know.
//!
//! Where a build can't reach a server, or is not to, `carry` puts what it will ask for into a copy of its context (`context`), exports what it has
//! fetched in one more stage (`dockerfile` knows the stages), and takes both out of the image again.
//!
//! Not handled: `docker compose`, `docker buildx bake`, and builds on another machine unless `VCACHE_SERVE_ADDRESS` names a server.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the Dockerfile and docker's configuration are read, the server and the inspection of networks are processes of ours"
)]

mod carry;
mod children;
mod context;
mod dockerfile;
mod entry;
mod explain;
mod invocation;
mod network;
mod plan;
mod reason;
mod run;
mod server;
mod surroundings;
mod table;

use vcache_shim::{Component, Family};

/// What the multi-call executable needs to know.
pub const FAMILY: Family = Family {
    names: &["docker", "podman", "buildah"],
    also: &[],
    only_with_tool: true,
    run: run::run,
    explain: explain::explain,
    reasons,
};

/// SONiC's name for images; their pins are not looked at here.
pub(crate) const COMPONENT: Component = Component("docker");

fn reasons() -> Vec<(&'static str, &'static str)> {
    reason::Code::ALL.iter().map(|code| (code.name(), code.help())).collect()
}
