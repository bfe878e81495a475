//! apt: rows of command lines, each run by the real apt and by the shims in a root of its own, and everything that it says and leaves
//! compared.

mod archive;
mod legs;
mod row;
mod said;
mod state;
mod versions;
mod world;

pub use archive::stock;
pub use legs::check;
pub use row::{Expect, Row, cached, live, local, passed};
pub use said::{said, sorted};
pub use versions::files;
pub use world::{Setup, World};

/// Checks that standard error has these words.
///
/// # Panics
/// When one is missing.
#[track_caller]
pub fn says(done: &vcache_testkit::Finished, words: &[&str]) {
    let text = done.stderr_text();
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}
