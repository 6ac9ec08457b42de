//! What is a person told on a page, besides what it shows? What went wrong, field by field or as a
//! whole, and what was done.

use askama::Template;
use askama::filters::HtmlSafe;
use keyward_core::denial::Denial;

use crate::error::Denied;

/// A line or a few above the content. Nothing where there is nothing to tell.
#[derive(Debug, Clone, Default, Template)]
#[template(
    source = "{% if !texts.is_empty() || !fields.is_empty() %}{% include \"notice.html\" %}{% endif %}",
    ext = "html"
)]
pub(crate) struct Notice {
    tone: &'static str,
    role: &'static str,
    texts: Vec<String>,
    /// What is wrong with a field: its element, what it is called, and what.
    fields: Vec<(String, String, String)>,
    /// Whether a reader begins here.
    focus: bool,
}

impl HtmlSafe for Notice {}

impl Notice {
    /// That something was done.
    pub(crate) fn good(text: impl Into<String>) -> Self {
        Self { tone: "good", role: "status", texts: vec![text.into()], ..Self::default() }
    }

    /// Something to mind.
    pub(crate) fn warning(text: impl Into<String>) -> Self {
        Self { tone: "warn", role: "status", texts: vec![text.into()], ..Self::default() }
    }
}

/// What went wrong with a form, for who filled it in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wrong {
    whole: Vec<String>,
    fields: Vec<(String, String)>,
}

impl Wrong {
    /// One field of it.
    pub(crate) fn field(name: &str, text: impl Into<String>) -> Self {
        Self { whole: Vec::new(), fields: vec![(name.to_owned(), text.into())] }
    }

    /// What a refusal says.
    pub(crate) fn told_by(denied: &Denied) -> Self {
        if !denied.fields().is_empty() {
            let fields = denied.fields().iter().map(|one| (one.field.clone(), sentence(&one.message)));
            return Self { whole: Vec::new(), fields: fields.collect() };
        }
        match denied.denial() {
            Denial::EmailTaken => Self::field("email", "There is an account with this address already."),
            Denial::PhoneTaken => {
                Self::field("phone_number", "There is an account with this phone number already.")
            }
            _ => Self { whole: vec![words(denied)], fields: Vec::new() },
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.fields.is_empty()
    }

    /// What is wrong with a field.
    pub(crate) fn of(&self, field: &str) -> Vec<String> {
        self.fields.iter().filter(|(name, _)| name == field).map(|(_, text)| text.clone()).collect()
    }

    /// All of it in one place, where the page begins. What the fields say stands beside them, too.
    pub(crate) fn summary(&self) -> Notice {
        let named = self.fields.iter().map(|(name, text)| (element(name), label(name), text.clone()));
        Notice { tone: "bad", role: "alert", texts: self.whole.clone(), fields: named.collect(), focus: true }
    }
}

/// The element of a field.
pub(super) fn element(name: &str) -> String {
    name.replace('_', "-")
}

/// What a field is called, from its name.
fn label(name: &str) -> String {
    match name {
        "email" => "E-mail address".to_owned(),
        "ip_address" => "IP address".to_owned(),
        _ => sentence(&name.replace('_', " ")).trim_end_matches('.').to_owned(),
    }
}

/// A refusal in words for who filled in a form.
pub(crate) fn words(denied: &Denied) -> String {
    match denied.denial() {
        Denial::RateLimited => {
            let wait = denied.retry_after().map_or(1, |after| after.as_secs().max(1));
            format!("That was too often. Wait for {} and try again.", span(wait))
        }
        Denial::Overloaded | Denial::StoreUnavailable => {
            "This is not working just now. Nothing was changed; try again in a moment.".to_owned()
        }
        Denial::InvalidCredentials => "The e-mail address or the password is wrong.".to_owned(),
        Denial::LoginInactive => "This account is deactivated. An administrator can tell you why.".to_owned(),
        Denial::SignupClosed => "Nobody can sign up here: accounts are made by an administrator.".to_owned(),
        Denial::CrossSiteRequest => {
            "This was sent from another site, so nothing was done. Open the page here and try again."
                .to_owned()
        }
        _ => sentence(denied.detail()),
    }
}

/// How long, in words: `40 seconds`, `3 minutes`, `2 hours`.
pub(crate) fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        0..=90 => (seconds, "second"),
        91..=5_400 => (seconds.div_ceil(60), "minute"),
        5_401..=172_800 => (seconds.div_ceil(3_600), "hour"),
        _ => (seconds.div_ceil(86_400), "day"),
    };
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A message as a sentence of its own.
fn sentence(text: &str) -> String {
    let mut rest = text.chars();
    let first: String = rest.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", rest.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::FieldError;

    #[test]
    fn a_refusal_is_told_beside_its_field_and_in_the_summary() {
        let denied = Denied::invalid(vec![FieldError::new("email", "not <this>"), FieldError::new("x", "y")]);
        let wrong = Wrong::told_by(&denied);
        assert_eq!((wrong.of("email"), wrong.of("password")), (vec!["Not <this>.".to_owned()], vec![]));
        let html = wrong.summary().to_string();
        assert!(html.contains("role=\"alert\" tabindex=\"-1\" autofocus"), "{html}");
        assert!(html.contains("<a href=\"#email\">E-mail address</a>: Not &#60;this&#62;."), "{html}");
        assert!(!html.contains("<this>"), "{html}");
        assert_eq!(Notice::default().to_string(), "");
        let wrong = Wrong::told_by(&Denial::EmailTaken.into());
        assert_eq!((wrong.of("email").len(), wrong.is_empty()), (1, false));
    }

    #[test]
    fn a_span_is_told_in_the_unit_that_fits() {
        for (seconds, words) in [
            (1, "1 second"),
            (90, "90 seconds"),
            (91, "2 minutes"),
            (3_600, "60 minutes"),
            (5_401, "2 hours"),
            (604_800, "7 days"),
        ] {
            assert_eq!(span(seconds), words);
        }
    }
}
