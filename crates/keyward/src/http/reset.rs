//! `GET /reset?token=…`, `POST /reset`: the page on which somebody who followed a link of a mail
//! chooses a password. Only the POST uses the link up: programs that look through mails follow links.

use keyward_core::denial::Denial;

use super::body::Fields;
use super::html::{go_on, query_field};
use super::operation::{Field, LINK, Operation, SAYS_DONE};
use super::{Answer, Call};
use crate::error::Error;
use crate::page::notice::Wrong;
use crate::page::reset::{self, Form};

pub(crate) const GET: Operation = Operation {
    summary: "The page to choose a new password",
    query: &[LINK.optional(), SAYS_DONE],
    refuses: &[Denial::InvalidResetToken],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let assets = &call.engine.assets;
    if call.says("done") {
        return call.page(&reset::done(assets));
    }
    match query_field(call.uri.query(), "token") {
        // Whether it is good is not looked up: that would tell who only looks.
        Some(token) => call.page(&form(&call, &token, &Wrong::default())),
        None => call.refusal(&Denial::InvalidResetToken.into(), &reset::invalid(assets)),
    }
}

pub(crate) const POST: Operation = Operation {
    summary: "Choose a new password",
    takes: &[LINK, Field::password("new_password", "The one to come")],
    refuses: &[Denial::InvalidResetToken, Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let token = fields.text("token");
    let new = fields.password("new_password");
    fields.finish()?;
    match call.engine.reset_password(&token, new, &call.client()).await {
        Ok(()) => go_on("/reset?done=1"),
        Err(Error::Denied(denied)) if denied.denial() == Denial::InvalidResetToken => {
            call.refusal(&denied, &reset::invalid(&call.engine.assets))
        }
        Err(Error::Denied(denied)) => call.refusal(&denied, &form(&call, &token, &Wrong::told_by(&denied))),
        Err(fault) => Err(fault),
    }
}

fn form<'a>(call: &'a Call, token: &str, wrong: &Wrong) -> Form<'a> {
    Form::new(&call.engine.assets, token, &call.engine.settings.passwords.to_string(), wrong)
}
