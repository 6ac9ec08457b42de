//! `POST /api/auth/email/verify/resend` `{email?}`: the same answer for every address. Without one
//! it is that of who is signed in.

use http::StatusCode;
use keyward_core::denial::Denial;

use crate::access::Reach;
use crate::flow::emails::Whose;
use crate::http::api::auth::password::forgot::OnItsWay;
use crate::http::body::Fields;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call, guard, json};

pub(crate) const POST: Operation = Operation {
    summary: "Ask for another mail to confirm an address",
    about: "Without an address it is that of who is signed in. The same answer for every address.",
    takes: &[Field::text("email", "An e-mail address", "ada@example.com").optional()],
    answers: &[Told::json::<OnItsWay>(202, "Taken")],
    refuses: &[
        Denial::AmbiguousCredentials,
        Denial::MissingToken,
        Denial::InvalidToken,
        Denial::TokenExpired,
        Denial::TokenStale,
        Denial::SessionRevoked,
        Denial::RateLimited,
    ],
    ..Operation::NONE
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::parse(&call.headers, &call.body)?;
    let email = fields.optional_text("email");
    fields.finish()?;
    let client = call.client();
    match email {
        Some(email) => call.engine.resend_verification(Whose::Named(&email), &client).await?,
        None => {
            let access =
                guard::authenticate(&call.engine, call.names, &call.headers, &|| call.client(), Reach::Store)
                    .await?;
            call.engine.resend_verification(Whose::Own(&access), &client).await?;
        }
    }
    let message = "If this address has to be confirmed, a mail is on its way.";
    Ok(json(StatusCode::ACCEPTED, &OnItsWay { message }))
}
