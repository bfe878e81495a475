//! The key that archives are signed with: made by the real `gpg` in a folder of its own, and gone with it.
//!
//! The mirrors of a test process share one key while any of them lives. Dropping the last ends gpg's agent.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

use super::build::run;

/// What clocks show when it is made and used.
const CLOCK: &str = "20200101T000000";

/// A key with its agent.
#[derive(Debug)]
pub(super) struct Key {
    home: TempDir,
    public: Vec<u8>,
    /// Signatures by what is signed, and how.
    signed: Mutex<HashMap<(String, &'static str), Vec<u8>>>,
}

impl Key {
    /// The key of this process.
    pub(super) fn shared() -> Arc<Key> {
        static SHARED: Mutex<Weak<Key>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.upgrade().unwrap_or_else(|| {
            let key = Arc::new(Key::make());
            *shared = Arc::downgrade(&key);
            key
        })
    }

    fn make() -> Key {
        let home = tempfile::Builder::new().prefix("vcache-gpg-").tempdir().expect("make a temporary folder");
        run(gpg(home.path()).args([
            "--quick-generate-key",
            "Test <test@example.com>",
            "ed25519",
            "sign",
            "never",
        ]));
        let public = run(gpg(home.path()).args(["--armor", "--export"]));
        Key { home, public, signed: Mutex::default() }
    }

    /// The public key as text, for `trusted.gpg.d/*.asc`.
    pub(super) fn public(&self) -> &[u8] {
        &self.public
    }

    /// `InRelease`.
    pub(super) fn clear_sign(&self, text: &str) -> Vec<u8> {
        self.sign(text, "--clear-sign")
    }

    /// `Release.gpg`.
    pub(super) fn detach_sign(&self, text: &str) -> Vec<u8> {
        self.sign(text, "--detach-sign")
    }

    fn sign(&self, text: &str, how: &'static str) -> Vec<u8> {
        let mut signed = self.signed.lock().unwrap_or_else(PoisonError::into_inner);
        let sign = || {
            let file = self.home.path().join("text");
            std::fs::write(&file, text).expect("write what is to be signed");
            run(gpg(self.home.path()).args(["--armor", "--output", "-", how]).arg(&file))
        };
        signed.entry((text.to_owned(), how)).or_insert_with(sign).clone()
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        let mut end = Command::new("gpgconf");
        end.arg("--homedir").arg(self.home.path()).args(["--kill", "all"]);
        end.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().ok();
    }
}

fn gpg(home: &Path) -> Command {
    let mut command = Command::new("gpg");
    command.arg("--homedir").arg(home).args([
        "--batch",
        "--quiet",
        "--no-tty",
        "--pinentry-mode",
        "loopback",
    ]);
    command.args(["--passphrase", "", "--faked-system-time", CLOCK]);
    command.env("HOME", home).env_remove("GNUPGHOME");
    command
}

#[cfg(test)]
mod tests {
    use super::super::DebianMirror;
    use super::Key;

    #[test]
    fn no_agent_outlives_its_key() {
        if crate::missing("no_agent_outlives_its_key", &DebianMirror::NEEDS) {
            return;
        }
        let key = Key::make();
        let home = key.home.path().to_str().expect("temporary paths are text").to_owned();
        assert!(key.clear_sign("text\n").starts_with(b"-----BEGIN PGP SIGNED MESSAGE-----"));
        assert!(is_named_by_a_process(&home), "gpg has no agent");
        drop(key);
        let begin = std::time::Instant::now();
        while is_named_by_a_process(&home) {
            assert!(begin.elapsed().as_secs() < 10, "the agent goes on");
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }

    fn is_named_by_a_process(text: &str) -> bool {
        let processes = std::fs::read_dir("/proc").expect("processes");
        processes.flatten().any(|process| {
            let words = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(text)
        })
    }
}
