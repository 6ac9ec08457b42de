//! `POST /api/auth/password/change` `{current_password, new_password}`

use crate::http::body::Fields;
use crate::http::{Answer, Call, no_content};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let current = fields.password("current_password");
    let new = fields.password("new_password");
    fields.finish()?;
    call.engine.change_password(call.access()?, current, new, &call.client()).await?;
    Ok(no_content())
}
