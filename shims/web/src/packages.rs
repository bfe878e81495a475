//! `BUILD_PACKAGES_URL`: SONiC's mirror of pinned content, asked before the origin.
//!
//! It holds each file as `<name>-<hash>`, the name being the last part of the URL's path and the hash the pin as the
//! version file has it. What it answers is checked against the pin like everything else; when it has nothing, or
//! something else, the origin is asked.

use std::io;
use std::time::{Duration, UNIX_EPOCH};

use once_cell::unsync::OnceCell;
use reqwest::blocking::{Client, Response};
use vcache_shim::pins::Pin;
use vcache_store::{Mtime, Record, Store};

use crate::answer::Wanted;
use crate::plan::{Job, Service};
use crate::session::{Session, now};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// For the head of the answer, and then for each read: reqwest's blocking client counts them one by one.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

impl Session<'_> {
    /// Fetches into the store what the mirror has of the pinned requests that the cache lacks. True when it had any.
    pub(crate) fn try_packages(&self, service: &Service) -> bool {
        let base = self.settings.get("BUILD_PACKAGES_URL");
        let Some(store) = self.store().filter(|_| !base.is_empty() && self.policy.write) else {
            return false;
        };
        let client = OnceCell::new();
        let mut had_any = false;
        for job in &service.jobs {
            let Some(pin) = &job.pin else { continue };
            if self.answer(job, Wanted::Permitted).is_some() {
                continue;
            }
            let url = package_url(base, &job.url, pin);
            let shown = vcache_store::public_url(&url);
            let got = client.get_or_try_init(new_client).map_err(io::Error::other).and_then(|client| {
                match get(client, &url)? {
                    Some(answer) => self.take(store, job, pin, answer).map(|()| true),
                    None => Ok(false),
                }
            });
            match got {
                Ok(true) => {
                    had_any = true;
                    self.messages.info(format_args!("kept: {} from {shown}", job.url));
                }
                Ok(false) => self.messages.debug(format_args!("{shown}: not there; asking the origin")),
                Err(e) => self.messages.warn(format_args!("{shown}: {e}; asking the origin")),
            }
        }
        had_any
    }

    fn take(&self, store: &Store, job: &Job, pin: &Pin, mut answer: Response) -> io::Result<()> {
        let mtime = answer.headers().get("last-modified").and_then(|v| v.to_str().ok());
        let mtime = mtime.and_then(|v| httpdate::parse_http_date(v).ok());
        let mtime = mtime.and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        let mut writer = store.writer(self.wants_md5(job)).map_err(io::Error::other)?;
        io::copy(&mut answer, &mut writer)?;
        let ingested = writer.seal().map_err(io::Error::other)?;
        if ingested.matches(&pin.digest) != Some(true) {
            return Err(io::Error::other(format!("the content contradicts its pin ({})", pin.place)));
        }
        let key = job.key();
        let record = Record {
            key: key.text().to_owned(),
            sha256: ingested.id,
            size: ingested.size,
            name: None,
            mtime: mtime.map_or(Mtime::None, |t| Mtime::At(t.as_secs())),
            redirects: None,
            content_type: None,
            origin: job.url.clone(),
            fetched: now(),
        };
        ingested.publish(&job.url).and_then(|_| store.publish(&key, &record)).map_err(io::Error::other)
    }
}

fn new_client() -> reqwest::Result<Client> {
    vcache_remote::client::blocking().connect_timeout(CONNECT_LIMIT).timeout(IDLE_LIMIT).build()
}

fn get(client: &Client, url: &str) -> io::Result<Option<Response>> {
    let answer = client.get(url).send().map_err(|e| io::Error::other(e.without_url().to_string()))?;
    Ok(answer.status().is_success().then_some(answer))
}

/// `<base>/<name>-<hash>`, as SONiC's hooks name it.
fn package_url(base: &str, url: &str, pin: &Pin) -> String {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    let name = path.rsplit('/').next().unwrap_or_default();
    let hash = pin.text.strip_prefix("sha256:").unwrap_or(&pin.text);
    format!("{}/{name}-{hash}", base.trim_end_matches('/'))
}
