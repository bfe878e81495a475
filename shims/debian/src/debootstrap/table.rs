//! The options of debootstrap (debootstrap(8), 1.0.114 to 1.0.142), and what each means for the tree.
//!
//! They stand before the other words; all are long, and none has a letter.

use vcache_argv::{Dialect, NO_LETTER, Opt, Table, switch, value};

/// What an option is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// The tree depends on it.
    Shapes,
    /// The tree depends on the file that it names.
    File,
    /// It is no part of what comes out.
    Aside,
    /// What comes out is this file, and no tree.
    MakeTarball,
    /// Packages come from this file, and not from the mirror.
    UnpackTarball,
    /// Suites whose Release files count too.
    Suites,
    /// Which architecture.
    Arch,
    /// Which script, with the suite.
    Variant,
    /// Another thing than a bootstrap from a mirror.
    Other,
}

const fn plain(long: &'static str, meaning: Meaning) -> Opt<Meaning> {
    switch(long, NO_LETTER, meaning)
}

const fn with(long: &'static str, meaning: Meaning) -> Opt<Meaning> {
    value(long, NO_LETTER, meaning)
}

/// The table.
pub(crate) const DEBOOTSTRAP: Table<Meaning> = Table {
    dialect: Dialect { abbreviations: false, equals: true, dash_is_positional: true },
    options: &[
        with("arch", Meaning::Arch),
        with("cache-dir", Meaning::Aside),
        with("certificate", Meaning::Other),
        with("components", Meaning::Shapes),
        plain("debian-installer", Meaning::Other),
        plain("download-only", Meaning::Other),
        with("exclude", Meaning::Shapes),
        with("extra-suites", Meaning::Suites),
        with("extractor", Meaning::Aside),
        plain("force-check-gpg", Meaning::Shapes),
        plain("foreign", Meaning::Shapes),
        plain("help", Meaning::Other),
        with("include", Meaning::Shapes),
        with("inrelease-path", Meaning::Other),
        plain("keep-debootstrap-dir", Meaning::Shapes),
        with("keyring", Meaning::File),
        plain("log-extra-deps", Meaning::Shapes),
        with("make-tarball", Meaning::MakeTarball),
        plain("merged-usr", Meaning::Shapes),
        plain("no-check-certificate", Meaning::Shapes),
        plain("no-check-gpg", Meaning::Shapes),
        plain("no-merged-usr", Meaning::Shapes),
        plain("no-resolve-deps", Meaning::Shapes),
        plain("print-debs", Meaning::Other),
        with("private-key", Meaning::Other),
        plain("resolve-deps", Meaning::Shapes),
        plain("second-stage", Meaning::Other),
        with("second-stage-target", Meaning::Other),
        with("unpack-tarball", Meaning::UnpackTarball),
        with("variant", Meaning::Variant),
        plain("verbose", Meaning::Aside),
        plain("version", Meaning::Other),
    ],
};

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sound() {
        assert_eq!(super::DEBOOTSTRAP.problems(), Vec::<String>::new());
    }
}
