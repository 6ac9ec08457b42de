//! What was written for a key, before anybody asked whether it may be?

use serde_json::{Value, json};
use toml::de::DeValue;

/// A value as it was written.
#[derive(Clone)]
pub(crate) enum Raw {
    /// A string in a file.
    Text(String),
    /// An integer in a file.
    Integer(i64),
    /// A boolean in a file.
    Flag(bool),
    /// An array in a file.
    List(Vec<Raw>),
    /// Anything else that TOML knows: a float, a date, a table, an integer past 64 bits.
    Other,
    /// The value of a variable, or what a secret's own file holds. There everything is text, so
    /// the key decides what the text is read as.
    Word(String),
}

impl Raw {
    /// The value that this TOML writes.
    pub(crate) fn literal(toml: &str) -> Self {
        DeValue::parse(toml).map_or(Self::Other, |value| value.get_ref().into())
    }

    /// The value as text.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Word(text) => Some(text),
            _ => None,
        }
    }

    /// The value as an integer.
    pub(crate) fn integer(&self) -> Option<i64> {
        match self {
            Self::Integer(number) => Some(*number),
            Self::Word(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as `true` or `false`.
    pub(crate) fn flag(&self) -> Option<bool> {
        match self {
            Self::Flag(flag) => Some(*flag),
            Self::Word(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as a list. A [`Self::Word`] is one in TOML, or separates its items by commas.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        match self {
            Self::List(items) => Some(items.clone()),
            Self::Word(text) if text.trim_start().starts_with('[') => match Self::literal(text.trim()) {
                Self::List(items) => Some(items),
                _ => None,
            },
            Self::Word(text) => {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                Some(items.map(|item| Self::Word(item.to_owned())).collect())
            }
            _ => None,
        }
    }

    /// Whether nothing is said: an empty text or list.
    pub(crate) fn is_empty(&self) -> bool {
        match self {
            Self::Text(text) | Self::Word(text) => text.is_empty(),
            Self::List(items) => items.is_empty(),
            _ => false,
        }
    }

    /// How an error speaks of the value. What might hold a password is not repeated: anything
    /// with an `@`, which is how one comes into an URL.
    pub(crate) fn quoted(&self) -> String {
        match self {
            Self::Text(text) | Self::Word(text) if text.contains('@') || text.len() > 80 => {
                "the value".into()
            }
            Self::Text(text) | Self::Word(text) => format!("{text:?}"),
            Self::Integer(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(_) => "a list".into(),
            Self::Other => "a value of this kind".into(),
        }
    }

    /// The value in JSON.
    pub(crate) fn json(&self) -> Value {
        match self {
            Self::Text(text) | Self::Word(text) => json!(text),
            Self::Integer(number) => json!(number),
            Self::Flag(flag) => json!(flag),
            Self::List(items) => items.iter().map(Self::json).collect(),
            Self::Other => Value::Null,
        }
    }
}

impl From<&DeValue<'_>> for Raw {
    fn from(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.to_string()),
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_or(Self::Other, Self::Integer)
            }
            DeValue::Boolean(flag) => Self::Flag(*flag),
            DeValue::Array(items) => Self::List(items.iter().map(|item| item.get_ref().into()).collect()),
            DeValue::Float(_) | DeValue::Datetime(_) | DeValue::Table(_) => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(raw: &Raw) -> Option<Vec<String>> {
        raw.items().map(|items| items.iter().filter_map(|i| i.text().map(str::to_owned)).collect())
    }

    #[test]
    fn a_variable_lists_with_commas_or_as_toml() {
        for text in ["a,b", " a , b ,", "[\"a\", \"b\"]", " ['a','b'] "] {
            assert_eq!(items(&Raw::Word(text.into())), Some(vec!["a".to_owned(), "b".to_owned()]), "{text}");
        }
        assert_eq!(items(&Raw::Word(String::new())), Some(vec![]));
        assert_eq!(items(&Raw::Word("[a".into())), None);
        assert_eq!(items(&Raw::Text("a,b".into())), None, "a file can say what it means");
    }

    #[test]
    fn a_file_is_taken_at_its_word_and_a_variable_at_its_meaning() {
        assert_eq!(Raw::literal("8").integer(), Some(8));
        assert_eq!(Raw::literal("0x10").integer(), Some(16));
        assert_eq!(Raw::literal("\"8\"").integer(), None);
        assert_eq!(Raw::Word("8".into()).integer(), Some(8));
        assert_eq!(Raw::literal("\"true\"").flag(), None);
        assert_eq!(Raw::Word("true".into()).flag(), Some(true));
        assert_eq!(Raw::Word("yes".into()).flag(), None);
        assert_eq!(Raw::literal("99999999999999999999").integer(), None);
    }
}
