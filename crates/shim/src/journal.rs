//! The record of what was done for each request: one line of JSON, into the cache's `events/` for `vcache stats`, and
//! into the file that `VCACHE_BUILD_LOG` names for one build.
//!
//! A line is written by one `write(2)` in append mode, so that parallel calls don't mix. Failure to write it is no
//! one's trouble.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use vcache_store::{Store, public_url};

use crate::{Host, Settings};

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Answered from the cache.
    Hit,
    /// Fetched by the real tool, and kept where that was possible.
    Miss,
    /// Left to the real tool.
    Passthrough,
    /// Refused: exit status 117, 118 or 119.
    Refused,
    /// The real tool failed.
    Failed,
    /// A blob that was to be given out was found corrupt; the request goes on.
    Corrupt,
}

/// One line.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// Milliseconds since 1970.
    pub time: u64,
    /// The tool's name.
    pub tool: String,
    /// What became of it.
    pub outcome: Outcome,
    /// The counted reason of a passthrough, or why a miss was not kept.
    #[serde(default)]
    pub reason: Option<String>,
    /// More about the reason.
    #[serde(default)]
    pub detail: Option<String>,
    /// What was asked for, without secrets.
    #[serde(default)]
    pub url: Option<String>,
    /// The kind of the content, where a tool asks for several: a name of [`vcache_store::Kind`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The second tier that a hit came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier: Option<String>,
    /// Size of the content in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Milliseconds from the start of the call.
    #[serde(default)]
    pub ms: u64,
    /// The image in whose build the call was made; `vcache serve --image` adds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
}

impl Event {
    /// An event that someone else wrote, as it is to be kept here: what was understood of it, its URL freed of secrets once more, and
    /// `image` as its image where one is named.
    ///
    /// # Errors
    /// The line is none.
    pub fn adopt(line: &[u8], image: Option<&str>) -> serde_json::Result<String> {
        let mut event: Event = serde_json::from_slice(line)?;
        event.url = event.url.map(|url| public_url(&url));
        event.image = image.map(str::to_owned).or(event.image);
        serde_json::to_string(&event)
    }
}

/// Writes the events of one call.
pub struct Journal {
    tool: String,
    build_log: Option<PathBuf>,
    started: Instant,
    time: u64,
}

impl Journal {
    /// For the call in `host`; the clock starts now.
    pub fn new(host: &Host, settings: &Settings) -> Journal {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_millis() as u64);
        Journal {
            tool: host.name().to_string_lossy().into_owned(),
            build_log: settings.path("VCACHE_BUILD_LOG"),
            started: Instant::now(),
            time,
        }
    }

    /// An event of this call, to be filled in.
    pub fn event(&self, outcome: Outcome) -> Event {
        Event {
            time: self.time,
            tool: self.tool.clone(),
            outcome,
            reason: None,
            detail: None,
            url: None,
            kind: None,
            tier: None,
            bytes: 0,
            ms: self.started.elapsed().as_millis() as u64,
            image: None,
        }
    }

    /// Writes `event`; `store` is where the cache can be used.
    pub fn write(&self, store: Option<&Store>, event: &Event) {
        let Ok(line) = serde_json::to_string(event) else { return };
        if let Some(store) = store {
            let _ = store.append_event(&line);
        }
        if let Some(path) = &self.build_log {
            append(path, &[line]);
        }
    }
}

/// Adds lines to the log of a build, in one write, so that the lines of others do not come between. Who can't have it does without.
pub fn append(path: &Path, lines: &[String]) {
    if let Ok(mut file) = OpenOptions::new().append(true).create(true).open(path) {
        let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
        let _ = file.write_all(text.as_bytes());
    }
}
