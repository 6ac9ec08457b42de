//! `POST /api/auth/reauthenticate` `{password}`: a fresh access token whose `auth_time` is now.

use http::StatusCode;

use super::{SessionBody, Tells, granted};
use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, SETS_COOKIES, Told};
use crate::http::{Answer, Call};
use keyward_core::denial::Denial;

pub(crate) const POST: Operation = Operation {
    summary: "Prove again who you are",
    about: "Gives a fresh access token whose `auth_time` is now, as what is grave asks for.",
    takes: &[Field::password("password", "The password")],
    answers: &[Told::json::<SessionBody>(200, "Proven").with(SETS_COOKIES)],
    refuses: &[Denial::InvalidCredentials, Denial::RateLimited],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let password = fields.password("password");
    fields.finish()?;
    let grant = call.engine.reauthenticate(call.access()?, password, &call.client()).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Tells::Deadline))
}
