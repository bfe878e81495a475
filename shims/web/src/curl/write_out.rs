//! curl's `-w`: the text that is printed after a transfer, for formats that a cached answer can fill.
//!
//! Known are the variables whose value follows from a transfer that ended well with status 200. Times, addresses,
//! connections and the URL after redirects are not; a format that holds one of them is left to the real curl. Escapes
//! are curl's: `\n`, `\r`, `\t`, `%%`; any other character behind `\` or `%` is printed with it.

/// What a cached answer tells about a transfer.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Facts {
    /// Length of the content in bytes.
    pub(crate) size: u64,
    /// The file that was written, as curl names it; none when it went to standard output.
    pub(crate) filename: Option<String>,
    /// The `Content-Type` that came with the content, where it is known.
    pub(crate) content_type: Option<String>,
}

/// The text for a transfer, or `None` when the format holds something that is not known here.
pub(crate) fn render(format: &str, facts: &Facts) -> Option<String> {
    let mut out = String::with_capacity(format.len());
    let mut rest = format;
    while let Some(at) = rest.find(['%', '\\']) {
        out.push_str(&rest[..at]);
        let (mark, behind) = rest[at..].split_at(1);
        rest = behind;
        let Some(next) = rest.chars().next() else {
            out.push_str(mark);
            break;
        };
        match (mark, next) {
            ("%", '{') => {
                let Some((name, behind)) = rest[1..].split_once('}') else {
                    // curl prints an opening brace without its end as it stands.
                    out.push_str("%{");
                    rest = &rest[1..];
                    continue;
                };
                rest = behind;
                match name {
                    // What follows is for failures only.
                    "onerror" => return Some(out),
                    "stdout" => {}
                    _ => out.push_str(&variable(name, facts)?),
                }
                continue;
            }
            ("%", '%') => out.push('%'),
            // `%header{…}`, `%output{…}`, `%time{…}` of newer versions.
            ("%", 'a'..='z') if named_function(rest) => return None,
            ("\\", 'n') => out.push('\n'),
            ("\\", 'r') => out.push('\r'),
            ("\\", 't') => out.push('\t'),
            _ => {
                out.push_str(mark);
                out.push(next);
            }
        }
        rest = &rest[next.len_utf8()..];
    }
    out.push_str(rest);
    Some(out)
}

fn named_function(rest: &str) -> bool {
    let name = rest.trim_start_matches(|c: char| c.is_ascii_lowercase());
    name.starts_with('{')
}

fn variable(name: &str, facts: &Facts) -> Option<String> {
    Some(match name {
        "http_code" | "response_code" => "200".to_owned(),
        "http_connect" => "000".to_owned(),
        "size_download" => facts.size.to_string(),
        "size_upload" | "exitcode" => "0".to_owned(),
        "filename_effective" => facts.filename.clone().unwrap_or_default(),
        "content_type" => facts.content_type.clone().unwrap_or_default(),
        "method" => "GET".to_owned(),
        "errormsg" => String::new(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(format: &str, expect: Option<&str>) {
        let facts = Facts { size: 6, filename: Some("d/f".into()), content_type: Some("text/plain".into()) };
        assert_eq!(render(format, &facts).as_deref(), expect, "{format}");
    }

    /// Each was tried with curl 7.88.1.
    #[test]
    fn formats_are_filled() {
        check("", Some(""));
        check("%{http_code}\\n", Some("200\n"));
        check("%{response_code} %{size_download} %{filename_effective}", Some("200 6 d/f"));
        check(
            "%{content_type}|%{exitcode}|%{errormsg}|%{method}|%{size_upload}",
            Some("text/plain|0||GET|0"),
        );
        check("%{http_connect}", Some("000"));
        check("a\\nb\\tc\\r", Some("a\nb\tc\r"));
        check("c\\\\d\\x%%e%f%", Some("c\\\\d\\x%e%f%"));
        check("x\\", Some("x\\"));
        check("%{http_code", Some("%{http_code"));
        check("a%{onerror}bad %{nope}", Some("a"));
        check("a%{stdout}b", Some("ab"));
        check("\u{e4}%\u{e4}\\\u{e4}", Some("\u{e4}%\u{e4}\\\u{e4}"));
        assert_eq!(
            render("[%{filename_effective}%{content_type}]", &Facts::default()).as_deref(),
            Some("[]")
        );
    }

    #[test]
    fn other_variables_are_not_known() {
        for name in [
            "time_total",
            "url_effective",
            "redirect_url",
            "num_redirects",
            "remote_ip",
            "speed_download",
            "json",
            "stderr",
            "nope",
            "",
            "HTTP_CODE",
            "http_version",
            "scheme",
            "url",
            "num_headers",
        ] {
            check(&format!("%{{{name}}}"), None);
        }
        check("%header{etag}", None);
        check("%output{file}x", None);
        check("%time{%Y}", None);
    }
}
