//! `POST /api/auth/email/verify` `{token}`

pub(crate) mod resend;

use keyward_core::denial::Denial;

use crate::http::body::Fields;
use crate::http::operation::{LINK, Operation, Told};
use crate::http::{Answer, Call, no_content};

pub(crate) const POST: Operation = Operation {
    summary: "Confirm an address",
    takes: &[LINK],
    answers: &[Told::nothing(204, "Confirmed")],
    refuses: &[Denial::InvalidVerificationToken, Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let token = fields.text("token");
    fields.finish()?;
    call.engine.verify_email(&token, &call.client()).await?;
    Ok(no_content())
}
