//! `/reset`: where somebody who followed a link of a mail chooses a password.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use super::field::Field;
use super::notice::{Notice, Wrong};
use super::told::Told;

/// The form, which holds the secret of the link.
#[derive(Debug, Template)]
#[template(path = "reset.html")]
pub(crate) struct Form<'a> {
    frame: Frame<'a>,
    summary: Notice,
    token: String,
    password: Field,
}

impl<'a> Form<'a> {
    /// `rules`: what a password has to be.
    pub(crate) fn new(assets: &'a Assets, token: &str, rules: &str, wrong: &Wrong) -> Self {
        Self {
            frame: Frame::new("Choose a password", assets).wrong_if(!wrong.is_empty()),
            summary: wrong.summary(),
            token: token.to_owned(),
            password: Field::new_password("new_password", "New password")
                .hint(rules)
                .judged(wrong)
                .first(wrong)
                .done(),
        }
    }
}

/// That the password is set.
pub(crate) fn done(assets: &Assets) -> Told<'_> {
    let text = "You are signed out everywhere. Sign in with your new password to go on.";
    Told::new(assets, "Your password is set", &[text]).on_to("/login", "Sign in")
}

/// That the link is good for nothing, and what to do.
pub(crate) fn invalid(assets: &Assets) -> Told<'_> {
    let text = "A link works once, for one hour, and until a newer one is sent.";
    Told::new(assets, "This link is no longer valid", &[text]).on_to("/forgot", "Ask for another one")
}
