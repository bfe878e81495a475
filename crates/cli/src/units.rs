//! Numbers for people: sizes, ages and counts, read and printed in one way by every command.
//!
//! Sizes are binary: `K`, `M`, `G` and `T` are powers of 1024, and are printed as `KiB`, `MiB`, …, so that nobody has
//! to guess. Ages are whole seconds with one unit. Pure, but for the clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SIZES: [(&str, u64); 4] = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];
const AGES: [(&str, u64); 5] = [("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("w", 7 * 86400)];

/// The time since 1970, by this machine's clock.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Bytes in `text`: `50G`, `1.5GiB`, `1048576`.
///
/// # Errors
/// A message for the user where it is no size, or one beyond 2^64 bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let wrong =
        || format!("{text:?} is not a size: write a number and K, M, G or T (powers of 1024), as in 50G");
    let upper = text.trim().to_ascii_uppercase();
    let bare = upper.strip_suffix("IB").or_else(|| upper.strip_suffix('B')).unwrap_or(&upper);
    let (number, unit) = SIZES
        .iter()
        .find_map(|(letter, unit)| Some((bare.strip_suffix(letter)?, *unit)))
        .unwrap_or((bare, 1));
    if unit == 1 && upper.ends_with("IB") {
        return Err(wrong());
    }
    let number = number.trim_end();
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit).ok_or_else(wrong);
    }
    let is_decimal = number.bytes().all(|b| b.is_ascii_digit() || b == b'.') && unit > 1;
    let value = number.parse::<f64>().ok().filter(|_| is_decimal).ok_or_else(wrong)? * unit as f64;
    // 2^64 as a float; everything below converts without loss of range.
    if value < 18_446_744_073_709_551_616.0 { Ok(value as u64) } else { Err(wrong()) }
}

/// The time in `text`: `90s`, `15m`, `12h`, `7d`, `2w`.
///
/// # Errors
/// A message for the user where it is no time.
pub(crate) fn parse_age(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is not a time: write a number and s, m, h, d or w, as in 7d");
    let text = text.trim();
    let (number, unit) =
        AGES.iter().find_map(|(letter, unit)| Some((text.strip_suffix(letter)?, *unit))).ok_or_else(wrong)?;
    let number: u64 = number.trim_end().parse().map_err(|_| wrong())?;
    number.checked_mul(unit).map(Duration::from_secs).ok_or_else(wrong)
}

/// `1.5 GiB`, `12 KiB`, `0 B`: three digits at most before the point, one behind it where it says something.
pub(crate) fn size(bytes: u64) -> String {
    const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut value = bytes as f64;
    let mut step = 0;
    // 1023.95 and more would be printed as 1024.0.
    while value >= 1023.95 && step + 1 < NAMES.len() {
        value /= 1024.0;
        step += 1;
    }
    let digits = usize::from(value < 99.95);
    format!("{value:.digits$} {}", NAMES[step])
}

/// `12s`, `5m`, `3h`, `9d`: the largest unit that fits, rounded down. Weeks are not used: `9d` says more than `1w`.
pub(crate) fn age(seconds: u64) -> String {
    let (letter, unit) = AGES[..4].iter().rev().find(|(_, unit)| seconds >= *unit).unwrap_or(&AGES[0]);
    format!("{}{letter}", seconds / unit)
}

/// `1 hit`, `2 hits`, `3 misses`, `4 repositories`.
pub(crate) fn count(number: u64, one: &str) -> String {
    match (number, one.strip_suffix('y')) {
        (1, _) => format!("1 {one}"),
        (_, Some(begin)) => format!("{number} {begin}ies"),
        (_, None) if one.ends_with('s') => format!("{number} {one}es"),
        (_, None) => format!("{number} {one}s"),
    }
}

/// `97.5 %`; nothing where there is nothing to compare.
pub(crate) fn percent(part: u64, whole: u64) -> Option<String> {
    (whole > 0).then(|| format!("{:.1} %", part as f64 * 100.0 / whole as f64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read() {
        for (text, bytes) in [
            ("0", 0),
            ("1024", 1024),
            ("50G", 50 << 30),
            ("50g", 50 << 30),
            ("1.5K", 1536),
            ("2 MiB", 2 << 20),
            ("3TB", 3 << 40),
            ("7b", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in [
            "",
            "G",
            "-1G",
            "1.5",
            "1e3K",
            "nanG",
            "50X",
            "5iB",
            "1.2.3M",
            "99999999999T",
            "18446744073709551616",
        ] {
            let message = parse_size(text).expect_err(text);
            assert!(message.contains("50G"), "{message}");
        }
    }

    #[test]
    fn ages_are_read() {
        for (text, seconds) in
            [("0s", 0), ("90s", 90), ("15m", 900), ("12h", 43200), ("7d", 604_800), ("2w", 1_209_600)]
        {
            assert_eq!(parse_age(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for text in
            ["", "7", "d", "-1d", "1.5h", "7D", "7 days", "99999999999999999999w", "18446744073709551615w"]
        {
            assert!(parse_age(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_printed() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (150 << 10, "150 KiB"),
            ((1 << 20) - 1, "1.0 MiB"),
            (50 << 30, "50.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn ages_counts_and_shares_are_printed() {
        for (seconds, text) in [(0, "0s"), (59, "59s"), (60, "1m"), (7199, "1h"), (86400 * 9, "9d")] {
            assert_eq!(age(seconds), text);
        }
        assert_eq!(
            (count(1, "miss"), count(0, "hit"), count(3, "miss")),
            ("1 miss".into(), "0 hits".into(), "3 misses".into())
        );
        assert_eq!((percent(1, 3), percent(0, 0)), (Some("33.3 %".into()), None));
    }
}
