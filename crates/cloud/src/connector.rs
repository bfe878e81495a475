//! The HTTP below the clients: the same library, with the same limits, as that of the other tiers.
//!
//! A server that can't be reached, or does not answer in time, is not asked again; a connection that breaks is made anew. Proxies are
//! those of the environment (`HTTPS_PROXY`, `NO_PROXY`), since clouds lie behind them. Redirects are not followed.

use std::time::Duration;

use async_trait::async_trait;
use http_body_util::BodyExt;
use object_store::ClientOptions;
use object_store::client::{
    ClientConfigKey, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpResponseBody, HttpService,
};
use reqwest::redirect;

/// A server that is there answers a connection in milliseconds.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// For the head of an answer, and then for each read. Within it a piece of [`crate::stream::PIECE`] bytes must have been sent, too.
const IDLE_LIMIT: Duration = Duration::from_secs(30);

/// Where the clients ask for the role of the machine. On a machine that has none the question would cost seconds.
const METADATA_HOSTS: [&str; 2] = ["169.254.169.254", "metadata.google.internal"];

/// Makes the HTTP of a client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Connector {
    /// The metadata service may be asked for credentials.
    pub(crate) instance: bool,
}

/// Nothing in the environment was a credential, so that the client would have asked the machine.
#[derive(Debug, thiserror::Error)]
#[error("no credentials in the environment; to use the role of this machine add #instance to the address")]
struct NoCredentials;

#[derive(Debug)]
struct Service {
    client: reqwest::Client,
    instance: bool,
}

impl HttpConnector for Connector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let allow_http =
            options.get_config_value(&ClientConfigKey::AllowHttp).is_some_and(|value| value == "true");
        let client = vcache_remote::client::concurrent()
            .connect_timeout(CONNECT_LIMIT)
            .read_timeout(IDLE_LIMIT)
            .redirect(redirect::Policy::none())
            .https_only(!allow_http)
            .build()
            .map_err(|source| object_store::Error::Generic { store: "HTTP", source: source.into() })?;
        Ok(HttpClient::new(Service { client, instance: self.instance }))
    }
}

#[async_trait]
impl HttpService for Service {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        let (parts, body) = request.into_parts();
        if !self.instance && parts.uri.host().is_some_and(|host| METADATA_HOSTS.contains(&host)) {
            return Err(HttpError::new(HttpErrorKind::Unknown, NoCredentials));
        }
        let url = parts.uri.to_string().parse();
        let url = url.map_err(|e| HttpError::new_boxed(HttpErrorKind::Unknown, Box::new(e)))?;
        let mut request = reqwest::Request::new(parts.method, url);
        *request.headers_mut() = parts.headers;
        *request.body_mut() = Some(reqwest::Body::wrap(body));
        let answer: http::Response<reqwest::Body> =
            self.client.execute(request).await.map_err(failure)?.into();
        Ok(answer.map(|body| HttpResponseBody::new(body.map_err(failure))))
    }
}

/// The address is left out: it may be signed.
fn failure(error: reqwest::Error) -> HttpError {
    let kind = match &error {
        error if error.is_connect() || error.is_timeout() || error.is_builder() => HttpErrorKind::Unknown,
        error if error.is_decode() => HttpErrorKind::Decode,
        _ => HttpErrorKind::Interrupted,
    };
    HttpError::new(kind, error.without_url())
}
