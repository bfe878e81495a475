//! The scan: words to items, and back.
//!
//! A word may hold several items (`-qO-`), and an item may span two words (`-O file`). Each item keeps what is needed to
//! write it again exactly as it was typed, an abbreviation for example, so that rendering is a real inverse and not a
//! copy of the input kept aside.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use crate::table::{Arity, Match, Opt, Table};

/// The words behind the tool's name, read.
#[derive(Clone, PartialEq, Debug)]
pub struct Scan<M: 'static> {
    /// In the order in which they were typed.
    pub items: Vec<Item<M>>,
}

/// One thing that was typed.
#[derive(Clone, PartialEq, Debug)]
pub struct Item<M: 'static> {
    /// Index of the word it begins in, counted from the first word given to [`scan`].
    pub at: usize,
    /// What it is.
    pub kind: Kind<M>,
}

/// What an item is.
#[derive(Clone, PartialEq, Debug)]
pub enum Kind<M: 'static> {
    /// An option of the table, complete.
    Option {
        /// The row.
        opt: &'static Opt<M>,
        /// It was given as `--no-…`.
        negated: bool,
        /// The value, where it has one; `--name=` has an empty one.
        value: Option<OsString>,
        /// How it was typed.
        spelling: Spelling,
    },
    /// A word that is no option.
    Positional(OsString),
    /// The first `--`: only positional words follow.
    Separator,
    /// An option that the table does not know, or that is used in a way that the tool does not understand. The text is
    /// the word, or what is left of it from the unknown letter on.
    Unknown {
        /// As typed.
        text: OsString,
        /// It goes on in the word of the item before (`-qZ`).
        bundled: bool,
    },
    /// The last option lacks its value.
    MissingValue {
        /// The row.
        opt: &'static Opt<M>,
        /// How it was typed.
        spelling: Spelling,
    },
    /// A word behind an unknown option, not interpreted.
    Untrusted(OsString),
}

/// How an option was typed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Spelling {
    /// By its letter.
    Short {
        /// In the word of the item before: `O` in `-qO`.
        bundled: bool,
        /// Its value stands in the same word.
        glued: bool,
    },
    /// By its long name.
    Long {
        /// The name behind the dashes, perhaps abbreviated.
        typed: String,
        /// Its value stands behind `=`.
        glued: bool,
    },
}

impl<M> Scan<M> {
    /// The words, byte for byte as they were given to [`scan`].
    pub fn render(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        for item in &self.items {
            match &item.kind {
                Kind::Option { opt, value, spelling, .. } => {
                    render_option(&mut words, opt, spelling, value.as_deref());
                }
                Kind::MissingValue { opt, spelling } => render_option(&mut words, opt, spelling, None),
                Kind::Positional(word) | Kind::Untrusted(word) => words.push(word.clone()),
                Kind::Separator => words.push("--".into()),
                Kind::Unknown { text, bundled } => last_or_new(&mut words, *bundled, "").push(text),
            }
        }
        words
    }
}

fn render_option<M>(words: &mut Vec<OsString>, opt: &Opt<M>, spelling: &Spelling, value: Option<&OsStr>) {
    let glued = match spelling {
        Spelling::Short { bundled, glued } => {
            let word = last_or_new(words, *bundled, "-");
            word.push(OsStr::from_bytes(opt.short.as_slice()));
            *glued
        }
        Spelling::Long { typed, glued } => {
            let word = last_or_new(words, false, "--");
            word.push(typed);
            if *glued {
                word.push("=");
            }
            *glued
        }
    };
    match value {
        Some(value) if glued => last_or_new(words, true, "").push(value),
        Some(value) => words.push(value.to_owned()),
        None => {}
    }
}

fn last_or_new<'w>(words: &'w mut Vec<OsString>, continued: bool, start: &str) -> &'w mut OsString {
    if !continued || words.is_empty() {
        words.push(start.into());
    }
    let last = words.len() - 1;
    &mut words[last]
}

/// Reads the words behind the tool's name. Never fails; see [`Kind`] for what cannot be read.
pub fn scan<M>(table: &Table<M>, words: &[OsString]) -> Scan<M> {
    let mut scanner = Scanner { table, words, next: 0, items: Vec::new() };
    while scanner.next < words.len() {
        let at = scanner.next;
        scanner.next += 1;
        let known = scanner.word(at, words[at].as_bytes());
        if !known {
            let rest = words.iter().enumerate().skip(scanner.next);
            scanner.items.extend(rest.map(|(at, word)| Item { at, kind: Kind::Untrusted(word.clone()) }));
            break;
        }
    }
    Scan { items: scanner.items }
}

