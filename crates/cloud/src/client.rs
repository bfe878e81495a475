//! From an address and the environment to a client. Each cloud's own variables are understood as the `object_store` crate documents them
//! (`AWS_ACCESS_KEY_ID`, `AWS_REGION`, `AWS_ENDPOINT_URL`, `AZURE_STORAGE_ACCOUNT_NAME`, `GOOGLE_APPLICATION_CREDENTIALS`, …).
//!
//! Not understood: profiles in `~/.aws`. Of what the variables say of HTTP only `…_ALLOW_HTTP` counts; times, retries and
//! connections are ours.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use vcache_remote::Cloud;

use crate::Variable;
use crate::connector::Connector;

/// As long as a build may be kept waiting by a cloud that is busy.
const RETRY_LIMIT: Duration = Duration::from_secs(10);
/// Clouds answer 503 under load and mean it for a moment.
const RETRIES: usize = 2;

/// A client for a bucket. `instance`: this machine's metadata service may be asked for credentials.
///
/// # Errors
/// A variable makes no sense, or one is missing.
pub(crate) fn client(
    cloud: Cloud,
    bucket: &str,
    instance: bool,
    variables: &[Variable],
) -> object_store::Result<Arc<dyn ObjectStore>> {
    let connector = Connector { instance };
    Ok(match cloud {
        Cloud::S3 => {
            let named = named::<AmazonS3ConfigKey>(variables, "AWS_")?.into_iter();
            let builder =
                named.fold(AmazonS3Builder::new(), |builder, (key, value)| builder.with_config(key, value));
            let builder = builder.with_bucket_name(bucket).with_http_connector(connector);
            Arc::new(builder.with_retry(retry()).build()?)
        }
        Cloud::Azure => {
            let named = named::<AzureConfigKey>(variables, "AZURE_")?.into_iter();
            let builder = named
                .fold(MicrosoftAzureBuilder::new(), |builder, (key, value)| builder.with_config(key, value));
            let builder = builder.with_container_name(bucket).with_http_connector(connector);
            Arc::new(builder.with_retry(retry()).build()?)
        }
        Cloud::Google => {
            let named = named::<GoogleConfigKey>(variables, "GOOGLE_")?.into_iter();
            let builder = named.fold(GoogleCloudStorageBuilder::new(), |builder, (key, value)| {
                builder.with_config(key, value)
            });
            let builder = builder.with_bucket_name(bucket).with_http_connector(connector);
            Arc::new(builder.with_retry(retry()).build()?)
        }
    })
}

/// What the environment says of a cloud, as far as the client knows it.
fn named<'a, K: FromStr>(variables: &'a [Variable], prefix: &str) -> object_store::Result<Vec<(K, &'a str)>> {
    let mut named = Vec::new();
    for (name, value) in variables.iter().filter(|(name, _)| name.starts_with(prefix)) {
        if let Ok(key) = name.to_ascii_lowercase().parse() {
            check(name, value)
                .map_err(|source| object_store::Error::Generic { store: "", source: source.into() })?;
            named.push((key, value.as_str()));
        }
    }
    Ok(named)
}

/// A variable that can't be used. Its value may be a secret.
#[derive(Debug, thiserror::Error)]
#[error("the variable {name} must be {expected}")]
struct Wrong {
    name: String,
    expected: &'static str,
}

/// The client takes it for granted that what it puts into addresses and headers fits there, and panics where it does not.
fn check(name: &str, value: &str) -> Result<(), Wrong> {
    let wrong = |expected| Err(Wrong { name: name.to_owned(), expected });
    let is_free = ["FILE", "PATH", "CREDENTIALS", "SERVICE_ACCOUNT"].iter().any(|word| name.contains(word));
    if !is_free && !value.chars().all(|c| c.is_ascii_graphic()) {
        return wrong("without blanks, line ends and letters beyond ASCII");
    }
    if name.contains("REGION") && !value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
        return wrong("a region's name, such as eu-central-1");
    }
    let is_switch = matches!(value, "true" | "false" | "1" | "0");
    let is_address = ["ENDPOINT", "_URL", "_URI"].iter().any(|word| name.contains(word));
    let is_good = |uri: Uri| uri.host().is_some() && matches!(uri.scheme_str(), Some("http" | "https"));
    // One variable has a path on a host that is known.
    let is_path = name.ends_with("RELATIVE_URI");
    if is_address && !is_switch && !is_path && !value.parse().is_ok_and(is_good) {
        return wrong("an address, such as https://storage.example");
    }
    Ok(())
}

fn retry() -> RetryConfig {
    let backoff = BackoffConfig {
        init_backoff: Duration::from_millis(200),
        max_backoff: Duration::from_secs(2),
        ..BackoffConfig::default()
    };
    RetryConfig { backoff, max_retries: RETRIES, retry_timeout: RETRY_LIMIT }
}
