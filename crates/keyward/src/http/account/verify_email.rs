//! `POST /account/verify-email`: asks for another mail to confirm one's own address.

use keyward_core::denial::Denial;

use super::{DONE, Shown, refused};
use crate::error::Error;
use crate::flow::emails::Whose;
use crate::http::html::go_on;
use crate::http::operation::Operation;
use crate::http::{Answer, Call};
use crate::page::notice::Wrong;

pub(crate) const POST: Operation = Operation {
    summary: "Ask for another mail to confirm your address",
    answers: DONE,
    refuses: &[Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    match call.engine.resend_verification(Whose::Own(call.access()?), &call.client()).await {
        Ok(()) => go_on("/account?done=mail#profile"),
        Err(Error::Denied(denied)) => {
            refused(&call, &denied, Shown::default(), &Wrong::told_by(&denied)).await
        }
        Err(fault) => Err(fault),
    }
}
