//! HTTP/1.1 on a socket: requests in, answers out, as broken as the answer asks for.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::answer::{Answer, Framing, Pace, answer};
use super::{Request, Shared};

/// A stalled answer ends by itself after this time, so that no thread outlives its test by much.
const LONGEST_STALL: Duration = Duration::from_secs(40);

/// Answers the requests of one connection until it closes.
pub(super) fn serve(stream: &TcpStream, shared: &Shared, stopping: &AtomicBool) -> io::Result<()> {
    let served = converse(stream, shared, stopping);
    // Without this the peer waits for the twin that the origin keeps for `stop`.
    stream.shutdown(Shutdown::Both)?;
    served
}

fn converse(stream: &TcpStream, shared: &Shared, stopping: &AtomicBool) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    while !stopping.load(Ordering::SeqCst) {
        let Some(mut request) = read_head(&mut reader)? else { break };
        if request.header("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
            (&mut &*stream).write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        let mut body = vec![0; request.header("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
        reader.read_exact(&mut body)?;
        request.body = body.len();
        let keep = request.header("connection").is_none_or(|value| !value.eq_ignore_ascii_case("close"));
        let answer = answer(shared, &mut request, &body);
        let head_only = request.method == "HEAD";
        // Logged before it is answered, so that whoever has the answer finds the request in the log.
        Shared::lock(&shared.log).push(request);
        if !send(stream, &answer, head_only, stopping)? || !keep {
            break;
        }
    }
    Ok(())
}

fn read_head(reader: &mut impl BufRead) -> io::Result<Option<Request>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return Ok(None) };
    let mut headers = Vec::new();
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    // A proxy's client sends the whole URL.
    let target = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    Ok(Some(Request {
        method: method.to_owned(),
        target: target.to_owned(),
        headers,
        body: 0,
        status: 0,
        location: None,
        content: None,
    }))
}

/// Sends an answer; false when the connection has to close after it.
fn send(mut stream: &TcpStream, answer: &Answer, head_only: bool, stopping: &AtomicBool) -> io::Result<bool> {
    let mut head = format!("HTTP/1.1 {} {}\r\n", answer.status, phrase(answer.status));
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    match answer.framing {
        _ if answer.status == 304 => {}
        Framing::Length => head.push_str(&format!("Content-Length: {}\r\n", answer.body.len())),
        Framing::Claimed(length) => head.push_str(&format!("Content-Length: {length}\r\n")),
        Framing::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
        Framing::Close => head.push_str("Connection: close\r\n"),
    }
    head.push_str("\r\n");
    let bodiless = head_only || answer.status == 304;
    if let (false, Pace::AtOnce, Framing::Length) = (bodiless, &answer.pace, &answer.framing) {
        let mut whole = head.into_bytes();
        whole.extend_from_slice(&answer.body);
        stream.write_all(&whole)?;
        return Ok(true);
    }
    stream.write_all(head.as_bytes())?;
    if bodiless {
        return Ok(true);
    }
    send_body(stream, answer, stopping)
}

fn send_body(mut stream: &TcpStream, answer: &Answer, stopping: &AtomicBool) -> io::Result<bool> {
    let chunked = matches!(answer.framing, Framing::Chunked);
    let body = &answer.body;
    match answer.pace {
        Pace::AtOnce => piece(stream, body, chunked)?,
        Pace::Drip(pause) => {
            for part in body.chunks(body.len().div_ceil(10).max(1)) {
                piece(stream, part, chunked)?;
                std::thread::sleep(pause);
                if stopping.load(Ordering::SeqCst) {
                    return Ok(false);
                }
            }
        }
        Pace::Stall => {
            piece(stream, &body[..body.len() / 2], chunked)?;
            let mut waited = Duration::ZERO;
            let nap = Duration::from_millis(50);
            while waited < LONGEST_STALL && !stopping.load(Ordering::SeqCst) {
                std::thread::sleep(nap);
                waited += nap;
            }
            return Ok(false);
        }
        Pace::Cut => {
            piece(stream, &body[..body.len() / 2], chunked)?;
            return Ok(false);
        }
    }
    if chunked {
        stream.write_all(b"0\r\n\r\n")?;
    }
    Ok(matches!(answer.framing, Framing::Length | Framing::Chunked))
}

fn piece(mut stream: &TcpStream, bytes: &[u8], chunked: bool) -> io::Result<()> {
    if chunked {
        if bytes.is_empty() {
            return Ok(());
        }
        stream.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
        stream.write_all(bytes)?;
        stream.write_all(b"\r\n")
    } else {
        stream.write_all(bytes)
    }
}

fn phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Found",
        304 => "Not Modified",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        416 => "Range Not Satisfiable",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
