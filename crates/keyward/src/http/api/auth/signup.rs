//! `POST /api/auth/signup` `{email, password, phone_number?, transport?}`

use http::StatusCode;
use serde_json::json;

use super::{Told, granted, replaced, transport};
use crate::flow::sign_up::{SignUp, SignedUp};
use crate::http::body::Fields;
use crate::http::{Answer, Call, json};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let email = fields.text("email");
    let password = fields.password("password");
    let phone_number = fields.optional_text("phone_number");
    let named = fields.transport();
    fields.finish()?;
    let new = call.engine.new_account(&email, phone_number.as_deref(), Some(password))?;
    let transport = transport(&call, named)?;
    let replaces = replaced(&call).await?;
    let sign_up = SignUp { new, transport, replaces };
    Ok(match call.engine.sign_up(sign_up, &call.client()).await? {
        SignedUp::In(grant) => granted(StatusCode::CREATED, &grant, call.names, Told::Deadline),
        SignedUp::Unconfirmed(account) => {
            json(StatusCode::CREATED, &json!({ "user_id": account.id, "email": account.email }))
        }
    })
}
