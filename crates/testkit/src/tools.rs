//! Stand-ins for real tools.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Puts a tool called `name` into `dir` that prints its arguments and its environment, one word a line
/// (`arg: …`, `env: …`), and exits 0. `$0` comes first, as `arg0: …`.
pub fn echo(dir: &Path, name: &str) -> PathBuf {
    script(
        dir,
        name,
        "printf 'arg0: %s\\n' \"$0\"\nfor a in \"$@\"; do printf 'arg: %s\\n' \"$a\"; done\nenv | sed 's/^/env: /'\n",
    )
}

/// Puts a tool called `name` into `dir` that must not be called: it says so and exits 99.
pub fn poison(dir: &Path, name: &str) -> PathBuf {
    script(dir, name, "echo \"poison: $0 was called: $*\" >&2\nexit 99\n")
}

/// Puts a shell script called `name` into `dir`.
pub fn script(dir: &Path, name: &str, body: &str) -> PathBuf {
    std::fs::create_dir_all(dir).expect("make a folder for tools");
    let path = dir.join(name);
    std::fs::write(&path, format!("#!/bin/sh\n{body}")).expect("write a tool");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("make a tool executable");
    path
}
