//! What curl's `-D` leaves: the header blocks of one operation, read into one [`Response`] for each transfer.
//!
//! A transfer leaves several blocks when the server is polite (`100 Continue`), a proxy is passed (`CONNECT`), a
//! redirect is followed, credentials are negotiated, or curl tries again. The dump does not say where a transfer ends, so
//! blocks that usually have a successor (1xx, an established tunnel, a redirect with its `Location`, 401 and 407, and
//! the statuses that curl retries) count as its forerunners when another block follows. That can join two transfers
//! into one, never split one: a caller that finds as many responses as it has transfers can rely on them.

/// The final answer of one transfer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Response {
    /// The status code.
    pub(crate) status: u16,
    /// How many redirects led to it.
    pub(crate) redirects: u32,
    /// `Last-Modified`, in seconds since 1970.
    pub(crate) last_modified: Option<u64>,
    /// `Content-Type`, as sent.
    pub(crate) content_type: Option<String>,
    /// `Content-Length`, where the content is sent as it is: without it a part can't be told from the whole.
    pub(crate) content_length: Option<u64>,
    /// The file name of `Content-Disposition` as curl `-J` takes it. Empty: there is one that cannot be used as a name
    /// here (`..`, control characters, not UTF-8), so with `-J` the answer should not be kept.
    pub(crate) disposition: Option<String>,
}

/// The answers in a dump, in its order. Text that is no header block is skipped.
pub(crate) fn final_responses(dump: &[u8]) -> Vec<Response> {
    let blocks = blocks(dump);
    let mut responses = Vec::new();
    let mut redirects = 0;
    let mut disposition = None;
    for (index, block) in blocks.iter().enumerate() {
        let is_last = index + 1 == blocks.len();
        let disposition_here = block.disposition();
        if disposition.is_none() {
            disposition = disposition_here;
        }
        if !is_last && block.has_successor() {
            redirects += u32::from(block.is_redirect());
            continue;
        }
        responses.push(Response {
            status: block.status,
            redirects: std::mem::take(&mut redirects),
            last_modified: block.last_modified(),
            content_type: block.text("content-type"),
            content_length: block.content_length(),
            disposition: disposition.take(),
        });
    }
    responses
}

/// A status line and its headers.
#[derive(Default)]
struct Block<'a> {
    status: u16,
    phrase: &'a [u8],
    headers: Vec<(&'a [u8], &'a [u8])>,
}

fn blocks(dump: &[u8]) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let mut open: Option<Block<'_>> = None;
    for line in dump.split(|&b| b == b'\n').map(<[u8]>::trim_ascii_end) {
        if let Some((status, phrase)) = status_line(line) {
            blocks.extend(open.replace(Block { status, phrase, headers: Vec::new() }));
        } else if line.is_empty() {
            blocks.extend(open.take());
        } else if let Some(block) = open.as_mut()
            && let Some(colon) = line.iter().position(|&b| b == b':')
        {
            block.headers.push((&line[..colon], line[colon + 1..].trim_ascii()));
        }
    }
    blocks.extend(open);
    blocks
}

/// `HTTP/1.1 200 OK`, `HTTP/2 200`.
fn status_line(line: &[u8]) -> Option<(u16, &[u8])> {
    let rest = line.strip_prefix(b"HTTP/")?;
    let blank = rest.iter().position(|&b| b == b' ')?;
    let (version, rest) = (&rest[..blank], rest[blank..].trim_ascii_start());
    if !version.iter().all(|b| b.is_ascii_digit() || *b == b'.') {
        return None;
    }
    let (status, phrase) = rest.split_at_checked(3)?;
    let status = str::from_utf8(status).ok()?.parse().ok()?;
    Some((status, phrase.trim_ascii()))
}

impl Block<'_> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, value)| *value)
    }

    fn text(&self, name: &str) -> Option<String> {
        self.header(name).and_then(|value| str::from_utf8(value).ok()).map(str::to_owned)
    }

    fn is_redirect(&self) -> bool {
        matches!(self.status, 300..=303 | 305..=399) && self.header("location").is_some()
    }

    fn has_successor(&self) -> bool {
        let phrase = self.phrase.to_ascii_lowercase();
        let tunnel = self.status == 200
            && phrase.windows(10).any(|part| part == b"connection")
            && self.header("content-type").is_none();
        let again = matches!(self.status, 100..=199 | 401 | 407 | 408 | 429 | 500 | 502..=504 | 522 | 524);
        tunnel || again || self.is_redirect()
    }

    fn content_length(&self) -> Option<u64> {
        let encoded = self.header("content-encoding").is_some() || self.header("transfer-encoding").is_some();
        self.text("content-length").filter(|_| !encoded)?.parse().ok()
    }

    fn last_modified(&self) -> Option<u64> {
        let text = self.text("last-modified")?;
        let time = httpdate::parse_http_date(&text).ok()?;
        time.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
    }

    /// The first `filename=` among the parameters; `filename*=` is not known to curl.
    fn disposition(&self) -> Option<String> {
        let value = self.header("content-disposition")?;
        let mut rest = value;
        loop {
            let start = rest.iter().position(u8::is_ascii_alphabetic)?;
            rest = &rest[start..];
            if let Some(name) = rest.strip_prefix(b"filename=") {
                return plain_name(name);
            }
            let semicolon = rest.iter().position(|&b| b == b';')?;
            rest = &rest[semicolon..];
        }
    }
}

