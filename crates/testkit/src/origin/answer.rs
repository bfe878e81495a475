//! What a path answers with. The first part of the path names the manner:
//!
//! | path | answer |
//! |---|---|
//! | `/s4000/…` | content of 4,000 bytes |
//! | `/redir/N/…` | N redirects (302, absolute), then `/…` |
//! | `/redir301/…`, `/redirrel/…` | one 301; one 302 with a `Location` without host |
//! | `/status/404/…` | that status with a small body |
//! | `/flaky/N/503/…` | the status for the first N requests, then content |
//! | `/auth/…` | 401 without the basic credentials `user:pw` |
//! | `/cd/NAME/…` | `Content-Disposition: attachment; filename="NAME"` |
//! | `/gz/…` | gzip when the client accepts it |
//! | `/accept/…` | content that depends on the `Accept` header |
//! | `/nolm/…` | neither `Last-Modified` nor `ETag` |
//! | `/chunked/…`, `/close/…` | no `Content-Length`: chunked; until the connection closes |
//! | `/drip/MS/…` | ten pieces with a pause between them |
//! | `/stall/…` | half of the body, then silence |
//! | `/resetonce/…` | the first request as by `/reset/…`, then whole |
//! | `/reset/…` | half of the body, then the connection closes |
//! | `/claim/N/…` | `Content-Length` is N, whatever is sent |
//! | `/norange/…` | ranges are ignored |
//! | `/echo/…` | method and body of the request |
//! | `/empty/…` | nothing, with status 200 |
//! | `/script/…` | a shell script that prints `hello` and its arguments |
//! | `/tar/…` | a tar archive with `inner.txt` |
//! | `/cookie/…` | `Set-Cookie` |
//! | `/html/…` | a page that links to `/html/a.html` |
//! | a path below a folder of [`super::Origin::mount`] | the file, or 404; the manner before it counts |
//! | anything else | content of a size that follows from the path |

use std::sync::Arc;
use std::time::Duration;

use super::date::{http_date, http_time};
use super::folder::File;
use super::{Request, Shared, content, gzip, tar_of};

/// The `Last-Modified` of everything: 2020-09-13 12:26:40 UTC, in seconds since the epoch.
pub const LAST_MODIFIED: u64 = 1_600_000_000;

/// [`LAST_MODIFIED`] as HTTP writes it.
pub const LAST_MODIFIED_TEXT: &str = "Sun, 13 Sep 2020 12:26:40 GMT";

/// An answer, ready for the wire.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) framing: Framing,
    pub(super) pace: Pace,
}

/// How the end of the body is told.
pub(super) enum Framing {
    Length,
    Claimed(u64),
    Chunked,
    Close,
}

/// How the body is sent.
pub(super) enum Pace {
    AtOnce,
    Drip(Duration),
    /// Half of it, then nothing more while the connection stays.
    Stall,
    /// Half of it, then the connection closes.
    Cut,
}

