//! What are pages called, and what do they look like? Their name, their logo and their colour.

use std::fs;

use keyward::{BrandName, Color, Logo};
use serde_json::json;

use super::rule::{Refusal, Rule};

/// A logo, and the file that it is from.
#[derive(Debug, Clone)]
pub(crate) struct LogoFile {
    path: String,
    /// What the file holds.
    pub(crate) logo: Logo,
}

/// The name.
pub(super) fn brand_name() -> Rule<BrandName> {
    Rule::text(
        "1 to 60 characters on one line",
        |text| text.parse().map_err(|_| Refusal::default()),
        |name: &BrandName| name.as_str().to_owned(),
    )
}

/// The logo, or none. It is read when the configuration is: a start, or `config check`, says what is
/// wrong with it.
pub(super) fn logo() -> Rule<Option<LogoFile>> {
    Rule::text(
        "the path of a file of SVG or PNG, at most 256 KiB",
        |text| {
            let bytes = fs::read(text).map_err(|e| Refusal::because(format!("it can't be read: {e}")))?;
            let logo = Logo::from_bytes(bytes).map_err(|invalid| Refusal::because(invalid.to_string()))?;
            Ok(LogoFile { path: text.to_owned(), logo })
        },
        |file| file.path.clone(),
    )
    .or_empty()
}

/// The colour.
pub(super) fn color() -> Rule<Color> {
    Rule::text(
        "a colour such as \"#3451d1\"",
        |text| text.parse().map_err(|_| Refusal::default()),
        Color::to_string,
    )
    .described(json!({ "type": "string", "pattern": "^#([0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})$" }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::Raw;

    #[test]
    fn a_logo_is_a_file_that_can_be_read_and_is_a_picture() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            fs::write(&path, bytes).expect("written");
            path.to_str().expect("UTF-8").to_owned()
        };
        let read = |path: &str| logo().read(&Raw::Word(path.into()));
        let svg = file("logo.svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>");
        let found = read(&svg).expect("a logo").expect("one");
        assert_eq!(found.path, svg);
        assert!(read("").expect("none").is_none());
        for (path, why) in [
            (file("page.svg", b"<html>"), "neither SVG nor PNG"),
            (file("large.png", &[0; (256 << 10) + 1]), "larger than 256 KiB"),
            (folder.path().join("none.svg").to_str().expect("UTF-8").to_owned(), "can't be read"),
            (folder.path().to_str().expect("UTF-8").to_owned(), "can't be read"),
        ] {
            let said = read(&path).expect_err(&path);
            assert!(said.contains(why) && said.contains(&path) && said.contains("SVG or PNG"), "{said}");
        }
    }

    #[test]
    fn a_colour_and_a_name_say_what_is_allowed() {
        let said = color().read(&Raw::Word("red".into())).expect_err("red");
        assert_eq!(said, "\"red\" is refused; allowed: a colour such as \"#3451d1\"");
        assert_eq!(color().read(&Raw::Word("#abc".into())).expect("a colour").to_string(), "#aabbcc");
        let said = brand_name().read(&Raw::Word("".into())).expect_err("nothing");
        assert_eq!(said, "\"\" is refused; allowed: 1 to 60 characters on one line");
    }
}
