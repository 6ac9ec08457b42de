//! `/forgot`: where somebody asks for a mail to choose a new password.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use super::field::Field;
use super::notice::{Notice, Wrong};
use super::told::Told;

/// The form, with the address that was typed.
#[derive(Debug, Template)]
#[template(path = "forgot.html")]
pub(crate) struct Form<'a> {
    frame: Frame<'a>,
    summary: Notice,
    email: Field,
}

impl<'a> Form<'a> {
    pub(crate) fn new(assets: &'a Assets, email: &str, wrong: &Wrong) -> Self {
        Self {
            frame: Frame::new("Forgotten password", assets).wrong_if(!wrong.is_empty()),
            summary: wrong.summary(),
            email: Field::email().value(email).judged(wrong).first(wrong).done(),
        }
    }
}

/// What is told to who asked, whatever the address.
pub(crate) fn done(assets: &Assets) -> Told<'_> {
    Told::new(
        assets,
        "Look into your mailbox",
        &[
            "If there is an account with this address, a mail with a link is on its way. The link is good for \
             one hour.",
            "Nothing there? Look among the junk, or ask again.",
        ],
    )
    .on_to("/forgot", "Ask again")
}
