//! What is said of a route to those who call it?
//!
//! It stands beside the handler, under the name of its method: `pub(crate) const POST: Operation`.
//! What goes for every route, or follows from its guard, is not said again there.

use std::borrow::Cow;

use keyward_core::denial::Denial;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;

use super::guard::Guard;

/// A route, for those who call it.
pub(crate) struct Operation {
    /// What it does, in a few words.
    pub(crate) summary: &'static str,
    /// What else there is to know; Markdown.
    pub(crate) about: &'static str,
    /// The fields of the body.
    pub(crate) takes: &'static [Field],
    /// Fields of which one has to be there.
    pub(crate) either: &'static [&'static str],
    /// Whether the body is a form (`application/x-www-form-urlencoded`), not JSON.
    pub(crate) form: bool,
    /// Whether it is a page, which tells its refusals as one.
    pub(crate) page: bool,
    /// The fields of the query.
    pub(crate) query: &'static [Field],
    /// How it is answered when it is done.
    pub(crate) answers: &'static [Told],
    /// How it is refused, besides what follows from the guard and the method.
    pub(crate) refuses: &'static [Denial],
}

impl Operation {
    /// One of which nothing is said yet.
    pub(crate) const NONE: Self = Self {
        summary: "",
        about: "",
        takes: &[],
        either: &[],
        form: false,
        page: false,
        query: &[],
        answers: &[],
        refuses: &[],
    };

    /// A page.
    pub(crate) const PAGE: Self =
        Self { page: true, answers: &[Told::media(200, "text/html", "The page")], ..Self::NONE };

    /// What a form of a page is sent to.
    pub(crate) const FORM: Self = Self {
        page: true,
        form: true,
        answers: &[Told::nothing(303, "Done").with(&[("Location", "The page that says so")])],
        ..Self::NONE
    };
}

/// A field of a body or a query.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    kind: Kind,
    pub(crate) required: bool,
    example: &'static str,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Email,
    Phone,
    Password,
    Transport,
    Texts,
    Flag,
    Number,
    Moment,
    Id,
    OneOf(&'static [&'static str]),
}

impl Field {
    /// A text that must be there.
    pub(crate) const fn text(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self { name, about, kind: Kind::Text, required: true, example }
    }

    /// The address `email`.
    pub(crate) const EMAIL: Self = Self {
        kind: Kind::Email,
        ..Self::text("email", "An e-mail address, taken without regard to case", "ada@example.com")
    };

    /// The number `phone_number`; it may be missing.
    pub(crate) const PHONE: Self =
        Self { kind: Kind::Phone, required: false, ..Self::text("phone_number", "E.164", "+4915112345678") };

    /// The wish `transport`; it may be missing.
    pub(crate) const TRANSPORT: Self = Self {
        kind: Kind::Transport,
        required: false,
        ..Self::text("transport", "How the tokens are to travel; unnamed, a browser has `cookie`", "bearer")
    };

    /// A password.
    pub(crate) const fn password(name: &'static str, about: &'static str) -> Self {
        Self { kind: Kind::Password, ..Self::text(name, about, "Correct-Horse-7") }
    }

    /// A list of texts.
    pub(crate) const fn texts(name: &'static str, about: &'static str, example: &'static str) -> Self {
        Self { kind: Kind::Texts, ..Self::text(name, about, example) }
    }

    /// True or false.
    pub(crate) const fn flag(name: &'static str, about: &'static str) -> Self {
        Self { kind: Kind::Flag, ..Self::text(name, about, "") }
    }

    /// A whole number that is not negative.
    pub(crate) const fn number(name: &'static str, about: &'static str) -> Self {
        Self { kind: Kind::Number, ..Self::text(name, about, "") }
    }

    /// A moment.
    pub(crate) const fn moment(name: &'static str, about: &'static str) -> Self {
        Self { kind: Kind::Moment, ..Self::text(name, about, "2026-11-20T23:17:51Z") }
    }

    /// One of these words.
    pub(crate) const fn one_of(
        name: &'static str,
        about: &'static str,
        words: &'static [&'static str],
    ) -> Self {
        Self { kind: Kind::OneOf(words), ..Self::text(name, about, words[0]) }
    }

    /// The id of something.
    pub(crate) const fn id(name: &'static str, about: &'static str) -> Self {
        Self { kind: Kind::Id, ..Self::text(name, about, "019a9f5e-7c1b-7d3e-9a54-0d5b1c2e3f40") }
    }

    /// The same, which may be missing or null.
    pub(crate) const fn optional(self) -> Self {
        Self { required: false, ..self }
    }

    /// Its schema; in a body, what may be missing may be null as well.
    pub(crate) fn schema(&self, in_body: bool) -> Value {
        let mut schema = match self.kind {
            Kind::Text => json!({ "type": "string" }),
            Kind::Email => json!({ "type": "string", "format": "email", "maxLength": 254 }),
            Kind::Phone => json!({ "type": "string", "pattern": "^\\+[1-9][0-9]{6,14}$" }),
            Kind::Password => json!({ "type": "string", "format": "password", "maxLength": 128 }),
            Kind::Transport => json!({ "type": "string", "enum": ["cookie", "bearer"] }),
            Kind::Texts => json!({ "type": "array", "items": { "type": "string" } }),
            Kind::Flag => json!({ "type": "boolean" }),
            Kind::Number => json!({ "type": "integer", "minimum": 0 }),
            Kind::Moment => json!({ "type": "string", "format": "date-time" }),
            Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
            Kind::Id => json!({ "type": "string", "format": "uuid" }),
        };
        if !in_body && matches!(self.kind, Kind::Id | Kind::Moment) {
            // As a form sends what was left out.
            schema = json!({ "anyOf": [schema, { "type": "string", "maxLength": 0 }] });
        }
        schema["description"] = self.about.into();
        match self.kind {
            // A cursor that was made up would be refused.
            _ if self.name == "cursor" => {}
            Kind::Flag => schema["examples"] = json!([false]),
            Kind::Number => schema["examples"] = json!([50]),
            Kind::Texts => schema["examples"] = json!([[self.example]]),
            _ => schema["examples"] = json!([self.example]),
        }
        if in_body && !self.required {
            schema["type"] = json!([schema["type"], "null"]);
            if let Some(Value::Array(values)) = schema.get_mut("enum") {
                values.push(Value::Null);
            }
        }
        schema
    }
}

