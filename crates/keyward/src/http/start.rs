//! `GET /`, where Keyward serves alone: on to the account, or to how it is set up.

use keyward_core::denial::Denial;

use super::html::go_on;
use super::operation::{Operation, Told};
use super::{Answer, Call};
use crate::page::setup::How;

pub(crate) const GET: Operation = Operation {
    summary: "Where one begins",
    about: "There only where Keyward serves alone: an application that embeds it has its own.",
    answers: &[
        Told::media(200, "text/html", "There is no administrator yet: how to make the first one"),
        Told::nothing(303, "On to the account, or to the login").with(&[("Location", "Where to")]),
    ],
    refuses: &[Denial::StoreUnavailable],
    ..Operation::PAGE
};

pub(crate) async fn get(call: Call) -> Answer {
    let engine = &call.engine;
    if !engine.has_admin().await? {
        let site = engine.settings.public_url.as_str();
        return call.page(&How::new(&engine.assets, site, "It works"));
    }
    // Who has no cookies needs no way round by the renewal.
    let stranger = call.names.read(&call.headers).hints.is_empty();
    go_on(if stranger { "/login" } else { "/account" })
}
