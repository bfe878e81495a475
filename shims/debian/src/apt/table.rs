//! The options of apt and apt-get (apt-get(8), apt(8), 1.8 to 3.1), as far as they say which words are the command and its packages.
//!
//! apt takes a yes or no behind every switch (`--purge=no`), and `=` between a letter and its value (`-q=2`, `-t=bookworm`).

use vcache_argv::{Arity, Dialect, NO_LETTER, Opt, Table, row, value};

/// What an option is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// Nothing.
    Other,
    /// A file with configuration.
    ConfigFile,
    /// One item of configuration.
    ConfigItem,
    /// Nothing is done, only shown.
    Shows,
    /// The tool only tells of itself.
    Help,
}

const fn switch(long: &'static str, letter: u8) -> Opt<Meaning> {
    row(long, letter, Arity::Optional, Meaning::Other).negatable()
}

/// The table.
pub(crate) const APT: Table<Meaning> = Table {
    dialect: Dialect { abbreviations: false, equals: true, dash_is_positional: true },
    options: &[
        switch("all-versions", NO_LETTER),
        switch("allow-change-held-packages", NO_LETTER),
        switch("allow-downgrades", NO_LETTER),
        switch("allow-insecure-repositories", NO_LETTER),
        switch("allow-releaseinfo-change", NO_LETTER),
        switch("allow-remove-essential", NO_LETTER),
        switch("allow-unauthenticated", NO_LETTER),
        switch("arch-only", NO_LETTER),
        switch("assume-no", NO_LETTER),
        switch("assume-yes", b'y'),
        switch("auto-remove", NO_LETTER),
        switch("autoremove", NO_LETTER),
        switch("build", b'b'),
        value("build-profiles", b'P', Meaning::Other),
        value("color", NO_LETTER, Meaning::Other),
        switch("compile", NO_LETTER),
        value("config-file", b'c', Meaning::ConfigFile),
        value("default-release", NO_LETTER, Meaning::Other),
        switch("diff-only", NO_LETTER),
        switch("download", NO_LETTER),
        switch("download-only", b'd'),
        row("dry-run", NO_LETTER, Arity::Optional, Meaning::Shows).negatable(),
        switch("dsc-only", NO_LETTER),
        value("error-on", b'e', Meaning::Other),
        switch("fix-broken", b'f'),
        switch("fix-missing", b'm'),
        switch("force-yes", NO_LETTER),
        switch("full", NO_LETTER),
        row("help", b'h', Arity::Switch, Meaning::Help),
        value("host-architecture", b'a', Meaning::Other),
        switch("ignore-hold", NO_LETTER),
        switch("ignore-missing", NO_LETTER),
        switch("indep-only", NO_LETTER),
        switch("install-recommends", NO_LETTER),
        switch("install-suggests", NO_LETTER),
        row("just-print", NO_LETTER, Arity::Optional, Meaning::Shows).negatable(),
        switch("list-cleanup", NO_LETTER),
        switch("mark-auto", NO_LETTER),
        row("no-act", NO_LETTER, Arity::Optional, Meaning::Shows),
        switch("only-source", NO_LETTER),
        switch("only-upgrade", NO_LETTER),
        value("option", b'o', Meaning::ConfigItem),
        switch("print-uris", NO_LETTER),
        switch("purge", NO_LETTER),
        switch("quiet", b'q'),
        row("recon", NO_LETTER, Arity::Optional, Meaning::Shows).negatable(),
        switch("reinstall", NO_LETTER),
        switch("remove", NO_LETTER),
        switch("show-progress", NO_LETTER),
        switch("show-upgraded", b'u'),
        row("simulate", b's', Arity::Optional, Meaning::Shows).negatable(),
        value("solver", NO_LETTER, Meaning::Other),
        switch("tar-only", NO_LETTER),
        value("target-release", b't', Meaning::Other),
        switch("trivial-only", NO_LETTER),
        switch("update", b'U'),
        switch("upgrade", NO_LETTER),
        switch("verbose-versions", b'V'),
        row("version", b'v', Arity::Switch, Meaning::Help),
        switch("with-new-pkgs", NO_LETTER),
        value("with-source", NO_LETTER, Meaning::Other),
        switch("yes", NO_LETTER),
    ],
};

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sound() {
        assert_eq!(super::APT.problems(), Vec::<String>::new());
    }
}
