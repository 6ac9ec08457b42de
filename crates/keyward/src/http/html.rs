//! How is a page answered? With headers that keep others out of it, and what it holds in.

use askama::Template;
use axum::body::Body;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use http::{Response, StatusCode};
use keyward_core::denial::Denial;

use super::watch::Opened;
use super::{Answer, Call, problem};
use crate::engine::Engine;
use crate::error::{Denied, Error};
use crate::flow::Grant;
use crate::page::notice::words;
use crate::page::told::Told;
use crate::settings::Settings;

/// No script, no style, no picture but ours, none of them within the page; forms go to this origin;
/// nobody frames it.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'; object-src 'none'";

/// A page.
pub(crate) fn page(status: StatusCode, page: &impl Template, settings: &Settings) -> Answer {
    let mut response = Response::new(Body::from(page.render().map_err(|_| Denial::Internal)?));
    *response.status_mut() = status;
    dress(response.headers_mut(), settings);
    Ok(response)
}

/// A page that is no template.
pub(crate) fn document(text: &'static str, settings: &Settings) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    dress(response.headers_mut(), settings);
    response
}

/// A refusal, told by a page of its own: its status and headers are those of the API.
pub(crate) fn refusal(denied: &Denied, page: &impl Template, settings: &Settings) -> Answer {
    let document = page.render().map_err(|_| Denial::Internal)?;
    let (mut head, _) = problem::respond(denied, "").into_parts();
    dress(&mut head.headers, settings);
    Ok(Response::from_parts(head, document.into()))
}

/// A refusal of whatever was asked, told by a page. A fault is logged here.
pub(crate) fn refused(engine: &Engine, error: &Error, request_id: &str) -> Response<Body> {
    let plain = problem::of(error, request_id);
    let denied = error.denied();
    let (title, text) = match denied.denial() {
        Denial::NotFound => {
            ("There is nothing here", "Perhaps the address was mistyped, or is no longer good.")
        }
        Denial::Forbidden => {
            ("This is not for you", "Your account does not have the role that this page asks for.")
        }
        Denial::CrossSiteRequest => ("This came from another site", ""),
        Denial::Internal => {
            ("Something went wrong", "That is a mistake of ours. The log has it under this name:")
        }
        _ => ("That did not work", ""),
    };
    let own = words(&denied);
    let text = if text.is_empty() { own.as_str() } else { text };
    let page = Told::new(&engine.assets, title, &[text]).on_to("/", "To the start").of_request(request_id);
    let Ok(document) = page.render() else { return plain };
    let (mut head, _) = plain.into_parts();
    dress(&mut head.headers, &engine.settings);
    Response::from_parts(head, document.into())
}

/// Leads a browser on to another page of ours, by GET whatever the method was (RFC 9110 §15.4.4).
pub(crate) fn see_other(path: &str, settings: &Settings) -> Answer {
    to(&format!("{}{path}", settings.public_url))
}

/// The same on the host that the browser is at, which a form may lead to whatever it is called.
pub(crate) fn go_on(path: &str) -> Answer {
    to(path)
}

fn to(location: &str) -> Answer {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    let location = HeaderValue::try_from(location).map_err(|_| Denial::NotFound)?;
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

impl Call {
    /// The answer of a page.
    pub(crate) fn page(&self, shown: &impl Template) -> Answer {
        page(StatusCode::OK, shown, &self.engine.settings)
    }

    /// The answer of a form in which something was wrong: the form again, with what that was.
    pub(crate) fn refusal(&self, denied: &Denied, shown: &impl Template) -> Answer {
        refusal(denied, shown, &self.engine.settings)
    }

    /// Leads on with the cookies that a grant brings.
    pub(super) fn go_on_with(&self, path: &str, grant: &Grant) -> Answer {
        let mut response = go_on(path)?;
        self.names.set(grant, response.headers_mut());
        response.extensions_mut().insert(Opened(grant.loaded.session.id));
        Ok(response)
    }

    /// Whether the query says so: `?done=1`.
    pub(crate) fn says(&self, name: &str) -> bool {
        query_field(self.uri.query(), name).is_some()
    }
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
