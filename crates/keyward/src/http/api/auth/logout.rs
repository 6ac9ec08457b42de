//! `POST /api/auth/logout`: ends the session of the access or refresh token, even of an expired one.

use http::StatusCode;
use keyward_core::denial::Denial;
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::body::Fields;
use crate::http::guard::session_spoken_of;
use crate::http::html::go_on;
use crate::http::operation::{CLEARS_COOKIES, Field, LEFT, Operation, Told};
use crate::http::{Answer, Call, csrf, json};

#[derive(Serialize, ToSchema)]
struct SignedOut {
    message: &'static str,
}

pub(crate) const POST: Operation = Operation {
    summary: "Sign out here",
    about: "Ends the session of the access or refresh token that is presented, even of an expired access token, and \
        clears the cookies that came with it. Without any session the answer is the same. A bearer token of a revoked \
        key says nothing of its session: refresh, and ask again.",
    takes: &[Field::text("refresh_token", "The refresh token of an app", "kwr_AQEBkg…").optional()],
    answers: &[Told::json::<SignedOut>(200, "Signed out").with(CLEARS_COOKIES), LEFT],
    refuses: &[Denial::AmbiguousCredentials, Denial::TokenStale],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let in_body = fields.optional_text("refresh_token");
    fields.finish()?;
    if let Some(session) =
        session_spoken_of(&call.engine, call.names, &call.headers, in_body.as_deref()).await?
    {
        call.engine.sign_out(session, &call.client()).await?;
    }
    let mut response = if csrf::wants_a_page(&call.headers) {
        go_on("/login?out=1")?
    } else {
        json(StatusCode::OK, &SignedOut { message: "signed out" })
    };
    call.names.clear(&call.headers, response.headers_mut());
    Ok(response)
}
