//! `POST /api/auth/login` `{email | phone_number, password, transport?}`

use http::StatusCode;

use super::{SessionBody, Tells, former, granted, transport};
use crate::flow::sign_in::SignIn;
use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, SETS_COOKIES, Told};
use crate::http::{Answer, Call};
use keyward_core::denial::Denial;

pub(crate) const POST: Operation = Operation {
    summary: "Sign in",
    about: "By e-mail address or phone number. A wrong password, an unknown address and an unknown number are \
        one and the same `invalid_credentials`. In a browser the session that its cookies carry ends.",
    takes: &[
        Field::EMAIL.optional(),
        Field::PHONE,
        Field::password("password", "The password"),
        Field::TRANSPORT,
    ],
    either: &["email", "phone_number"],
    answers: &[Told::json::<SessionBody>(200, "Signed in").with(SETS_COOKIES)],
    refuses: &[
        Denial::InvalidCredentials,
        Denial::LoginInactive,
        Denial::EmailNotVerified,
        Denial::TransportNotAllowed,
        Denial::RateLimited,
    ],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let by_phone = fields.has("phone_number") && !fields.has("email");
    if fields.has("phone_number") && fields.has("email") {
        fields.refuse("phone_number", "give either an e-mail address or a phone number");
    }
    let name = fields.text(if by_phone { "phone_number" } else { "email" });
    let password = fields.password("password");
    let named = fields.transport();
    fields.finish()?;
    let transport = transport(&call, named)?;
    let replaces = former(&call).await?;
    let sign_in = SignIn { name, by_phone, password, transport, replaces };
    let grant = call.engine.sign_in(sign_in, &call.client()).await?;
    Ok(granted(StatusCode::OK, &grant, call.names, Tells::Deadline))
}
