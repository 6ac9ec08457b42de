//! How is a page answered? With headers that keep others out of it, and what it holds in.

use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use http::{Response, StatusCode};

use super::problem;
use crate::error::{Denied, Error};
use crate::settings::Settings;

/// No script, no style, no picture from anywhere; forms go to this origin; nobody frames it.
const POLICY: &str =
    "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'";

/// A page.
pub(crate) fn page(status: StatusCode, document: String, settings: &Settings) -> Response<Body> {
    let mut response = Response::new(document.into());
    *response.status_mut() = status;
    dress(response.headers_mut(), settings);
    response
}

/// A refusal, told by a page: its status and headers are those of the API.
pub(crate) fn refusal(denied: &Denied, document: String, settings: &Settings) -> Response<Body> {
    let (mut head, _) = problem::respond(denied, "").into_parts();
    dress(&mut head.headers, settings);
    Response::from_parts(head, document.into())
}

/// Leads a browser on to another page of ours, by GET whatever the method was (RFC 9110 §15.4.4).
pub(crate) fn see_other(path: &str, settings: &Settings) -> Result<Response<Body>, Error> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(format!("{}{path}", settings.public_url));
    let location = location.map_err(|_| Error::from(keyward_core::denial::Denial::NotFound))?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// What a refusal says, field by field where it does.
pub(crate) fn told(denied: &Denied) -> Vec<String> {
    if denied.fields().is_empty() {
        return vec![denied.detail().to_owned()];
    }
    denied.fields().iter().map(|field| field.message.clone()).collect()
}

/// The only field of that name in a query.
pub(crate) fn query_field(query: Option<&str>, name: &str) -> Option<String> {
    let pairs = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut named = pairs.filter(|(field, _)| field == name).map(|(_, value)| value.into_owned());
    match (named.next(), named.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

fn dress(headers: &mut HeaderMap, settings: &Settings) {
    let mut set = |name: &'static str, value: &'static str| {
        headers.insert(name, HeaderValue::from_static(value));
    };
    set(CONTENT_TYPE.as_str(), "text/html; charset=utf-8");
    set("content-security-policy", POLICY);
    // The address of a page may hold the secret of a link: no other site is told where one came from.
    set("referrer-policy", "no-referrer");
    set("cross-origin-opener-policy", "same-origin");
    set("x-robots-tag", "noindex");
    if settings.public_url.is_https() {
        set("strict-transport-security", "max-age=31536000");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_of_a_query_is_there_once() {
        assert_eq!(query_field(Some("token=a%2Bb&x=1"), "token"), Some("a+b".to_owned()));
        for query in [None, Some(""), Some("tokens=a"), Some("token=a&token=b"), Some("token=a&token=a")] {
            assert_eq!(query_field(query, "token"), None, "{query:?}");
        }
    }
}
