//! curl's configuration files: `~/.curlrc` and `-K FILE` (curl(1), "--config").
//!
//! A line is an option as on the command line, perhaps without its dashes, then blanks, `=` or `:`, and a value, perhaps
//! in double quotes. Lines come out as words for the scanner, which then reads them as if they had been typed.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use crate::surroundings::Surroundings;

/// The words of each line that holds an option.
pub(super) fn lines(text: &[u8]) -> Vec<Vec<OsString>> {
    text.split(|&b| b == b'\n').filter_map(words).collect()
}

/// The file that curl reads unasked, where there is one: the first of these that can be read.
pub(super) fn default_file(around: &Surroundings<'_>) -> Option<Vec<u8>> {
    let home = around.path("HOME");
    let places = [
        around.path("CURL_HOME").map(|dir| dir.join(".curlrc")),
        around.path("XDG_CONFIG_HOME").map(|dir| dir.join("curlrc")),
        around.path("XDG_CONFIG_HOME").map(|dir| dir.join(".curlrc")),
        home.clone().map(|dir| dir.join(".curlrc")),
        home.map(|dir: PathBuf| dir.join(".config/curlrc")),
    ];
    places.into_iter().flatten().find_map(|file| (around.read)(&file).ok())
}

fn words(line: &[u8]) -> Option<Vec<OsString>> {
    let line = line.trim_ascii();
    if line.is_empty() || line[0] == b'#' {
        return None;
    }
    let dashed = line[0] == b'-';
    let ends_name = |&b: &u8| b.is_ascii_whitespace() || (!dashed && matches!(b, b'=' | b':'));
    let end = line.iter().position(ends_name).unwrap_or(line.len());
    let mut name = if dashed { Vec::new() } else { b"--".to_vec() };
    name.extend_from_slice(&line[..end]);
    let rest = line[end..].iter().position(|&b| !(b.is_ascii_whitespace() || b == b'=' || b == b':'));
    let value = rest.map(|start| value(&line[end + start..]));
    let words = std::iter::once(name).chain(value);
    Some(words.map(OsString::from_vec).collect())
}

/// In quotes with escapes, or up to the first blank.
fn value(text: &[u8]) -> Vec<u8> {
    if text.first() != Some(&b'"') {
        return text.split(u8::is_ascii_whitespace).next().unwrap_or_default().to_vec();
    }
    let mut value = Vec::new();
    let mut bytes = text[1..].iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => match bytes.next() {
                Some(b't') => value.push(b'\t'),
                Some(b'n') => value.push(b'\n'),
                Some(b'r') => value.push(b'\r'),
                Some(b'v') => value.push(0x0b),
                Some(&other) => value.push(other),
                None => break,
            },
            _ => value.push(byte),
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_curl_reads_them() {
        let text = b"# c\n\nurl = \"http://h/a b\\\"c\"\n-o file rest\n  silent\noutput:x=y\n-L\nuser-agent \"\\t\"\nurl=\n";
        let seen: Vec<Vec<String>> = lines(text)
            .into_iter()
            .map(|l| l.into_iter().map(|w| w.into_string().unwrap()).collect())
            .collect();
        let expect: &[&[&str]] = &[
            &["--url", "http://h/a b\"c"],
            &["-o", "file"],
            &["--silent"],
            &["--output", "x=y"],
            &["-L"],
            &["--user-agent", "\t"],
            &["--url"],
        ];
        assert_eq!(seen, expect);
    }
}