/// What a link of a mail brings along.
pub(crate) const LINK: Field = Field::text("token", "The secret of the link", "lE5fV0m3…");
/// By what a page is told that its form did what it is for.
pub(crate) const SAYS_DONE: Field = Field::text("done", "That it is done", "1").optional();

/// How much of a list is asked for.
pub(crate) const LIMIT: Field = Field::number("limit", "How many at most").optional();
/// Where a list goes on.
pub(crate) const CURSOR: Field =
    Field::text("cursor", "Where to go on: `next_cursor` of the answer before", "AZqfXnwbfT6aVA1bHC4_QA")
        .optional();

/// An answer of success.
#[derive(Clone, Copy)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) about: &'static str,
    pub(crate) body: Body,
    /// Other media types that the body may be of.
    pub(crate) others: &'static [&'static str],
    /// Headers that only this answer has, with what they say.
    pub(crate) headers: &'static [(&'static str, &'static str)],
}

/// What an answer holds.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    Nothing,
    /// Of this media type, not described any further.
    Media(&'static str),
    Json(&'static str, Described),
}

/// A type whose schema is told.
#[derive(Clone, Copy)]
pub(crate) struct Described {
    pub(crate) name: fn() -> Cow<'static, str>,
    pub(crate) schema: fn() -> RefOr<Schema>,
    pub(crate) inner: fn(&mut Vec<(String, RefOr<Schema>)>),
}

impl Told {
    /// A body of JSON, written from this type.
    pub(crate) const fn json<T: ToSchema>(status: u16, about: &'static str) -> Self {
        let described = Described { name: T::name, schema: T::schema, inner: T::schemas };
        Self { status, about, body: Body::Json("application/json", described), others: &[], headers: &[] }
    }

    /// No body.
    pub(crate) const fn nothing(status: u16, about: &'static str) -> Self {
        Self { status, about, body: Body::Nothing, others: &[], headers: &[] }
    }

    /// A body of another type.
    pub(crate) const fn media(status: u16, media: &'static str, about: &'static str) -> Self {
        Self { status, about, body: Body::Media(media), others: &[], headers: &[] }
    }

    /// The same, or of one of these types.
    pub(crate) const fn or_media(self, others: &'static [&'static str]) -> Self {
        Self { others, ..self }
    }

    /// JSON of another media type.
    pub(crate) const fn of_type(self, media: &'static str) -> Self {
        match self.body {
            Body::Json(_, described) => Self { body: Body::Json(media, described), ..self },
            Body::Nothing | Body::Media(_) => self,
        }
    }

    /// With these headers.
    pub(crate) const fn with(self, headers: &'static [(&'static str, &'static str)]) -> Self {
        Self { headers, ..self }
    }
}

/// The cookies that an answer of success sets.
pub(crate) const SETS_COOKIES: &[(&str, &str)] =
    &[("Set-Cookie", "For `cookie` sessions: access, and with a new refresh token also refresh and hint")];

/// The cookies that a logout clears.
pub(crate) const CLEARS_COOKIES: &[(&str, &str)] =
    &[("Set-Cookie", "Clears the cookies that came with the request")];

/// What a logout says to a form of a page.
pub(crate) const LEFT: Told = Told::nothing(303, "Signed out by a form of a page")
    .with(&[("Location", "The login"), ("Set-Cookie", "Clears the cookies that came with the request")]);

impl Guard {
    /// How a route behind this guard can be refused by it.
    pub(crate) fn refuses(self) -> Vec<Denial> {
        use Denial::*;
        const CREDENTIAL: &[Denial] = &[AmbiguousCredentials, MissingToken, InvalidToken, StoreUnavailable];
        const SESSION: &[Denial] = &[TokenExpired, TokenStale, SessionRevoked];
        let refuses: &[&[Denial]] = match self {
            Self::Public | Self::Verify => &[],
            Self::Open => &[&[StoreUnavailable]],
            Self::Session | Self::Page => &[CREDENTIAL, SESSION],
            Self::Read | Self::Admin | Self::AdminPage => &[CREDENTIAL, SESSION, &[Forbidden]],
            Self::Grave | Self::GravePage => &[CREDENTIAL, SESSION, &[Forbidden, ReauthenticationRequired]],
            Self::Service(_) => &[CREDENTIAL, &[Forbidden]],
        };
        refuses.concat()
    }
}
