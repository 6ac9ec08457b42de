//! `GET /docs`: the API description, for people to read. It needs no network beyond this server.

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::{Response, StatusCode};

use super::html::document;
use super::operation::{Operation, Told};
use super::{Answer, Call, text};

pub(crate) const GET: Operation = Operation {
    summary: "The API, to read",
    answers: &[Told::media(200, "text/html", "A page that shows /openapi.json")],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let mut response = document(include_str!("docs/index.html"), &call.engine.settings);
    response.headers_mut().insert("content-security-policy", HeaderValue::from_static(POLICY));
    Ok(response)
}

/// Nothing but what this server sends is run, shown or asked.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// `GET /docs/docs.js`
pub(crate) mod script {
    use super::{Answer, Call, Operation, Told, asset};

    pub(crate) const GET: Operation = Operation {
        summary: "The script of /docs",
        answers: &[Told::media(200, "text/javascript", "A module")],
        ..Operation::NONE
    };

    pub(crate) async fn get(_: Call) -> Answer {
        Ok(asset(include_str!("docs/docs.js"), "text/javascript; charset=utf-8"))
    }
}

/// `GET /docs/docs.css`
pub(crate) mod style {
    use super::{Answer, Call, Operation, Told, asset};

    pub(crate) const GET: Operation = Operation {
        summary: "The looks of /docs",
        answers: &[Told::media(200, "text/css", "A style sheet")],
        ..Operation::NONE
    };

    pub(crate) async fn get(_: Call) -> Answer {
        Ok(asset(include_str!("docs/docs.css"), "text/css; charset=utf-8"))
    }
}

fn asset(body: &'static str, media: &'static str) -> Response<axum::body::Body> {
    let mut response = text(StatusCode::OK, body);
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    response
}
