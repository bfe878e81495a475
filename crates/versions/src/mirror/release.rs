//! What is read of a Release file (the Debian wiki's RepositoryFormat): its `Date:`, a date as in mails, in UTC, and its list of digests.

/// What apt takes for UTC.
const UTC: [&str; 5] = ["UTC", "GMT", "Z", "+0000", "-0000"];

/// The `Date:` of a Release or InRelease file as it stands in `versions-mirror`; `None` where there is none, or none in UTC.
pub fn release_date(release: &[u8]) -> Option<String> {
    let mut lines = release.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked("Date:".len())?;
        name.eq_ignore_ascii_case(b"Date:").then_some(value)
    });
    parse_date(str::from_utf8(value?).ok()?)
}

/// `Sat, 11 Jul 2026 10:16:37 UTC` as `2026-07-11T10:16:37Z`. The day may have one digit (as aptly writes it). `None` for a day that there is not, a
/// weekday that it was not, and other zones than UTC.
///
/// ```
/// let date = vcache_versions::parse_date("Sat, 11 Jul 2026 10:16:37 UTC");
/// assert_eq!(date.as_deref(), Some("2026-07-11T10:16:37Z"));
/// ```
pub fn parse_date(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_ascii_whitespace().collect();
    let &[weekday, day, month, year, time, zone] = words.as_slice() else { return None };
    if !UTC.contains(&zone) {
        return None;
    }
    let text = format!("{weekday} {day:0>2} {month} {year} {time} GMT");
    // Written anew it is another text if there was no such day.
    let known = httpdate::parse_http_date(&text).ok().map(httpdate::fmt_http_date);
    if known.as_ref() != Some(&text) {
        return None;
    }
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    Some(format!("{year}-{month:02}-{day:0>2}T{time}Z"))
}

/// The SHA-256 of every file that a Release or InRelease file names, 64 lower-case hexadecimal digits each: the lines `DIGEST SIZE PATH` below
/// `SHA256:`. Lines that are something else are passed over.
///
/// ```
/// let release = format!("Suite: x\nSHA256:\n {} 12 main/binary-amd64/Packages\n", "Ab".repeat(32));
/// assert_eq!(vcache_versions::release_digests(release.as_bytes()), ["ab".repeat(32)]);
/// ```
pub fn release_digests(release: &[u8]) -> Vec<String> {
    let mut lines = release.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
    lines.find(|line| line.eq_ignore_ascii_case(b"SHA256:"));
    let digest = |line: &[u8]| {
        let mut words = str::from_utf8(line).ok()?.split_ascii_whitespace();
        super::sha256(words.next()?)
    };
    lines.take_while(|line| line.first().is_some_and(u8::is_ascii_whitespace)).filter_map(digest).collect()
}
