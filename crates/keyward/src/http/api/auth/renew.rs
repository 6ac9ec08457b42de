//! `GET /api/auth/renew?next=/path`: a page navigation presents the refresh cookie and comes back
//! with fresh ones, so that pages without a line of script stay signed in.

use http::StatusCode;
use http::header::{HeaderValue, REFRESH, RETRY_AFTER};
use keyward_core::denial::Denial;
use keyward_core::session::Transport;

use crate::http::guard::refresh_cookie;
use crate::http::html::{page, see_other};
use crate::http::operation::{Field, Operation, SETS_COOKIES, Told};
use crate::http::problem::MARK;
use crate::http::watch::Opened;
use crate::http::{Answer, Call, csrf};
use crate::page::document;

pub(crate) const GET: Operation = Operation {
    summary: "Refresh by a page navigation",
    about: "Presents the refresh cookie, sets fresh cookies and goes on to `next`; without a live session it goes to \
        `/login`. Scripts use `POST /api/auth/refresh`: to them it says 401.",
    page: true,
    query: &[Field::text("next", "Where to go on, a path of this origin", "/tasks").optional()],
    answers: &[
        Told::media(200, "text/html", "Sent back and forth three times: a page that names the cause")
            .with(SETS_COOKIES),
        Told::media(503, "text/html", "`refresh_pending`: a page that tries again by itself"),
        Told::nothing(303, "On to `next`, or to the login")
            .with(&[("Location", "Where to, on the public origin"), ("Set-Cookie", "As with a refresh")]),
    ],
    refuses: &[
        Denial::MissingToken,
        Denial::RateLimited,
        Denial::RefreshPending,
        Denial::Overloaded,
        Denial::StoreUnavailable,
    ],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    // A script would read the answer; it has `refresh` for that.
    let accepts_html = call
        .headers
        .get(http::header::ACCEPT)
        .is_some_and(|accept| accept.to_str().is_ok_and(|a| a.to_ascii_lowercase().contains("text/html")));
    let navigates = if call.headers.contains_key("sec-fetch-mode") {
        csrf::is_navigation(&call.headers)
    } else {
        accepts_html
    };
    if !navigates {
        return Err(Denial::MissingToken.into());
    }
    let engine = &call.engine;
    let settings = &engine.settings;
    let next = next(call.uri.query());
    let cookies = call.names.read(&call.headers);
    let refreshed = match refresh_cookie(engine, &cookies) {
        Ok(token) => engine.refresh(token, Transport::Cookie, &call.client()).await,
        Err(error) => Err(error),
    };
    match refreshed {
        Ok(grant) => {
            let in_circles = engine.bounces.again(grant.loaded.session.id, &next, grant.now);
            let mut response = if in_circles {
                page(StatusCode::OK, document("Your session can\u{2019}t be kept", IN_CIRCLES), settings)
            } else {
                see_other(&next, settings)?
            };
            // A new refresh token is handed out in this answer or never.
            call.names.set(&grant, response.headers_mut());
            response.extensions_mut().insert(Opened(grant.loaded.session.id));
            Ok(response)
        }
        Err(error) => match error.denied().denial() {
            Denial::RefreshPending => {
                let wait = error.denied().retry_after().map_or(1, |after| after.as_secs() + 1);
                let document = document("One moment", WAITING);
                let mut waiting = page(StatusCode::SERVICE_UNAVAILABLE, document, settings);
                waiting.headers_mut().insert(REFRESH, wait.min(5).into());
                waiting.headers_mut().insert(RETRY_AFTER, wait.into());
                waiting.headers_mut().insert(MARK, HeaderValue::from_static(Denial::RefreshPending.code()));
                Ok(waiting)
            }
            denial if denial.status() == 401 || denial == Denial::AmbiguousCredentials => {
                see_other(&format!("/login?next={}", encode(&next)), settings)
            }
            _ => Err(error),
        },
    }
}

/// The page to come back to, as a browser would understand it; `/` for any other origin's.
fn next(query: Option<&str>) -> String {
    let named = query.into_iter().flat_map(|q| q.split('&')).filter_map(|pair| pair.strip_prefix("next="));
    let mut named = named.map(decode);
    match (named.next().flatten(), named.next()) {
        (Some(path), None) if is_path_here(&path) => path,
        _ => "/".to_owned(),
    }
}

/// Whether a browser takes this for a path of the origin that it is on (WHATWG URL §4.4): it skips
/// tabs and line ends, and reads `\` as `/`.
fn is_path_here(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next() == Some(b'/')
        && !matches!(bytes.next(), Some(b'/' | b'\\'))
        && path.len() <= 2_048
        && path.bytes().all(|b| b.is_ascii_graphic() && b != b'\\')
}

/// Percent-decodes once (RFC 3986 §2.1); what is left encoded stays so.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    let decoded = String::from_utf8(out).ok()?;
    // A path that has other than printable ASCII is sent on in its encoded form.
    Some(
        decoded
            .bytes()
            .map(|b| if b.is_ascii_graphic() { char::from(b).to_string() } else { format!("%{b:02X}") })
            .collect(),
    )
}

fn encode(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b"-._~/".contains(&b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

const WAITING: &str = "<p>Your session is being renewed. This page goes on by itself.</p>\
    <p><a href=\"/login\">Sign in anew</a> if it takes too long.</p>";
const IN_CIRCLES: &str = "<p>Your browser was sent back and forth three times: \
    the cookies that keep you signed in do not reach this site. Either cookies are blocked in this browser, or a proxy in \
    front of this site drops them.</p><p><a href=\"/login\">Sign in anew</a></p>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_stays_on_its_origin() {
        for (query, expected) in [
            ("next=/tasks", "/tasks"),
            ("next=%2Ftasks%3Fa%3Db%26c", "/tasks?a=b&c"),
            ("next=/a%20b", "/a%20b"),
            ("next=/caf%C3%A9", "/caf%C3%A9"),
            ("x=1&next=/tasks", "/tasks"),
        ] {
            assert_eq!(next(Some(query)), expected, "{query}");
        }
        let long = format!("next=/{}", "a".repeat(10_000));
        for hostile in [
            "",
            "next=",
            "next=//e.example",
            "next=/%5Ce.example",
            "next=%5C%5Ce.example",
            "next=https:e.example",
            "next=/%09/e.example",
            "next=%2F%2Fe.example",
            "next=@e.example",
            "next=javascript:alert(1)",
            "next=data:x",
            "next=/%0D%0ASet-Cookie:x",
            "next=/a&next=//e",
            "next=%",
            "next=/%zz",
            "next=.e.example",
            &long,
        ] {
            let next = next(Some(hostile));
            assert!(next == "/" || (next.starts_with('/') && is_path_here(&next)), "{hostile} -> {next}");
            assert!(
                !next.contains(['\r', '\n', '\t', '\\']) && !next.starts_with("//"),
                "{hostile} -> {next}"
            );
        }
        assert_eq!(next(Some("next=//e.example")), "/");
        assert_eq!(next(Some("next=/%5Ce.example")), "/");
    }
}
