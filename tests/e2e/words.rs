//! Command lines in rows: split at blanks, with single quotes around what holds a blank.

/// Splits a line into words. `'…'` keeps blanks; there is no other quoting, so that a row shows argv as it is.
///
/// # Panics
/// On a quote that is not closed.
pub fn split_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' | '\n' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    assert!(!quoted, "a quote is not closed: {line}");
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::split_words;

    #[test]
    fn quotes_keep_blanks_and_empty_words() {
        assert_eq!(split_words("curl -H 'A: b c' '' x"), ["curl", "-H", "A: b c", "", "x"]);
    }
}
