//! `GET /client/…`: the browser client, as it stands in `client/` but for its comments and indentation.

use axum::body::Body;
use http::Response;

use super::kept;
use super::operation::{Operation, Told};
use super::{Answer, Call};

const ANSWERS: &[Told] = &[
    Told::media(200, "text/javascript", "A module").with(&[("ETag", "Of this file")]),
    Told::nothing(304, "That of `If-None-Match`"),
];

const fn module(summary: &'static str) -> Operation {
    Operation { summary, answers: ANSWERS, ..Operation::NONE }
}

/// `GET /client/keyward.js`
pub(crate) mod keyward {
    use super::{Answer, Call, Operation, module, sent};

    pub(crate) const GET: Operation = module("The browser client");

    pub(crate) async fn get(call: Call) -> Answer {
        Ok(sent(&call, include_str!("../../../../client/keyward.js")))
    }
}

/// `GET /client/axios.js`
pub(crate) mod axios {
    use super::{Answer, Call, Operation, module, sent};

    pub(crate) const GET: Operation = module("The browser client for axios");

    pub(crate) async fn get(call: Call) -> Answer {
        Ok(sent(&call, include_str!("../../../../client/axios.js")))
    }
}

/// `GET /client/private.js`
pub(crate) mod private {
    use super::{Answer, Call, Operation, module, sent};

    pub(crate) const GET: Operation =
        module("The browser client for a page that is left when the session ends");

    pub(crate) async fn get(call: Call) -> Answer {
        Ok(sent(&call, include_str!("../../../../client/private.js")))
    }
}

/// Comments are a quarter of what a page would load, and no browser reads them. They stand on lines
/// of their own: a test holds that.
fn sent(call: &Call, module: &str) -> Response<Body> {
    let mut in_comment = false;
    let lines = module.lines().map(str::trim).filter(|line| {
        let was_in = in_comment;
        in_comment = (in_comment || line.starts_with("/*")) && !line.ends_with("*/");
        !(was_in || line.is_empty() || line.starts_with("/*") || line.starts_with("//"))
    });
    let body = lines.fold(String::with_capacity(module.len()), |body, line| body + line + "\n");
    kept::kept(&call.headers, body, "text/javascript; charset=utf-8")
}
