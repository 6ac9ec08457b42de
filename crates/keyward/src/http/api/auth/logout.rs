//! `POST /api/auth/logout`: ends the session of the access or refresh token, even of an expired one.

use http::StatusCode;
use serde_json::json;

use crate::http::body::Fields;
use crate::http::guard::session_spoken_of;
use crate::http::{Answer, Call, json};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let in_body = fields.optional_text("refresh_token");
    fields.finish()?;
    if let Some(session) =
        session_spoken_of(&call.engine, call.names, &call.headers, in_body.as_deref()).await?
    {
        call.engine.sign_out(session, &call.client()).await?;
    }
    let mut response = json(StatusCode::OK, &json!({ "message": "signed out" }));
    call.names.clear(&call.headers, response.headers_mut());
    Ok(response)
}
