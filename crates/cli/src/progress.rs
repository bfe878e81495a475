//! Progress of long work, on stderr: a line that rewrites itself on a terminal, else a line now and then, so that a log
//! shows that something goes on without being filled.

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Shows how far some work is.
pub(crate) struct Progress {
    terminal: bool,
    every: Duration,
    last: Instant,
    shown: bool,
}

impl Progress {
    /// Nothing is shown at once: work that is done quickly needs no progress.
    pub(crate) fn new() -> Progress {
        let terminal = io::stderr().is_terminal();
        let every = if terminal { Duration::from_millis(100) } else { Duration::from_secs(10) };
        Progress { terminal, every, last: Instant::now(), shown: false }
    }

    /// Shows `text` when it is time to.
    pub(crate) fn show(&mut self, text: impl FnOnce() -> String) {
        if self.last.elapsed() < self.every {
            return;
        }
        self.last = Instant::now();
        self.shown = true;
        let line = if self.terminal {
            format!("\r\x1b[Kvcache: {}", text())
        } else {
            format!("vcache: {}\n", text())
        };
        let _ = io::stderr().write_all(line.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal && self.shown {
            let _ = io::stderr().write_all(b"\r\x1b[K");
        }
    }
}
