//! What does a form ask for? A field: its label, a hint, what was typed, and what is wrong with it,
//! tied together for who can't see that they stand together.

use askama::Template;
use askama::filters::HtmlSafe;

use super::notice::{Wrong, element};

/// A field of a form. Shown in a template by its name: `{{ email }}`.
#[derive(Debug, Clone, Template)]
#[template(path = "field.html")]
pub(crate) struct Field {
    name: &'static str,
    id: String,
    label: &'static str,
    kind: &'static str,
    autocomplete: &'static str,
    hint: String,
    value: String,
    wrong: Vec<String>,
    described_by: String,
    required: bool,
    focus: bool,
    plain: bool,
}

impl HtmlSafe for Field {}

impl Field {
    /// A field of this name that has to be filled in; `kind` is the type of its `input`.
    pub(crate) fn new(name: &'static str, label: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            id: element(name),
            label,
            kind,
            autocomplete: "off",
            hint: String::new(),
            value: String::new(),
            wrong: Vec::new(),
            described_by: String::new(),
            required: true,
            focus: false,
            plain: false,
        }
    }

    /// `email`: an e-mail address, which password managers take for the user name.
    pub(crate) fn email() -> Self {
        Self { autocomplete: "username", plain: true, ..Self::new("email", "E-mail address", "email") }
    }

    /// A password that is there already. It is never given back.
    pub(crate) fn current_password(name: &'static str, label: &'static str) -> Self {
        Self { autocomplete: "current-password", ..Self::new(name, label, "password") }
    }

    /// A password to come. It is never given back.
    pub(crate) fn new_password(name: &'static str, label: &'static str) -> Self {
        Self { autocomplete: "new-password", ..Self::new(name, label, "password") }
    }

    /// What a browser may fill in (WHATWG HTML, "autofill").
    pub(crate) fn autocomplete(self, autocomplete: &'static str) -> Self {
        Self { autocomplete, ..self }
    }

    /// No word of a language: no capital letter is put before it, and its spelling is not checked.
    pub(crate) fn plain(self) -> Self {
        Self { plain: true, ..self }
    }

    /// What it is good for, or how it has to be.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: hint.into(), ..self }
    }

    /// What was typed. Not of a password.
    pub(crate) fn value(self, value: impl Into<String>) -> Self {
        Self { value: value.into(), ..self }
    }

    /// It may stay empty.
    pub(crate) fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// What is wrong with it.
    pub(crate) fn judged(self, wrong: &Wrong) -> Self {
        Self { wrong: wrong.of(self.name), ..self }
    }

    /// Typing begins here, unless the page begins with what is wrong.
    pub(crate) fn first(self, wrong: &Wrong) -> Self {
        Self { focus: wrong.is_empty(), ..self }
    }

    /// The field, once all is said of it.
    pub(crate) fn done(mut self) -> Self {
        let mut named = Vec::new();
        if !self.wrong.is_empty() {
            named.push(format!("{}-error", self.id));
        }
        if !self.hint.is_empty() {
            named.push(format!("{}-hint", self.id));
        }
        self.described_by = named.join(" ");
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_tied_to_its_label_its_hint_and_its_error() {
        let wrong = Wrong::field("email", "<b>no</b>");
        let html = Field::email().value("\"><i>").hint("h").judged(&wrong).done().to_string();
        for part in [
            "for=\"email\"",
            "id=\"email\"",
            "aria-describedby=\"email-error email-hint\"",
            "id=\"email-error\"",
            "id=\"email-hint\"",
            "aria-invalid=\"true\"",
            "autocomplete=\"username\"",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert!(!html.contains("<b>") && !html.contains("<i>"), "{html}");
        let html = Field::new_password("new_password", "New").done().to_string();
        assert!(
            !html.contains("aria-") && html.contains("value=\"\"") && html.contains("for=\"new-password\"")
        );
    }
}
