//! How is the configuration explained: to people in the default file, to editors in a schema?

use serde_json::{Map, Value, json};

use super::keys::sections;
use super::raw::Raw;
use super::table::{Key, Section};

const WIDTH: usize = 100;

const HEAD: &str = "\
# Everything that can be set in Keyward, each with its default; a file need hold only what differs.
#
# `keyward` reads the file that --config names, else ./keyward.toml where there is one. The variable
# named with each key overrides the file; a list is separated by commas there, or written as here.
# A secret can stand in a file of its own that others can't read: the same key with _file
# (master_key_file, KEYWARD_KEYS__MASTER_KEY_FILE) names that.
# `keyward config check` finds mistakes without starting, `keyward config show` prints what is in
# force and where each value comes from.
#
# Made from crates/keyward-cli/src/config/keys.rs; document.rs beside it says how.
";

/// The commented file of all keys with their defaults (`keyward.default.toml`).
pub(crate) fn default_file() -> String {
    let sections: Vec<String> = sections().iter().map(section_text).collect();
    format!("{HEAD}\n{}", sections.join("\n"))
}

/// The JSON Schema (draft 7, which TOML editors know) of a configuration file.
pub(crate) fn schema() -> Value {
    let sections = sections();
    let properties: Map<String, Value> =
        sections.iter().map(|section| (section.name.to_owned(), section_schema(section))).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Keyward configuration",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn section_text(section: &Section) -> String {
    let keys: Vec<String> = section.keys.iter().map(key_text).collect();
    format!("{}[{}]\n{}", comment(&prose(section.about)), section.name, keys.join("\n"))
}

fn key_text(key: &Key) -> String {
    let twin = if key.secret { format!(" Or {}_file.", key.name) } else { String::new() };
    format!(
        "{}{}{}{} = {}\n",
        comment(&prose(key.doc)),
        comment(&format!("Allowed: {}.{twin}", key.allowed)),
        comment(&key.variable),
        key.name,
        key.default
    )
}

fn section_schema(section: &Section) -> Value {
    let mut properties = Map::new();
    for key in &section.keys {
        let mut schema = key.schema.clone();
        schema["description"] =
            json!(format!("{}\nAllowed: {}.\nVariable: {}", prose(key.doc), key.allowed, key.variable));
        schema["default"] = Raw::literal(key.default).json();
        properties.insert(key.name.to_owned(), schema);
        if key.secret {
            let description = format!("The path of a file that holds {}.", key.path);
            properties.insert(
                format!("{}_file", key.name),
                json!({ "type": "string", "description": description }),
            );
        }
    }
    json!({
        "type": "object",
        "description": prose(section.about),
        "additionalProperties": false,
        "properties": properties,
    })
}

/// A doc comment as one paragraph.
fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}

/// The text as a TOML comment of lines that fit.
fn comment(text: &str) -> String {
    let mut out = String::from("#");
    let mut length = 1;
    for word in text.split(' ') {
        let needed = 1 + word.chars().count();
        if length > 1 && length + needed > WIDTH {
            out.push_str("\n#");
            length = 1;
        }
        out.push(' ');
        out.push_str(word);
        length += needed;
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// After a change of `keys.rs` or of a rule:
    /// `KEYWARD_REGENERATE=1 cargo test -p keyward-cli default_file`.
    #[test]
    fn the_committed_default_file_is_the_generated_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("keyward.default.toml");
        let generated = default_file();
        if std::env::var_os("KEYWARD_REGENERATE").is_some() {
            std::fs::write(&path, &generated).expect("the file can be written");
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            committed == generated,
            "keyward.default.toml is stale: KEYWARD_REGENERATE=1 cargo test -p keyward-cli default_file"
        );
    }

    #[test]
    fn every_line_of_the_default_file_fits() {
        for line in default_file().lines().filter(|line| line.starts_with('#')) {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
    }

    #[test]
    fn the_schema_knows_every_key_and_no_other() {
        let schema = schema();
        for section in sections() {
            let there = &schema["properties"][section.name];
            assert_eq!(there["additionalProperties"], json!(false));
            for key in section.keys {
                let described = &there["properties"][key.name];
                assert!(described["description"].as_str().is_some_and(|text| text.contains(&key.variable)));
                assert_eq!(described["default"], Raw::literal(key.default).json(), "{}", key.path);
                let twin = &there["properties"][format!("{}_file", key.name)];
                assert_eq!(twin.is_object(), key.secret, "{}", key.path);
            }
        }
        assert_eq!(schema["properties"]["passwords"]["properties"]["argon2_iterations"]["maximum"], 64);
        assert_eq!(
            schema["properties"]["tokens"]["properties"]["algorithm"]["enum"],
            json!(["RS256", "ES256", "EdDSA", "HS256"])
        );
    }
}
