//! `vcache image build`: an image build with the cache, wherever the docker shim is.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use vcache_shim::{Component, Policy};

use crate::context::Context;
use crate::{process, shims};

/// Build an image with the cache, as the docker shim does
///
/// As `docker build`, with the same options. It need not find the docker shim in PATH.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache image build -t docker-base dockers/docker-base\n         \
                  vcache image build --transport stage --network none -t docker-base dockers/docker-base\n\n\
                  Options of our own come first; the first other word begins those of docker.\n\
                  serve: the build reaches this machine's cache over the network. stage: what it will ask for is put into its\n\
                  context, what it has fetched is exported in a last stage and carried out, and the image is freed of both. log:\n\
                  the same, carried out by the build's log.")]
pub(super) struct Build {
    /// How the build gets the cache (as VCACHE_TRANSPORT) [default: the first of them that works]
    #[arg(long, value_enum)]
    transport: Option<Transport>,
    /// The tool that builds
    #[arg(long, default_value = "docker", value_parser = ["docker", "podman", "buildah"])]
    tool: String,
    /// The options of `docker build`, and the context
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true, value_name = "ARGS")]
    args: Vec<OsString>,
}

#[derive(ValueEnum, Clone, Copy, Debug)]
pub(crate) enum Transport {
    /// By `vcache serve`
    Serve,
    /// By the context and a last stage
    Stage,
    /// By the context and the log
    Log,
}

impl Build {
    pub(super) fn run(self, context: &Context) -> Result<ExitCode> {
        let executable = shims::executable(&context.host)?;
        let mut env: Vec<(OsString, OsString)> = Vec::new();
        if let Some(transport) = self.transport {
            let name = transport.to_possible_value().context("a transport without a name")?;
            env.push(("VCACHE_TRANSPORT".into(), name.get_name().into()));
        }
        let (policy, _) = Policy::new(&context.settings, Component("docker"));
        if !(policy.read || policy.write) {
            env.push(("SONIC_VERSION_CACHE_METHOD".into(), "cache".into()));
        }
        if let Some(dir) = context.cache_dir() {
            env.push(("VCACHE_DIR".into(), dir.path.into()));
        }
        let mut words = vec!["build".into()];
        words.extend(self.args);
        let status = process::run_as(&executable, self.tool.as_ref(), &words, &env)
            .with_context(|| format!("{}: can't be started", executable.display()))?;
        Ok(ExitCode::from(process::status(status)))
    }
}
