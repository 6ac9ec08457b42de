//! `PATCH /api/auth/profile` `{phone_number?}`: what a person changes about themselves.

use http::StatusCode;
use keyward_core::denial::Denial;

use super::{SessionBody, Tells, granted};
use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call};

pub(crate) const PATCH: Operation = Operation {
    summary: "Change what is known about you",
    about: "A phone number of null takes it away; one that is missing stays.",
    takes: &[Field::PHONE],
    answers: &[Told::json::<SessionBody>(200, "The session, as it is now")],
    refuses: &[Denial::PhoneTaken, Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn patch(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let phone_number = fields.nullable_text("phone_number");
    fields.finish()?;
    if let Some(phone_number) = phone_number {
        call.engine.change_own_phone(call.access()?, phone_number, &call.client()).await?;
    }
    let grant = call.engine.show(call.access()?).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Tells::Deadline))
}
