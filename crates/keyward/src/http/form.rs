//! What does a form say? The body that a page sends, and of a request of RFC 7662 and RFC 7009.

use std::borrow::Cow;

use http::HeaderMap;
use keyward_core::denial::Denial;

use super::body::is_of_type;
use crate::error::{Denied, Error, FieldError};

const FORM: &str = "application/x-www-form-urlencoded";

/// A field and what it says.
type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// The fields of a form, each once.
///
/// # Errors
/// `unsupported_media_type`; `malformed_form` where something is said twice (RFC 6749 §3.2).
pub(super) fn pairs<'a>(headers: &HeaderMap, body: &'a [u8]) -> Result<Vec<Pair<'a>>, Error> {
    if !is_of_type(headers, FORM) {
        return Err(Denied::from(Denial::UnsupportedMediaType)
            .with_detail(format!("the body has to be {FORM}"))
            .into());
    }
    let mut fields: Vec<_> = form_urlencoded::parse(body).collect();
    let count = fields.len();
    fields.sort_unstable();
    fields.dedup_by(|a, b| a.0 == b.0);
    if fields.len() < count { Err(Denial::MalformedForm.into()) } else { Ok(fields) }
}

/// That something stands in each of these: the field, what was typed, and what to say otherwise.
///
/// # Errors
/// `validation_failed`
pub(super) fn are_filled(fields: &[(&str, &str, &str)]) -> Result<(), Error> {
    let empty = fields.iter().filter(|(_, typed, _)| typed.is_empty());
    let wrong: Vec<FieldError> = empty.map(|(field, _, say)| FieldError::new(*field, *say)).collect();
    if wrong.is_empty() { Ok(()) } else { Err(Denied::invalid(wrong).into()) }
}

/// The token that a form names, whatever else it says. `token_type_hint` only says where to look
/// first, and a token tells that by itself.
///
/// # Errors
/// Those of [`pairs`]; `validation_failed` without a token.
pub(crate) fn token(headers: &HeaderMap, body: &[u8]) -> Result<String, Error> {
    let fields = pairs(headers, body)?;
    let token = fields.into_iter().find(|(name, _)| name == "token").map(|(_, value)| value.into_owned());
    // What has no value counts as left out (RFC 6749 §3.2).
    token
        .filter(|token| !token.is_empty())
        .ok_or_else(|| Denied::invalid(vec![FieldError::new("token", "this field is missing")]).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(media: &'static str, body: &str) -> Result<String, &'static str> {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(media));
        token(&headers, body.as_bytes()).map_err(|e| e.code())
    }

    #[test]
    fn a_form_names_one_token() {
        for (body, expected) in [
            ("token=abc", Ok("abc")),
            ("token_type_hint=access_token&token=abc", Ok("abc")),
            ("token=a%2Bb+c&unknown=1&x", Ok("a+b c")),
            ("token=%ff", Ok("\u{fffd}")),
            ("", Err("validation_failed")),
            ("token=", Err("validation_failed")),
            ("token", Err("validation_failed")),
            ("TOKEN=abc", Err("validation_failed")),
            ("token=abc&token=abc", Err("malformed_form")),
            ("token=abc&%74oken=def", Err("malformed_form")),
            ("token=abc&hint=a&hint=b", Err("malformed_form")),
        ] {
            assert_eq!(said(FORM, body), expected.map(str::to_owned), "{body}");
        }
    }

    #[test]
    fn only_a_form_is_taken() {
        assert!(said("Application/X-WWW-Form-Urlencoded; charset=UTF-8", "token=a").is_ok());
        for media in ["application/json", "text/plain", "multipart/form-data; boundary=x", ""] {
            assert_eq!(said(media, "token=a"), Err("unsupported_media_type"), "{media}");
        }
        assert_eq!(
            token(&HeaderMap::new(), b"").map_err(|e| e.code()),
            Err("unsupported_media_type"),
            "not even nothing, where a form has to be"
        );
    }
}
