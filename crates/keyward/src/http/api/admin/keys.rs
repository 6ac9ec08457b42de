//! `GET /api/admin/keys`: which keys sign and verify access tokens?

pub(crate) mod revoke;
pub(crate) mod rotate;

use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::flow::keys::KeyView;
use crate::http::operation::{Operation, Told};
use crate::http::{Answer, Call, json};

#[derive(Serialize, ToSchema)]
pub(crate) struct SigningKeys {
    pub(crate) keys: Vec<KeyView>,
}

pub(crate) const GET: Operation = Operation {
    summary: "The keys that sign and verify access tokens",
    answers: &[Told::json::<SigningKeys>(200, "The keys, without their private parts")],
    ..Operation::NONE
};

pub(crate) async fn get(call: Call) -> Answer {
    let keys = call.engine.keys().await?;
    Ok(json(StatusCode::OK, &SigningKeys { keys }))
}
