//! The key of a bootstrap: everything that its tree follows from.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use vcache_shim::real_tool;
use vcache_store::{Hashes, Key};

use super::call::Call;
use super::index::Index;
use super::run::Running;
use crate::reason::Code;

/// Changes when what goes into a key, or what an artifact holds, does.
const FORMAT: &str = "1";
/// Where Debian has its functions and scripts.
const FOLDER: &str = "/usr/share/debootstrap";

/// Makes the key. `indexes`: of the suite, and of the others that are named.
///
/// # Errors
/// A file that counts can't be read: the real tool says so.
pub(super) fn key(
    running: &Running<'_>,
    call: &Call,
    tool: &Path,
    indexes: &[(String, Index)],
) -> Result<Key, (Code, String)> {
    let folder = running.host.env("DEBOOTSTRAP_DIR").map_or_else(|| PathBuf::from(FOLDER), PathBuf::from);
    let folder = running.host.cwd().join(folder);
    let mut parts = vec![format!("format {FORMAT}"), format!("suite {}", call.suite)];
    parts.push(format!("arch {}", call.arch.clone().or_else(|| native(running)).unwrap_or_default()));
    parts.extend(call.variant.iter().map(|variant| format!("variant {variant}")));
    parts.extend(call.mirror.iter().map(|mirror| format!("mirror {mirror}")));
    parts.extend(call.shape.iter().map(|line| format!("option {line}")));
    parts.push(format!("makes {}", if call.makes.is_some() { "tarball" } else { "tree" }));
    parts.extend(indexes.iter().map(|(suite, index)| format!("index {suite} {}", index.sha256)));

    let is_there = |file: &PathBuf| running.host.cwd().join(file).is_file();
    let script = call.scripts(&folder).into_iter().find(is_there);
    let script = script.ok_or_else(|| (Code::OtherBootstrap, "its script is not there".to_owned()))?;
    let mut files = vec![
        ("program".to_owned(), tool.to_owned()),
        ("functions".to_owned(), folder.join("functions")),
        ("script".to_owned(), script),
    ];
    files.extend(call.files.iter().cloned());
    files.extend(call.unpacks.iter().map(|file| ("packages".to_owned(), file.clone())));
    for (name, file) in files {
        let file = running.host.cwd().join(file);
        let hashes = File::open(&file).ok().and_then(|open| Hashes::of(&open, false).ok());
        let hashes = hashes.ok_or_else(|| (Code::Trouble, format!("{}: can't be read", file.display())))?;
        parts.push(format!("{name} {}", hashes.sha256));
    }
    if running.policy.versioned {
        for kind in ["deb", "mirror"] {
            let file = running.buildinfo().join("versions").join(format!("versions-{kind}"));
            if let Some(hashes) = File::open(file).ok().and_then(|open| Hashes::of(&open, false).ok()) {
                parts.push(format!("versions-{kind} {}", hashes.sha256));
            }
        }
    }
    Ok(Key::artifact(&format!("debootstrap {}", call.suite), &parts.join("\n")))
}

/// The machine's own architecture, as debootstrap asks for it.
fn native(running: &Running<'_>) -> Option<String> {
    let dpkg = running.host.with_args(vec!["dpkg".into()]);
    let tool = real_tool::find(&dpkg).ok()?;
    let output = tool.command(&dpkg, &["--print-architecture".into()]).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
