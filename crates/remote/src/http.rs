//! A tier behind HTTP: `vcache serve`, bazel-remote, nginx with WebDAV, or any other that speaks Bazel's protocol.
//!
//! Redirects are not followed: a cache that sends us elsewhere, with our credentials, is not one. A request that fails for a reason that may pass
//! is repeated once. Every wait has an end.

use std::io::Read;
use std::time::Duration;

use once_cell::sync::OnceCell;
use reqwest::blocking::{Body, Client, RequestBuilder, Response};
use reqwest::{Method, StatusCode, redirect};
use vcache_store::{Blob, Incoming, Key, Kind, Record, Sha256Id, Tier, TierError};

use crate::address::{Address, Location};
use crate::client;
use crate::credentials::{Credentials, Secret};
use crate::wire::{BLAKE3_HEADER, Entry, LARGEST_ENTRY, alias_name};

/// A server that is there answers a connection in milliseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// For the head of the answer, and then for each read: reqwest's blocking client counts them one by one.
const IDLE_LIMIT: Duration = Duration::from_secs(30);
/// Bytes a second below which sending content counts as stalled.
const SLOWEST: u64 = 256 << 10;
/// Before a request is repeated.
const PAUSE: Duration = Duration::from_millis(200);
/// Telling the server what happened is worth this much of a build's time.
const EVENT_LIMIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Http {
    address: Address,
    base: String,
    secret: Option<Secret>,
    client: OnceCell<Client>,
}

/// An answer that was not expected.
#[derive(Debug, thiserror::Error)]
#[error("answered {status} to {method} {path}{}", hint(*status))]
struct Unexpected {
    method: Method,
    path: String,
    status: StatusCode,
}

fn hint(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "; does VCACHE_REMOTE_CREDENTIALS name a file with its secret?"
        }
        status if status.is_redirection() => "; redirects are not followed, name the other address instead",
        _ => "",
    }
}

impl Http {
    pub(crate) fn new(address: Address, credentials: &Credentials) -> Self {
        let base = match &address.location {
            Location::Http(base) => base.clone(),
            // The name does not matter to a server on a socket.
            _ => "http://localhost".to_owned(),
        };
        let secret = address.secret.clone().or_else(|| credentials.find(&address.name).cloned());
        Self { address, base, secret, client: OnceCell::new() }
    }

    fn client(&self) -> Result<&Client, TierError> {
        self.client
            .get_or_try_init(|| {
                let builder = client::blocking()
                    .connect_timeout(CONNECT_LIMIT)
                    .timeout(IDLE_LIMIT)
                    .redirect(redirect::Policy::none())
                    // A cache is named as it is reached; a proxy for the internet does not know it.
                    .no_proxy();
                match &self.address.location {
                    Location::Socket(path) => builder.unix_socket(path.clone()).build(),
                    // Reading the system's certificates costs more than the request.
                    Location::Http(base) if base.starts_with("http:") => builder.tls_certs_only([]).build(),
                    _ => builder.build(),
                }
            })
            .map_err(Into::into)
    }

    fn request(&self, method: &Method, path: &str) -> Result<RequestBuilder, TierError> {
        let request = self.client()?.request(method.clone(), format!("{}{path}", self.base));
        Ok(match &self.secret {
            Some(Secret::Basic { user, password }) => request.basic_auth(user, Some(password)),
            Some(Secret::Bearer(token)) => request.bearer_auth(token),
            None => request,
        })
    }

    /// Sends a request, once more where the reason of a failure may pass.
    fn send(
        &self,
        method: &Method,
        path: &str,
        body: &dyn Fn(RequestBuilder) -> Result<RequestBuilder, TierError>,
    ) -> Result<Response, TierError> {
        let once = || -> Result<reqwest::Result<Response>, TierError> {
            Ok(body(self.request(method, path)?)?.send().map_err(reqwest::Error::without_url))
        };
        let first = once()?;
        let may_pass = match &first {
            Ok(answer) => matches!(answer.status().as_u16(), 429 | 500 | 502 | 503 | 504),
            Err(error) => !error.is_connect() && !error.is_timeout(),
        };
        if !may_pass {
            return Ok(first?);
        }
        std::thread::sleep(PAUSE);
        Ok(once()??)
    }

