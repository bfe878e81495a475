//! Real calls of a real build: `calls.jsonl`, one JSON object a line. It is not part of the repository.

use std::path::PathBuf;

/// The text of the file that `VCACHE_CORPUS` names, else of the one beside the workspace. None, said loudly, where it is not there: not a
/// failure on CI's machine either.
pub fn corpus(test: &str) -> Option<String> {
    let beside = || vcache_testkit::workspace().join("../shared/corpus/calls.jsonl");
    let path = std::env::var_os("VCACHE_CORPUS").map_or_else(beside, PathBuf::from);
    let text = std::fs::read_to_string(&path);
    text.inspect_err(|e| vcache_testkit::say_skipped(test, &format!("{}: {e}", path.display()))).ok()
}
