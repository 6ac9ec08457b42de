//! `GET /openapi.json`: does it say what is so?
//!
//! Every answer in this suite is held against it, in [`crate::support::App::send`]: its status, its
//! code, and each field of its body. Here is what no single answer shows.

use std::collections::BTreeSet;

use http::Method;
use keyward::Keyward;
use keyward::core::denial::Denial;
use serde_json::{Value, json};

use crate::support::{ADA, App, Ask, Described, get};

#[tokio::test]
async fn it_is_served_as_it_is_printed() {
    let app = App::new().await;
    let reply = app.send(get("/openapi.json")).await;
    assert_eq!((reply.status, reply.one("content-type")), (200, Some("application/json")));
    assert_eq!(reply.text(), Keyward::openapi());
    assert_eq!(reply.json()["openapi"], "3.1.0");
}

#[test]
fn every_route_has_an_operation_and_every_operation_a_route() {
    let document = Described::default();
    let described: BTreeSet<(String, String)> = document.operations().map(|(m, p, _)| (m, p)).collect();
    let routes: BTreeSet<(String, String)> =
        Keyward::routes().map(|(method, path, _)| (method.to_string(), path.to_owned())).collect();
    assert_eq!(described, routes);
    let mut names = BTreeSet::new();
    for (method, path, operation) in document.operations() {
        let at = format!("{method} {path}");
        assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{at}");
        assert!(names.insert(operation["operationId"].to_string()), "{at}");
        let responses = operation["responses"].as_object().expect("responses");
        assert!(responses.keys().any(|status| status < &"400".to_owned()), "{at} has an answer of success");
    }
}

#[test]
fn every_code_of_the_contract_is_told_somewhere_and_every_reference_leads_somewhere() {
    let document = Described::default();
    let told: BTreeSet<(u64, String)> = document
        .operations()
        .flat_map(|(.., operation)| {
            let responses = operation["responses"].as_object().expect("responses").clone();
            responses.into_iter().flat_map(|(status, response)| {
                let status: u64 = status.parse().expect("a status");
                Described::codes(&response).into_iter().map(move |code| (status, code))
            })
        })
        .collect();
    for denial in Denial::ALL {
        // What a path or a method is answered that no operation has.
        let nowhere = *denial == Denial::MethodNotAllowed;
        let pair = (u64::from(denial.status()), denial.code().to_owned());
        assert!(nowhere || told.contains(&pair), "{pair:?}");
    }
    let mut references = 0;
    document.each_reference(&mut |reference, target| {
        references += 1;
        assert!(target.is_some(), "{reference}");
    });
    assert!(references > 100, "{references}");
}

#[tokio::test]
async fn what_a_body_takes_is_what_its_handler_reads() {
    let app = App::new().await;
    let tokens = app.signup(ADA).await;
    app.tick().await;
    let before = app.dump();
    for (method, path, operation) in Described::default().operations() {
        let body = &operation["requestBody"]["content"]["application/json"]["schema"];
        let ask = |body: Value| {
            let path = path.replace(['{', '}'], "");
            let ask = Ask::new(method.parse::<Method>().expect("a method"), &path).json(body);
            let open = operation["security"].as_array().is_some_and(Vec::is_empty);
            if open { ask } else { ask.bearer(&tokens.access) }
        };
        let Some(properties) = body["properties"].as_object() else { continue };
        // Somebody who is no administrator is refused before the body is read.
        if path.starts_with("/api/admin") {
            continue;
        }
        let required: BTreeSet<String> = serde_json::from_value(body["required"].clone()).unwrap_or_default();
        let missing = app.send(ask(json!({}))).await;
        if required.is_empty() {
            assert_ne!(missing.status, 422, "{method} {path}");
        } else {
            let named: BTreeSet<String> = missing.invalid_fields().into_iter().collect();
            let either = body["anyOf"].as_array().is_some();
            assert!(
                named == required || (either && named.is_superset(&required)),
                "{method} {path}: {named:?}"
            );
        }
        let number = Value::from(7);
        let wrong: Value = properties.keys().map(|name| (name.clone(), number.clone())).collect();
        let named: BTreeSet<String> = app.send(ask(wrong)).await.invalid_fields().into_iter().collect();
        for name in properties
            .keys()
            .filter(|name| body["anyOf"].is_null() || !body["anyOf"].to_string().contains(*name))
        {
            assert!(named.contains(name), "{method} {path} does not read {name}: {named:?}");
        }
    }
    assert_eq!(app.dump(), before);
}

/// The fields that the sources ask a body for, by file.
#[test]
fn no_handler_reads_a_field_that_is_not_described() {
    let described: BTreeSet<String> = Described::default()
        .operations()
        .flat_map(|(.., operation)| {
            let content = operation["requestBody"]["content"].as_object().cloned().unwrap_or_default();
            let names = content.into_iter().flat_map(|(_, media)| {
                media["schema"]["properties"].as_object().cloned().unwrap_or_default().into_iter()
            });
            names.map(|(name, _)| name).collect::<Vec<_>>()
        })
        .collect();
    let mut read = 0;
    for source in sources(std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http"))) {
        for call in source.split("fields.").skip(1) {
            let arguments = call.split_once('(').map(|(_, rest)| rest).unwrap_or_default();
            let Some(name) = arguments.strip_prefix('"').and_then(|rest| rest.split('"').next()) else {
                continue;
            };
            read += 1;
            assert!(described.contains(name), "{name} is read and not described");
        }
    }
    assert!(read >= 8, "{read}");
}

fn sources(folder: &std::path::Path) -> Vec<String> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            all.extend(sources(&path));
        } else if path.extension().is_some_and(|end| end == "rs") && !path.ends_with("body.rs") {
            all.push(std::fs::read_to_string(&path).expect("a file"));
        }
    }
    all
}
