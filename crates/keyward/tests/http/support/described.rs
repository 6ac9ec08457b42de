//! Is an answer one of those that the API description tells of?

use std::collections::HashSet;
use std::sync::LazyLock;

use keyward::Keyward;
use serde_json::Value;

use super::{Ask, Reply};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(Keyward::openapi()).expect("the description is JSON"));

/// The API description.
pub(crate) struct Described(&'static Value);

impl Default for Described {
    fn default() -> Self {
        Self(&DOCUMENT)
    }
}

impl Described {
    /// Method, path and what is said of it.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (String, String, &'static Value)> + use<> {
        let paths = self.0["paths"].as_object().expect("paths");
        paths.iter().flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods");
            methods.iter().map(move |(method, operation)| {
                let method = if is_of_any_method(operation) { "ANY" } else { method };
                (method.to_ascii_uppercase(), path.clone(), operation)
            })
        })
    }

    /// The codes of a refusal.
    pub(crate) fn codes(response: &Value) -> Vec<String> {
        let schema = &response["content"]["application/problem+json"]["schema"];
        serde_json::from_value(schema["allOf"][1]["properties"]["code"]["enum"].clone()).unwrap_or_default()
    }

    /// Each reference within the document, and what it leads to.
    pub(crate) fn each_reference(&self, seen: &mut dyn FnMut(&str, Option<&Value>)) {
        fn walk(value: &Value, seen: &mut dyn FnMut(&str)) {
            match value {
                Value::Object(members) => members.iter().for_each(|(name, member)| match member.as_str() {
                    Some(reference) if name == "$ref" => seen(reference),
                    _ => walk(member, seen),
                }),
                Value::Array(items) => items.iter().for_each(|item| walk(item, seen)),
                _ => {}
            }
        }
        walk(self.0, &mut |reference| seen(reference, self.0.pointer(&reference[1..])));
    }

    /// Whether this is asked at a path that is described.
    pub(crate) fn tells_of(&self, ask: &Ask) -> bool {
        self.operations().any(|(_, path, _)| matches(&path, ask.path()))
    }

    /// That this answer to this request is described.
    #[track_caller]
    pub(crate) fn holds(&self, ask: &Ask, reply: &Reply) {
        let method = if ask.method() == "HEAD" { "GET" } else { ask.method().as_str() };
        // A path that is written out is that path, whatever else a parameter could stand for.
        let is_literal = self.operations().any(|(_, path, _)| path == ask.path());
        let found = self.operations().find(|(known, path, operation)| match is_of_any_method(operation) {
            true => ask.path() == path || ask.path().starts_with(&format!("{path}/")),
            false => known == method && matches(path, ask.path()) && (!is_literal || path == ask.path()),
        });
        let Some((.., operation)) = found else {
            assert!([204, 404, 405].contains(&reply.status), "{method} {}: {}", ask.path(), reply.status);
            return;
        };
        let at = format!("{method} {} {}", ask.path(), reply.status);
        let told = &operation["responses"][reply.status.to_string()];
        assert!(told.is_object(), "{at} is not described");
        let media = reply.one("content-type").map(|media| media.split(';').next().unwrap_or_default());
        let Some(media) = media else {
            assert!(
                told["content"].is_null() || ask.method() == "HEAD" || reply.status == 304,
                "{at} has no body"
            );
            return;
        };
        let content = &told["content"][media];
        if reply.status == 304 || ask.method() == "HEAD" {
            return;
        }
        assert!(content.is_object(), "{at} is described without {media}");
        if media == "application/problem+json" {
            let code = reply.json()["code"].as_str().expect("a code").to_owned();
            assert!(Self::codes(told).contains(&code), "{at} {code} is not described");
        }
        if !content["schema"].is_null() {
            self.fits(&content["schema"], &reply.json(), &at);
        }
    }

    /// That a value is what a schema says, as far as this suite's schemas go, and says nothing else.
    #[track_caller]
    fn fits(&self, schema: &Value, value: &Value, at: &str) {
        self.fits_openly(schema, value, at);
        let (mut named, mut open) = (HashSet::new(), false);
        self.names(schema, &mut named, &mut open);
        for name in value.as_object().into_iter().flat_map(|members| members.keys()) {
            assert!(open || named.contains(name), "{at}: {name} is not described");
        }
    }

    /// Whether a value has all that a choice demands: told apart by null, or by what is required.
    fn is_meant(&self, choice: &Value, value: &Value) -> bool {
        let choice = choice["$ref"].as_str().map_or(choice, |at| self.0.pointer(&at[1..]).expect(at));
        let required: Vec<String> = serde_json::from_value(choice["required"].clone()).unwrap_or_default();
        (choice["type"] == "null") == value.is_null() && required.iter().all(|name| value.get(name).is_some())
    }

    /// The members that a schema names; whether there may be others, or it is about other things.
    fn names(&self, schema: &Value, named: &mut HashSet<String>, open: &mut bool) {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.names(self.0.pointer(&reference[1..]).expect(reference), named, open);
        }
        let more = &schema["additionalProperties"];
        *open |= !more.is_null() && *more != false;
        *open |= schema["oneOf"].is_array();
        *open |= schema["type"] == "object" && schema["properties"].is_null() && schema["allOf"].is_null();
        named
            .extend(schema["properties"].as_object().into_iter().flat_map(|members| members.keys().cloned()));
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.names(part, named, open);
        }
    }

    #[track_caller]
    fn fits_openly(&self, schema: &Value, value: &Value, at: &str) {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.fits_openly(self.0.pointer(&reference[1..]).expect(reference), value, at);
        }
        for part in schema["allOf"].as_array().into_iter().flatten() {
            self.fits_openly(part, value, at);
        }
        if let Some(choices) = schema["oneOf"].as_array() {
            let chosen = choices.iter().find(|choice| self.is_meant(choice, value));
            self.fits(chosen.unwrap_or_else(|| panic!("{at}: {value}")), value, at);
        }
        if let Some(values) = schema["enum"].as_array() {
            assert!(values.contains(value), "{at}: {value}");
        }
        assert!(schema["const"].is_null() || schema["const"] == *value, "{at}: {value}");
        let kinds: Vec<&str> = match &schema["type"] {
            Value::String(kind) => vec![kind],
            Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let kind = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        assert!(kinds.is_empty() || kinds.contains(&kind), "{at}: {value} is no {kinds:?}");
        for item in value.as_array().into_iter().flatten() {
            self.fits(&schema["items"], item, at);
        }
        let required: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap_or_default();
        for name in required {
            assert!(value.get(&name).is_some(), "{at}: {name} is missing in {value}");
        }
        let (Some(properties), Some(members)) = (schema["properties"].as_object(), value.as_object()) else {
            return;
        };
        for (name, member) in members {
            if let Some(told) = properties.get(name) {
                self.fits(told, member, &format!("{at} {name}"));
            }
        }
    }
}

/// Whether it is asked by any method, on its path and on any below.
fn is_of_any_method(operation: &Value) -> bool {
    operation["x-any-method"] == true
}

/// Whether a path is one of this template.
fn matches(template: &str, path: &str) -> bool {
    let (mut known, mut asked) = (template.split('/'), path.split('/'));
    loop {
        match (known.next(), asked.next()) {
            (None, None) => return true,
            (Some(known), Some(asked)) if known.starts_with('{') || known == asked => {}
            _ => return false,
        }
    }
}