/// The name as curl cuts it out: quotes off, folders off. `None`: curl finds no name; empty: a name that is not usable.
fn plain_name(text: &[u8]) -> Option<String> {
    let (stop, text) = match text {
        [quote @ (b'"' | b'\''), rest @ ..] => (*quote, rest),
        _ => (b';', text),
    };
    let end = text.iter().position(|&b| b == stop).unwrap_or(text.len());
    let name = &text[..end];
    let cut = name.iter().rposition(|&b| b == b'/' || b == b'\\').map_or(0, |at| at + 1);
    if cut > 0 && cut == name.len() {
        return None;
    }
    let usable = |name: &&str| !matches!(*name, "" | "." | "..") && !name.chars().any(char::is_control);
    Some(str::from_utf8(&name[cut..]).ok().filter(usable).unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(dump: &str, expect: &[&str]) {
        let dump = dump.replace('\n', "\r\n");
        let seen: Vec<_> = final_responses(dump.as_bytes())
            .into_iter()
            .map(|r| {
                format!(
                    "{} {} {:?} {:?} {:?}",
                    r.status, r.redirects, r.last_modified, r.content_type, r.disposition
                )
            })
            .map(|line| line.replace("None", "-"))
            .collect();
        assert_eq!(seen, expect);
    }

    #[test]
    fn a_plain_answer() {
        let head = "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT\ncontent-type: text/plain; charset=x\n\n";
        let expect = [r#"200 0 Some(1445412480) Some("text/plain; charset=x") -"#];
        check(&format!("HTTP/1.1 200 OK\n{head}"), &expect);
        check(&format!("HTTP/2 200 \n{head}"), &expect);
        check("HTTP/1.0 404 Not Found\nX: y", &["404 0 - - -"]);
        check("", &[]);
        check("220 ftp.example\n\nHTTP/x 200\n", &[]);
        check("HTTP/1.1 200 OK\nLast-Modified: yesterday\n\n", &["200 0 - - -"]);
        assert_eq!(final_responses(b"HTTP/1.1 200\nA: \xff\nContent-Type: \xff\n\n").len(), 1);
    }

    #[test]
    fn forerunners_are_joined() {
        let redirect = "HTTP/1.1 302 Found\nLocation: /b\n\n";
        check(&format!("{redirect}{redirect}HTTP/1.1 200 OK\n\n"), &["200 2 - - -"]);
        check(redirect, &["302 0 - - -"]);
        check("HTTP/1.1 304 Not Modified\n\nHTTP/1.1 200 OK\n\n", &["304 0 - - -", "200 0 - - -"]);
        check("HTTP/1.1 100 Continue\n\nHTTP/1.1 200 OK\n\n", &["200 0 - - -"]);
        check("HTTP/1.1 103 Early Hints\nLink: x\n\nHTTP/1.1 200 OK\n\n", &["200 0 - - -"]);
        check("HTTP/1.1 200 Connection established\n\nHTTP/1.1 200 OK\n\n", &["200 0 - - -"]);
        check("HTTP/1.1 407 Proxy Authentication Required\n\nHTTP/1.1 200 OK\n\n", &["200 0 - - -"]);
        check("HTTP/1.1 401 Unauthorized\n\nHTTP/1.1 200 OK\n\n", &["200 0 - - -"]);
        check("HTTP/1.1 503 Busy\n\nHTTP/1.1 200 OK\n\n", &["200 0 - - -"]);
        check("HTTP/1.1 503 Busy\n\n", &["503 0 - - -"]);
        check("HTTP/1.1 200 OK\n\nHTTP/1.1 404 Gone\n\n", &["200 0 - - -", "404 0 - - -"]);
    }

    #[track_caller]
    fn check_name(value: &str, expect: Option<&str>) {
        let dump = format!("HTTP/1.1 200 OK\r\nContent-Disposition: {value}\r\n\r\n");
        assert_eq!(final_responses(dump.as_bytes())[0].disposition.as_deref(), expect, "{value}");
    }

    #[test]
    fn names_from_content_disposition() {
        check_name("attachment; filename=a.tgz", Some("a.tgz"));
        check_name("attachment; filename=\"a b;c.tgz\"; x=y", Some("a b;c.tgz"));
        check_name("attachment; filename='a.tgz'", Some("a.tgz"));
        check_name("attachment;filename=a.tgz;size=3", Some("a.tgz"));
        check_name("filename=a", Some("a"));
        check_name("attachment; filename=\"../../etc/passwd\"", Some("passwd"));
        check_name("attachment; filename=\"c:\\x\\y.txt\"", Some("y.txt"));
        check_name("attachment; filename*=UTF-8''a", None);
        check_name("attachment; name=x; filename=\"b\"", Some("b"));
        check_name("attachment; filename=\"a/\"", None);
        check_name("inline", None);
        check_name("attachment; filename=\"..\"", Some(""));
        check_name("attachment; filename=\"\"", Some(""));
        check_name("attachment; filename=\"a\tb\"", Some(""));
    }
}
