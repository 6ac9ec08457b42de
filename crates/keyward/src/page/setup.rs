//! `/setup`: where the first administrator is made.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use super::field::Field;
use super::notice::{Notice, Wrong};

/// The form, which holds the secret of the link.
#[derive(Debug, Template)]
#[template(path = "setup.html")]
pub(crate) struct Setup<'a> {
    frame: Frame<'a>,
    summary: Notice,
    token: String,
    email: Field,
    password: Field,
}

impl<'a> Setup<'a> {
    /// `rules`: what a password has to be.
    pub(crate) fn new(assets: &'a Assets, token: &str, email: &str, rules: &str, wrong: &Wrong) -> Self {
        Self {
            frame: Frame::new("Set up", assets).wrong_if(!wrong.is_empty()),
            summary: wrong.summary(),
            token: token.to_owned(),
            email: Field::email().value(email).judged(wrong).first(wrong).done(),
            password: Field::new_password("password", "Password").hint(rules).judged(wrong).done(),
        }
    }
}

/// How one gets at the link.
#[derive(Debug, Template)]
#[template(path = "setup-how.html")]
pub(crate) struct How<'a> {
    frame: Frame<'a>,
    site: &'a str,
}

impl<'a> How<'a> {
    /// `title`: what is the matter.
    pub(crate) fn new(assets: &'a Assets, site: &'a str, title: &str) -> Self {
        Self { frame: Frame::new(title, assets), site }
    }
}
