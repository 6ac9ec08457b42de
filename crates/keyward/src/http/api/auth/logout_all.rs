//! `POST /api/auth/logout-all`: ends every session of the user.

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::body::Fields;
use crate::http::html::go_on;
use crate::http::operation::{CLEARS_COOKIES, LEFT, Operation, Told};
use crate::http::{Answer, Call, csrf, json};

/// How many sessions ended.
#[derive(Serialize, ToSchema)]
pub(crate) struct Revoked {
    pub(crate) revoked: usize,
}

pub(crate) const POST: Operation = Operation {
    summary: "Sign out everywhere",
    about: "Ends every session of the user, this one too.",
    answers: &[Told::json::<Revoked>(200, "Signed out").with(CLEARS_COOKIES), LEFT],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let claims = &call.access()?.token.claims;
    let revoked = call.engine.sign_out_everywhere(claims.user, claims.session, &call.client()).await?;
    let mut response = if csrf::wants_a_page(&call.headers) {
        go_on("/login?out=all")?
    } else {
        json(StatusCode::OK, &Revoked { revoked })
    };
    call.names.clear(&call.headers, response.headers_mut());
    Ok(response)
}
