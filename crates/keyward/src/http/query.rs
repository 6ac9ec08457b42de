//! What does the query of a URL ask for?
//!
//! Parameters that nobody asks for are ignored, and so are empty ones, as a form sends them; all
//! that is ill-typed or given twice is told at once.

use std::borrow::Cow;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use http::Uri;

use crate::error::{Denied, Error, FieldError};

/// The parameters of a query, and what is wrong with them so far.
#[derive(Debug, Default)]
pub(crate) struct Query<'a> {
    parameters: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    wrong: Vec<FieldError>,
}

impl<'a> Query<'a> {
    /// Reads the query of a URL.
    pub(crate) fn of(uri: &'a Uri) -> Self {
        let parameters = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        Self { parameters: parameters.filter(|(_, value)| !value.is_empty()).collect(), wrong: Vec::new() }
    }

    /// The text of a parameter.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        let mut values = self.parameters.iter().filter(|(known, _)| known == name);
        match (values.next(), values.next()) {
            (Some((_, value)), None) => Some(value.clone().into_owned()),
            (Some(_), Some(_)) => {
                self.refuse(name, "this is given more than once");
                None
            }
            (None, _) => None,
        }
    }

    /// A parameter that says what is wrong with it.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        self.read(name, |text| text.parse().map_err(|wrong: T::Err| wrong.to_string()))
    }

    /// A parameter as `read` reads it, or what is wrong with it.
    pub(crate) fn read<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        match read(&self.text(name)?) {
            Ok(value) => Some(value),
            Err(wrong) => {
                self.refuse(name, wrong);
                None
            }
        }
    }

    /// A whole number of this range.
    pub(crate) fn number(&mut self, name: &str, allowed: RangeInclusive<u64>) -> Option<u64> {
        let (least, most) = (*allowed.start(), *allowed.end());
        self.read(name, |text| {
            // `parse` alone would take a plus sign.
            let digits = text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse().ok().filter(|number| digits && allowed.contains(number));
            number.ok_or_else(|| format!("this has to be a whole number from {least} to {most}"))
        })
    }

    /// A yes or no.
    pub(crate) fn yes_or_no(&mut self, name: &str) -> Option<bool> {
        self.read(name, |text| text.parse().map_err(|_| "this has to be true or false".to_owned()))
    }

    /// That something is wrong with a parameter.
    pub(crate) fn refuse(&mut self, name: &str, message: impl Into<String>) {
        self.wrong.push(FieldError::new(name, message));
    }

    /// Whether all that was asked for was in order.
    ///
    /// # Errors
    /// `validation_failed` with everything that is wrong.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Denied::invalid(self.wrong).into()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_at_once_and_by_name() {
        let uri: Uri = "/x?n=7&a=%C3%BC+b&twice=1&twice=2&empty=&yes=true&bad=x&far=101&plus=%2B7&no=TRUE"
            .parse()
            .expect("a URI");
        let mut query = Query::of(&uri);
        assert_eq!(query.number("n", 1..=100), Some(7));
        assert_eq!(query.text("a").as_deref(), Some("\u{fc} b"));
        assert_eq!((query.text("empty"), query.text("missing")), (None, None));
        assert_eq!(query.yes_or_no("yes"), Some(true));
        assert_eq!(query.number("empty", 1..=100), None);
        assert!(query.wrong.is_empty());
        assert_eq!(query.text("twice"), None);
        assert_eq!(query.number("bad", 1..=100), None);
        assert_eq!(query.number("far", 1..=100), None);
        assert_eq!(query.number("plus", 1..=100), None);
        assert_eq!(query.yes_or_no("no"), None);
        let fields: Vec<&str> = query.wrong.iter().map(|wrong| wrong.field.as_str()).collect();
        assert_eq!(fields, ["twice", "bad", "far", "plus", "no"]);
        assert_eq!(query.finish().expect_err("refused").code(), "validation_failed");
    }
}
