//! `GET /account`: the page on which people see and change what is theirs. Each of its forms has a
//! path of its own below.

pub(crate) mod devices;
pub(crate) mod events;
pub(crate) mod password;
pub(crate) mod profile;
pub(crate) mod verify_email;

use keyward_core::denial::Denial;

use super::html::query_field;
use super::operation::{Field, Operation, Told};
use super::{Answer, Call};
use crate::error::{Denied, Error};
use crate::page::account::{AccountPage, Shown};
use crate::page::notice::{Notice, Wrong};

/// How many events the page has; the rest is on a page of its own.
const EVENTS: u32 = 8;

/// How each form answers once it did what it is for.
const DONE: &[Told] = &[Told::nothing(303, "Done").with(&[("Location", "The account")])];

pub(crate) const GET: Operation = Operation {
    summary: "The page of one's own account",
    query: &[
        Field::text("done", "What was done just now", "password").optional(),
        Field::text("again", "That something has to be sent again", "1").optional(),
    ],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let done = query_field(call.uri.query(), "done");
    let notice = match done.as_deref() {
        Some("profile") => Notice::good("Your phone number is saved."),
        Some("password") => Notice::good("Your password is changed. Every other device was signed out."),
        Some("device") => Notice::good("That device is signed out."),
        Some("devices") => Notice::good("Every other device is signed out."),
        Some("mail") => Notice::good("A mail is on its way. Open the link in it to confirm your address."),
        _ => Notice::default(),
    };
    let shown = Shown { notice, again: call.says("again"), ..Shown::default() };
    let page = account_page(&call, shown, &Wrong::default()).await?;
    call.page(&page)
}

/// The page after a form on it was refused.
async fn refused(call: &Call, denied: &Denied, shown: Shown, wrong: &Wrong) -> Answer {
    // Where the session has ended there is nothing to show.
    if denied.denial().status() == 401 && denied.denial() != Denial::InvalidCredentials {
        return Err(Error::Denied(Box::new(denied.clone())));
    }
    let page = account_page(call, shown, wrong).await?;
    call.refusal(denied, &page)
}

async fn account_page<'a>(call: &'a Call, shown: Shown, wrong: &Wrong) -> Result<AccountPage<'a>, Error> {
    let engine = &call.engine;
    let access = call.access()?;
    let claims = &access.token.claims;
    let (loaded, _) = engine.view(access).await?;
    let devices = engine.devices(claims.user, Some(claims.session)).await?;
    let events = engine.own_events(claims.user, EVENTS, None).await?;
    let rules = engine.settings.passwords.to_string();
    Ok(AccountPage::new(&engine.assets, &loaded.account, devices, &events, &rules, shown, wrong))
}
