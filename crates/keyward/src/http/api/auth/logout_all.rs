//! `POST /api/auth/logout-all`: ends every session of the user.

use http::StatusCode;
use serde_json::json;

use crate::http::body::Fields;
use crate::http::{Answer, Call, json};

pub(crate) async fn post(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let claims = &call.access()?.token.claims;
    let revoked = call.engine.sign_out_everywhere(claims.user, claims.session, &call.client()).await?;
    let mut response = json(StatusCode::OK, &json!({ "revoked": revoked }));
    call.names.clear(&call.headers, response.headers_mut());
    Ok(response)
}
