//! A source package, as data, and its files.

use super::package::{pool, without_epoch};
use crate::{gzip, md5_hex, sha256_hex, tar_of_all};

/// How a source package is made up.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SourceFormat {
    /// `3.0 (native)`: one tarball.
    Native,
    /// `3.0 (quilt)`: upstream's tarball and Debian's.
    Quilt,
}

/// One source package. Built by [`Source::new`], then refined.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Source {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) binaries: Vec<String>,
    pub(super) build_depends: String,
    format: SourceFormat,
    next: Option<String>,
}

impl Source {
    /// A source package for one binary package of its name: quilt where the version has a `-`, else native.
    pub fn new(name: &str, version: &str) -> Source {
        Source {
            name: name.to_owned(),
            version: version.to_owned(),
            binaries: vec![name.to_owned()],
            build_depends: String::new(),
            format: if version.contains('-') { SourceFormat::Quilt } else { SourceFormat::Native },
            next: None,
        }
    }

    /// Sets the binary packages that are built from it.
    pub fn binaries(mut self, names: &[&str]) -> Source {
        self.binaries = names.iter().map(|name| (*name).to_owned()).collect();
        self
    }

    /// Sets `Build-Depends`.
    pub fn build_depends(mut self, on: &str) -> Source {
        self.build_depends = on.to_owned();
        self
    }

    /// The version that [`super::DebianMirror::move_on`] replaces this one by.
    pub fn then(mut self, version: &str) -> Source {
        self.next = Some(version.to_owned());
        self
    }

    /// How it is made up.
    pub fn format(&self) -> SourceFormat {
        self.format
    }

    pub(super) fn moved_on(&self) -> Source {
        let mut moved = self.clone();
        if let Some(version) = moved.next.take() {
            moved.version = version;
        }
        moved
    }

    /// Its folder below the archive's root.
    pub(super) fn folder(&self) -> String {
        pool(&self.name)
    }

    /// The files of it by name, the `.dsc` last.
    pub(super) fn files(&self) -> Vec<(String, Vec<u8>)> {
        let mut files = self.tarballs();
        let version = without_epoch(&self.version);
        let dsc = format!("{}{}", self.fields("Source"), sums(&files));
        files.push((format!("{}_{version}.dsc", self.name), dsc.into_bytes()));
        files
    }

    /// The stanza in `Sources`.
    pub(super) fn stanza(&self, files: &[(String, Vec<u8>)], folder: &str) -> String {
        let fields = self.fields("Package").replace("Format:", "Priority: optional\nSection: misc\nFormat:");
        format!("{fields}{}Directory: {folder}\n\n", sums(files))
    }

    fn fields(&self, name_field: &str) -> String {
        let format = match self.format {
            SourceFormat::Native => "3.0 (native)",
            SourceFormat::Quilt => "3.0 (quilt)",
        };
        let depends = match self.build_depends.as_str() {
            "" => String::new(),
            on => format!("Build-Depends: {on}\n"),
        };
        format!(
            "Format: {format}\n{name_field}: {}\nBinary: {}\nArchitecture: any\nVersion: {}\n\
             Maintainer: Test <test@example.com>\nStandards-Version: 4.6.0\n{depends}",
            self.name,
            self.binaries.join(", "),
            self.version
        )
    }

    fn tarballs(&self) -> Vec<(String, Vec<u8>)> {
        let name = &self.name;
        let version = without_epoch(&self.version);
        let upstream = version.rsplit_once('-').map_or(version, |(upstream, _)| upstream);
        let top = format!("{name}-{upstream}/");
        let readme = (format!("{top}README"), format!("{name} {upstream}\n"));
        let debian = |top: &str, format: &str| {
            let stanzas: String = self
                .binaries
                .iter()
                .map(|binary| {
                    format!(
                        "\nPackage: {binary}\nArchitecture: any\nDescription: test package\n It has no use.\n"
                    )
                })
                .collect();
            let control = format!("Source: {name}\nMaintainer: Test <test@example.com>\n{stanzas}");
            vec![
                (format!("{top}debian/"), String::new()),
                (format!("{top}debian/changelog"), self.changelog()),
                (format!("{top}debian/control"), control),
                (format!("{top}debian/rules"), "#!/usr/bin/make -f\n%:\n\ttrue $@\n".to_owned()),
                (format!("{top}debian/source/"), String::new()),
                (format!("{top}debian/source/format"), format!("{format}\n")),
            ]
        };
        let folder = (top.clone(), String::new());
        match self.format {
            SourceFormat::Native => {
                let files = [vec![folder, readme], debian(&top, "3.0 (native)")].concat();
                vec![(format!("{name}_{version}.tar.gz"), tar_gz(&files))]
            }
            SourceFormat::Quilt => vec![
                (format!("{name}_{upstream}.orig.tar.gz"), tar_gz(&[folder, readme])),
                (format!("{name}_{version}.debian.tar.gz"), tar_gz(&debian("", "3.0 (quilt)"))),
            ],
        }
    }

    /// `debian/changelog`, and what the archive has under the path of changelogs.
    pub(super) fn changelog(&self) -> String {
        format!(
            "{} ({}) stable; urgency=medium\n\n  * Version {}.\n\n -- Test <test@example.com>  Wed, 01 Jan 2020 00:00:00 +0000\n",
            self.name, self.version, self.version
        )
    }
}

fn tar_gz(files: &[(String, String)]) -> Vec<u8> {
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(name, text)| (name.as_str(), text.as_bytes())).collect();
    gzip(&tar_of_all(&files))
}

/// The lists of files with their digests.
fn sums(files: &[(String, Vec<u8>)]) -> String {
    let list = |digest: fn(&[u8]) -> String| -> String {
        files.iter().map(|(name, bytes)| format!(" {} {} {name}\n", digest(bytes), bytes.len())).collect()
    };
    format!("Checksums-Sha256:\n{}Files:\n{}", list(sha256_hex), list(md5_hex))
}
