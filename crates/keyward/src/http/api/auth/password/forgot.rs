//! `POST /api/auth/password/forgot` `{email}`: the same answer for every address.

use http::StatusCode;
use keyward_core::denial::Denial;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, json};

/// What is said to everybody alike.
#[derive(Serialize, ToSchema)]
pub(crate) struct OnItsWay {
    pub(crate) message: &'static str,
}

pub(crate) const POST: Operation = Operation {
    summary: "Ask for a mail to choose a new password",
    about: "The same answer, in the same time, whether there is an account or not.",
    takes: &[Field::text("email", "An e-mail address", "ada@example.com")],
    answers: &[Told::json::<OnItsWay>(202, "Taken")],
    refuses: &[Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let email = fields.text("email");
    fields.finish()?;
    call.engine.forgot_password(&email, &call.client()).await?;
    let message = "If there is an account with this address, a mail is on its way.";
    Ok(json(StatusCode::ACCEPTED, &OnItsWay { message }))
}
