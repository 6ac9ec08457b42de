//! `GET /signup`, `POST /signup`: the page on which somebody makes an account.

use keyward_core::denial::Denial;
use keyward_core::password::Password;
use keyward_core::session::Transport;

use super::api::auth::replaced;
use super::body::Fields;
use super::html::go_on;
use super::next::{self, NEXT};
use super::operation::{Field, Operation, SETS_COOKIES, Told};
use super::{Answer, Call};
use crate::error::Error;
use crate::flow::sign_up::{SignUp, SignedUp};
use crate::page::notice::Wrong;
use crate::page::signup::{self, Signup};

pub(crate) const GET: Operation = Operation {
    summary: "The page to sign up",
    query: &[NEXT, Field::text("sent", "That a mail was sent to confirm the address", "1").optional()],
    refuses: &[Denial::SignupClosed],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let assets = &call.engine.assets;
    if call.says("sent") {
        return call.page(&signup::sent(assets));
    }
    if !call.engine.settings.open_signup {
        return call.refusal(&Denial::SignupClosed.into(), &signup::closed(assets));
    }
    let next = call.next();
    call.page(&form(&call, &next, "", &Wrong::default()))
}

pub(crate) const POST: Operation = Operation {
    summary: "Sign up",
    takes: &[
        Field::text("email", "An e-mail address", "ada@example.com"),
        Field::password("password", "The password"),
        NEXT,
    ],
    answers: &[Told::nothing(303, "Signed up, and in unless the address has to be confirmed first")
        .with(SETS_COOKIES)],
    refuses: &[Denial::SignupClosed, Denial::EmailTaken, Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let email = fields.text("email");
    let password = fields.password("password");
    let next = next::of_form(&mut fields);
    let given = fields.finish();
    match sign_up(&call, given, &email, password, &next).await {
        Err(Error::Denied(denied)) if denied.denial() == Denial::SignupClosed => {
            call.refusal(&denied, &signup::closed(&call.engine.assets))
        }
        Err(Error::Denied(denied)) => {
            call.refusal(&denied, &form(&call, &next, &email, &Wrong::told_by(&denied)))
        }
        answer => answer,
    }
}

async fn sign_up(
    call: &Call,
    given: Result<(), Error>,
    email: &str,
    password: Password,
    next: &str,
) -> Answer {
    given?;
    let new = call.engine.new_account(email, None, Some(password))?;
    let sign_up = SignUp { new, transport: Transport::Cookie, replaces: replaced(call).await? };
    match call.engine.sign_up(sign_up, &call.client()).await? {
        SignedUp::In(grant) => call.go_on_with(next, &grant),
        SignedUp::Unconfirmed(_) => go_on("/signup?sent=1"),
    }
}

fn form<'a>(call: &'a Call, next: &str, email: &str, wrong: &Wrong) -> Signup<'a> {
    let rules = call.engine.settings.passwords.to_string();
    Signup::new(&call.engine.assets, next, next::with_next("/login", next), email, &rules, wrong)
}
