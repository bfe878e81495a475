//! Dates as HTTP writes them.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Seconds since the epoch of an HTTP date (`Sun, 13 Sep 2020 12:26:40 GMT`); 0 when it is not one.
pub(super) fn http_time(text: &str) -> u64 {
    let words: Vec<&str> = text.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = words[..] else { return 0 };
    let number = |word: &str| word.parse::<u64>().unwrap_or(0);
    let Some(month) = MONTHS.iter().position(|name| *name == month) else { return 0 };
    // Days from civil, for years after 1970; the year begins in March.
    let month = month as u64 + 1;
    let year = number(year) - u64::from(month <= 2);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + number(day) - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    ((days * 24 + number(hour)) * 60 + number(minute)) * 60 + number(second)
}

/// A moment, in seconds since the epoch, as an HTTP date. Also what `Date:` and `Valid-Until:` of a Debian archive look like, but for
/// the zone's name.
pub(crate) fn http_date(seconds: u64) -> String {
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let (hour, minute, second) = (time / 3_600, time / 60 % 60, time % 60);
    let month = MONTHS[month - 1];
    format!("{weekday}, {day:02} {month} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

/// Year, month (from 1) and day (from 1) of a day, counted from 1970-01-01.
fn civil(days: u64) -> (u64, usize, u64) {
    let is_leap = |year: u64| year.is_multiple_of(4) && !year.is_multiple_of(100) || year.is_multiple_of(400);
    let (mut year, mut left) = (1970, days);
    loop {
        let length = if is_leap(year) { 366 } else { 365 };
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let february = if is_leap(year) { 29 } else { 28 };
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if left < length {
            break;
        }
        left -= length;
        month += 1;
    }
    (year, month, left + 1)
}

#[cfg(test)]
mod tests {
    use super::super::{LAST_MODIFIED, LAST_MODIFIED_TEXT};
    use super::{http_date, http_time};

    #[test]
    fn dates_are_read() {
        assert_eq!(http_time(LAST_MODIFIED_TEXT), LAST_MODIFIED);
        assert_eq!(http_time("Tue, 01 Jan 2019 00:00:00 GMT"), 1_546_300_800);
        assert_eq!(http_time("Sat, 29 Feb 2020 23:59:59 GMT"), 1_583_020_799);
        assert_eq!(http_time("nonsense"), 0);
    }

    #[test]
    fn dates_are_written_as_they_are_read() {
        assert_eq!(http_date(LAST_MODIFIED), LAST_MODIFIED_TEXT);
        for seconds in [0, 951_782_400, 1_546_300_800, 1_583_020_799, 4_102_444_800] {
            assert_eq!(http_time(&http_date(seconds)), seconds);
        }
    }
}
