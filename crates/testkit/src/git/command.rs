//! The real git, run in one folder with nothing of the user's configuration.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::stream::{FIRST_DAY, Stream};

/// A folder to run git in.
pub(super) struct Git {
    dir: PathBuf,
}

impl Git {
    pub(super) fn here(dir: &Path) -> Git {
        Git { dir: dir.to_owned() }
    }

    /// Runs git; its standard output without the last line end.
    pub(super) fn run(&self, words: &[&str]) -> String {
        self.feed(words, "")
    }

    /// The identifier of a commit.
    pub(super) fn id(&self, revision: &str) -> String {
        self.run(&["rev-parse", "--verify", &format!("{revision}^{{commit}}")])
    }

    /// Takes a stream in.
    pub(super) fn import(&self, stream: &Stream) {
        self.feed(&["fast-import", "--quiet", "--force"], stream.text());
    }

    fn feed(&self, words: &[&str], input: &str) -> String {
        let mut command = Command::new("git");
        command.args(words).current_dir(&self.dir).stdin(Stdio::piped()).stdout(Stdio::piped());
        alone(&mut command, &self.dir);
        let mut child = command.spawn().expect("start git");
        let mut stdin = child.stdin.take().expect("standard input is piped");
        let input = input.to_owned();
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let output = child.wait_with_output().expect("git ends");
        let written = writer.join().expect("the writer ends");
        assert!(
            output.status.success(),
            "git {} in {}: {}",
            words.join(" "),
            self.dir.display(),
            output.status
        );
        written.expect("git reads its input");
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }
}

/// Keeps the configuration of user and machine away, and fixes names and dates.
pub(super) fn alone(command: &mut Command, home: &Path) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GIT_") {
            command.env_remove(name);
        }
    }
    command.env("HOME", home).env("GIT_CONFIG_NOSYSTEM", "1").env("LC_ALL", "C");
    for role in ["AUTHOR", "COMMITTER"] {
        command
            .env(format!("GIT_{role}_NAME"), "Test")
            .env(format!("GIT_{role}_EMAIL"), "test@example.com")
            .env(format!("GIT_{role}_DATE"), format!("{FIRST_DAY} +0000"));
    }
}
