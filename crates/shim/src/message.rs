//! What a shim says to people: one line on stderr, never on stdout, as loud as `VCACHE_LOG` allows.

use std::fmt::Display;
use std::io::Write;

use crate::Settings;

/// How loud, from nothing at all to everything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Level {
    /// Nothing.
    Off,
    /// What ends the call.
    Error,
    /// What the user should know though the build goes on.
    #[default]
    Warn,
    /// Each hit and each download.
    Info,
    /// Why things were decided as they were.
    Debug,
}

impl Level {
    /// The level of this name.
    pub fn parse(text: &str) -> Option<Level> {
        Some(match text {
            "off" => Level::Off,
            "error" => Level::Error,
            "warn" => Level::Warn,
            "info" => Level::Info,
            "debug" => Level::Debug,
            _ => return None,
        })
    }
}

/// An error with its causes, as `what: why: why`. One that repeats what is said already (many libraries show their cause in themselves) is left out.
pub struct Chain<'a>(pub &'a dyn std::error::Error);

impl Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut said = self.0.to_string();
        write!(f, "{said}")?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let words = error.to_string();
            if !said.ends_with(&words) {
                write!(f, ": {words}")?;
                said = words;
            }
            cause = error.source();
        }
        Ok(())
    }
}

/// The stream of messages of one process.
#[derive(Clone, Copy, Debug)]
pub struct Messages {
    level: Level,
}

impl Messages {
    /// Messages up to `level`.
    pub fn new(level: Level) -> Messages {
        Messages { level }
    }

    /// Those that `VCACHE_LOG` asks for; those of the default level where it asks for none that there is.
    pub fn of(settings: &Settings) -> Messages {
        Messages::new(Level::parse(settings.get("VCACHE_LOG")).unwrap_or_default())
    }

    /// What ends the call.
    pub fn error(&self, text: impl Display) {
        self.say(Level::Error, "error: ", &text);
    }

    /// What the user should know though the build goes on.
    pub fn warn(&self, text: impl Display) {
        self.say(Level::Warn, "warning: ", &text);
    }

    /// What happened.
    pub fn info(&self, text: impl Display) {
        self.say(Level::Info, "", &text);
    }

    /// Why.
    pub fn debug(&self, text: impl Display) {
        self.say(Level::Debug, "debug: ", &text);
    }

    fn say(&self, level: Level, word: &str, text: &dyn Display) {
        if level <= self.level {
            // One write, so that lines of parallel calls don't mix; a closed stderr is not our trouble.
            let line = format!("vcache: {word}{text}\n");
            let _ = std::io::stderr().write_all(line.as_bytes());
        }
    }
}
