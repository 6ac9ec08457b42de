//! `POST /api/admin/keys/{kid}/revoke`: takes a key out.

use crate::http::body::Fields;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, no_content};

pub(crate) const POST: Operation = Operation {
    summary: "Take a key out",
    about: "Every token that it signed is `token_stale` at once; a refresh brings another.",
    answers: &[Told::nothing(204, "Revoked")],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    call.engine.revoke_key(call.param("kid")?, &call.client()).await?;
    Ok(no_content())
}
