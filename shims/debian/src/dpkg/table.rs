//! The options and actions of dpkg (dpkg(1), 1.17 to 1.23): which actions take its locks, and which options say where its database is.
//!
//! `--force-THINGS`, `--no-force-THINGS` and `--refuse-THINGS` are no rows: see [`super::call`]. Nor are `--assert-FEATURE` and `--command-fd`:
//! what is not here is passed through.

use vcache_argv::{Dialect, NO_LETTER, Opt, Table, switch, value};

/// What an option or action is to us.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// An action during which dpkg holds its locks.
    Changes,
    /// An action without them.
    Reads,
    /// The folder of the database.
    AdminDir,
    /// The root of another system, with its database.
    Root,
    /// Nothing is done, only shown.
    Shows,
    /// A word that begins with `h` asks for help.
    DebugLevel,
    /// A command that runs before dpkg has its locks, and so may be a dpkg that takes them.
    Before,
    /// Nothing.
    Other,
}

use Meaning::{AdminDir, Before, Changes, DebugLevel, Other, Reads, Root, Shows};

/// The table.
pub(crate) const DPKG: Table<Meaning> = Table {
    dialect: Dialect { abbreviations: false, equals: true, dash_is_positional: false },
    options: OPTIONS,
};

const OPTIONS: &[Opt<Meaning>] = &[
    value("abort-after", NO_LETTER, Other),
    switch("add-architecture", NO_LETTER, Reads),
    value("admindir", NO_LETTER, AdminDir),
    switch("audit", b'C', Reads),
    switch("auto-deconfigure", b'B', Other),
    switch("build", b'b', Reads),
    switch("clear-avail", NO_LETTER, Changes),
    switch("clear-selections", NO_LETTER, Changes),
    switch("compare-versions", NO_LETTER, Reads),
    switch("configure", NO_LETTER, Changes),
    switch("contents", b'c', Reads),
    switch("control", b'e', Reads),
    switch("ctrl-tarfile", NO_LETTER, Reads),
    value("debug", b'D', DebugLevel),
    switch("dry-run", NO_LETTER, Shows),
    switch("extract", b'x', Reads),
    switch("field", b'f', Reads),
    switch("forget-old-unavail", NO_LETTER, Changes),
    switch("fsys-tarfile", NO_LETTER, Reads),
    switch("get-selections", NO_LETTER, Reads),
    switch("help", b'?', Reads),
    value("ignore-depends", NO_LETTER, Other),
    switch("info", b'I', Reads),
    switch("install", b'i', Changes),
    value("instdir", NO_LETTER, Other),
    switch("list", b'l', Reads),
    switch("listfiles", b'L', Reads),
    value("log", NO_LETTER, Other),
    switch("merge-avail", NO_LETTER, Changes),
    switch("no-act", NO_LETTER, Shows),
    switch("no-also-select", b'N', Other),
    switch("no-debsig", NO_LETTER, Other),
    switch("no-pager", NO_LETTER, Other),
    switch("no-triggers", NO_LETTER, Other),
    value("path-exclude", NO_LETTER, Other),
    value("path-include", NO_LETTER, Other),
    switch("pending", b'a', Other),
    value("post-invoke", NO_LETTER, Other),
    value("pre-invoke", NO_LETTER, Before),
    switch("predep-package", NO_LETTER, Reads),
    switch("print-architecture", NO_LETTER, Reads),
    switch("print-avail", b'p', Reads),
    switch("print-foreign-architectures", NO_LETTER, Reads),
    switch("purge", b'P', Changes),
    switch("record-avail", b'A', Changes),
    switch("recursive", b'R', Other),
    switch("refuse-downgrade", b'G', Other),
    switch("remove", b'r', Changes),
    switch("remove-architecture", NO_LETTER, Reads),
    switch("robot", NO_LETTER, Other),
    value("root", NO_LETTER, Root),
    switch("search", b'S', Reads),
    switch("selected-only", b'O', Other),
    switch("set-selections", NO_LETTER, Changes),
    switch("simulate", NO_LETTER, Shows),
    switch("skip-same-version", b'E', Other),
    switch("status", b's', Reads),
    value("status-fd", NO_LETTER, Other),
    value("status-logger", NO_LETTER, Other),
    switch("triggers", NO_LETTER, Other),
    switch("triggers-only", NO_LETTER, Changes),
    switch("unpack", NO_LETTER, Changes),
    switch("update-avail", NO_LETTER, Changes),
    switch("verify", b'V', Reads),
    value("verify-format", NO_LETTER, Other),
    switch("version", NO_LETTER, Reads),
    switch("vextract", b'X', Reads),
    switch("yet-to-unpack", NO_LETTER, Reads),
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_table_is_sound() {
        assert_eq!(super::DPKG.problems(), Vec::<String>::new());
    }
}
