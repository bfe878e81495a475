//! `vcache serve`: this machine's cache for builds in containers and on other machines.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use vcache_remote::Address;
use vcache_server::{Config, Listen, Server, Token};
use vcache_shim::cache::Use;

use crate::context::Context;
use crate::{files, output, units};

/// Serve the cache by Bazel's remote-cache HTTP protocol
///
/// Prints its address as soon as it answers. Ends at SIGTERM or SIGINT, when running transfers are done.
#[derive(clap::Args, Debug)]
#[command(after_help = "Example: vcache serve --max-size 50G\n         \
                  vcache serve --listen 10.0.0.1:8080 --token-file /etc/vcache/token\n         \
                  vcache serve --listen unix:/run/vcache.sock --read-only\n         \
                  vcache serve --upstream s3://bucket/vcache\n\n\
                  Answers: GET, HEAD and PUT of /cas/SHA256 and /ac/NAME; /status (JSON, or a page); /metrics (Prometheus).\n\
                  Who may PUT is believed about unpinned content: give a token to those you trust, or --read-only.")]
pub(crate) struct Serve {
    /// Where: ADDR:PORT (port 0: any), or unix:PATH
    #[arg(long, value_name = "WHERE", default_value = "127.0.0.1:8080")]
    listen: Listen,
    /// Answer only those who send the token in this file (one line)
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Serve other machines without a token: everyone may read the cache, and fill it
    #[arg(long, conflicts_with = "token_file")]
    insecure: bool,
    /// Store nothing
    #[arg(long)]
    read_only: bool,
    /// Keep the cache below this size on disk, such as 50G: what was not used for longest goes
    #[arg(long, value_name = "SIZE", value_parser = units::parse_size)]
    max_size: Option<u64>,
    /// Look here for what the cache lacks, and put there what clients put: a tier as in VCACHE_REMOTE, whose place it takes; may be given several times
    #[arg(long, value_name = "URL", value_parser = upstream)]
    upstream: Vec<String>,
    /// Note the calls that clients report as those of this image
    #[arg(long, value_name = "NAME")]
    image: Option<String>,
    /// End when standard input does: with whoever holds its other end
    #[arg(long)]
    until_stdin_closes: bool,
}

/// The address as it was given, if it is one.
fn upstream(text: &str) -> Result<String, String> {
    text.parse::<Address>().map(|_| text.to_owned()).map_err(|error| error.to_string())
}

impl Serve {
    pub(crate) fn run(self, context: &Context) -> Result<ExitCode> {
        let token = self.token_file.map(|file| {
            let file = context.host.cwd().join(file);
            Token::parse(&files::read(&file)?).with_context(|| file.display().to_string())
        });
        let what_for = if self.read_only { Use::ReadOnly } else { Use::ReadWrite };
        let upstream =
            (!self.upstream.is_empty()).then(|| context.with("VCACHE_REMOTE", &self.upstream.join(" ")));
        let context = upstream.as_ref().unwrap_or(context);
        let store = context.open(what_for)?;
        let config = Config {
            listen: self.listen,
            token: token.transpose()?,
            insecure: self.insecure,
            read_only: self.read_only,
            max_size: self.max_size,
            image: self.image,
            slow_store: ["VCACHE_LOWER", "VCACHE_REMOTE"]
                .iter()
                .any(|name| !context.settings.get(name).is_empty()),
            tell: |trouble| output::warn(trouble),
            event_log: context.settings.path("VCACHE_BUILD_LOG").map(|path| context.host.cwd().join(path)),
        };
        let server = Server::bind(config, store)?;
        output::print(&format!("{}\n", server.address()))?;
        server.run(self.until_stdin_closes);
        Ok(ExitCode::SUCCESS)
    }
}
