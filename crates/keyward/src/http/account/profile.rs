//! `POST /account/profile`: changes the phone number.

use keyward_core::denial::Denial;

use super::{DONE, Shown, refused};
use crate::error::Error;
use crate::http::body::Fields;
use crate::http::html::go_on;
use crate::http::operation::{Field, Operation};
use crate::http::{Answer, Call};
use crate::page::notice::Wrong;

pub(crate) const POST: Operation = Operation {
    summary: "Change what is known about you",
    takes: &[Field::text("phone_number", "E.164; nothing takes it away", "+4915112345678")],
    answers: DONE,
    refuses: &[Denial::PhoneTaken, Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let typed = fields.text("phone_number");
    fields.finish()?;
    // As people write numbers, and as they are kept.
    let number: String = typed.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '/')).collect();
    let number = if number.is_empty() { None } else { Some(number) };
    match call.engine.change_own_phone(call.access()?, number, &call.client()).await {
        Ok(()) => go_on("/account?done=profile#profile"),
        Err(Error::Denied(denied)) => {
            let shown = Shown { phone: Some(typed), ..Shown::default() };
            refused(&call, &denied, shown, &Wrong::told_by(&denied)).await
        }
        Err(fault) => Err(fault),
    }
}
