//! Figures of what was asked and answered since the start: for `/status`, and in Prometheus' text format for `/metrics`
//! (prometheus.io/docs/instrumenting/exposition_formats).

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

/// What a request was: the room (`cas`, `ac`, `events`, …), the method, and what became of it.
type Row = (&'static str, &'static str, &'static str);

/// Figures since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    requests: Mutex<BTreeMap<Row, u64>>,
    refused: Mutex<BTreeMap<&'static str, u64>>,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
    connections: AtomicU64,
}

impl Counts {
    pub(crate) fn request(&self, room: &'static str, method: &'static str, result: &'static str) {
        *self
            .requests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry((room, method, result))
            .or_default() += 1;
    }

    pub(crate) fn refused(&self, reason: &'static str) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(reason).or_default() += 1;
    }

    /// Bytes of content that came.
    pub(crate) fn received(&self, bytes: u64) {
        self.bytes_in.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes of content that went out.
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes_out.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn connected(&self) {
        self.connections.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn disconnected(&self) {
        self.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// As JSON: `{"requests": {"cas": {"get": {"hit": 3}}}, "refused": {…}, "bytes_in": …}`.
    pub(crate) fn json(&self) -> Value {
        let mut requests = json!({});
        for ((room, method, result), count) in self.rows() {
            requests[room][method][result] = count.into();
        }
        json!({
            "requests": requests,
            "refused": *self.refused.lock().unwrap_or_else(PoisonError::into_inner),
            "bytes_in": self.bytes_in.load(Ordering::Relaxed),
            "bytes_out": self.bytes_out.load(Ordering::Relaxed),
            "connections": self.connections.load(Ordering::Relaxed),
        })
    }

    /// For Prometheus.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        head(&mut text, "vcache_requests_total", "counter", "Requests by room, method and result.");
        for ((room, method, result), count) in self.rows() {
            let labels = format!("room=\"{room}\",method=\"{method}\",result=\"{result}\"");
            let _ = writeln!(text, "vcache_requests_total{{{labels}}} {count}");
        }
        head(&mut text, "vcache_refused_total", "counter", "Requests that were refused, by reason.");
        for (reason, count) in &*self.refused.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = writeln!(text, "vcache_refused_total{{reason=\"{reason}\"}} {count}");
        }
        let load = |count: &AtomicU64| Some(count.load(Ordering::Relaxed));
        number(
            &mut text,
            "vcache_received_bytes_total",
            "counter",
            "Bytes of content that came.",
            load(&self.bytes_in),
        );
        number(
            &mut text,
            "vcache_sent_bytes_total",
            "counter",
            "Bytes of content that went out.",
            load(&self.bytes_out),
        );
        number(&mut text, "vcache_connections", "gauge", "Connections now.", load(&self.connections));
        text
    }

    fn rows(&self) -> BTreeMap<Row, u64> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Appends a metric that is one number; nothing where it is not known.
pub(crate) fn number(text: &mut String, name: &str, kind: &str, help: &str, value: Option<u64>) {
    if let Some(value) = value {
        head(text, name, kind, help);
        let _ = writeln!(text, "{name} {value}");
    }
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
}
