//! `/reauthenticate`: where somebody who is signed in proves again who they are.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use super::field::Field;
use super::notice::{Notice, Wrong};

/// The form.
#[derive(Debug, Template)]
#[template(path = "reauthenticate.html")]
pub(crate) struct Reauthenticate<'a> {
    frame: Frame<'a>,
    summary: Notice,
    person: String,
    next: String,
    password: Field,
}

impl<'a> Reauthenticate<'a> {
    /// `person`: who is signed in; `next`: where to go on.
    pub(crate) fn new(assets: &'a Assets, person: &str, next: &str, wrong: &Wrong) -> Self {
        Self {
            frame: Frame::new("Is it still you?", assets).wrong_if(!wrong.is_empty()),
            summary: wrong.summary(),
            person: person.to_owned(),
            next: next.to_owned(),
            password: Field::current_password("password", "Password").judged(wrong).first(wrong).done(),
        }
    }
}
