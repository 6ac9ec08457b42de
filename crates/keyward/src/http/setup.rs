//! `GET /setup?token=…`, `POST /setup`: the page on which the first administrator is made, who is
//! signed in then. It is there until there is one.

use keyward_core::denial::Denial;
use keyward_core::password::Password;
use keyward_core::session::Transport;

use super::api::auth::former;
use super::body::Fields;
use super::html::query_field;
use super::next::START;
use super::operation::{Field, Operation, SETS_COOKIES, Told};
use crate::error::Error;
use crate::flow::set_up::SetUp;
use crate::http::{Answer, Call};
use crate::page::notice::Wrong;
use crate::page::setup::{How, Setup};

const TOKEN: Field = Field::text("token", "The one that was printed at the start", "5f0c1e2d3b4a5968");

pub(crate) const GET: Operation = Operation {
    summary: "The page to make the first administrator",
    query: &[TOKEN.optional()],
    answers: &[Told::media(200, "text/html", "The page; without a token how to get at its link")],
    refuses: &[Denial::NotFound, Denial::StoreUnavailable],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    if call.engine.has_admin().await? {
        return Err(Denial::NotFound.into());
    }
    match query_field(call.uri.query(), "token") {
        Some(token) if call.engine.is_setup_token(&token) => {
            call.page(&form(&call, &token, "", &Wrong::default()))
        }
        Some(_) => not_the_link(&call),
        None => call.page(&how(&call, "No administrator yet")),
    }
}

pub(crate) const POST: Operation = Operation {
    summary: "Make the first administrator",
    takes: &[
        TOKEN,
        Field::text("email", "An e-mail address", "ada@example.com"),
        Field::password("password", "The password"),
    ],
    answers: &[Told::nothing(303, "Made, and signed in").with(SETS_COOKIES)],
    refuses: &[Denial::NotFound, Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let token = fields.text("token");
    let email = fields.text("email");
    let password = fields.password("password");
    let given = fields.finish();
    match set_up(&call, given, &token, &email, password).await {
        Err(Error::Denied(denied)) if denied.denial() == Denial::NotFound => {
            if call.engine.has_admin().await? { Err(Denial::NotFound.into()) } else { not_the_link(&call) }
        }
        Err(Error::Denied(denied)) => {
            call.refusal(&denied, &form(&call, &token, &email, &Wrong::told_by(&denied)))
        }
        answer => answer,
    }
}

async fn set_up(
    call: &Call,
    given: Result<(), Error>,
    token: &str,
    email: &str,
    password: Password,
) -> Answer {
    given?;
    let set_up = SetUp {
        token: token.to_owned(),
        email: email.to_owned(),
        password,
        transport: Transport::Cookie,
        replaces: former(call).await?,
    };
    let grant = call.engine.set_up(set_up, &call.client()).await?;
    call.go_on_with(START, &grant)
}

fn not_the_link(call: &Call) -> Answer {
    call.refusal(&Denial::NotFound.into(), &how(call, "This is not the link"))
}

fn form<'a>(call: &'a Call, token: &str, email: &str, wrong: &Wrong) -> Setup<'a> {
    Setup::new(&call.engine.assets, token, email, &call.engine.settings.passwords.to_string(), wrong)
}

fn how<'a>(call: &'a Call, title: &str) -> How<'a> {
    How::new(&call.engine.assets, call.engine.settings.public_url.as_str(), title)
}