    /// `None`: 404.
    fn get(&self, path: &str) -> Result<Option<Response>, TierError> {
        let answer = self.send(&Method::GET, path, &Ok)?;
        match answer.status() {
            StatusCode::OK => Ok(Some(answer)),
            StatusCode::NOT_FOUND => Ok(None),
            status => Err(Unexpected { method: Method::GET, path: path.to_owned(), status }.into()),
        }
    }

    fn entry(&self, name: &str) -> Result<Option<Entry>, TierError> {
        let Some(answer) = self.get(&format!("/ac/{name}"))? else { return Ok(None) };
        let mut bytes = Vec::new();
        answer.take(LARGEST_ENTRY).read_to_end(&mut bytes)?;
        Ok(Some(Entry::decode(&bytes)?))
    }

    fn put(
        &self,
        path: &str,
        size: u64,
        body: &dyn Fn() -> Result<Body, TierError>,
    ) -> Result<(), TierError> {
        let limit = IDLE_LIMIT + Duration::from_secs(size / SLOWEST);
        let answer = self.send(&Method::PUT, path, &|request| Ok(request.timeout(limit).body(body()?)))?;
        match answer.status() {
            status if status.is_success() => Ok(()),
            status => Err(Unexpected { method: Method::PUT, path: path.to_owned(), status }.into()),
        }
    }

    fn put_entry(&self, name: &str, entry: &Entry) -> Result<(), TierError> {
        let bytes = entry.encode();
        self.put(&format!("/ac/{name}"), bytes.len() as u64, &|| Ok(bytes.clone().into()))
    }
}

impl Tier for Http {
    fn name(&self) -> &str {
        &self.address.name
    }

    fn is_trusted(&self) -> bool {
        self.address.trusted
    }

    fn is_written(&self) -> bool {
        !self.address.read_only
    }

    fn record_named(&self, name: &str) -> Result<Option<(Kind, Record)>, TierError> {
        Ok(self.entry(name)?.and_then(Entry::into_record))
    }

    fn alias(&self, md5: &[u8; 16]) -> Result<Option<Sha256Id>, TierError> {
        Ok(self.entry(&alias_name(md5))?.map(|entry| entry.content()))
    }

    fn content(&self, id: &Sha256Id) -> Result<Option<Incoming>, TierError> {
        let Some(answer) = self.get(&format!("/cas/{id}"))? else { return Ok(None) };
        let size = answer.content_length().ok_or("it does not say how long the content is")?;
        let claimed = answer.headers().get(BLAKE3_HEADER).filter(|_| self.is_trusted());
        let blake3 = claimed.and_then(|value| {
            let mut hash = [0; 32];
            hex::decode_to_slice(value.as_bytes(), &mut hash).ok().map(|()| hash)
        });
        Ok(Some(Incoming { size, blake3, content: Box::new(answer) }))
    }

    fn has_content(&self, id: &Sha256Id) -> Result<bool, TierError> {
        let path = format!("/cas/{id}");
        match self.send(&Method::HEAD, &path, &Ok)?.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            status => Err(Unexpected { method: Method::HEAD, path, status }.into()),
        }
    }

    fn put_content(&self, blob: &Blob) -> Result<(), TierError> {
        let body = || Ok(Body::sized(blob.reader()?, blob.size()));
        self.put(&format!("/cas/{}", blob.id()), blob.size(), &body)
    }

    fn put_alias(&self, md5: &[u8; 16], id: &Sha256Id, size: u64) -> Result<(), TierError> {
        self.put_entry(&alias_name(md5), &Entry::Alias(*id, size))
    }

    fn put_record(&self, key: &Key, record: &Record) -> Result<(), TierError> {
        self.put_entry(&key.name(), &Entry::record(key, record))
    }

    fn event(&self, line: &str) {
        if !self.address.takes_events {
            return;
        }
        if let Ok(request) = self.request(&Method::POST, "/events") {
            let _ = request.timeout(EVENT_LIMIT).body(line.to_owned()).send();
        }
    }

    fn blame(&self, _id: &Sha256Id) {}
}
