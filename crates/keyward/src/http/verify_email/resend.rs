//! `POST /verify-email/resend`: somebody who can't sign in yet asks for another mail to confirm their
//! address.

use keyward_core::denial::Denial;

use crate::flow::emails::Whose;
use crate::http::body::Fields;
use crate::http::html::go_on;
use crate::http::operation::{Field, Operation, Told};
use crate::http::{Answer, Call};

pub(crate) const POST: Operation = Operation {
    summary: "Ask for another mail to confirm an address",
    takes: &[Field::text("email", "An e-mail address", "ada@example.com")],
    answers: &[
        Told::nothing(303, "Done, whatever the address").with(&[("Location", "The page that says so")])
    ],
    refuses: &[Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let email = fields.text("email");
    fields.finish()?;
    call.engine.resend_verification(Whose::Named(&email), &call.client()).await?;
    go_on("/verify-email?sent=1")
}
