//! `POST /account/password`: changes the password.

use keyward_core::denial::Denial;

use super::{DONE, Shown, refused};
use crate::error::Error;
use crate::http::body::Fields;
use crate::http::form::are_filled;
use crate::http::html::go_on;
use crate::http::operation::{Field, Operation};
use crate::http::{Answer, Call};
use crate::page::notice::Wrong;

pub(crate) const POST: Operation = Operation {
    summary: "Change your password",
    takes: &[
        Field::password("current_password", "The present one"),
        Field::password("new_password", "The one to come"),
    ],
    answers: DONE,
    refuses: &[Denial::InvalidCredentials, Denial::RateLimited],
    ..Operation::FORM
};

pub(crate) async fn post(call: Call) -> Answer {
    let mut fields = Fields::of_form(&call.headers, &call.body)?;
    let current = fields.password("current_password");
    let new = fields.password("new_password");
    let filled = fields.finish().and_then(|()| {
        are_filled(&[
            ("current_password", current.as_str(), "Give your current password"),
            ("new_password", new.as_str(), "Give a new password"),
        ])
    });
    let changed = match filled {
        Ok(()) => call.engine.change_password(call.access()?, current, new, &call.client()).await,
        Err(wrong) => Err(wrong),
    };
    match changed {
        Ok(()) => go_on("/account?done=password#password"),
        Err(Error::Denied(denied)) => {
            let wrong = if denied.denial() == Denial::InvalidCredentials {
                Wrong::field("current_password", "This is not your current password.")
            } else {
                Wrong::told_by(&denied)
            };
            refused(&call, &denied, Shown::default(), &wrong).await
        }
        Err(fault) => Err(fault),
    }
}
