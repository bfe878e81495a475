//! Sources of packages that stay the same: lines of `sources.list` for a snapshot of the archive instead of its moving mirrors, as SONiC's `set_reproducible_mirrors` has it.
//!
//! SONiC writes both kinds of lines into an image's `sources.list`, those for the snapshot (`BUILD_SNAPSHOT_URL`) as comments or not. While an image is built the snapshot's count; with
//! `MIRROR_SNAPSHOT=y` the others do not. Before it is shipped all is put back. A file that was changed carries a mark, so that nothing is done twice. `debian.sources`, which Debian's own
//! images have and which is of another form, is moved aside meanwhile; but only where another file has the snapshot, so that nobody is left without any source.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use vcache_shim::Settings;

/// The last line of a file that was changed.
const MARK: &str = "#SET_REPR_MIRRORS";
const DEBIAN: &str = "etc/apt/sources.list.d/debian.sources";
const ASIDE: &str = "etc/apt/sources.list.d/debian.sources.back";

/// Which lines are to count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sources {
    /// Those for the snapshot.
    Snapshot,
    /// Those that the image is shipped with.
    Mirrors,
}

/// Changes the files of apt's sources below `root`. Which ones were changed. Without `BUILD_SNAPSHOT_URL` there is nothing to do.
///
/// # Errors
/// A file can't be read or replaced; those before it are changed.
pub fn switch(settings: &Settings, root: &Path, to: Sources) -> io::Result<Vec<PathBuf>> {
    let url = settings.get("BUILD_SNAPSHOT_URL").trim_end_matches('/');
    if url.is_empty() {
        return Ok(Vec::new());
    }
    let alone = settings.flag("MIRROR_SNAPSHOT") == Some(true);
    let mut changed = Vec::new();
    let mut has_snapshot = false;
    for file in files(root)? {
        let text = match fs::read_to_string(&file) {
            Err(e) if e.kind() == io::ErrorKind::InvalidData => continue,
            other => other?,
        };
        if !mentions(&text, url) {
            continue;
        }
        has_snapshot = true;
        if let Some(text) = switched(&text, url, alone, to) {
            replace(&file, &text)?;
            changed.push(file);
        }
    }
    let (from, into) = match to {
        Sources::Snapshot => (DEBIAN, ASIDE),
        Sources::Mirrors => (ASIDE, DEBIAN),
    };
    if has_snapshot && root.join(from).is_file() {
        fs::rename(root.join(from), root.join(into))?;
        changed.push(root.join(into));
    }
    Ok(changed)
}

/// `sources.list`, and the regular files `*.list` of its folder, by name.
fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    match fs::read_dir(root.join("etc/apt/sources.list.d")) {
        Ok(entries) => {
            for entry in entries {
                files.push(entry?.path());
            }
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e),
    }
    // Of the two forms of sources the lines of `*.sources` are none.
    files.retain(|file| file.extension().is_some_and(|extension| extension == "list"));
    files.sort();
    files.insert(0, root.join("etc/apt/sources.list"));
    files.retain(|file| file.symlink_metadata().is_ok_and(|metadata| metadata.is_file()));
    Ok(files)
}

fn replace(file: &Path, text: &str) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let mut temporary = tempfile::Builder::new().prefix(".sources-").tempfile_in(folder)?;
    io::Write::write_all(&mut temporary, text.as_bytes())?;
    fs::set_permissions(temporary.path(), fs::metadata(file)?.permissions())?;
    temporary.persist(file)?;
    Ok(())
}

/// Hosts are the same in any case; the URL of a snapshot is nothing else.
fn mentions(text: &str, url: &str) -> bool {
    text.to_ascii_lowercase().contains(&url.to_ascii_lowercase())
}

/// The text with the other lines in force; none where it is so already. `alone`: lines for other places do not count beside the snapshot's.
fn switched(text: &str, url: &str, alone: bool, to: Sources) -> Option<String> {
    let is_marked = mentions(text, MARK);
    let line: fn(&str, &str, bool) -> Option<String> = match to {
        Sources::Snapshot if !is_marked => |line, url, alone| Some(to_snapshot(line, url, alone)),
        Sources::Mirrors if is_marked => to_mirrors,
        _ => return None,
    };
    let mut lines: Vec<String> = text.lines().filter_map(|text| line(text, url, alone)).collect();
    if to == Sources::Snapshot {
        lines.push(MARK.to_owned());
    }
    Some(lines.join("\n") + "\n")
}

