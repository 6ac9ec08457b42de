//! `GET /verify-email?token=…`, `POST /verify-email`: the page on which somebody who followed a link
//! of a mail confirms their address. Only the POST uses the link up.

pub(crate) mod resend;

use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::{go_on, query_field};
use super::operation::{Field, LINK, Operation, SAYS_DONE};
use super::{Answer, Call};
use crate::error::Error;
use crate::page::notice::Wrong;
use crate::page::verify_email::{self, Form};

pub(crate) const GET: Operation = Operation {
    summary: "The page to confirm an address",
    query: &[
        LINK.optional(),
        SAYS_DONE,
        Field::text("sent", "That another mail was asked for", "1").optional(),
    ],
    refuses: &[Denial::InvalidVerificationToken],
    ..Operation::PAGE
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
    takes: &[LINK],
    refuses: &[Denial::InvalidVerificationToken, Denial::RateLimited],
    ..Operation::FORM
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
