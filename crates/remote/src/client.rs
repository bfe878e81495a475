//! What every HTTP client of ours begins with: the cryptography that TLS computes with.
//!
//! rustls is given ring. With aws-lc, which is its own choice, the executable of the shims is 0.7 MB larger. TLS 1.2 and 1.3, their ciphers, RSA,
//! P-256, P-384 and Ed25519 are the same in both. ring has no ML-KEM, so no exchange of keys that resists a quantum computer, and can't check
//! what is signed with a key on P-521.

use rustls::crypto::ring;

/// A client that waits. To be finished by the caller, who knows its limits.
pub fn blocking() -> reqwest::blocking::ClientBuilder {
    provide();
    reqwest::blocking::Client::builder()
}

/// A client for whoever has an async runtime.
pub fn concurrent() -> reqwest::ClientBuilder {
    provide();
    reqwest::Client::builder()
}

/// reqwest takes what the process has, and panics if it has none.
fn provide() {
    // An error: it has been done already.
    let _ = ring::default_provider().install_default();
}
