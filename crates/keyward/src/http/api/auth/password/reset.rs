//! `POST /api/auth/password/reset` `{token, new_password}`

use crate::http::body::Fields;
use crate::http::{Answer, Call, no_content};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let token = fields.text("token");
    let new = fields.password("new_password");
    fields.finish()?;
    call.engine.reset_password(&token, new, &call.client()).await?;
    Ok(no_content())
}
