//! `GET /verify-email?token=…`, `POST /verify-email`: the page on which somebody who followed a link
//! of a mail confirms their address. Only the POST uses the link up.

pub(crate) mod resend;

use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::{go_on, query_field};
use super::operation::{Field, Operation, Told};
use super::{Answer, Call};
use crate::error::Error;
use crate::page::notice::Wrong;
use crate::page::verify_email::{self, Form};

pub(crate) const GET: Operation = Operation {
    summary: "The page to confirm an address",
    page: true,
    query: &[
        Field::text("token", "The secret of the link", "lE5fV0m3…").optional(),
        Field::text("done", "That it is done", "1").optional(),
        Field::text("sent", "That another mail was asked for", "1").optional(),
    ],
    answers: &[Told::media(200, "text/html", "The page")],
    refuses: &[Denial::InvalidVerificationToken],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let assets = &call.engine.assets;
    if call.says("done") {
        return call.page(&verify_email::done(assets));
    }
    if call.says("sent") {
        return call.page(&verify_email::sent(assets));
    }
    match query_field(call.uri.query(), "token") {
        Some(token) => call.page(&Form::new(assets, &token, &Wrong::default())),
        None => call.refusal(&Denial::InvalidVerificationToken.into(), &verify_email::invalid(assets)),
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
    let assets = &call.engine.assets;
    match call.engine.verify_email(&token, &call.client()).await {
        Ok(()) => go_on("/verify-email?done=1"),
        Err(Error::Denied(denied)) if denied.denial() == Denial::InvalidVerificationToken => {
            call.refusal(&denied, &verify_email::invalid(assets))
        }
        Err(Error::Denied(denied)) => {
            call.refusal(&denied, &Form::new(assets, &token, &Wrong::told_by(&denied)))
        }
        Err(fault) => Err(fault),
    }
}
