//! `GET /verify-email?token=…`, `POST /verify-email`: the page on which somebody who followed a link
//! of a mail confirms their address. Only the POST uses the link up.

use http::StatusCode;
use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::{page, query_field, refusal, see_other, told};
use super::operation::{Field, Operation, Told};
use super::{Answer, Call};
use crate::error::{Denied, Error};
use crate::page::verify_email;

pub(crate) const GET: Operation = Operation {
    summary: "The page to confirm an address",
    page: true,
    query: &[
        Field::text("token", "The secret of the link", "lE5fV0m3…").optional(),
        Field::text("done", "That it is done", "1").optional(),
    ],
    answers: &[Told::media(200, "text/html", "The page")],
    refuses: &[Denial::InvalidVerificationToken],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let settings = &call.engine.settings;
    let query = call.uri.query();
    if query_field(query, "done").is_some() {
        return Ok(page(StatusCode::OK, verify_email::done(), settings));
    }
    match query_field(query, "token") {
        Some(token) => Ok(page(StatusCode::OK, verify_email::form(&token, &[]), settings)),
        None => {
            Ok(refusal(&Denied::from(Denial::InvalidVerificationToken), verify_email::invalid(), settings))
        }
    }
}

pub(crate) const POST: Operation = Operation {
    summary: "Confirm an address",
    page: true,
    form: true,
    takes: &[Field::text("token", "The secret of the link", "lE5fV0m3…")],
    answers: &[Told::nothing(303, "Done").with(&[("Location", "The page that says so")])],
    refuses: &[Denial::InvalidVerificationToken, Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let token = fields.text("token");
    fields.finish()?;
    let settings = &call.engine.settings;
    match call.engine.verify_email(&token, &call.client()).await {
        Ok(()) => see_other("/verify-email?done=1", settings),
        Err(Error::Denied(denied)) => {
            let invalid = denied.denial() == Denial::InvalidVerificationToken;
            let document =
                if invalid { verify_email::invalid() } else { verify_email::form(&token, &told(&denied)) };
            Ok(refusal(&denied, document, settings))
        }
        Err(fault) => Err(fault),
    }
}
