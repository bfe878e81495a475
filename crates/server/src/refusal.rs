//! Every answer that says no, with its status, its counted reason and a text for people. A miss is not one.

use hyper::StatusCode;
use vcache_store::Sha256Id;

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("a token is needed: send it as `Authorization: Bearer TOKEN`, or as the password of Basic")]
    Unauthorized,
    #[error("this server is read-only; nothing was stored")]
    ReadOnly,
    #[error("there is nothing here; ask for /cas/NAME, /ac/NAME, /status or /metrics")]
    NoSuchPath,
    #[error("a name is 64 lower-case hexadecimal digits")]
    BadName,
    #[error("allowed here: {allow}")]
    Method { allow: &'static str },
    #[error("the content's SHA-256 is {found}, not {named}; nothing was stored")]
    Mismatch { named: Sha256Id, found: Sha256Id },
    #[error("the body ended before it was complete; nothing was stored")]
    Incomplete,
    #[error("the body comes too slowly; nothing was stored")]
    TooSlow,
    #[error("larger than the {limit} bytes that are taken here; nothing was stored")]
    TooLarge { limit: u64 },
    #[error("not an entry that can be kept: {why}; nothing was stored")]
    BadEntry { why: String },
    #[error("the content {id} is not here; put it first; nothing was stored")]
    NoContent { id: Sha256Id },
    #[error("line {line} is not an event: {why}; nothing was noted")]
    BadEvent { line: usize, why: String },
    #[error("there is no room for it within the limit of {limit} bytes; nothing was stored")]
    Full { limit: u64 },
    #[error("the disk of the cache is full; nothing was stored")]
    DiskFull,
    #[error("trouble with the cache: {0}")]
    Trouble(String),
}

impl Refusal {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::Method { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadName
            | Self::Mismatch { .. }
            | Self::Incomplete
            | Self::BadEntry { .. }
            | Self::BadEvent { .. } => StatusCode::BAD_REQUEST,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::NoContent { .. } => StatusCode::CONFLICT,
            Self::Full { .. } | Self::DiskFull => StatusCode::INSUFFICIENT_STORAGE,
            Self::Trouble(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The counted reason.
    pub(crate) fn reason(&self) -> &'static str {
        match self {
            Self::Unauthorized => "unauthorized",
            Self::ReadOnly => "read-only",
            Self::NoSuchPath => "path",
            Self::BadName => "name",
            Self::Method { .. } => "method",
            Self::Mismatch { .. } => "mismatch",
            Self::Incomplete => "incomplete",
            Self::TooSlow => "slow",
            Self::TooLarge { .. } => "too-large",
            Self::BadEntry { .. } => "entry",
            Self::NoContent { .. } => "no-content",
            Self::BadEvent { .. } => "event",
            Self::Full { .. } => "limit",
            Self::DiskFull => "disk-full",
            Self::Trouble(_) => "trouble",
        }
    }

    /// The refusal that an error of the system while storing means.
    pub(crate) fn of_io(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::Trouble(error.to_string()),
        }
    }
}

impl From<vcache_store::Error> for Refusal {
    fn from(error: vcache_store::Error) -> Self {
        match &error {
            vcache_store::Error::Io { source, .. } => match Self::of_io(source) {
                Self::DiskFull => Self::DiskFull,
                // The path of the cache is the operator's matter, not the client's.
                _ => Self::Trouble(source.kind().to_string()),
            },
            _ => Self::Trouble("a blob is damaged".to_owned()),
        }
    }
}
