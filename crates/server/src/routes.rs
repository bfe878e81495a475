//! From a request to its answer: token first, then path, then method. A path is a room and a name, compared as it was sent:
//! nothing is decoded or normalised, so `..` and `%2e` are simply no names.

use std::sync::Arc;

use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Method, Request, Response, StatusCode};
use vcache_store::Sha256Id;

use crate::body::Out;
use crate::intake::Intake;
use crate::refusal::Refusal;
use crate::{Shared, ac, cas, events, status};

/// An answer with the result that is counted, or why there is none.
pub(crate) type Answer = Result<(Response<Out>, &'static str), Refusal>;

/// What a path means.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Place {
    Cas(Sha256Id),
    Ac(String),
    Events,
    Status,
    Metrics,
    /// A room of ours with what is no name.
    NoName(&'static str),
    Nowhere,
}

impl Place {
    fn of(path: &str) -> Place {
        match path {
            "/events" => return Place::Events,
            "/status" => return Place::Status,
            "/metrics" => return Place::Metrics,
            _ => {}
        }
        let (room, name) = match (path.strip_prefix("/cas/"), path.strip_prefix("/ac/")) {
            (Some(name), _) => ("cas", name),
            (_, Some(name)) => ("ac", name),
            _ => return Place::Nowhere,
        };
        let lower = name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        match name.parse() {
            Ok(id) if lower && room == "cas" => Place::Cas(id),
            Ok(_) if lower => Place::Ac(name.to_owned()),
            _ => Place::NoName(room),
        }
    }

    fn room(&self) -> &'static str {
        match self {
            Self::Cas(_) => "cas",
            Self::Ac(_) => "ac",
            Self::Events => "events",
            Self::Status => "status",
            Self::Metrics => "metrics",
            Self::NoName(room) => room,
            Self::Nowhere => "other",
        }
    }
}

/// Answers and counts.
pub(crate) async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Response<Out> {
    let place = Place::of(request.uri().path());
    let (room, method) = (place.room(), method_name(request.method()));
    match attend(&shared, place, request).await {
        Ok((answer, result)) => {
            shared.counts.request(room, method, result);
            answer
        }
        Err(refusal) => {
            shared.counts.request(room, method, "refused");
            shared.counts.refused(refusal.reason());
            refuse(&refusal)
        }
    }
}

async fn attend(shared: &Arc<Shared>, place: Place, request: Request<Incoming>) -> Answer {
    let method = request.method().clone();
    let (headers, mut body) = Intake::new(shared, request);
    let authorized = shared.token.as_ref().is_none_or(|token| token.is_in(&headers));
    let answer = if !authorized {
        Err(Refusal::Unauthorized)
    } else if let Some(refusal) = not_here(&place, &method, shared.read_only) {
        Err(refusal)
    } else {
        let with_body = method != Method::HEAD;
        match place {
            Place::Cas(id) if method == Method::PUT => cas::put(shared, id, &mut body).await,
            Place::Cas(id) => cas::get(shared, id, with_body),
            Place::Ac(name) if method == Method::PUT => ac::put(shared, &name, &mut body).await,
            Place::Ac(name) => ac::get(shared, &name, with_body),
            Place::Events => events::post(shared, &mut body).await,
            Place::Status => status::page(shared, &headers),
            Place::Metrics => status::metrics(shared),
            Place::NoName(_) | Place::Nowhere => Err(Refusal::NoSuchPath),
        }
    };
    if answer.is_err() {
        body.drain().await;
    }
    answer
}

/// What is refused by path and method alone.
fn not_here(place: &Place, method: &Method, read_only: bool) -> Option<Refusal> {
    let allow = match place {
        Place::Nowhere => return Some(Refusal::NoSuchPath),
        Place::NoName(_) => return Some(Refusal::BadName),
        Place::Cas(_) | Place::Ac(_) => "GET, HEAD, PUT",
        Place::Events => "POST",
        Place::Status | Place::Metrics => "GET, HEAD",
    };
    if !allow.split(", ").any(|allowed| allowed == method.as_str()) {
        return Some(Refusal::Method { allow });
    }
    let writes = matches!(*method, Method::PUT | Method::POST);
    (writes && read_only).then_some(Refusal::ReadOnly)
}

/// A name for the counts: whatever clients make up, there are few of them.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "get",
        Method::HEAD => "head",
        Method::PUT => "put",
        Method::POST => "post",
        _ => "other",
    }
}

fn refuse(refusal: &Refusal) -> Response<Out> {
    let mut answer = text(refusal.status(), "text/plain; charset=utf-8", format!("{refusal}\n"));
    match refusal {
        Refusal::Unauthorized => {
            let headers = answer.headers_mut();
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"vcache\""));
            headers.append(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"vcache\""));
        }
        Refusal::Method { allow } => {
            answer.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
        }
        _ => {}
    }
    answer
}

/// An answer that is a text.
pub(crate) fn text(status: StatusCode, kind: &'static str, text: impl Into<Bytes>) -> Response<Out> {
    let mut answer = Response::new(Out::text(text));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

/// An answer without a body.
pub(crate) fn empty(status: StatusCode) -> Response<Out> {
    let mut answer = Response::new(Out::Text(None));
    *answer.status_mut() = status;
    answer
}

/// The answer for what is not here.
pub(crate) fn miss() -> (Response<Out>, &'static str) {
    (text(StatusCode::NOT_FOUND, "text/plain; charset=utf-8", "not here\n"), "miss")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_room_and_a_name_or_nothing() {
        let id = Sha256Id::of(b"abc");
        let upper = format!("/cas/{}", id.to_string().to_uppercase());
        let rows = [
            (format!("/cas/{id}"), Place::Cas(id)),
            (format!("/ac/{id}"), Place::Ac(id.to_string())),
            (upper, Place::NoName("cas")),
            (format!("/cas/{id}/"), Place::NoName("cas")),
            (format!("/cas//{id}"), Place::NoName("cas")),
            (format!("/cas/{id}0"), Place::NoName("cas")),
            (format!("/ac/../cas/{id}"), Place::NoName("ac")),
            ("/cas/".into(), Place::NoName("cas")),
            ("/cas".into(), Place::Nowhere),
            ("/cas/../../etc/passwd".into(), Place::NoName("cas")),
            ("/cas/%2e%2e/etc/passwd".into(), Place::NoName("cas")),
            (format!("/x/cas/{id}"), Place::Nowhere),
            ("/status".into(), Place::Status),
            ("/status/".into(), Place::Nowhere),
            ("/".into(), Place::Nowhere),
            ("*".into(), Place::Nowhere),
        ];
        for (path, place) in rows {
            assert_eq!(Place::of(&path), place, "{path}");
        }
    }
}
