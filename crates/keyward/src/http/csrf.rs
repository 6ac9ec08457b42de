//! Does this request come from us, or did another site make a browser send it?
//!
//! Told by Fetch Metadata, and by `Origin` where a browser sends none. What is compared with is
//! configured, never taken from the request.

use http::header::{HeaderName, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION};
use http::{HeaderMap, HeaderValue, Method};

use crate::settings::Settings;

pub(crate) const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_USER: HeaderName = HeaderName::from_static("sec-fetch-user");

/// Whether a browser made the request. Other clients send other `Sec-Fetch-*` headers, too.
pub(crate) fn is_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(ORIGIN) || headers.contains_key(SEC_FETCH_SITE)
}

/// Whether a request of this method can change anything. A WebSocket, once open, can.
pub(crate) fn is_unsafe(method: &Method, headers: &HeaderMap) -> bool {
    !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) || opens_websocket(headers)
}

/// Whether the request asks for a WebSocket (RFC 6455 §4.1). A proxy that asks about one may leave
/// out `Upgrade`, which is for the next hop alone; the other marks stay, and no script can write them.
fn opens_websocket(headers: &HeaderMap) -> bool {
    let is_websocket = |v: &http::HeaderValue| {
        let protocols = v.as_bytes().split(|b| *b == b',');
        protocols.map(<[u8]>::trim_ascii).any(|protocol| protocol.eq_ignore_ascii_case(b"websocket"))
    };
    headers.get_all(http::header::UPGRADE).iter().any(is_websocket)
        || headers.contains_key(SEC_WEBSOCKET_KEY)
        || headers.contains_key(SEC_WEBSOCKET_VERSION)
        || headers.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "websocket")
}

/// Whether the request comes from us. One that says neither whence it comes nor its origin does not.
pub(crate) fn is_ours(headers: &HeaderMap, settings: &Settings) -> bool {
    let origin = match one(headers, &ORIGIN) {
        Ok(origin) => origin.map(HeaderValue::as_bytes),
        Err(Twice) => return false,
    };
    if origin.is_some_and(|origin| is_allowed(origin, settings)) {
        return true;
    }
    match one(headers, &SEC_FETCH_SITE).map(|site| site.map(HeaderValue::as_bytes)) {
        Ok(Some(b"same-origin" | b"none")) => true,
        Ok(None) => origin.is_some_and(|origin| origin == settings.public_url.as_str().as_bytes()),
        _ => false,
    }
}

/// Whether this is one of the origins besides our own whose pages may call.
pub(crate) fn is_allowed(origin: &[u8], settings: &Settings) -> bool {
    settings.allowed_origins.iter().any(|allowed| allowed.as_str().as_bytes() == origin)
}

/// Whether the request shows that a person did something: an unsafe method, a navigation by the
/// user, or any request of a client that is no browser with Fetch Metadata.
pub(crate) fn is_activity(method: &Method, headers: &HeaderMap) -> bool {
    !headers.contains_key(SEC_FETCH_SITE) || is_navigation_by_user(headers) || is_unsafe(method, headers)
}

/// Whether the request fetches a page to show it.
pub(crate) fn is_navigation(headers: &HeaderMap) -> bool {
    headers.get(SEC_FETCH_MODE).is_some_and(|mode| mode == "navigate")
}

/// Whether a page is to be answered, refusals too: a navigation, or an old browser that only says
/// what it takes.
pub(crate) fn wants_a_page(headers: &HeaderMap) -> bool {
    if headers.contains_key(SEC_FETCH_MODE) {
        return is_navigation(headers);
    }
    accepts_a_page(headers)
}

/// Whether the answer may be a page (RFC 9110 §12.5.1).
pub(crate) fn accepts_a_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(http::header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.to_ascii_lowercase().contains("text/html"))
}

fn is_navigation_by_user(headers: &HeaderMap) -> bool {
    is_navigation(headers) && headers.get(SEC_FETCH_USER).is_some_and(|user| user == "?1")
}

/// A header that may stand there once does so twice.
pub(super) struct Twice;

/// The only line of this name.
pub(super) fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a HeaderValue>, Twice> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() { Err(Twice) } else { Ok(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), http::HeaderValue::from_static(value)))
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            })
    }

    #[test]
    fn only_what_comes_from_us_or_from_an_allowed_origin_passes() {
        let settings = Settings {
            public_url: "https://app.example.com".parse().expect("an origin"),
            allowed_origins: vec!["https://other.example.com".parse().expect("an origin")],
            ..Settings::default()
        };
        const US: &str = "https://app.example.com";
        for site in [
            None,
            Some("same-origin"),
            Some("none"),
            Some("same-site"),
            Some("cross-site"),
            Some("SAME-ORIGIN"),
            Some(""),
        ] {
            for origin in [
                None,
                Some(US),
                Some("https://other.example.com"),
                Some("https://evil.example"),
                Some("null"),
                Some("http://app.example.com"),
                Some("https://app.example.com.evil.example"),
                Some("https://app.example.com:8443"),
            ] {
                let pairs: Vec<_> = site
                    .map(|s| ("sec-fetch-site", s))
                    .into_iter()
                    .chain(origin.map(|o| ("origin", o)))
                    .collect();
                let expected = origin == Some("https://other.example.com")
                    || matches!(site, Some("same-origin" | "none"))
                    || (site.is_none() && origin == Some(US));
                assert_eq!(is_ours(&headers(&pairs), &settings), expected, "{site:?} {origin:?}");
            }
        }
        let twice = headers(&[("origin", US), ("origin", "https://evil.example")]);
        assert!(!is_ours(&twice, &settings));
    }

    #[test]
    fn a_poll_is_no_activity_and_a_click_is() {
        let get = Method::GET;
        assert!(is_activity(&get, &HeaderMap::new()), "an app that is no browser");
        assert!(!is_activity(
            &get,
            &headers(&[("sec-fetch-site", "same-origin"), ("sec-fetch-mode", "cors")])
        ));
        assert!(
            !is_activity(&get, &headers(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate")])),
            "a reload by script"
        );
        assert!(is_activity(
            &get,
            &headers(&[("sec-fetch-site", "none"), ("sec-fetch-mode", "navigate"), ("sec-fetch-user", "?1")])
        ));
        assert!(is_activity(&Method::POST, &headers(&[("sec-fetch-site", "same-origin")])));
        assert!(is_activity(&get, &headers(&[("sec-fetch-site", "same-origin"), ("upgrade", "WebSocket")])));
    }
}
