//! `/login`: where somebody signs in.

use askama::Template;

use super::Frame;
use super::assets::Assets;
use super::field::Field;
use super::notice::{Notice, Wrong};

/// What the page is shown for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shown {
    /// Where to go on, a path of this origin.
    pub(crate) next: String,
    /// Where the way to a new account leads; `None` where nobody can make one.
    pub(crate) signup: Option<String>,
    /// What was typed as a name.
    pub(crate) name: String,
    /// Who is signed in already.
    pub(crate) person: Option<String>,
    /// What was done before.
    pub(crate) notice: Notice,
    /// Whether the address has to be confirmed first.
    pub(crate) unverified: bool,
}

/// The form, or who is signed in already.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub(crate) struct Login<'a> {
    frame: Frame<'a>,
    heading: &'static str,
    notice: Notice,
    summary: Notice,
    /// The address that a mail can be sent to once more.
    unverified: Option<String>,
    person: Option<String>,
    next: String,
    email: Field,
    password: Field,
    /// Where the way to a new account leads.
    signup: Option<String>,
}

impl<'a> Login<'a> {
    pub(crate) fn new(assets: &'a Assets, shown: Shown, wrong: &Wrong) -> Self {
        let heading = if shown.person.is_some() { "You are signed in" } else { "Sign in" };
        let name = Field::new("email", "E-mail address or phone number", "text")
            .autocomplete("username")
            .plain()
            .value(shown.name.as_str());
        Self {
            frame: Frame::new(heading, assets).wrong_if(!wrong.is_empty()),
            heading,
            notice: shown.notice,
            summary: wrong.summary(),
            unverified: shown.unverified.then(|| shown.name.clone()),
            person: shown.person,
            next: shown.next,
            email: name.judged(wrong).first(wrong).done(),
            password: Field::current_password("password", "Password").judged(wrong).done(),
            signup: shown.signup,
        }
    }
}
