//! `GET /forgot`, `POST /forgot`: the page on which somebody asks for a mail to choose a new password.

use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::go_on;
use super::operation::{Field, Operation, Told};
use super::{Answer, Call};
use crate::error::Error;
use crate::page::forgot::{self, Form};
use crate::page::notice::Wrong;

pub(crate) const GET: Operation = Operation {
    summary: "The page to ask for a new password",
    page: true,
    query: &[Field::text("done", "That it is done", "1").optional()],
    answers: &[Told::media(200, "text/html", "The page")],
    refuses: &[],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let assets = &call.engine.assets;
    if call.says("done") {
        return call.page(&forgot::done(assets));
    }
    call.page(&Form::new(assets, "", &Wrong::default()))
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
    match call.engine.forgot_password(&email, &call.client()).await {
        Ok(()) => go_on("/forgot?done=1"),
        Err(Error::Denied(denied)) => {
            call.refusal(&denied, &Form::new(&call.engine.assets, &email, &Wrong::told_by(&denied)))
        }
        Err(fault) => Err(fault),
    }
}
