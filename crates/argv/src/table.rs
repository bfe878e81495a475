//! The table of a tool's options: how each is spelt, whether it takes a value, and what it means to the shim.
//!
//! A table is data, sorted by long name, and checked as a whole by [`Table::problems`] in the tests of whoever owns it.

/// Whether an option takes a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Arity {
    /// Never: `-q`. A long one with `=value` is not understood by the tool.
    Switch,
    /// Always: `-O file`, `-Ofile`, `--output-document file`, `--output-document=file`.
    Required,
    /// Only a long one, and only glued: `--quiet=off`. The short one is a switch.
    Optional,
}

/// One option. `M` is what the shim makes of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Opt<M> {
    /// Without the dashes.
    pub long: &'static str,
    /// The letter (an ASCII byte).
    pub short: Option<u8>,
    /// Whether it takes a value.
    pub arity: Arity,
    /// `--no-LONG` is understood too (and takes no value).
    pub negatable: bool,
    /// What it means.
    pub meaning: M,
}

impl<M> Opt<M> {
    /// An option that cannot be negated.
    pub const fn new(long: &'static str, short: Option<u8>, arity: Arity, meaning: M) -> Self {
        Opt { long, short, arity, negatable: false, meaning }
    }

    /// The same with a `--no-LONG`.
    #[must_use]
    pub const fn negatable(mut self) -> Self
    where
        M: Copy,
    {
        self.negatable = true;
        self
    }
}

/// In [`value`] and [`switch`]: the option has no letter.
pub const NO_LETTER: u8 = 0;

/// A row of a table: an option that takes a value.
pub const fn value<M: Copy>(long: &'static str, letter: u8, meaning: M) -> Opt<M> {
    row(long, letter, Arity::Required, meaning)
}

/// A row of a table: an option that never takes one.
pub const fn switch<M: Copy>(long: &'static str, letter: u8, meaning: M) -> Opt<M> {
    row(long, letter, Arity::Switch, meaning)
}

/// A row of a table, with [`NO_LETTER`] where there is none: in hundreds of rows `Some` would be noise.
pub const fn row<M: Copy>(long: &'static str, letter: u8, arity: Arity, meaning: M) -> Opt<M> {
    Opt::new(long, if letter == NO_LETTER { None } else { Some(letter) }, arity, meaning)
}

/// How a tool spells its options.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dialect {
    /// A beginning of a long name that fits only one option stands for it (`getopt_long`).
    pub abbreviations: bool,
    /// `--name=value` is understood. Where it is not, such a word is an unknown option.
    pub equals: bool,
    /// The word `-` is positional. Where it is not, it is an unknown option.
    pub dash_is_positional: bool,
}

impl Dialect {
    /// GNU `getopt_long`, permuting as it does by default.
    pub const GETOPT_LONG: Dialect = Dialect { abbreviations: true, equals: true, dash_is_positional: true };
}

/// All options of a tool.
#[derive(Clone, Copy, Debug)]
pub struct Table<M: 'static> {
    /// How they are spelt.
    pub dialect: Dialect,
    /// Sorted by long name.
    pub options: &'static [Opt<M>],
}

/// A long name that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Match<M: 'static> {
    /// The row.
    pub opt: &'static Opt<M>,
    /// It was found as `no-LONG`.
    pub negated: bool,
}

impl<M> Table<M> {
    /// The option with this letter.
    pub fn short(&self, letter: u8) -> Option<&'static Opt<M>> {
        self.options.iter().find(|opt| opt.short == Some(letter))
    }

    /// The option with exactly this long name; `no-…` is not looked for.
    pub fn exact(&self, name: &str) -> Option<&'static Opt<M>> {
        let at = self.options.binary_search_by(|opt| opt.long.cmp(name)).ok()?;
        self.options.get(at)
    }

    /// The option that a long name, as typed behind the dashes, stands for: an exact name, a negated one, or where the
    /// dialect has them a beginning that fits one of both alone.
    pub fn long(&self, typed: &str) -> Option<Match<M>> {
        if let Some(opt) = self.exact(typed) {
            return Some(Match { opt, negated: false });
        }
        if let Some(opt) = typed.strip_prefix("no-").and_then(|name| self.exact(name))
            && opt.negatable
        {
            return Some(Match { opt, negated: true });
        }
        if !self.dialect.abbreviations || typed.is_empty() {
            return None;
        }
        let plain = self.options.iter().filter(|opt| opt.long.starts_with(typed));
        let plain = plain.map(|opt| Match { opt, negated: false });
        let mut fitting = plain.chain(self.negated_beginning_with(typed));
        let first = fitting.next()?;
        fitting.next().is_none().then_some(first)
    }

    fn negated_beginning_with(&self, typed: &str) -> impl Iterator<Item = Match<M>> {
        let rest = match typed.strip_prefix("no-") {
            Some(rest) => Some(rest),
            None if "no-".starts_with(typed) => Some(""),
            None => None,
        };
        let fits = move |opt: &&Opt<M>| opt.negatable && rest.is_some_and(|rest| opt.long.starts_with(rest));
        self.options.iter().filter(fits).map(|opt| Match { opt, negated: true })
    }

    /// What is wrong with the table itself, a sentence each; empty for a good one.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for pair in self.options.windows(2) {
            if pair[0].long >= pair[1].long {
                problems.push(format!("--{} and --{} are not in order", pair[0].long, pair[1].long));
            }
        }
        let mut letters = std::collections::HashMap::new();
        for opt in self.options {
            let name = opt.long;
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b);
            if name.is_empty() || name.starts_with('-') || !name.bytes().all(fits) {
                problems.push(format!("--{name} is not a name"));
            }
            let Some(letter) = opt.short else { continue };
            if !letter.is_ascii_graphic() || letter == b'-' {
                problems.push(format!("the letter of --{name} is not one"));
            }
            if let Some(other) = letters.insert(letter, name) {
                problems.push(format!("-{} is both --{other} and --{name}", char::from(letter)));
            }
        }
        for opt in self.options.iter().filter(|opt| opt.negatable) {
            if self.exact(&format!("no-{}", opt.long)).is_some() {
                problems.push(format!("--no-{} is a row and a negation", opt.long));
            }
            if opt.arity == Arity::Required {
                problems.push(format!("--{} needs a value and can be negated", opt.long));
            }
        }
        problems
    }
}
