//! `POST /api/admin/keys/{kid}/revoke`: takes a key out.

use keyward_core::denial::Denial;

use crate::http::body::Fields;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, no_content};

pub(crate) const POST: Operation = Operation {
    summary: "Take a key out",
    about: "Every token that it signed is `token_stale` at once; a refresh brings another.",
    answers: &[Told::nothing(204, "Revoked")],
    refuses: &[Denial::Overloaded],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    call.engine.revoke_key(call.param("kid")?, &call.client()).await?;
    Ok(no_content())
}
