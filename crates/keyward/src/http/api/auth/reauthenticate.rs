//! `POST /api/auth/reauthenticate` `{password}`: a fresh access token whose `auth_time` is now.

use http::StatusCode;

use super::{Told, granted};
use crate::http::body::Fields;
use crate::http::{Answer, Call};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let password = fields.password("password");
    fields.finish()?;
    let grant = call.engine.reauthenticate(call.access()?, password, &call.client()).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Told::Deadline))
}
