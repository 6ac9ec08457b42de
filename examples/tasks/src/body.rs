//! What does the body of a request say? What is wrong with it is told all at once, field by field.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use keyward::{Denial, Error, FieldError};
use serde_json::{Map, Value};

/// How long a title may be, in characters.
const LONGEST: usize = 200;

/// The fields of a JSON object, and what is wrong with them so far.
pub(crate) struct Body {
    fields: Map<String, Value>,
    wrong: Vec<FieldError>,
}

impl Body {
    pub(crate) fn has(&self, field: &str) -> bool {
        self.fields.contains_key(field)
    }

    /// The title: 1 to 200 characters.
    pub(crate) fn title(&mut self) -> Option<String> {
        let title = self.fields.get("title").and_then(Value::as_str).map(str::trim).unwrap_or_default();
        if title.is_empty() || title.chars().count() > LONGEST {
            self.wrong.push(FieldError::new("title", "give 1 to 200 characters"));
            return None;
        }
        Some(title.to_owned())
    }

    /// Whether it is done; `None` where that is not said.
    pub(crate) fn done(&mut self) -> Option<bool> {
        let done = self.fields.get("done")?;
        if !done.is_boolean() {
            self.wrong.push(FieldError::new("done", "give true or false"));
        }
        done.as_bool()
    }

    /// Refuses the body (422) where something is wrong with it.
    pub(crate) fn finish(self) -> Result<(), Error> {
        if self.wrong.is_empty() { Ok(()) } else { Err(self.wrong.into()) }
    }
}

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        match Json::from_request(request, state).await {
            Ok(Json(fields)) => Ok(Self { fields, wrong: Vec::new() }),
            Err(JsonRejection::JsonDataError(_)) => Err(FieldError::new("", "give a JSON object").into()),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(Denial::UnsupportedMediaType.into()),
            Err(other) if other.status() == StatusCode::PAYLOAD_TOO_LARGE => Err(Denial::BodyTooLarge.into()),
            Err(_) => Err(Denial::MalformedJson.into()),
        }
    }
}
