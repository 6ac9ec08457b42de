//! `POST /api/auth/password/forgot` `{email}`: the same answer for every address.

use http::StatusCode;
use serde_json::json;

use crate::http::body::Fields;
use crate::http::{Answer, Call, json};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let email = fields.text("email");
    fields.finish()?;
    call.engine.forgot_password(&email, &call.client()).await?;
    let message = "If there is an account with this address, a mail is on its way.";
    Ok(json(StatusCode::ACCEPTED, &json!({ "message": message })))
}