fn to_snapshot(line: &str, url: &str, alone: bool) -> String {
    if mentions(line, url) {
        let source = line.strip_prefix('#').map(str::trim_start).filter(|rest| is_source(rest));
        return source.unwrap_or(line).to_owned();
    }
    match alone && is_source(line) {
        true => format!("#{line}"),
        false => line.to_owned(),
    }
}

fn to_mirrors(line: &str, url: &str, alone: bool) -> Option<String> {
    if mentions(line, MARK) {
        return None;
    }
    if mentions(line, url) {
        let is_in_force = line.starts_with("deb");
        return Some(if is_in_force { format!("#{line}") } else { line.to_owned() });
    }
    let without = line.strip_prefix('#').map(str::trim_start).filter(|rest| alone && is_source(rest));
    Some(without.unwrap_or(line).to_owned())
}

/// A line of a source, in force or not.
fn is_source(line: &str) -> bool {
    line.trim_start_matches('#').starts_with("deb")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "http://snapshot.example/s";
    const SHIPPED: &str = "# sources\ndeb http://m.example/debian trixie main\n#deb http://old.example/ x main\n\
        # deb [arch=amd64] http://snapshot.example/s/debian/20260101T000000Z/ trixie main\n";

    #[test]
    fn snapshots_count_while_an_image_is_built_and_mirrors_after_it() {
        let there = switched(SHIPPED, URL, true, Sources::Snapshot).unwrap();
        assert_eq!(
            there,
            "# sources\n#deb http://m.example/debian trixie main\n##deb http://old.example/ x main\n\
             deb [arch=amd64] http://snapshot.example/s/debian/20260101T000000Z/ trixie main\n#SET_REPR_MIRRORS\n"
        );
        assert_eq!(switched(&there, URL, true, Sources::Snapshot), None, "twice");
        let back = switched(&there, URL, true, Sources::Mirrors).unwrap();
        assert_eq!(back, SHIPPED.replace("# deb [arch", "#deb [arch"));
        assert_eq!(switched(&back, URL, true, Sources::Mirrors), None, "twice");
    }

    #[test]
    fn without_a_snapshot_alone_the_mirrors_stay_beside_it() {
        let there = switched(SHIPPED, URL, false, Sources::Snapshot).unwrap();
        assert!(there.contains("\ndeb http://m.example") && there.contains("\ndeb [arch=amd64]"), "{there}");
        let back = switched(&there, URL, false, Sources::Mirrors).unwrap();
        assert!(back.contains("\ndeb http://m.example") && back.contains("\n#deb [arch=amd64]"), "{back}");
    }

    #[test]
    fn files_are_changed_in_place_and_debians_own_is_moved_aside() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("etc/apt/sources.list.d");
        fs::create_dir_all(&folder).unwrap();
        fs::write(root.path().join(DEBIAN), format!("Types: deb\n# {URL}/debian/20260101T000000Z\n"))
            .unwrap();
        fs::write(folder.join("other.list"), "deb http://third.example/ ./\n").unwrap();
        let settings = |url: &str| {
            let env =
                [("BUILD_SNAPSHOT_URL", url), ("MIRROR_SNAPSHOT", "y"), ("VCACHE_BUILDINFO", "/nonexistent")];
            let env = env.map(|(name, value)| (name.into(), value.into()));
            Settings::load(&vcache_shim::Host::new(vec!["x".into()], env, "/".into()))
        };
        let change = |url: &str, to: Sources| switch(&settings(url), root.path(), to).unwrap().len();
        assert_eq!(change(URL, Sources::Snapshot), 0, "no file has the snapshot, and all stay");
        fs::write(root.path().join("etc/apt/sources.list"), SHIPPED).unwrap();
        assert_eq!(change("", Sources::Snapshot), 0);
        assert_eq!(change(URL, Sources::Snapshot), 2);
        assert!(root.path().join(ASIDE).is_file() && !root.path().join(DEBIAN).exists());
        assert_eq!(change(URL, Sources::Mirrors), 2);
        assert!(root.path().join(DEBIAN).is_file());
        assert_eq!(fs::read_to_string(folder.join("other.list")).unwrap(), "deb http://third.example/ ./\n");
    }
}
