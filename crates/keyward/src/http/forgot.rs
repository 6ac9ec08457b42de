//! `GET /forgot`, `POST /forgot`: the page on which somebody asks for a mail to choose a new password.

use http::StatusCode;
use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::{page, query_field, refusal, see_other, told};
use super::operation::{Field, Operation, Told};
use super::{Answer, Call};
use crate::error::Error;
use crate::page::forgot;

pub(crate) const GET: Operation = Operation {
    summary: "The page to ask for a new password",
    page: true,
    query: &[Field::text("done", "That it is done", "1").optional()],
    answers: &[Told::media(200, "text/html", "The page")],
    refuses: &[],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let done = query_field(call.uri.query(), "done").is_some();
    let document = if done { forgot::done() } else { forgot::form("", &[]) };
    Ok(page(StatusCode::OK, document, &call.engine.settings))
}

pub(crate) const POST: Operation = Operation {
    summary: "Ask for a mail to choose a new password",
    page: true,
    form: true,
    takes: &[Field::text("email", "An e-mail address", "ada@example.com")],
    answers: &[Told::nothing(303, "Done").with(&[("Location", "The page that says so")])],
    refuses: &[Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let email = fields.text("email");
    fields.finish()?;
    let settings = &call.engine.settings;
    match call.engine.forgot_password(&email, &call.client()).await {
        Ok(()) => see_other("/forgot?done=1", settings),
        Err(Error::Denied(denied)) => Ok(refusal(&denied, forgot::form(&email, &told(&denied)), settings)),
        Err(fault) => Err(fault),
    }
}
