//! What version files name: what `gc` never removes, and what `export --versions` takes.

use std::path::Path;

use anyhow::{Result, bail};
use vcache_store::Digest;

use crate::{files, output};

/// The pins (URL and digest) in a version file, or in all those in a folder and below. Lines that are no pins are
/// warned of.
///
/// # Errors
/// It can't be read, or there is no version file: nothing would be meant, which is not what was asked for.
pub(crate) fn pins(path: &Path) -> Result<Vec<(String, Digest)>> {
    let version_files = if path.is_dir() { files::version_files(path)? } else { vec![path.to_owned()] };
    if version_files.is_empty() {
        bail!("{}: has no file named versions-web*; nothing was done", path.display());
    }
    let mut all = Vec::new();
    for file in version_files {
        let (pins, problems) = vcache_versions::parse(&files::read(&file)?);
        for problem in problems {
            output::warn(format_args!("{}:{}: {}", file.display(), problem.line, problem.what));
        }
        all.extend(
            pins.into_iter().filter_map(|(url, pin)| Some((url, pin.digest.to_string().parse().ok()?))),
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn a_folder_without_version_files_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(pins(dir.path()).unwrap_err().to_string().contains("versions-web"));
    }

    #[test]
    fn a_file_or_a_folder_of_them() {
        let dir = tempfile::tempdir().unwrap();
        let digest = "900150983cd24fb0d6963f7d28e17f72";
        let file = dir.path().join("versions-web");
        files::probe(dir.path())
            .and_then(|mut probe| {
                probe.write_all(format!("https://h/a=={digest}\nno pin\n").as_bytes())?;
                probe.persist(&file)?;
                Ok(())
            })
            .unwrap();
        for path in [dir.path(), &file] {
            assert_eq!(pins(path).unwrap(), [("https://h/a".to_owned(), digest.parse().unwrap())]);
        }
        assert!(pins(&dir.path().join("none")).is_err());
    }
}
