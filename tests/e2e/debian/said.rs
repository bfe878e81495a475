//! What apt says, without what differs from run to run:
//!
//! - the order of `Get:`, `Hit:`, `Ign:` and `Err:` lines, and their numbers: several queues end when they end;
//! - time and speed in `Fetched 12 kB in 0s (34 kB/s)`;
//! - how long ago a validity has ended (`invalid since 2d 3h 4min 5s`).

/// What was said on a stream, line by line, in an order that does not depend on time.
pub fn said(stream: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(stream).replace('\r', "\n");
    let mut lines: Vec<String> = Vec::new();
    // The lines of a transfer that stand in a row; each with what belongs to it, indented.
    let mut transfers: Vec<String> = Vec::new();
    for line in text.lines().map(timeless) {
        match transfer(&line) {
            Some(transfer) => transfers.push(transfer),
            None if line.starts_with("  ") && !transfers.is_empty() => {
                let last = transfers.last_mut().expect("there is one");
                last.push('\n');
                last.push_str(&line);
            }
            None => {
                transfers.sort();
                lines.append(&mut transfers);
                lines.push(line);
            }
        }
    }
    transfers.sort();
    lines.append(&mut transfers);
    lines
}

/// The same, sorted: for standard error, whose lines come in the order in which things have failed.
pub fn sorted(stream: &[u8]) -> Vec<String> {
    let own = |line: &String| !line.starts_with("vcache: ");
    let mut lines: Vec<String> = said(stream).into_iter().filter(own).collect();
    lines.sort();
    lines
}

/// `Get:12 http://…` as `Get http://…`.
fn transfer(line: &str) -> Option<String> {
    let (kind, rest) = line.split_once(':')?;
    let rest = rest.trim_start_matches(|letter: char| letter.is_ascii_digit());
    (["Get", "Hit", "Ign", "Err"].contains(&kind) && rest.starts_with(' ')).then(|| format!("{kind}{rest}"))
}

fn timeless(line: &str) -> String {
    if line.starts_with("Fetched ")
        && let Some((size, _)) = line.split_once(" in ")
    {
        return size.to_owned();
    }
    match line.split_once("(invalid since ") {
        Some((before, after)) => {
            let after = after.split_once(')').map_or("", |(_, after)| after);
            format!("{before}(invalid since …){after}")
        }
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::said;

    #[test]
    fn transfers_are_sorted_where_they_stand() {
        let text = "a\nGet:2 http://h/b [1 B]\nErr:1 http://h/a\n  404  Not Found\nFetched 1 B in 0s (2 B/s)\nGet:3 http://h/c\n";
        assert_eq!(
            said(text.as_bytes()),
            [
                "a",
                "Err http://h/a\n  404  Not Found",
                "Get http://h/b [1 B]",
                "Fetched 1 B",
                "Get http://h/c"
            ]
        );
    }

    #[test]
    fn ages_are_taken_out() {
        assert_eq!(said(b"E: x (invalid since 2d 3h). y"), ["E: x (invalid since \u{2026}). y"]);
    }
}
