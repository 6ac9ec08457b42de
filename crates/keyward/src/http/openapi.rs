//! `GET /openapi.json`: what can be asked, how it is answered and how it is refused (OpenAPI 3.1).
//!
//! Made of the route table, of what stands beside each handler, and of the types that answers are
//! written from; once, on first use.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Method, StatusCode};
use keyward_core::denial::Denial;
use serde_json::{Map, Value, json};
use utoipa::PartialSchema as _;

use super::guard::Guard;
use super::operation::{Body, Described, Operation, Told};
use super::problem::Problem;
use super::{Answer, Call, ROUTES, Route, text};
use crate::error::FieldError;
use crate::schema::Id;

pub(crate) const GET: Operation = Operation {
    summary: "This description",
    answers: &[Told::media(200, "application/json", "OpenAPI 3.1")],
    ..Operation::NONE
};

pub(crate) async fn get(_: Call) -> Answer {
    let mut response = text(StatusCode::OK, DOCUMENT.as_str());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}

/// The description, as JSON.
pub(crate) static DOCUMENT: LazyLock<String> = LazyLock::new(|| {
    let mut schemas = Map::new();
    let mut add = |described: Described| {
        let mut inner = Vec::new();
        (described.inner)(&mut inner);
        inner.push(((described.name)().into_owned(), (described.schema)()));
        for (name, schema) in inner {
            schemas.insert(name, value(schema));
        }
    };
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in ROUTES {
        for told in route.operation.answers {
            if let Body::Json(_, described) = told.body {
                add(described);
            }
        }
        let path = paths.entry(route.path).or_default();
        // A description knows no way to say: by any method. `x-any-method` does.
        let method = route.method.as_ref().map_or("get", Method::as_str);
        path.insert(method.to_ascii_lowercase(), operation(route));
    }
    schemas.insert("Problem".to_owned(), value(Problem::schema()));
    schemas.insert("FieldError".to_owned(), value(FieldError::schema()));
    let examples: Map<String, Value> =
        Denial::ALL.iter().map(|denial| (example_name(*denial), example(*denial))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Keyward",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": TAGS.map(|(name, about)| json!({ "name": name, "description": about })),
        "paths": paths,
        "components": {
            "schemas": schemas,
            "examples": examples,
            "headers": headers(),
            "securitySchemes": security_schemes(),
        },
    })
    .to_string()
});

const ABOUT: &str = "Sign up, log in and stay signed in. Errors are `application/problem+json` (RFC 9457) \
    whose `code` never changes. Unknown fields of a body are ignored; a repeated one is `malformed_json`. \
    Times are RFC 3339 UTC, durations whole seconds, ids UUIDv7. In plain-HTTP development on one machine \
    cookies lack their `__Host-` and `__Secure-` prefixes.";

const TAGS: [(&str, &str); 4] = [
    ("Sessions", "For the people that accounts and sessions belong to"),
    ("Administration", "For administrators, and for service keys of scope `admin` or `admin:read`"),
    ("Documents", "Keys, metadata and health: for programs"),
    ("Pages", "For browsers"),
];

fn tag(route: &Route) -> &'static str {
    if route.path.starts_with("/api/admin") {
        "Administration"
    } else if route.operation.page {
        "Pages"
    } else if route.path.starts_with("/api/") {
        "Sessions"
    } else {
        "Documents"
    }
}

fn operation(route: &Route) -> Value {
    let Route { operation, guard, .. } = route;
    let mut described = json!({
        "operationId": operation_id(route),
        "tags": [tag(route)],
        "summary": operation.summary,
        "parameters": parameters(route),
        "security": security(*guard),
        "responses": responses(route),
    });
    if route.method.is_none() {
        described["x-any-method"] = true.into();
    }
    if !operation.about.is_empty() {
        described["description"] = operation.about.into();
    }
    if !operation.takes.is_empty() {
        described["requestBody"] = body(operation);
    }
    described
}

/// `postAuthLogin` for `POST /api/auth/login`: a name that every language takes.
fn operation_id(route: &Route) -> String {
    let path = route.path.strip_prefix("/api").unwrap_or(route.path);
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut id = route.method_name().to_ascii_lowercase();
    // The console has a page beside many a call.
    if path.starts_with("/admin") && path == route.path {
        id.push_str("Page");
    }
    for word in words {
        let (first, rest) = word.split_at(1);
        id.push_str(&first.to_ascii_uppercase());
        id.push_str(rest);
    }
    id
}

