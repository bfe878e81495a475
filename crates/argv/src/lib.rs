//! Option tables of foreign tools, and a lossless scan of their argv. Pure: no files, no environment.
//!
//! Life cycle: a shim has one static [`Table`] for its tool; [`scan`] reads the words that the tool was called with into
//! [`Item`]s; the shim walks over the items and gives each a meaning of its own, `M`. What a tool does with the options
//! is not known here, only how it spells them.
//!
//! Invariants: scanning never fails and loses nothing, so `scan(table, words).render() == words` for any bytes; each
//! item knows the word it began in. What cannot be read (an option that is not in the table, a value that is missing)
//! is an item too, and no word behind an unknown option is interpreted: how many values that option takes is not known.
//!
//! Not handled: sub-commands, options with one dash and several letters, response files.
//!
//! `wget -qO- http://h/a` is `[-q] [-O glued "-"] [positional]`:
//!
//! ```
//! use vcache_argv::{Arity, Dialect, Opt, Table, scan};
//! static OPTIONS: [Opt<char>; 2] = [
//!     Opt::new("output-document", Some(b'O'), Arity::Required, 'o'),
//!     Opt::new("quiet", Some(b'q'), Arity::Optional, 'q').negatable(),
//! ];
//! let table = Table { dialect: Dialect::GETOPT_LONG, options: &OPTIONS };
//! let words = ["-qO-", "http://h/a"].map(std::ffi::OsString::from);
//! let scan = scan(&table, &words);
//! assert_eq!(scan.items.len(), 3);
//! assert_eq!(scan.render(), words);
//! ```

mod scan;
mod table;

pub use scan::{Item, Kind, Scan, Spelling, scan};
pub use table::{Arity, Dialect, Match, NO_LETTER, Opt, Table, row, switch, value};
