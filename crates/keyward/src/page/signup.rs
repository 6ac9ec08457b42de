//! `/signup`: where somebody makes an account.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use super::field::Field;
use super::notice::{Notice, Wrong};
use super::told::Told;

/// The form.
#[derive(Debug, Template)]
#[template(path = "signup.html")]
pub(crate) struct Signup<'a> {
    frame: Frame<'a>,
    summary: Notice,
    next: String,
    email: Field,
    password: Field,
    login: String,
}

impl<'a> Signup<'a> {
    /// `next`: where to go on; `login`: where who has an account signs in; `rules`: what a password
    /// has to be.
    pub(crate) fn new(
        assets: &'a Assets,
        next: &str,
        login: String,
        email: &str,
        rules: &str,
        wrong: &Wrong,
    ) -> Self {
        Self {
            frame: Frame::new("Sign up", assets).wrong_if(!wrong.is_empty()),
            summary: wrong.summary(),
            next: next.to_owned(),
            email: Field::email().value(email).judged(wrong).first(wrong).done(),
            password: Field::new_password("password", "Password").hint(rules).judged(wrong).done(),
            login,
        }
    }
}

/// That the address has to be confirmed before anybody signs in.
pub(crate) fn sent(assets: &Assets) -> Told<'_> {
    Told::new(
        assets,
        "Look into your mailbox",
        &[
            "Your account is made. Open the link in the mail that we sent to confirm your address, then sign in.",
            "Nothing there? Look among the junk. If you sign in before, you can have it sent again.",
        ],
    )
    .on_to("/login", "Sign in")
}

/// That nobody can sign up.
pub(crate) fn closed(assets: &Assets) -> Told<'_> {
    let text = "Accounts are made by an administrator here, who sends you an invitation by mail.";
    Told::new(assets, "Nobody can sign up here", &[text]).on_to("/login", "Sign in")
}