fn parameters(route: &Route) -> Vec<Value> {
    let in_path = route.path.split(['{', '}']).skip(1).step_by(2).map(|name| {
        let schema = match name {
            "id" | "sid" => value(Id::schema()),
            _ => json!({ "type": "string" }),
        };
        json!({ "name": name, "in": "path", "required": true, "schema": schema })
    });
    let in_query = route.operation.query.iter().map(|field| {
        json!({
            "name": field.name,
            "in": "query",
            "required": field.required,
            "description": field.about,
            "schema": field.schema(false),
        })
    });
    in_path.chain(in_query).collect()
}

fn security(guard: Guard) -> Value {
    match guard {
        Guard::Public | Guard::Open => json!([]),
        Guard::Session | Guard::Verify | Guard::Page | Guard::AdminPage | Guard::GravePage => {
            json!([{ "cookie": [] }, { "bearer": [] }])
        }
        Guard::Read | Guard::Admin | Guard::Grave => {
            json!([{ "cookie": [] }, { "bearer": [] }, { "serviceKey": [] }])
        }
        Guard::Service(_) => json!([{ "serviceKey": [] }]),
    }
}

fn body(operation: &Operation) -> Value {
    let properties: Map<String, Value> =
        operation.takes.iter().map(|field| (field.name.to_owned(), field.schema(!operation.form))).collect();
    let required: Vec<&str> =
        operation.takes.iter().filter(|field| field.required).map(|field| field.name).collect();
    let mut schema = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    if !operation.either.is_empty() {
        schema["anyOf"] = operation.either.iter().map(|name| json!({ "required": [name] })).collect();
    }
    let media = if operation.form { "application/x-www-form-urlencoded" } else { "application/json" };
    let needed = !required.is_empty() || !operation.either.is_empty();
    json!({ "required": needed, "content": { media: { "schema": schema } } })
}

fn responses(route: &Route) -> Value {
    let mut responses = Map::new();
    for told in route.operation.answers {
        responses.insert(told.status.to_string(), answer(told));
    }
    let leads_on = responses.contains_key("303");
    if route.guard.is_of_a_page() && !leads_on {
        responses.insert("303".to_owned(), answer(&LEADS_ON));
    }
    let mut by_status: BTreeMap<u16, Vec<Denial>> = BTreeMap::new();
    for denial in refusals(route) {
        by_status.entry(denial.status()).or_default().push(denial);
    }
    for (status, denials) in by_status {
        let mut refused = refusal(status, &denials);
        if route.operation.page {
            refused["content"]["text/html"] = json!({});
        }
        match responses.get_mut(&status.to_string()) {
            // Told by a page or by a problem, as who asks will have it.
            Some(told) => join(told, refused),
            None => drop(responses.insert(status.to_string(), refused)),
        }
    }
    Value::Object(responses)
}

/// What a page says to a browser instead of 401.
const LEADS_ON: Told =
    Told::nothing(303, "To the renewal of the session, or to where one signs in again, and back")
        .with(&[("Location", "Where to")]);

/// Every refusal that a route can answer with: its own, those of its guard, and those that come
/// with any body or method.
fn refusals(route: &Route) -> Vec<Denial> {
    if route.guard == Guard::Verify {
        return route.operation.refuses.to_vec();
    }
    // Another site can send a WebSocket's GET with a cookie, too.
    let mut denials =
        vec![Denial::CrossSiteRequest, Denial::BodyTooLarge, Denial::RequestTimeout, Denial::Internal];
    denials.extend(route.guard.refuses());
    denials.extend(route.operation.refuses);
    if route.method.as_ref().is_some_and(|method| !method.is_safe()) {
        denials.push(Denial::Overloaded);
        denials.push(Denial::UnsupportedMediaType);
        denials.push(if route.operation.form { Denial::MalformedForm } else { Denial::MalformedJson });
        denials.push(Denial::ValidationFailed);
    }
    if route.path.contains('{') {
        denials.push(Denial::NotFound);
    }
    denials.sort_by_key(|denial| (denial.status(), denial.code()));
    denials.dedup();
    denials
}