/// What a path is, before the request's conditions and ranges are looked at.
struct Resource {
    body: Arc<Vec<u8>>,
    dated: bool,
    /// Seconds since the epoch.
    modified: u64,
    ranges: bool,
    headers: Vec<(&'static str, String)>,
    framing: Framing,
    pace: Pace,
}

/// The whole content of a path in the end, redirects and refusals looked through.
pub(super) fn whole(shared: &Shared, target: &str) -> Arc<Vec<u8>> {
    let path = target.split('?').next().unwrap_or_default();
    let (first, rest) = split(path);
    let (second, behind) = split(rest);
    if let Some(named) = Shared::lock(&shared.named).get(target) {
        return Arc::clone(named);
    }
    match first {
        "redir" => whole(shared, behind),
        "redir301" | "redirrel" => whole(shared, rest),
        "empty" => Arc::default(),
        "script" => Arc::new(b"#!/bin/sh\necho hello \"$@\"\n".to_vec()),
        "tar" => Arc::new(tar_of("inner.txt", target.as_bytes())),
        "html" => Arc::new(b"<html><body><a href=\"/html/a.html\">a</a></body></html>\n".to_vec()),
        "status" => Arc::new(format!("status {second}\n").into_bytes()),
        _ => Arc::new(content(target, size_of(path))),
    }
}

/// Answers a request, noting in it what was answered.
pub(super) fn answer(shared: &Shared, request: &mut Request, body: &[u8]) -> Answer {
    let target = request.target.clone();
    let path = target.split('?').next().unwrap_or_default();
    let (first, rest) = split(path);
    let (second, behind) = split(rest);
    let file = shared.file(path);
    let early = match first {
        _ if let Some(fault) = shared.fault(path) => Some(fault.answer(request, file.as_ref())),
        "redir" => {
            let left = second.parse::<u32>().unwrap_or(1).saturating_sub(1);
            let host = request.header("host").unwrap_or_default();
            let next = if left == 0 { behind.to_owned() } else { format!("/redir/{left}{behind}") };
            Some(redirect(request, 302, format!("http://{host}{next}")))
        }
        "redir301" => {
            let host = request.header("host").unwrap_or_default();
            Some(redirect(request, 301, format!("http://{host}{rest}")))
        }
        "redirrel" => Some(redirect(request, 302, rest.to_owned())),
        "status" => Some(plain(second.parse().unwrap_or(500), &whole(shared, &target))),
        "flaky" => {
            let mut asked = Shared::lock(&shared.asked);
            let count = asked.entry(target.clone()).or_default();
            *count += 1;
            let (status, _) = split(behind);
            (*count <= second.parse().unwrap_or(1))
                .then(|| plain(status.parse().unwrap_or(503), b"not yet\n"))
        }
        "auth" if request.header("authorization") != Some("Basic dXNlcjpwdw==") => {
            let mut refusal = plain(401, b"who are you?\n");
            refusal.headers.push(("WWW-Authenticate", "Basic realm=\"test\"".to_owned()));
            Some(refusal)
        }
        "echo" => {
            let mut echoed = format!("{} ", request.method).into_bytes();
            echoed.extend_from_slice(body);
            Some(plain(200, &echoed))
        }
        _ => None,
    };
    let answer = early.unwrap_or_else(|| {
        let mut resource = resource(shared, request, first, second);
        match file {
            Some(File::Found(body, modified)) => (resource.body, resource.modified) = (body, modified),
            Some(File::Absent) => return plain(404, b"no such file\n"),
            None => {}
        }
        conditional(request, resource)
    });
    request.status = answer.status;
    answer
}

fn resource(shared: &Shared, request: &Request, first: &str, second: &str) -> Resource {
    let mut resource = Resource {
        body: whole(shared, &request.target),
        dated: true,
        modified: LAST_MODIFIED,
        ranges: true,
        headers: Vec::new(),
        framing: Framing::Length,
        pace: Pace::AtOnce,
    };
    match first {
        "accept" => {
            let accept = request.header("accept").unwrap_or("nothing");
            resource.body = Arc::new(format!("you accept {accept}\n").into_bytes());
        }
        "cd" => {
            let name = second.replace("%09", "\t");
            resource.headers.push(("Content-Disposition", format!("attachment; filename=\"{name}\"")));
        }
        "cookie" => resource.headers.push(("Set-Cookie", "crumb=1; path=/".to_owned())),
        "html" => resource.headers.push(("Content-Type", "text/html".to_owned())),
        "nolm" => resource.dated = false,
        "norange" => resource.ranges = false,
        "chunked" => resource.framing = Framing::Chunked,
        "close" => resource.framing = Framing::Close,
        "claim" => resource.framing = Framing::Claimed(second.parse().unwrap_or(0)),
        "drip" => resource.pace = Pace::Drip(Duration::from_millis(second.parse().unwrap_or(50))),
        "stall" => resource.pace = Pace::Stall,
        "reset" => resource.pace = Pace::Cut,
        "resetonce" if Shared::lock(&shared.asked).insert(request.target.clone(), 1).is_none() => {
            resource.pace = Pace::Cut;
        }
        _ => {}
    }
    resource
}

/// Applies `If-Modified-Since`, `If-None-Match`, `Range` and `Accept-Encoding`.
fn conditional(request: &mut Request, resource: Resource) -> Answer {
    let Resource { body: full, dated, modified, ranges, mut headers, framing, pace } = resource;
    request.content = Some(Arc::clone(&full));
    let tag = format!("\"{}\"", &crate::md5_hex(&full)[..16]);
    if dated {
        headers.push(("Last-Modified", http_date(modified)));
        headers.push(("ETag", tag.clone()));
        let same_tag = request.header("if-none-match") == Some(tag.as_str());
        let same_time = request.header("if-modified-since").is_some_and(|since| http_time(since) >= modified);
        if same_tag || same_time {
            return Answer { status: 304, headers, body: Vec::new(), framing: Framing::Length, pace };
        }
    }
    // A part is of use only to who has the rest of the same content.
    let same = |since: &str| since == tag || http_time(since) == modified;
    let ranges = ranges && request.header("if-range").is_none_or(same);
    if ranges {
        headers.push(("Accept-Ranges", "bytes".to_owned()));
        match request.header("range").and_then(|range| part(range, full.len())) {
            Some(Ok((from, to))) => {
                headers.push(("Content-Range", format!("bytes {from}-{}/{}", to - 1, full.len())));
                return Answer { status: 206, headers, body: full[from..to].to_vec(), framing, pace };
            }
            Some(Err(())) => {
                headers.push(("Content-Range", format!("bytes */{}", full.len())));
                return Answer { status: 416, headers, body: Vec::new(), framing: Framing::Length, pace };
            }
            None => {}
        }
    }
    let gzipped = request.target.starts_with("/gz/")
        && request.header("accept-encoding").is_some_and(|accepted| accepted.contains("gzip"));
    let body = if gzipped {
        headers.push(("Content-Encoding", "gzip".to_owned()));
        gzip(&full)
    } else {
        full.to_vec()
    };
    Answer { status: 200, headers, body, framing, pace }
}

/// `bytes=A-B` as a half-open range; `Err` when it lies outside; `None` when it is not understood.
fn part(range: &str, size: usize) -> Option<Result<(usize, usize), ()>> {
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    if from.is_empty() {
        let last: usize = to.parse().ok()?;
        return Some(Ok((size.saturating_sub(last), size)));
    }
    let from: usize = from.parse().ok()?;
    let to = if to.is_empty() { size } else { (to.parse::<usize>().ok()? + 1).min(size) };
    Some(if from < to { Ok((from, to)) } else { Err(()) })
}

pub(super) fn redirect(request: &mut Request, status: u16, location: String) -> Answer {
    request.location = Some(location.clone());
    let mut answer = plain(status, b"moved\n");
    answer.headers.push(("Location", location));
    answer
}

pub(super) fn plain(status: u16, body: &[u8]) -> Answer {
    let headers = vec![("Content-Type", "text/plain".to_owned())];
    Answer { status, headers, body: body.to_vec(), framing: Framing::Length, pace: Pace::AtOnce }
}

/// The first part of a path without slashes, and the rest with its slash.
fn split(path: &str) -> (&str, &str) {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.find('/').map_or((path, ""), |slash| path.split_at(slash))
}

fn size_of(path: &str) -> usize {
    let told = path.split('/').find_map(|part| part.strip_prefix('s')?.parse().ok());
    told.unwrap_or_else(|| 1_000 + path.bytes().map(usize::from).sum::<usize>() % 3_000)
}

#[cfg(test)]
mod tests {
    use super::part;

    #[test]
    fn ranges_are_cut() {
        assert_eq!(part("bytes=0-99", 1000), Some(Ok((0, 100))));
        assert_eq!(part("bytes=900-", 1000), Some(Ok((900, 1000))));
        assert_eq!(part("bytes=-10", 1000), Some(Ok((990, 1000))));
        assert_eq!(part("bytes=1000-", 1000), Some(Err(())));
        assert_eq!(part("lines=1-2", 1000), None);
    }
}
