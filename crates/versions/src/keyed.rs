//! What the version files of names have in common (`versions-deb`, `versions-mirror`): one `name==version` a line, as lines are in `versions-web`.
//!
//! A kind of file is an implementation of [`Kind`]; names are compared as they stand. Two lines that give one name different versions contradict
//! each other, and then neither can be believed, as in `versions-web`. (SONiC's `versions_manager.py` takes the last one.)

use std::collections::HashMap;

use crate::web::{is_about, lines, split};
use crate::{Malformed, What};

/// A pin and where it stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pin<V> {
    /// What is pinned, in the words of the file's kind.
    pub value: V,
    /// The line, counted from 1.
    pub line: usize,
}

/// What a version file says about one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found<V> {
    /// The pin in force; none where no good line names it, or two contradict each other.
    pub pin: Option<Pin<V>>,
    /// Lines about this name that are not good pins.
    pub problems: Vec<Malformed>,
}

impl<V> Found<V> {
    /// The lines of a contradiction, earlier one first.
    pub fn conflict(&self) -> Option<(usize, usize)> {
        self.problems.iter().find_map(|problem| match problem.what {
            What::Conflict { other } => Some((other, problem.line)),
            _ => None,
        })
    }
}

/// Names and their pins.
pub(crate) type Pins<V> = Vec<(String, Pin<V>)>;

/// The grammar of one kind of file.
pub(crate) trait Kind {
    /// What a name is pinned to.
    type Value: PartialEq + Clone;
    /// What is wrong with a line whose name is none.
    const NO_NAME: What;

    /// Whether a name can stand in such a file.
    fn is_name(text: &str) -> bool;
    /// The value of a line, or what is wrong with it.
    fn value(text: &str) -> Result<Self::Value, What>;
    /// Two values of one name as one, where they do not contradict each other.
    fn joined(a: &Self::Value, b: &Self::Value) -> Option<Self::Value> {
        (a == b).then(|| a.clone())
    }
}

/// Looks one name up without believing the rest of the file.
pub(crate) fn find<K: Kind>(text: &[u8], name: &str) -> Found<K::Value> {
    let is_meant = |found: &[u8]| found == name.as_bytes();
    let mut pin: Option<Pin<K::Value>> = None;
    let mut problems = Vec::new();
    for (line, content) in lines(text) {
        match read::<K>(content) {
            Ok((found, value)) if found == name => match join::<K>(pin.as_ref(), value, line) {
                Ok(joined) => pin = Some(joined),
                Err(problem) => problems.push(problem),
            },
            Err(what) if what == What::Merge || is_about(content, &is_meant) => {
                problems.push(Malformed { line, what });
            }
            Ok(_) | Err(_) => {}
        }
    }
    let mut found = Found { pin, problems };
    if found.conflict().is_some() {
        found.pin = None;
    }
    found
}

/// Reads a whole file, in the order in which names first occur. A line that is no pin costs only itself; a name that is contradicted
/// has no pin, and each later line of it is a problem.
pub(crate) fn parse<K: Kind>(text: &[u8]) -> (Pins<K::Value>, Vec<Malformed>) {
    let mut pins: Vec<(&str, Option<Pin<K::Value>>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut first_lines = Vec::new();
    let mut problems = Vec::new();
    for (line, content) in lines(text) {
        let (name, value) = match read::<K>(content) {
            Ok(read) => read,
            Err(what) => {
                problems.push(Malformed { line, what });
                continue;
            }
        };
        let place = *places.entry(name).or_insert(pins.len());
        if place == pins.len() {
            pins.push((name, Some(Pin { value, line })));
            first_lines.push(line);
            continue;
        }
        let known = &mut pins[place].1;
        match known.as_ref().map(|pin| join::<K>(Some(pin), value, line)) {
            Some(Ok(joined)) => *known = Some(joined),
            Some(Err(problem)) => {
                problems.push(problem);
                *known = None;
            }
            None => problems.push(Malformed { line, what: What::Conflict { other: first_lines[place] } }),
        }
    }
    let pins = pins.into_iter().filter_map(|(name, pin)| Some((name.to_owned(), pin?))).collect();
    (pins, problems)
}

/// Whether a line gives this name a version, a good one or not.
pub(crate) fn names(line: &[u8], name: &str) -> bool {
    split(line).is_ok_and(|(found, _)| found == name.as_bytes())
}

fn join<K: Kind>(
    known: Option<&Pin<K::Value>>,
    value: K::Value,
    line: usize,
) -> Result<Pin<K::Value>, Malformed> {
    let Some(known) = known else { return Ok(Pin { value, line }) };
    let joined = K::joined(&known.value, &value);
    let joined = joined.ok_or(Malformed { line, what: What::Conflict { other: known.line } })?;
    // The line that says it all is the one to name.
    let line = if joined == known.value { known.line } else { line };
    Ok(Pin { value: joined, line })
}

fn read<K: Kind>(line: &[u8]) -> Result<(&str, K::Value), What> {
    let (name, value) = split(line).map_err(|what| if what == What::NoUrl { K::NO_NAME } else { what })?;
    let name = str::from_utf8(name).ok().filter(|name| K::is_name(name)).ok_or(K::NO_NAME)?;
    let value = str::from_utf8(value).map_err(|_| What::NotUtf8)?;
    Ok((name, K::value(value)?))
}
