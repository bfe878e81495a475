//! Before packages are removed, the versions of all that are installed are written down: what is only there while an image is built
//! would else be in no version file. SONiC's hooks do it in the same file, `post-versions/purge-versions-deb`.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use vcache_shim::real_tool;

use super::pins::buildinfo;
use super::run::Running;

const REMOVING: &[&str] = &["auto-remove", "autopurge", "autoremove", "purge", "remove"];
/// A line of it.
const FORMAT: &str = "${Package}==${Version}\n";

/// Writes them down, where SONiC's folder is. Trouble is told, and apt goes on.
pub(super) fn record_versions(running: &Running<'_>) {
    let folder = buildinfo(running);
    if !REMOVING.contains(&running.call.command.as_str()) || running.call.only_shows || !folder.is_dir() {
        return;
    }
    let file = folder.join("post-versions/purge-versions-deb");
    if let Err(e) = append(running, &file) {
        running.messages.warn(format_args!("{}: {e}; versions are not recorded", file.display()));
    }
}

fn append(running: &Running<'_>, file: &Path) -> io::Result<()> {
    let query = running.host.with_args(vec!["dpkg-query".into()]);
    let tool = real_tool::find(&query).map_err(io::Error::other)?;
    let output = tool.command(&query, &["-W".into(), "-f".into(), FORMAT.into()]).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("dpkg-query: {}", output.status)));
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut to = OpenOptions::new().create(true).append(true).open(file)?;
    to.write_all(&output.stdout)?;
    // Whoever builds on may be another user.
    let _ = to.set_permissions(Permissions::from_mode(0o666));
    Ok(())
}
