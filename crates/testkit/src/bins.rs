//! Where the executables under test are.

use std::path::{Path, PathBuf};

/// The root of the workspace, fixed when this crate was compiled.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("crates/testkit is two levels down")
        .to_path_buf()
}

/// The folder with `vcache-shim` and `vcache`.
///
/// `VCACHE_TEST_BIN` wins; else the static release build, the release build and the debug build are looked for, first
/// in the target folder that this test itself was built in, then in the workspace's own.
///
/// # Panics
/// When neither place has the executables; the message is the command that builds them.
pub fn bin_dir() -> PathBuf {
    if let Some(given) = std::env::var_os("VCACHE_TEST_BIN") {
        let given = PathBuf::from(given);
        assert!(is_complete(&given), "VCACHE_TEST_BIN={} has no vcache-shim and vcache", given.display());
        return given;
    }
    let own_target =
        std::env::current_exe().ok().and_then(|exe| exe.ancestors().nth(3).map(Path::to_path_buf));
    let targets = own_target.into_iter().chain([workspace().join("target")]);
    targets
        .flat_map(|target| {
            ["x86_64-unknown-linux-gnu/release", "release", "debug"].map(|profile| target.join(profile))
        })
        .find(|dir| is_complete(dir))
        .unwrap_or_else(|| {
            panic!("no executables to test; run: cargo build --release -p vcache-multicall -p vcache-cli")
        })
}

fn is_complete(dir: &Path) -> bool {
    dir.join("vcache-shim").is_file() && dir.join("vcache").is_file()
}
