//! Where words go: results to stdout, everything else to stderr.
//!
//! A result is gathered as a value first, then printed in one go, as text or as JSON; so a command that fails half-way
//! leaves no half of a table behind. A reader that went away (`vcache ls | head -1`) is not an error: [`is_broken_pipe`]
//! tells main to end quietly.

use std::fmt::Display;
use std::io::{self, Write};

use anyhow::{Context as _, Result};
use serde::Serialize;

/// Prints `facts` as JSON, or as `render` shows it to people.
///
/// # Errors
/// Stdout can't be written.
pub(crate) fn facts<T: Serialize>(json: bool, facts: &T, render: impl FnOnce(&T) -> String) -> Result<()> {
    if json {
        let mut text = serde_json::to_string_pretty(facts).context("the result as JSON")?;
        text.push('\n');
        return print(&text);
    }
    print(&render(facts))
}

/// Prints a finished text.
///
/// # Errors
/// Stdout can't be written.
pub(crate) fn print(text: &str) -> Result<()> {
    bytes(text.as_bytes())
}

/// Prints finished bytes: completions and manual pages.
///
/// # Errors
/// Stdout can't be written.
pub(crate) fn bytes(bytes: &[u8]) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).context("writing to stdout")
}

/// A line about what goes on. A closed stderr is nobody's trouble.
pub(crate) fn note(text: impl Display) {
    let _ = io::stderr().write_all(format!("vcache: {text}\n").as_bytes());
}

/// A line about what the user should know though the command goes on.
pub(crate) fn warn(text: impl Display) {
    note(format_args!("warning: {text}"));
}

/// A line about what ends the command.
pub(crate) fn error(text: impl Display) {
    note(format_args!("error: {text}"));
}

/// True where the reader of stdout went away.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Rows with aligned columns, two blanks between them. Columns named in `right` are aligned to the right.
pub(crate) fn table(rows: &[Vec<String>], right: &[usize]) -> String {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|r| r.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let pad = " ".repeat(widths[column] - cell.chars().count());
            let gap = if column == 0 { "" } else { "  " };
            let (before, behind) =
                if right.contains(&column) { (pad.as_str(), "") } else { ("", pad.as_str()) };
            line.extend([gap, before, cell, behind]);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Without what would do a terminal harm: names come from other machines, too.
pub(crate) fn printable(text: &str) -> String {
    let escaped = |c: char| match c.is_control() && c != '\n' {
        true => c.escape_default().to_string(),
        false => c.to_string(),
    };
    text.chars().map(escaped).collect()
}

/// The two columns that most commands begin with: a name and its value.
pub(crate) fn pairs(rows: &[(&str, String)]) -> String {
    let rows: Vec<_> = rows.iter().map(|(name, value)| vec![format!("{name}:"), value.clone()]).collect();
    table(&rows, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_and_lines_have_no_blanks_at_their_end() {
        let rows = [vec!["a".into(), "10".into(), "x".into()], vec!["bcd".into(), "7".into()]];
        assert_eq!(table(&rows, &[1]), "a    10  x\nbcd   7\n");
        assert_eq!(table(&[], &[]), "");
        assert_eq!(table(&[vec!["a\u{1b}[2J".into(), "b".into()]], &[]), "a\\u{1b}[2J  b\n");
        assert_eq!(pairs(&[("size", "1".into()), ("n", "2".into())]), "size:  1\nn:     2\n");
    }

    #[test]
    fn a_reader_that_went_away_is_known_through_context() {
        let error =
            anyhow::Error::new(io::Error::from(io::ErrorKind::BrokenPipe)).context("writing to stdout");
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow::anyhow!("other")));
    }
}
