//! Does one get what the README shows?

use std::process::Command;

use keyward::core::time::Timestamp;
use serde_json::{Deserializer, Value};

use crate::support::{Home, Server};

/// Between what one step prints and what the next one does.
const NEXT: &str = "-- next --";

#[test]
fn a_walk_with_curl_goes_as_it_is_shown() {
    // As at a first start, but for the window, which is waited for.
    let home = Home::new().with("TOKENS__ALGORITHM", "RS256").with("SESSIONS__ROTATION_WINDOW", "5s");
    let server = Server::start(&home);
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");
    let readme = std::fs::read_to_string(readme).expect("readable");
    let steps = steps(&readme, "## A walk with curl");
    let commands: Vec<&str> = steps.iter().map(|step| step.commands.as_str()).collect();
    let mut script = commands.join(&format!("echo '{NEXT}'\n"));
    for (shown, here) in [
        ("http://127.0.0.1:8080", format!("http://{}", server.address())),
        ("sleep 31", "sleep 6".to_owned()),
    ] {
        assert_eq!(script.matches(shown).count(), 1, "{shown}");
        script = script.replace(shown, &here);
    }
    let path = std::env::var_os("PATH").expect("a path");
    let ran =
        Command::new("bash").args(["-c", &script]).env_clear().env("PATH", path).output().expect("bash");
    assert_eq!(String::from_utf8_lossy(&ran.stderr), "");
    let printed = String::from_utf8(ran.stdout).expect("UTF-8");
    let printed: Vec<&str> = printed.split(&format!("{NEXT}\n")).collect();
    assert_eq!(printed.len(), steps.len(), "{printed:?}");
    for (step, printed) in steps.iter().zip(printed) {
        assert_eq!(values(&step.shown), values(printed), "{}\n{printed}", step.commands);
    }
    server.stop();
}

/// Commands, and what they are shown to print.
#[derive(Default)]
struct Step {
    commands: String,
    shown: String,
}

/// The steps below this heading.
fn steps(page: &str, heading: &str) -> Vec<Step> {
    let (_, section) = page.split_once(&format!("\n{heading}\n")).expect("the heading");
    let section = section.split("\n## ").next().expect("a section");
    let mut steps: Vec<Step> = Vec::new();
    let mut language = None;
    for line in section.lines() {
        match (line.strip_prefix("```"), language) {
            (Some(fence), None) => {
                language = Some(fence);
                if fence == "sh" {
                    steps.push(Step::default());
                }
            }
            (Some(_), Some(_)) => language = None,
            (None, Some("sh" | "json")) => {
                let step = steps.last_mut().expect("commands come first");
                let of = if language == Some("sh") { &mut step.commands } else { &mut step.shown };
                *of += line;
                *of += "\n";
            }
            (None, _) => {}
        }
    }
    steps
}

/// Statuses and bodies, one after the other, without what is another each time.
fn values(text: &str) -> Vec<Value> {
    let values = Deserializer::from_str(text).into_iter::<Value>();
    values.map(|value| typical("", value.unwrap_or_else(|e| panic!("{e}: {text}")))).collect()
}

fn typical(name: &str, value: Value) -> Value {
    match value {
        Value::Object(members) => {
            members.into_iter().map(|(name, value)| (name.clone(), typical(&name, value))).collect()
        }
        Value::Array(items) => items.into_iter().map(|item| typical(name, item)).collect(),
        Value::String(text) => kind(name, &text).map_or(Value::String(text), Value::from),
        // It may have got older since.
        Value::Number(_) if name == "expires_in" => Value::from("seconds"),
        same => same,
    }
}

/// What a text is that is another each time.
fn kind(name: &str, text: &str) -> Option<&'static str> {
    let is_id = text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]);
    match name {
        "request_id" => Some("a request"),
        "token" if text.starts_with("eyJ") => Some("an access token"),
        "refresh_token" if text.starts_with("kwr_") => Some("a refresh token"),
        _ if is_id => Some("an id"),
        _ if text.parse::<Timestamp>().is_ok() => Some("a moment"),
        // As curl says which one it is.
        "user_agent" if text.starts_with("curl/") => Some("curl"),
        _ => None,
    }
}