struct Scanner<'a, M: 'static> {
    table: &'a Table<M>,
    words: &'a [OsString],
    /// Index of the word to read next.
    next: usize,
    items: Vec<Item<M>>,
}

impl<M> Scanner<'_, M> {
    /// Reads one word and the value that it takes from the next. False: nothing behind it can be trusted.
    fn word(&mut self, at: usize, word: &[u8]) -> bool {
        match word {
            b"--" => {
                self.push(at, Kind::Separator);
                for at in self.next..self.words.len() {
                    self.push(at, Kind::Positional(self.words[at].clone()));
                }
                self.next = self.words.len();
                true
            }
            b"-" if self.table.dialect.dash_is_positional => {
                self.push(at, Kind::Positional("-".into()));
                true
            }
            [b'-', b'-', name @ ..] => self.long(at, word, name),
            [b'-', letters @ ..] => self.bundle(at, letters),
            _ => {
                self.push(at, Kind::Positional(OsString::from_vec(word.to_vec())));
                true
            }
        }
    }

    fn long(&mut self, at: usize, word: &[u8], name: &[u8]) -> bool {
        let (typed, glued) = match name.iter().position(|&b| b == b'=') {
            Some(equals) if self.table.dialect.equals => (&name[..equals], Some(&name[equals + 1..])),
            _ => (name, None),
        };
        let found = str::from_utf8(typed).ok().and_then(|typed| Some((typed, self.table.long(typed)?)));
        let Some((typed, Match { opt, negated })) = found else {
            return self.unknown(at, word, false);
        };
        let spelling = Spelling::Long { typed: typed.to_owned(), glued: glued.is_some() };
        let value = glued.map(|value| OsString::from_vec(value.to_vec()));
        let takes = if negated { Arity::Switch } else { opt.arity };
        match (takes, value) {
            (Arity::Switch, Some(_)) => self.unknown(at, word, false),
            (Arity::Required, None) => self.value_in_next_word(at, opt, spelling),
            (_, value) => {
                self.push(at, Kind::Option { opt, negated, value, spelling });
                true
            }
        }
    }

    fn bundle(&mut self, at: usize, letters: &[u8]) -> bool {
        let mut bundled = false;
        for (index, &letter) in letters.iter().enumerate() {
            let Some(opt) = self.table.short(letter) else {
                return self.unknown(at, &letters[index..], bundled);
            };
            if opt.arity != Arity::Required {
                let spelling = Spelling::Short { bundled, glued: false };
                self.push(at, Kind::Option { opt, negated: false, value: None, spelling });
                bundled = true;
                continue;
            }
            let rest = &letters[index + 1..];
            if rest.is_empty() {
                return self.value_in_next_word(at, opt, Spelling::Short { bundled, glued: false });
            }
            let spelling = Spelling::Short { bundled, glued: true };
            let value = Some(OsString::from_vec(rest.to_vec()));
            self.push(at, Kind::Option { opt, negated: false, value, spelling });
            return true;
        }
        // A lone `-` that is not positional comes here with no letters.
        bundled || self.unknown(at, letters, false)
    }

    fn value_in_next_word(&mut self, at: usize, opt: &'static Opt<M>, spelling: Spelling) -> bool {
        let Some(value) = self.words.get(self.next) else {
            self.push(at, Kind::MissingValue { opt, spelling });
            return true;
        };
        self.next += 1;
        self.push(at, Kind::Option { opt, negated: false, value: Some(value.clone()), spelling });
        true
    }

    /// `text`: the whole word, or the letters from the unknown one on.
    fn unknown(&mut self, at: usize, text: &[u8], bundled: bool) -> bool {
        let mut text = text.to_vec();
        if !bundled && !text.starts_with(b"--") {
            text.insert(0, b'-');
        }
        self.push(at, Kind::Unknown { text: OsString::from_vec(text), bundled });
        false
    }

    fn push(&mut self, at: usize, kind: Kind<M>) {
        self.items.push(Item { at, kind });
    }
}

#[cfg(test)]
mod tests;
