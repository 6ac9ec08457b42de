//! `POST /api/auth/password/reset` `{token, new_password}`

use keyward_core::denial::Denial;

use crate::http::body::Fields;
use crate::http::operation::{Field, LINK, Operation, Told};
use crate::http::{Answer, Call, no_content};

pub(crate) const POST: Operation = Operation {
    summary: "Choose a new password by the link of a mail",
    about: "Every session of the account ends.",
    takes: &[LINK, Field::password("new_password", "The one to come")],
    answers: &[Told::nothing(204, "Chosen")],
    refuses: &[Denial::InvalidResetToken, Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let token = fields.text("token");
    let new = fields.password("new_password");
    fields.finish()?;
    call.engine.reset_password(&token, new, &call.client()).await?;
    Ok(no_content())
}
