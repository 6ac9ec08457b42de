//! What stands in the pages that people see? Templates, which escape whatever is put into them, and
//! which work without a line of script.
//!
//! A page is a struct beside its template in `templates/`: it says what is shown, and everything in
//! it is a plain value. Its address, its status and its headers are the affair of `http`. Every page
//! has a [`Frame`]; forms are made of [`field::Field`] and [`notice::Notice`].

pub(crate) mod account;
pub(crate) mod admin;
pub(crate) mod assets;
pub(crate) mod field;
pub(crate) mod forgot;
pub(crate) mod login;
pub(crate) mod mailbox;
pub(crate) mod notice;
pub(crate) mod reauthenticate;
pub(crate) mod renew;
pub(crate) mod reset;
pub(crate) mod setup;
pub(crate) mod signup;
pub(crate) mod told;
pub(crate) mod verify_email;
pub(crate) mod when;

use self::assets::Assets;
use self::notice::Notice;

/// What is around the content of every page (`frame.html`, and of it `narrow.html` for one task and
/// `wide.html` with a bar and a navigation).
#[derive(Debug, Clone)]
pub(crate) struct Frame<'a> {
    /// What the page is called, in the tab and perhaps above it.
    pub(crate) title: String,
    /// Whether something is wrong on it: a screen reader begins with the title, which says so.
    pub(crate) wrong: bool,
    /// What every page loads, and the name and the looks of the installation.
    pub(crate) assets: &'a Assets,
    /// The addresses of further scripts.
    pub(crate) scripts: Vec<String>,
    /// Who is signed in, as far as the page is about them.
    pub(crate) person: Option<String>,
    /// Whether what was sent has to be sent again, as the session had to be renewed first.
    pub(crate) again: bool,
}

impl<'a> Frame<'a> {
    /// A frame of this title.
    pub(crate) fn new(title: impl Into<String>, assets: &'a Assets) -> Self {
        Self { title: title.into(), wrong: false, assets, scripts: Vec::new(), person: None, again: false }
    }

    /// The same, of a page on which something is wrong.
    pub(crate) fn wrong_if(self, wrong: bool) -> Self {
        Self { wrong, ..self }
    }

    /// What is told where something has to be sent again.
    fn again(&self) -> Notice {
        let text = "Nothing was changed: your session had to be renewed first. Please do it once more.";
        if self.again { Notice::warning(text) } else { Notice::default() }
    }
}
