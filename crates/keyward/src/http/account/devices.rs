//! `POST /account/devices`, `POST /account/devices/{id}`: signs out every other device, or one.

use keyward_core::denial::Denial;
use keyward_core::id::SessionId;

use super::DONE;
use crate::http::html::go_on;
use crate::http::operation::Operation;
use crate::http::{Answer, Call};

pub(crate) const POST_ALL: Operation =
    Operation { summary: "Sign out every other device", answers: DONE, ..Operation::FORM };

pub(crate) async fn post_all(call: Call) -> Answer {
    let claims = &call.access()?.token.claims;
    call.engine.sign_out_elsewhere(claims.user, claims.session, &call.client()).await?;
    go_on("/account?done=devices#devices")
}

pub(crate) const POST: Operation =
    Operation { summary: "Sign out one device", answers: DONE, ..Operation::FORM };

pub(crate) async fn post(call: Call) -> Answer {
    let id: SessionId = call.param("id")?.parse().map_err(|_| Denial::NotFound)?;
    call.engine.end_own(call.access()?.token.claims.user, id, &call.client()).await?;
    go_on("/account?done=device#devices")
}
