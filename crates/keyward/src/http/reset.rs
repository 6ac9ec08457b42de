//! `GET /reset?token=…`, `POST /reset`: the page on which somebody who followed a link of a mail
//! chooses a password. Only the POST uses the link up: programs that look through mails follow links.

use http::StatusCode;
use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::{page, query_field, refusal, see_other, told};
use super::operation::{Field, Operation, Told};
use super::{Answer, Call};
use crate::error::{Denied, Error};
use crate::page::reset;

pub(crate) const GET: Operation = Operation {
    summary: "The page to choose a new password",
    page: true,
    query: &[
        Field::text("token", "The secret of the link", "lE5fV0m3…").optional(),
        Field::text("done", "That it is done", "1").optional(),
    ],
    answers: &[Told::media(200, "text/html", "The page")],
    refuses: &[Denial::InvalidResetToken],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let settings = &call.engine.settings;
    let query = call.uri.query();
    if query_field(query, "done").is_some() {
        return Ok(page(StatusCode::OK, reset::done(), settings));
    }
    match query_field(query, "token") {
        // Whether it is good is not looked up: that would tell who only looks.
        Some(token) => Ok(page(StatusCode::OK, reset::form(&token, &[]), settings)),
        None => Ok(refusal(&Denied::from(Denial::InvalidResetToken), reset::invalid(), settings)),
    }
}

pub(crate) const POST: Operation = Operation {
    summary: "Choose a new password",
    page: true,
    form: true,
    takes: &[
        Field::text("token", "The secret of the link", "lE5fV0m3…"),
        Field::password("new_password", "The one to come"),
    ],
    answers: &[Told::nothing(303, "Done").with(&[("Location", "The page that says so")])],
    refuses: &[Denial::InvalidResetToken, Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let token = fields.text("token");
    let new = fields.password("new_password");
    fields.finish()?;
    let settings = &call.engine.settings;
    match call.engine.reset_password(&token, new, &call.client()).await {
        Ok(()) => see_other("/reset?done=1", settings),
        Err(Error::Denied(denied)) => {
            let invalid = denied.denial() == Denial::InvalidResetToken;
            let document = if invalid { reset::invalid() } else { reset::form(&token, &told(&denied)) };
            Ok(refusal(&denied, document, settings))
        }
        Err(fault) => Err(fault),
    }
}
