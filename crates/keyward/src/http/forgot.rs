//! `GET /forgot`, `POST /forgot`: the page on which somebody asks for a mail to choose a new password.

use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::go_on;
use super::operation::{Field, Operation, SAYS_DONE};
use super::{Answer, Call};
use crate::error::Error;
use crate::page::forgot::{self, Form};
use crate::page::notice::Wrong;

pub(crate) const GET: Operation =
    Operation { summary: "The page to ask for a new password", query: &[SAYS_DONE], ..Operation::PAGE };

pub(crate) async fn get(call: Call) -> Answer {
    let assets = &call.engine.assets;
    if call.says("done") {
        return call.page(&forgot::done(assets));
    }
    call.page(&Form::new(assets, "", &Wrong::default()))
}

pub(crate) const POST: Operation = Operation {
    summary: "Ask for a mail to choose a new password",
    takes: &[Field::text("email", "An e-mail address", "ada@example.com")],
    refuses: &[Denial::RateLimited],
    ..Operation::FORM
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
