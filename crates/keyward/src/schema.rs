//! How does the API description call what is not told by a field's Rust type?

use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// A moment: RFC 3339, UTC.
pub(crate) struct Moment;

/// An id: UUIDv7.
pub(crate) struct Id;

/// How tokens travel.
pub(crate) struct Transport;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        text()
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
            .description(Some("RFC 3339, UTC"))
            .examples(["2026-11-20T23:17:51Z"])
            .into()
    }
}

impl PartialSchema for Id {
    fn schema() -> RefOr<Schema> {
        text()
            .format(Some(SchemaFormat::Custom("uuid".to_owned())))
            .description(Some("UUIDv7"))
            .examples(["019a9f5e-7c1b-7d3e-9a54-0d5b1c2e3f40"])
            .into()
    }
}

impl PartialSchema for Transport {
    fn schema() -> RefOr<Schema> {
        let about = "How the tokens of a session travel, for its whole life";
        text().enum_values(Some(["cookie", "bearer"])).description(Some(about)).into()
    }
}

impl ToSchema for Moment {}
impl ToSchema for Id {}
impl ToSchema for Transport {}

fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}
