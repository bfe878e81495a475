//! curl's argv to a [`Call`].
//!
//! The words are scanned with the option table and dealt out to operations, which `--next` separates; configuration files
//! are read as if their lines had been typed where they are named. The first thing that a cache cannot give back ends
//! the reading.
//!
//! Not handled, and left to the real curl: configuration from standard input, `--next` in a configuration file, several
//! URLs at once with `--parallel`, and whatever [`Meaning::Refuse`] names.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use vcache_argv::{Item, Kind, Scan, Spelling, scan};

use super::config;
use super::operation::Operation;
use super::table::{Meaning, TABLE};
use crate::address::recognised;
use crate::reason::{Code, Reason};
use crate::request::{Call, Parsed};
use crate::surroundings::Surroundings;

/// A configuration file may name another one; this many deep.
const MOST_NESTED: usize = 5;

/// Reads a call of curl. `args[0]` is the tool's name.
pub(crate) fn parse(args: &[OsString], around: &Surroundings<'_>) -> Parsed {
    let scan = scan(&TABLE, args.get(1..).unwrap_or_default());
    match read(args, &scan, around) {
        Ok(call) => Parsed::Fetch(call),
        Err(reason) => Parsed::Other {
            reason,
            urls: recognised(&scan, |opt| opt.meaning == Meaning::Url, |opt| opt.meaning == Meaning::Config),
        },
    }
}

fn read(args: &[OsString], scan: &Scan<Meaning>, around: &Surroundings<'_>) -> Result<Call, Reason> {
    let mut operations = vec![Operation::default()];
    if !config_disabled(args.get(1).map(OsString::as_os_str)) {
        apply_default_config(&mut operations[0], around)?;
    }
    let mut starts = vec![0];
    for (index, item) in scan.items.iter().enumerate() {
        let operation = operations.last_mut().expect("there is one from the beginning");
        if matches!(&item.kind, Kind::Option { opt, .. } if opt.meaning == Meaning::Next) {
            operations.push(Operation::default());
            starts.push(index + 1);
        } else {
            apply(operation, item, around, 0)?;
        }
    }
    let mut call = Call {
        retries_given: operations.iter().any(|o| o.retries),
        credentials: operations.iter().any(|o| o.credentials),
        ..Call::default()
    };
    for operation in &operations {
        call.transfers.extend(operation.transfers()?);
    }
    call.url_words = scan.items.iter().filter_map(url_word).collect();
    call.option_slots = starts.into_iter().map(|start| slot(args, scan, start)).collect();
    Ok(call)
}

/// The index in argv of the word that is a URL.
fn url_word(item: &Item<Meaning>) -> Option<usize> {
    match &item.kind {
        Kind::Positional(_) => Some(item.at + 1),
        Kind::Option { opt, .. } if opt.meaning == Meaning::Url => Some(item.at + 2),
        _ => None,
    }
}

/// curl looks for this in its first word alone.
fn config_disabled(first: Option<&OsStr>) -> bool {
    first.is_some_and(|word| word.as_encoded_bytes().starts_with(b"-q") || word == "--disable")
}

/// The index in argv of the first word, from the item at `start` on, that begins with an item of its own; behind a first
/// word that keeps curl from reading its configuration file.
fn slot(args: &[OsString], scan: &Scan<Meaning>, start: usize) -> usize {
    let first = if config_disabled(args.get(1).map(OsString::as_os_str)) { 1 } else { 0 };
    let begins_a_word = |item: &&Item<Meaning>| {
        !matches!(&item.kind, Kind::Option { spelling: Spelling::Short { bundled: true, .. }, .. })
    };
    let item = scan.items[start..].iter().filter(begins_a_word).find(|item| item.at >= first);
    item.map_or(args.len(), |item| item.at + 1)
}

fn apply(
    operation: &mut Operation,
    item: &Item<Meaning>,
    around: &Surroundings<'_>,
    depth: usize,
) -> Result<(), Reason> {
    match &item.kind {
        Kind::Option { opt, value: Some(file), .. } if opt.meaning == Meaning::Config => {
            let unreadable = || Reason::new(Code::InputFile, file.to_string_lossy());
            if file == "-" || depth >= MOST_NESTED {
                return Err(unreadable());
            }
            let text = (around.read)(Path::new(file)).map_err(|_| unreadable())?;
            apply_config(operation, &text, around, depth + 1)
        }
        Kind::Option { opt, negated, value, .. } => operation.apply(opt, *negated, value.as_deref()),
        Kind::Positional(url) => {
            operation.url(url.clone());
            Ok(())
        }
        Kind::Unknown { text, .. } => Err(Reason::new(Code::UnknownOption, text.to_string_lossy())),
        Kind::MissingValue { opt, .. } => Err(Reason::new(Code::MissingValue, format!("--{}", opt.long))),
        Kind::Separator | Kind::Untrusted(_) => Ok(()),
    }
}

fn apply_config(
    operation: &mut Operation,
    text: &[u8],
    around: &Surroundings<'_>,
    depth: usize,
) -> Result<(), Reason> {
    for item in config_items(text)? {
        if matches!(&item.kind, Kind::Option { opt, .. } if opt.meaning == Meaning::Next) {
            return Err(Reason::new(Code::InputFile, "next in a configuration file"));
        }
        apply(operation, &item, around, depth)?;
    }
    Ok(())
}

/// The file that nobody named: it is meant for people, and what goes beyond transport is left to curl.
fn apply_default_config(operation: &mut Operation, around: &Surroundings<'_>) -> Result<(), Reason> {
    let Some(text) = config::default_file(around) else { return Ok(()) };
    let configured = |reason: Reason| Reason::new(Code::Configured, reason.detail);
    for item in config_items(&text).map_err(configured)? {
        match &item.kind {
            Kind::Option { opt, negated, value, .. }
                if matches!(
                    opt.meaning,
                    Meaning::Harmless | Meaning::Credential | Meaning::Retries | Meaning::Location
                ) =>
            {
                operation.apply(opt, *negated, value.as_deref())?;
            }
            Kind::Option { opt, .. } => return Err(Reason::new(Code::Configured, opt.long)),
            _ => return Err(Reason::new(Code::Configured, "")),
        }
    }
    Ok(())
}

/// A line's words are scanned by themselves: what its option does not take as its value is an error of curl's.
fn config_items(text: &[u8]) -> Result<Vec<Item<Meaning>>, Reason> {
    let mut items = Vec::new();
    for words in config::lines(text) {
        let line = scan(&TABLE, &words);
        if line.items.iter().any(|item| matches!(item.kind, Kind::Positional(_) | Kind::Separator)) {
            return Err(Reason::new(Code::BadValue, words[0].to_string_lossy()));
        }
        items.extend(line.items);
    }
    Ok(items)
}

#[cfg(test)]
mod tests;
