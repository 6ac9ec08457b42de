//! `GET /reauthenticate`, `POST /reauthenticate`: the page on which somebody who is signed in proves
//! again who they are, before what is grave.

use keyward_core::denial::Denial;

use super::body::Fields;
use super::form::are_filled;
use super::next::{self, NEXT};
use super::operation::{Field, Operation, SETS_COOKIES, Told};
use super::{Answer, Call};
use crate::error::Error;
use crate::page::notice::Wrong;
use crate::page::reauthenticate::Reauthenticate;

pub(crate) const GET: Operation =
    Operation { summary: "The page to prove again who you are", query: &[NEXT], ..Operation::PAGE };

pub(crate) async fn get(call: Call) -> Answer {
    let next = call.next();
    let person = person(&call).await?;
    call.page(&Reauthenticate::new(&call.engine.assets, &person, &next, &Wrong::default()))
}

pub(crate) const POST: Operation = Operation {
    summary: "Prove again who you are",
    takes: &[Field::password("password", "The password"), NEXT],
    answers: &[Told::nothing(303, "Proven").with(SETS_COOKIES)],
    refuses: &[Denial::InvalidCredentials, Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let password = fields.password("password");
    let next = next::of_form(&mut fields);
    fields.finish()?;
    let proven = match are_filled(&[("password", password.as_str(), "Give your password")]) {
        Ok(()) => call.engine.reauthenticate(call.access()?, password, &call.client()).await,
        Err(empty) => Err(empty),
    };
    match proven {
        Ok(grant) => call.go_on_with(&next, &grant),
        Err(Error::Denied(denied)) => {
            let mut wrong = Wrong::told_by(&denied);
            if denied.denial() == Denial::InvalidCredentials {
                wrong = Wrong::field("password", "This is not your password.");
            }
            // Where the session has ended meanwhile nobody is signed in whose page this is.
            let Ok(person) = person(&call).await else { return Err(Error::Denied(denied)) };
            call.refusal(&denied, &Reauthenticate::new(&call.engine.assets, &person, &next, &wrong))
        }
        Err(fault) => Err(fault),
    }
}

/// Whose password is asked for.
async fn person(call: &Call) -> Result<String, Error> {
    Ok(call.engine.view(call.access()?).await?.0.account.email.to_string())
}
