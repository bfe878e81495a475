//! `/status`, for programs (JSON) and for people (the same as a page), and `/metrics` for Prometheus.
//!
//! How full the store is takes a walk, so it is measured at most every [`FRESH`], whoever asks.

use std::fmt::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use hyper::header::ACCEPT;
use hyper::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::task::block_in_place;
use vcache_store::{Store, Usage};

use crate::Shared;
use crate::counts::number;
use crate::routes::{Answer, text};

const FRESH: Duration = Duration::from_secs(15);

/// How full the store was when someone last asked.
#[derive(Debug, Default)]
pub(crate) struct Measured(Mutex<Option<(Instant, Usage)>>);

impl Measured {
    /// `None`: it can't be measured.
    fn usage(&self, store: &Store) -> Option<Usage> {
        block_in_place(|| {
            let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if !last.is_some_and(|(when, _)| when.elapsed() < FRESH) {
                *last = store.usage().ok().map(|usage| (Instant::now(), usage));
            }
            last.map(|(_, usage)| usage)
        })
    }
}

/// `/status`.
pub(crate) fn page(shared: &Arc<Shared>, headers: &HeaderMap) -> Answer {
    let facts = facts(shared);
    let answer = if prefers_html(headers) {
        text(StatusCode::OK, "text/html; charset=utf-8", html(&facts))
    } else {
        text(StatusCode::OK, "application/json", format!("{facts:#}\n"))
    };
    Ok((answer, "done"))
}

/// `/metrics`.
pub(crate) fn metrics(shared: &Arc<Shared>) -> Answer {
    let mut all = shared.counts.text();
    let usage = shared.measured.usage(&shared.store);
    let gauge = |all: &mut String, name, help, value| number(all, name, "gauge", help, value);
    gauge(&mut all, "vcache_blobs", "Blobs in the store.", usage.map(|usage| usage.blobs));
    gauge(
        &mut all,
        "vcache_disk_bytes",
        "Bytes that the store takes on disk.",
        usage.map(|usage| usage.disk),
    );
    gauge(&mut all, "vcache_limit_bytes", "Bytes that it may take.", shared.budget.limit());
    gauge(
        &mut all,
        "vcache_uptime_seconds",
        "Seconds since the start.",
        Some(shared.started.elapsed().as_secs()),
    );
    Ok((text(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", all), "done"))
}

fn facts(shared: &Shared) -> Value {
    let usage = shared.measured.usage(&shared.store);
    let mut facts = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": shared.started.elapsed().as_secs(),
        "cache": shared.store.dir().to_string_lossy(),
        "read_only": shared.read_only,
        "image": shared.image,
        "blobs": usage.map(|usage| usage.blobs),
        "bytes": usage.map(|usage| usage.bytes),
        "disk_bytes": usage.map(|usage| usage.disk),
        "limit_bytes": shared.budget.limit(),
    });
    if let (Value::Object(all), Value::Object(counts)) = (&mut facts, shared.counts.json()) {
        all.extend(counts);
    }
    facts
}

/// A browser names HTML first; programs name JSON, or anything.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    match (accept.find("text/html"), accept.find("application/json")) {
        (Some(html), Some(json)) => html < json,
        (html, _) => html.is_some(),
    }
}

fn html(facts: &Value) -> String {
    let mut rows = String::new();
    flatten("", facts, &mut |name, value| {
        let _ = writeln!(rows, "<tr><th>{}</th><td>{}</td></tr>", escape(name), escape(&value));
    });
    format!(
        "<!doctype html>\n<meta charset=\"utf-8\"><meta http-equiv=\"refresh\" content=\"15\"><title>vcache serve</title>\n\
         <style>body{{font:15px sans-serif;margin:2em}}th{{text-align:left;font-weight:normal;padding-right:2em}}\
         td{{text-align:right;font-family:monospace}}</style>\n<h1>vcache serve</h1>\n<table>\n{rows}</table>\n"
    )
}

/// One row for each figure, its name as the path to it.
fn flatten(name: &str, value: &Value, row: &mut dyn FnMut(&str, String)) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields {
                let gap = if name.is_empty() { "" } else { " " };
                flatten(&format!("{name}{gap}{}", field.replace('_', " ")), value, row);
            }
        }
        Value::Null => {}
        Value::String(text) => row(name, text.clone()),
        other => row(name, other.to_string()),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn browsers_get_the_page_and_programs_get_json() {
        for (accept, expected) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, text/html;q=0.5", false),
            ("application/json", false),
            ("*/*", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(prefers_html(&headers), expected, "{accept}");
        }
    }

    #[test]
    fn the_page_shows_every_figure_and_runs_no_markup() {
        let page = html(&json!({"cache": "/<b>&", "requests": {"cas": {"get": {"hit": 3}}}, "image": null}));
        assert!(page.contains("<tr><th>cache</th><td>/&lt;b&gt;&amp;</td></tr>"), "{page}");
        assert!(page.contains("<tr><th>requests cas get hit</th><td>3</td></tr>"), "{page}");
        assert!(!page.contains("image"), "{page}");
    }
}
