//! `GET /client/…`: the browser client, as it stands in `client/`.

use super::kept::kept;
use super::operation::{Operation, Told};
use super::{Answer, Call};

const MEDIA: &str = "text/javascript; charset=utf-8";

const ANSWERS: &[Told] = &[
    Told::media(200, "text/javascript", "A module").with(&[("ETag", "Of this file")]),
    Told::nothing(304, "That of `If-None-Match`"),
];

const fn module(summary: &'static str) -> Operation {
    Operation { summary, answers: ANSWERS, ..Operation::NONE }
}

/// `GET /client/keyward.js`
pub(crate) mod keyward {
    use super::{Answer, Call, MEDIA, Operation, kept, module};

    pub(crate) const GET: Operation = module("The browser client");

    pub(crate) async fn get(call: Call) -> Answer {
        Ok(kept(&call.headers, include_str!("../../../../client/keyward.js"), MEDIA))
    }
}

/// `GET /client/axios.js`
pub(crate) mod axios {
    use super::{Answer, Call, MEDIA, Operation, kept, module};

    pub(crate) const GET: Operation = module("The browser client for axios");

    pub(crate) async fn get(call: Call) -> Answer {
        Ok(kept(&call.headers, include_str!("../../../../client/axios.js"), MEDIA))
    }
}

/// `GET /client/private.js`
pub(crate) mod private {
    use super::{Answer, Call, MEDIA, Operation, kept, module};

    pub(crate) const GET: Operation =
        module("The browser client for a page that is left when the session ends");

    pub(crate) async fn get(call: Call) -> Answer {
        Ok(kept(&call.headers, include_str!("../../../../client/private.js"), MEDIA))
    }
}
