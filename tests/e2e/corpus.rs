//! Real calls of a real build: `calls.jsonl`, one JSON object a line, and the version files of that build. They are not part of the repository.

use std::path::PathBuf;

/// The text of the file that `VCACHE_CORPUS` names, else of the one beside the workspace. None, said loudly, where it is not there: not a
/// failure on CI's machine either.
pub fn corpus(test: &str) -> Option<String> {
    let path = calls();
    let text = std::fs::read_to_string(&path);
    text.inspect_err(|e| vcache_testkit::say_skipped(test, &format!("{}: {e}", path.display()))).ok()
}

/// The folder beside it with a release's version files and what SONiC's script makes of them. None, said loudly, where it is not there.
pub fn version_tree(test: &str) -> Option<PathBuf> {
    let folder = calls().with_file_name("versions-tree");
    let here = folder.is_dir();
    if !here {
        vcache_testkit::say_skipped(test, &format!("{}: no such folder", folder.display()));
    }
    here.then_some(folder)
}

fn calls() -> PathBuf {
    let beside = || vcache_testkit::workspace().join("../shared/corpus/calls.jsonl");
    std::env::var_os("VCACHE_CORPUS").map_or_else(beside, PathBuf::from)
}
