//! What does the body of a request say?
//!
//! A JSON object in which nothing is said twice. Fields that nobody asks for are ignored; all that
//! is missing or ill-typed is told at once.

use std::fmt;

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use keyward_core::denial::Denial;
use keyward_core::password::Password;
use keyward_core::session::Transport;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::form;
use crate::error::{Denied, Error, FieldError};

/// The fields of a body, and what is wrong with them so far.
#[derive(Debug, Default)]
pub(crate) struct Fields {
    fields: Vec<(String, Value)>,
    wrong: Vec<FieldError>,
}

impl Fields {
    /// Reads a body; an empty one has no fields.
    ///
    /// # Errors
    /// `unsupported_media_type`, `malformed_json`, or `validation_failed` for JSON that is no object.
    pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        if body.is_empty() {
            return Ok(Self::default());
        }
        if !is_of_type(headers, "application/json") {
            let json = "the body has to be application/json";
            return Err(Denied::from(Denial::UnsupportedMediaType).with_detail(json).into());
        }
        match serde_json::from_slice(body) {
            Ok(Value::Object(fields)) => Ok(Self { fields, wrong: Vec::new() }),
            Ok(_) => {
                Err(Denied::invalid(vec![FieldError::new("", "the body has to be a JSON object")]).into())
            }
            Err(error) => {
                // Where, and for what reason, but nothing of what stands there.
                let place = format!("line {}, column {}", error.line(), error.column());
                let what =
                    if error.to_string().starts_with(TWICE) { TWICE } else { "this is not well-formed JSON" };
                Err(Denied::from(Denial::MalformedJson).with_detail(format!("{what} ({place})")).into())
            }
        }
    }

    /// Reads the body that a form of a page sends.
    ///
    /// # Errors
    /// `unsupported_media_type`; `malformed_form` where a field is there twice; `validation_failed`
    /// where one is no UTF-8.
    pub(crate) fn of_form(headers: &HeaderMap, body: &[u8]) -> Result<Self, Error> {
        let mut form = Self::default();
        for (name, text) in form::pairs(headers, body)? {
            // What is no UTF-8 was replaced: it is not what was typed.
            if text.contains(char::REPLACEMENT_CHARACTER) {
                form.refuse(&name, "this is no UTF-8");
            }
            form.fields.push((name.into_owned(), Value::Text(text.into_owned())));
        }
        Ok(form)
    }

    /// A text that must be there.
    pub(crate) fn text(&mut self, field: &str) -> String {
        let text = self.optional_text(field);
        if text.is_none() && !self.wrong.iter().any(|wrong| wrong.field == field) {
            self.wrong.push(FieldError::new(field, "this field is missing"));
        }
        text.unwrap_or_default()
    }

    /// A text that may be missing or null.
    pub(crate) fn optional_text(&mut self, field: &str) -> Option<String> {
        let at = self.fields.iter().position(|(name, _)| name == field)?;
        match self.fields.swap_remove(at).1 {
            Value::Text(text) => Some(text),
            Value::Null => None,
            _ => {
                self.wrong.push(FieldError::new(field, "this has to be a string"));
                None
            }
        }
    }

    /// A text that may be missing, which says nothing, or null, which says that there is none.
    pub(crate) fn nullable_text(&mut self, field: &str) -> Option<Option<String>> {
        let at = self.fields.iter().position(|(name, _)| name == field)?;
        if self.fields[at].1 == Value::Null {
            return Some(None);
        }
        self.optional_text(field).map(Some)
    }

    /// A list of texts that must be there.
    pub(crate) fn texts(&mut self, field: &str) -> Vec<String> {
        let texts = self.optional_texts(field);
        if texts.is_none() && !self.wrong.iter().any(|wrong| wrong.field == field) {
            self.wrong.push(FieldError::new(field, "this field is missing"));
        }
        texts.unwrap_or_default()
    }

    /// A list of texts that may be missing or null.
    pub(crate) fn optional_texts(&mut self, field: &str) -> Option<Vec<String>> {
        let at = self.fields.iter().position(|(name, _)| name == field)?;
        let texts = match self.fields.swap_remove(at).1 {
            Value::Null => return None,
            Value::List(items) => {
                let text = |item| if let Value::Text(text) = item { Some(text) } else { None };
                items.into_iter().map(text).collect()
            }
            _ => None,
        };
        if texts.is_none() {
            self.wrong.push(FieldError::new(field, "this has to be a list of strings"));
        }
        texts
    }

    /// True or false, or missing or null.
    pub(crate) fn optional_flag(&mut self, field: &str) -> Option<bool> {
        let at = self.fields.iter().position(|(name, _)| name == field)?;
        match self.fields.swap_remove(at).1 {
            Value::Flag(flag) => Some(flag),
            Value::Null => None,
            _ => {
                self.wrong.push(FieldError::new(field, "this has to be true or false"));
                None
            }
        }
    }

    /// A password that must be there, short enough to be looked at.
    pub(crate) fn password(&mut self, field: &str) -> Password {
        match Password::try_from(self.text(field)) {
            Ok(password) => password,
            Err(too_long) => {
                self.wrong.push(FieldError::new(field, too_long.to_string()));
                Password::default()
            }
        }
    }

    /// The transport that the caller names, if any.
    pub(crate) fn transport(&mut self) -> Option<Transport> {
        let text = self.optional_text("transport")?;
        let transport = Transport::parse(&text);
        if transport.is_none() {
            self.wrong.push(FieldError::new("transport", "this has to be \"cookie\" or \"bearer\""));
        }
        transport
    }

    /// Whether a field is there, and not null.
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.iter().any(|(name, value)| name == field && !matches!(value, Value::Null))
    }

    /// That something is wrong with a field.
    pub(crate) fn refuse(&mut self, field: &str, message: &str) {
        self.wrong.push(FieldError::new(field, message));
    }

    /// Whether all that was asked for was there.
    ///
    /// # Errors
    /// `validation_failed` with everything that is wrong.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.wrong.is_empty() { Ok(()) } else { Err(Denied::invalid(self.wrong).into()) }
    }
}

