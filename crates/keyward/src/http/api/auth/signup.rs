//! `POST /api/auth/signup` `{email, password, phone_number?, transport?}`

use http::StatusCode;
use keyward_core::id::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::{SessionBody, Tells, granted, replaced, transport};
use crate::flow::sign_up::{SignUp, SignedUp};
use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, SETS_COOKIES, Told};
use crate::http::{Answer, Call, json};
use crate::schema::Id;
use keyward_core::denial::Denial;

/// The account, where no session is opened before its address is confirmed.
#[derive(Serialize, ToSchema)]
struct Unconfirmed<'a> {
    #[schema(value_type = Id)]
    user_id: UserId,
    email: &'a str,
}

#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[schema(as = SignedUp)]
#[expect(dead_code, reason = "each of them is answered by itself")]
enum Either<'a> {
    In(SessionBody<'a>),
    Unconfirmed(Unconfirmed<'a>),
}

pub(crate) const POST: Operation = Operation {
    summary: "Sign up",
    about: "Makes an account and opens its first session; where addresses have to be confirmed first, it opens none \
        and answers with the account alone.",
    takes: &[
        Field::EMAIL,
        Field::password(
            "password",
            "8 to 128 characters, by default with an upper-case letter, a lower-case letter and a digit",
        ),
        Field::PHONE,
        Field::TRANSPORT,
    ],
    answers: &[Told::json::<Either>(201, "Signed up and in").with(SETS_COOKIES)],
    refuses: &[
        Denial::SignupClosed,
        Denial::EmailTaken,
        Denial::PhoneTaken,
        Denial::TransportNotAllowed,
        Denial::RateLimited,
    ],
    ..Operation::NONE
};

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
        SignedUp::In(grant) => granted(StatusCode::CREATED, &grant, call.names, Tells::Deadline),
        SignedUp::Unconfirmed(account) => {
            json(StatusCode::CREATED, &Unconfirmed { user_id: account.id, email: account.email.as_str() })
        }
    })
}
