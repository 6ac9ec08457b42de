//! `GET /login`, `POST /login`: the page on which somebody signs in.

use keyward_core::denial::Denial;
use keyward_core::password::Password;
use keyward_core::session::Transport;

use super::api::auth::former;
use super::body::Fields;
use super::form::are_filled;
use super::html::query_field;
use super::next::{self, NEXT};
use super::operation::{Field, Operation, SETS_COOKIES, Told};
use super::{Answer, Call, guard};
use crate::access::Reach;
use crate::error::Error;
use crate::flow::sign_in::SignIn;
use crate::page::login::{Login, Shown};
use crate::page::notice::{Notice, Wrong};

pub(crate) const GET: Operation = Operation {
    summary: "The page to sign in",
    query: &[NEXT, Field::text("out", "That one signed out: here, or `all`", "1").optional()],
    refuses: &[Denial::StoreUnavailable],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let notice = match query_field(call.uri.query(), "out").as_deref() {
        Some("all") => Notice::good("You are signed out on every device."),
        Some(_) => Notice::good("You are signed out."),
        None => Notice::default(),
    };
    let next = call.next();
    let shown = Shown { person: signed_in(&call).await?, notice, ..shown(&call, next, String::new()) };
    call.page(&Login::new(&call.engine.assets, shown, &Wrong::default()))
}

pub(crate) const POST: Operation = Operation {
    summary: "Sign in",
    takes: &[
        Field::text("email", "An e-mail address or a phone number", "ada@example.com"),
        Field::password("password", "The password"),
        NEXT,
    ],
    answers: &[Told::nothing(303, "Signed in").with(SETS_COOKIES)],
    refuses: &[
        Denial::InvalidCredentials,
        Denial::LoginInactive,
        Denial::EmailNotVerified,
        Denial::RateLimited,
    ],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let name = fields.text("email");
    let password = fields.password("password");
    let next = next::of_form(&mut fields);
    let given = fields.finish();
    match sign_in(&call, given, &name, password, &next).await {
        Err(Error::Denied(denied)) => {
            let unverified = denied.denial() == Denial::EmailNotVerified;
            let shown = Shown { unverified, ..shown(&call, next, name) };
            call.refusal(&denied, &Login::new(&call.engine.assets, shown, &Wrong::told_by(&denied)))
        }
        answer => answer,
    }
}

async fn sign_in(
    call: &Call,
    given: Result<(), Error>,
    name: &str,
    password: Password,
    next: &str,
) -> Answer {
    given?;
    are_filled(&[
        ("email", name, "Give your e-mail address or phone number"),
        ("password", password.as_str(), "Give your password"),
    ])?;
    let sign_in = SignIn {
        name: name.to_owned(),
        by_phone: name.trim_start().starts_with('+'),
        password,
        transport: Transport::Cookie,
        replaces: former(call).await?,
    };
    let grant = call.engine.sign_in(sign_in, &call.client()).await?;
    call.go_on_with(next, &grant)
}

/// Who is signed in already; nobody where that is not known.
pub(super) async fn signed_in(call: &Call) -> Result<Option<String>, Error> {
    let client = || call.client();
    let access = guard::authenticate(&call.engine, call.names, &call.headers, &client, Reach::Store).await;
    let view = match access {
        Ok(access) => call.engine.view(&access).await,
        Err(error) => Err(error),
    };
    match view {
        Ok((loaded, _)) => Ok(Some(loaded.account.email.to_string())),
        Err(Error::Denied(_)) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn shown(call: &Call, next: String, name: String) -> Shown {
    let signup = call.engine.settings.open_signup.then(|| next::with_next("/signup", &next));
    Shown { next, signup, name, ..Shown::default() }
}