fn join(told: &mut Value, refused: Value) {
    for part in ["headers", "content"] {
        if let (Some(known), Some(more)) = (told[part].as_object_mut(), refused[part].as_object()) {
            known.extend(more.clone());
        }
    }
    let (page, problem) = (&told["description"], &refused["description"]);
    told["description"] =
        format!("{}; {}", page.as_str().unwrap_or_default(), problem.as_str().unwrap_or_default()).into();
}

fn answer(told: &Told) -> Value {
    let mut headers = json!({ "X-Request-Id": { "$ref": "#/components/headers/X-Request-Id" } });
    for (name, about) in told.headers {
        headers[*name] = json!({ "description": about, "schema": { "type": "string" } });
    }
    let mut answer = json!({ "description": told.about, "headers": headers });
    let others: Map<String, Value> =
        told.others.iter().map(|media| ((*media).to_owned(), json!({}))).collect();
    match told.body {
        Body::Nothing => {}
        Body::Media(media) => answer["content"] = json!({ media: {} }),
        Body::Json(media, described) => {
            let name = (described.name)();
            answer["content"] =
                json!({ media: { "schema": { "$ref": format!("#/components/schemas/{name}") } } });
        }
    }
    if let Some(content) = answer.get_mut("content").and_then(serde_json::Value::as_object_mut) {
        content.extend(others);
    }
    answer
}

fn refusal(status: u16, denials: &[Denial]) -> Value {
    let header = |name: &str| json!({ "$ref": format!("#/components/headers/{name}") });
    let mut headers =
        json!({ "X-Request-Id": header("X-Request-Id"), "X-Keyward-Error": header("X-Keyward-Error") });
    let more: &[&str] = match status {
        401 => &["WWW-Authenticate"],
        429 => &["Retry-After", "RateLimit", "RateLimit-Policy"],
        503 => &["Retry-After"],
        _ => &[],
    };
    for name in more {
        headers[*name] = header(name);
    }
    let codes: Vec<&str> = denials.iter().map(|denial| denial.code()).collect();
    let about: Vec<String> =
        denials.iter().map(|denial| format!("`{}`: {}", denial.code(), denial.title())).collect();
    let examples: Map<String, Value> = denials
        .iter()
        .map(|denial| {
            let name = example_name(*denial);
            let at = json!({ "$ref": format!("#/components/examples/{name}") });
            (name, at)
        })
        .collect();
    json!({
        "description": about.join("; "),
        "headers": headers,
        "content": { "application/problem+json": {
            "schema": {
                "allOf": [
                    { "$ref": "#/components/schemas/Problem" },
                    { "properties": { "status": { "const": status }, "code": { "enum": codes } } },
                ],
            },
            "examples": examples,
        } },
    })
}

/// One code has two statuses.
fn example_name(denial: Denial) -> String {
    format!("{}_{}", denial.status(), denial.code())
}

fn example(denial: Denial) -> Value {
    let mut problem = json!({
        "type": format!("urn:keyward:problem:{}", denial.code()),
        "title": denial.title(),
        "status": denial.status(),
        "detail": denial.title(),
        "code": denial.code(),
        "request_id": "5f0c1e2d3b4a5968-1a",
    });
    if denial == Denial::ValidationFailed {
        problem["errors"] = json!([{ "field": "email", "message": "this field is missing" }]);
    }
    json!({ "summary": denial.title(), "value": problem })
}

fn headers() -> Value {
    let header = |about: &str| json!({ "description": about, "schema": { "type": "string" } });
    json!({
        "X-Request-Id": header("What this request is called in the log: the caller's name for it, or a fresh one"),
        "X-Keyward-Error": header("The code: a 401 without it is not Keyward's"),
        "WWW-Authenticate": header("RFC 6750 §3"),
        "Retry-After": { "description": "Seconds to wait", "schema": { "type": "integer", "minimum": 1 } },
        "RateLimit": header("What is left of the budget"),
        "RateLimit-Policy": header("The budget"),
    })
}

fn security_schemes() -> Value {
    json!({
        "cookie": {
            "type": "apiKey", "in": "cookie", "name": "__Host-keyward_access",
            "description": "The access token of a browser, beside the hint cookie of its session",
        },
        "bearer": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The access token of an app" },
        "serviceKey": { "type": "http", "scheme": "bearer", "bearerFormat": "kws_…",
            "description": "A service key with the scope that the call needs" },
    })
}

fn value(schema: impl serde::Serialize) -> Value {
    // A schema has only keys that are texts.
    serde_json::to_value(schema).unwrap_or_default()
}
