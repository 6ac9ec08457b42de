//! `POST /api/auth/password/change` `{current_password, new_password}`

use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, no_content};
use keyward_core::denial::Denial;

pub(crate) const POST: Operation = Operation {
    summary: "Change the password",
    about: "Every other session of the user ends; this one and its tokens go on.",
    takes: &[
        Field::password("current_password", "The present one"),
        Field::password("new_password", "The one to come"),
    ],
    answers: &[Told::nothing(204, "Changed")],
    refuses: &[Denial::InvalidCredentials, Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let current = fields.password("current_password");
    let new = fields.password("new_password");
    fields.finish()?;
    call.engine.change_password(call.access()?, current, new, &call.client()).await?;
    Ok(no_content())
}
