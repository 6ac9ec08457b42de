//! `POST /api/admin/keys/rotate`: lets the next key sign.

use http::StatusCode;

use super::SigningKeys;
use crate::http::body::Fields;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, json};

pub(crate) const POST: Operation = Operation {
    summary: "Let the next key sign from now on",
    about: "What the former one signed is good until it ends. `overloaded` with the wait, while a verifier may not \
        have seen the next key yet; `forbidden` where the key is the configured one.",
    answers: &[Told::json::<SigningKeys>(201, "Rotated: the keys")],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    Fields::parse(&call.headers, &call.body)?.finish()?;
    let keys = call.engine.rotate_keys(&call.client()).await?;
    Ok(json(StatusCode::CREATED, &SigningKeys { keys }))
}
