//! What a cloud's client says when something goes wrong, in one line of ours: its own words repeat each other, run over several lines and quote what
//! the server sent. No credential is in them: the client signs headers, and leaves addresses out that are signed.

use std::error::Error;

use vcache_remote::Cloud;

/// Something that a bucket did not do.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {path}: {said}{hint}")]
pub(crate) struct Trouble {
    pub(crate) action: &'static str,
    pub(crate) path: String,
    pub(crate) said: String,
    pub(crate) hint: &'static str,
}

/// Letters of a server's answer that are shown.
const SHOWN: usize = 200;

/// The innermost reason, and of a server's answer its status and code.
pub(crate) fn said(error: &object_store::Error) -> String {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let text = innermost.to_string();
    let text = text.trim_start_matches("Server returned non-2xx status code: ");
    let code = text.split_once("<Code>").and_then(|(_, rest)| Some(rest.split_once("</Code>")?.0));
    let status = text.split('<').next().unwrap_or(text).trim_end_matches([':', ' ']);
    let line = match code {
        Some(code) => format!("{status} ({code})"),
        None => text.trim_end_matches([':', ' ']).to_owned(),
    };
    line.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(SHOWN).collect()
}

/// Whether a 404 was about the bucket and not about what is in it.
pub(crate) fn is_about_the_bucket(said: &str) -> bool {
    ["NoSuchBucket", "ContainerNotFound"].iter().any(|code| said.contains(code))
}

/// What to do about a refusal.
pub(crate) fn hint(cloud: Cloud, error: &object_store::Error, said: &str) -> &'static str {
    use object_store::Error::{PermissionDenied, Unauthenticated};
    match (error, cloud) {
        (PermissionDenied { .. } | Unauthenticated { .. }, Cloud::S3) => {
            "; are AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY right? Without s3:ListBucket S3 says this of what is absent"
        }
        (PermissionDenied { .. } | Unauthenticated { .. }, Cloud::Azure) => {
            "; are AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY right?"
        }
        (PermissionDenied { .. } | Unauthenticated { .. }, Cloud::Google) => {
            "; is the file right that GOOGLE_APPLICATION_CREDENTIALS names?"
        }
        _ if is_about_the_bucket(said) => "; make the bucket, or correct VCACHE_REMOTE",
        _ => "",
    }
}
