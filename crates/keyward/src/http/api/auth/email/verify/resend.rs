//! `POST /api/auth/email/verify/resend` `{email?}`: the same answer for every address. Without one
//! it is that of who is signed in.

use http::StatusCode;
use serde_json::json;

use crate::flow::emails::Whose;
use crate::http::body::Fields;
use crate::http::{Answer, Call, guard, json};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let email = fields.optional_text("email");
    fields.finish()?;
    let client = call.client();
    match email {
        Some(email) => call.engine.resend_verification(Whose::Named(&email), &client).await?,
        None => {
            let access =
                guard::authenticate(&call.engine, call.names, &call.headers, &|| call.client()).await?;
            call.engine.resend_verification(Whose::Own(&access), &client).await?;
        }
    }
    let message = "If this address has to be confirmed, a mail is on its way.";
    Ok(json(StatusCode::ACCEPTED, &json!({ "message": message })))
}
