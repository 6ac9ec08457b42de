//! `POST /api/auth/email/verify` `{token}`

pub(crate) mod resend;

use crate::http::body::Fields;
use crate::http::{Answer, Call, no_content};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let token = fields.text("token");
    fields.finish()?;
    call.engine.verify_email(&token, &call.client()).await?;
    Ok(no_content())
}