/// Whether the body is of this media type, perhaps with `charset=utf-8`; not compressed.
pub(super) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    let Ok(text) = only.to_str() else { return false };
    let mut parts = text.split(';').map(str::trim);
    let is_it = parts.next().is_some_and(|media| media.eq_ignore_ascii_case(media_type));
    let utf8 = |part: &str| {
        part.is_empty()
            || part.split_once('=').is_some_and(|(name, value)| {
                !name.trim().eq_ignore_ascii_case("charset")
                    || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
            })
    };
    let plain =
        headers.get_all(CONTENT_ENCODING).iter().all(|v| v.as_bytes().eq_ignore_ascii_case(b"identity"));
    is_it && parts.all(utf8) && plain
}

const TWICE: &str = "a member is repeated";

/// JSON in which no object says anything twice (RFC 8259 §4 leaves open what that would mean).
/// Numbers are nobody's business here, so they are not kept.
#[derive(Debug, Clone, PartialEq)]
enum Value {
    Null,
    Flag(bool),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
    Other,
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Flag(flag))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        let mut names = std::collections::HashSet::new();
        while let Some((name, value)) = map.next_entry::<String, Value>()? {
            if !names.insert(name.clone()) {
                return Err(serde::de::Error::custom(TWICE));
            }
            members.push((name, value));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content_type: &'static str, body: &str) -> Result<Fields, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
        Fields::parse(&headers, body.as_bytes()).map_err(|e| e.code())
    }

    #[test]
    fn nothing_may_be_said_twice_at_any_depth() {
        for body in [r#"{"a":1,"a":2}"#, r#"{"x":{"a":1,"a":1}}"#, r#"{"x":[{"a":1,"\u0061":1}]}"#] {
            assert_eq!(parse("application/json", body).err(), Some("malformed_json"), "{body}");
        }
    }

    #[test]
    fn what_is_no_json_is_told_apart_from_what_is_no_object() {
        let deep = "[".repeat(100_000);
        for body in ["{", "{]", r#"{"a":"\ud800"}"#, "\u{feff}{}", &deep, "{}x", "{'a':1}", "NaN"] {
            assert_eq!(parse("application/json", body).err(), Some("malformed_json"));
        }
        for body in ["[]", "1", "null", "\"a\""] {
            assert_eq!(parse("application/json", body).err(), Some("validation_failed"));
        }
    }

    #[test]
    fn only_json_is_taken() {
        for media in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert!(parse(media, "{}").is_ok(), "{media}");
        }
        for media in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data",
            "",
            "application/jsonx",
            "application/json; charset=utf-16",
            "text/plain, application/json",
        ] {
            assert_eq!(parse(media, "{}").err(), Some("unsupported_media_type"), "{media}");
        }
    }

    #[test]
    fn a_form_says_nothing_twice_and_is_sent_as_one() {
        let form = |content_type: &'static str, body: &[u8]| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, http::HeaderValue::from_static(content_type));
            Fields::of_form(&headers, body).map_err(|e| e.code())
        };
        let media = "application/x-www-form-urlencoded";
        let mut fields = form(media, b"token=a%2Bb&new_password=x+y%26%C3%A9&extra=").expect("a form");
        assert_eq!(
            (fields.text("token").as_str(), fields.text("new_password").as_str()),
            ("a+b", "x y&\u{e9}")
        );
        assert_eq!(form(media, b"a=1&a=2").err(), Some("malformed_form"));
        let broken = form(media, b"a=%ff").expect("a form").finish();
        assert_eq!(broken.map_err(|e| e.code()), Err("validation_failed"));
        for other in ["application/json", "text/plain", "multipart/form-data", ""] {
            assert_eq!(form(other, b"a=1").err(), Some("unsupported_media_type"), "{other}");
        }
    }

    #[test]
    fn no_body_needs_no_type() {
        for media in ["application/x-www-form-urlencoded", "text/plain", "application/json"] {
            assert!(parse(media, "").is_ok(), "{media}");
        }
    }

    #[test]
    fn all_that_is_wrong_is_told_at_once() {
        let mut fields =
            parse("application/json", r#"{"email":5,"phone_number":null,"transport":"x"}"#).expect("fields");
        fields.text("email");
        fields.text("password");
        assert_eq!(fields.optional_text("phone_number"), None);
        fields.transport();
        let error = fields.finish().expect_err("three are wrong").denied();
        let named: Vec<_> = error.fields().iter().map(|f| f.field.as_str()).collect();
        assert_eq!(named, ["email", "password", "transport"]);
    }
}
