//! `PATCH /api/auth/profile` `{phone_number?}`: what a person changes about themselves.

use http::StatusCode;

use super::{Told, granted};
use crate::http::body::Fields;
use crate::http::{Answer, Call};

pub(crate) async fn patch(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let phone_number = fields.nullable_text("phone_number");
    fields.finish()?;
    if let Some(phone_number) = phone_number {
        call.engine.change_own_phone(call.access()?, phone_number, &call.client()).await?;
    }
    let grant = call.engine.show(call.access()?).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Told::Deadline))
}
