//! What was typed behind debootstrap.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use vcache_argv::{Kind, scan};

use super::table::{DEBOOTSTRAP, Meaning};
use crate::reason::Code;

/// A bootstrap from a mirror or a tarball.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Call {
    /// Of the release; its script has its name.
    pub(crate) suite: String,
    /// Where the tree is to be.
    pub(crate) target: PathBuf,
    /// The URL, without `/` at its end; none where packages come from a tarball and no mirror is named.
    pub(crate) mirror: Option<String>,
    /// The script that is named.
    pub(crate) script: Option<PathBuf>,
    /// `--arch`.
    pub(crate) arch: Option<String>,
    /// `--variant`.
    pub(crate) variant: Option<String>,
    /// Other suites of the mirror.
    pub(crate) suites: Vec<String>,
    /// What the tree depends on besides, a line each.
    pub(crate) shape: Vec<String>,
    /// Files that it depends on: the option, and the file.
    pub(crate) files: Vec<(String, PathBuf)>,
    /// A tarball of packages is made, and no tree.
    pub(crate) makes: Option<PathBuf>,
    /// Packages come from this tarball.
    pub(crate) unpacks: Option<PathBuf>,
}

/// Reads the words behind the tool's name.
///
/// # Errors
/// Why it is the real tool's.
pub(crate) fn parse(words: &[OsString]) -> Result<Call, (Code, String)> {
    let other = |what: &str| (Code::OtherBootstrap, what.to_owned());
    let mut call = Call::default();
    let mut words_left = Vec::new();
    // The first word that is no option ends them.
    let options = scan(&DEBOOTSTRAP, words);
    for item in options.items {
        match item.kind {
            Kind::Option { opt, .. } if !words_left.is_empty() => return Err(other(opt.long)),
            Kind::Option { opt, value, .. } => {
                let value = value.unwrap_or_default();
                let text = value.to_str().map(str::to_owned).ok_or_else(|| other(opt.long))?;
                match opt.meaning {
                    Meaning::Other => return Err(other(opt.long)),
                    Meaning::Aside => {}
                    Meaning::Shapes => call.shape.push(format!("{}={text}", opt.long)),
                    Meaning::File => call.files.push((opt.long.to_owned(), value.into())),
                    Meaning::MakeTarball => call.makes = Some(value.into()),
                    Meaning::UnpackTarball => call.unpacks = Some(value.into()),
                    Meaning::Suites => call.suites.extend(text.split(',').map(str::to_owned)),
                    Meaning::Arch => call.arch = Some(text),
                    Meaning::Variant => call.variant = Some(text),
                }
            }
            Kind::Positional(word) => words_left.push(word),
            Kind::Unknown { text, .. } | Kind::Untrusted(text) => return Err(other(&text.to_string_lossy())),
            Kind::MissingValue { opt, .. } => return Err(other(opt.long)),
            Kind::Separator => return Err(other("--")),
        }
    }
    if words_left.len() > 4 {
        return Err(other("too many words"));
    }
    let mut words = words_left.into_iter();
    let (Some(suite), Some(target)) = (words.next(), words.next()) else {
        return Err(other("suite or target"));
    };
    call.suite = suite.to_str().filter(|suite| is_name(suite)).ok_or_else(|| other("suite"))?.to_owned();
    call.target = PathBuf::from(target);
    if let Some(mirror) = words.next().filter(|mirror| !mirror.is_empty()) {
        let mirror = mirror.to_str().ok_or_else(|| other("mirror"))?;
        let is_http = ["http://", "https://"].iter().any(|scheme| mirror.starts_with(scheme));
        if !is_http {
            return Err((Code::OtherMirror, mirror.to_owned()));
        }
        if vcache_store::public_url(mirror) != mirror {
            return Err((Code::OtherMirror, "a mirror with credentials".to_owned()));
        }
        call.mirror = Some(mirror.trim_end_matches('/').to_owned());
    }
    call.script = words.next().map(PathBuf::from);
    if call.mirror.is_none() && call.unpacks.is_none() {
        return Err((Code::OtherMirror, "none is named".to_owned()));
    }
    call.shape.sort();
    Ok(call)
}

/// A name of a suite or script, which becomes part of a path.
fn is_name(suite: &str) -> bool {
    !suite.is_empty() && suite.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

impl Call {
    /// The scripts that debootstrap looks for, the first that is there counts.
    pub(crate) fn scripts(&self, folder: &Path) -> Vec<PathBuf> {
        let scripts = folder.join("scripts");
        if let Some(script) = &self.script {
            return vec![scripts.join(script), script.clone()];
        }
        let plain = scripts.join(&self.suite);
        let of_variant = self.variant.as_ref().map(|variant| {
            let mut name = plain.as_os_str().as_bytes().to_vec();
            name.extend(format!(".{variant}").bytes());
            PathBuf::from(<std::ffi::OsStr as OsStrExt>::from_bytes(&name))
        });
        of_variant.into_iter().chain([plain]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(text: &str) -> Result<Call, (Code, String)> {
        parse(&text.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    #[test]
    fn what_a_tree_depends_on() {
        let call = call("--variant=minbase --arch amd64 --include=b,a --verbose --foreign trixie ./fsroot http://h.example/debian/")
            .unwrap();
        assert_eq!((call.suite.as_str(), call.target.to_str()), ("trixie", Some("./fsroot")));
        assert_eq!(call.mirror.as_deref(), Some("http://h.example/debian"));
        assert_eq!((call.arch.as_deref(), call.variant.as_deref()), (Some("amd64"), Some("minbase")));
        assert_eq!(call.shape, ["foreign=", "include=b,a"]);
        let scripts = call.scripts(Path::new("/s"));
        assert_eq!(scripts, ["/s/scripts/trixie.minbase", "/s/scripts/trixie"].map(PathBuf::from));
    }

    #[test]
    fn what_is_left_to_the_real_one() {
        for text in [
            "--print-debs trixie t http://h.example/",
            "--second-stage",
            "--strange trixie t http://h.example/",
            "trixie",
            "trixie t",
            "trixie t file:///srv/debian",
            "trixie t http://me:secret@h.example/",
            "trixie t http://h.example/ --variant=minbase",
            "../x t http://h.example/",
            "--arch",
        ] {
            assert!(call(text).is_err(), "{text}");
        }
        assert!(call("--unpack-tarball=/x.tgz trixie t").is_ok());
    }
}
