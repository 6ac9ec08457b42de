//! What may a key hold, how is that read, and how is it said?

use std::borrow::Cow;
use std::ops::RangeInclusive;

use serde_json::{Value, json};

use super::choice::Choice;
use super::raw::Raw;

/// What a key may hold. The one place that error messages, the default file, the schema for
/// editors and the reading itself are drawn from, so that none of them can say otherwise.
pub(crate) struct Rule<T> {
    /// Ends the sentence "allowed: …".
    pub(super) allowed: String,
    /// JSON Schema (draft 7) of what a file may say.
    pub(super) schema: Value,
    /// Whether the value is never shown, and may come from a file of its own.
    pub(super) secret: bool,
    read: Box<Read<T>>,
    show: Box<dyn Fn(&T) -> Value>,
}

type Read<T> = dyn Fn(&Raw) -> Result<T, Refusal>;

/// Why a value is refused, beyond not being what is allowed.
#[derive(Default)]
pub(crate) struct Refusal {
    /// The part of the value that is wrong; empty: all of it.
    culprit: Option<String>,
    /// What else there is to say of it.
    note: Option<Cow<'static, str>>,
}

impl Refusal {
    /// A refusal that says more than what is allowed. The note must not repeat the value.
    pub(super) fn because(note: impl Into<Cow<'static, str>>) -> Self {
        Self { culprit: None, note: Some(note.into()) }
    }
}

impl<T: 'static> Rule<T> {
    /// A rule for whatever `read` reads and `show` shows in its canonical form.
    pub(super) fn new(
        allowed: impl Into<String>,
        schema: Value,
        read: impl Fn(&Raw) -> Result<T, Refusal> + 'static,
        show: impl Fn(&T) -> Value + 'static,
    ) -> Self {
        Self { allowed: allowed.into(), schema, secret: false, read: Box::new(read), show: Box::new(show) }
    }

    /// A rule for a text.
    pub(super) fn text(
        allowed: impl Into<String>,
        read: impl Fn(&str) -> Result<T, Refusal> + 'static,
        show: impl Fn(&T) -> String + 'static,
    ) -> Self {
        Self::new(
            allowed,
            json!({ "type": "string" }),
            move |raw| read(raw.text().ok_or_else(Refusal::default)?),
            move |value| json!(show(value)),
        )
    }

    /// The same with this schema.
    pub(super) fn described(self, schema: Value) -> Self {
        Self { schema, ..self }
    }

    /// The same, never repeated in an error, and with a `_file` twin. What `show` lets through
    /// is the rule's own affair.
    pub(super) fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The same, or `off`.
    pub(super) fn or_off(self) -> Rule<Option<T>> {
        self.or("off")
    }

    /// The same, or nothing.
    pub(super) fn or_empty(self) -> Rule<Option<T>> {
        self.or("")
    }

    /// The same, or `auto`.
    pub(super) fn or_auto(self) -> Rule<Option<T>> {
        self.or("auto")
    }

    fn or(self, word: &'static str) -> Rule<Option<T>> {
        let Self { allowed, schema, secret, read, show } = self;
        Rule {
            allowed: format!("{allowed}, or {word:?}"),
            schema: json!({ "anyOf": [{ "const": word }, schema] }),
            secret,
            read: Box::new(move |raw| if raw.text() == Some(word) { Ok(None) } else { read(raw).map(Some) }),
            show: Box::new(move |value| value.as_ref().map_or_else(|| json!(word), &show)),
        }
    }

    /// Reads the value.
    ///
    /// # Errors
    /// What is wrong with it and what is allowed, in one line that repeats no secret.
    pub(super) fn read(&self, raw: &Raw) -> Result<T, String> {
        (self.read)(raw).map_err(|refusal| {
            let culprit = match refusal.culprit {
                _ if self.secret => "the value".to_owned(),
                Some(part) => part,
                None => raw.quoted(),
            };
            let note = refusal.note.map(|note| format!(": {note}")).unwrap_or_default();
            format!("{culprit} is refused{note}; allowed: {}", self.allowed)
        })
    }

    /// The value as `config show` prints it, in the form that a file has it in.
    pub(super) fn show(&self, value: &T) -> Value {
        (self.show)(value)
    }
}

/// `true` or `false`.
pub(super) fn flag() -> Rule<bool> {
    Rule::new(
        "true or false",
        json!({ "type": "boolean" }),
        |raw| raw.flag().ok_or_else(Refusal::default),
        |flag| json!(flag),
    )
}

/// An integer within this range.
pub(super) fn integer(range: RangeInclusive<u32>) -> Rule<u32> {
    let (least, most) = (*range.start(), *range.end());
    Rule::new(
        format!("an integer from {least} to {most}"),
        json!({ "type": "integer", "minimum": least, "maximum": most }),
        move |raw| {
            let number = raw.integer().and_then(|number| u32::try_from(number).ok());
            number.filter(|number| range.contains(number)).ok_or_else(Refusal::default)
        },
        |number| json!(number),
    )
}

/// A name of up to 200 visible ASCII characters: what claims are compared by, byte for byte.
pub(super) fn name() -> Rule<String> {
    Rule::text(
        "up to 200 visible ASCII characters",
        |text| {
            let fits = (1..=200).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
            if fits { Ok(text.to_owned()) } else { Err(Refusal::default()) }
        },
        Clone::clone,
    )
}

/// One of the words of `T`.
pub(super) fn choice<T: Choice>() -> Rule<T> {
    let words: Vec<&str> = T::ALL.iter().map(|one| one.as_str()).collect();
    let quoted: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    Rule::text(
        quoted.join(", "),
        |text| T::ALL.iter().copied().find(|one| one.as_str() == text).ok_or_else(Refusal::default),
        |one| one.as_str().to_owned(),
    )
    .described(json!({ "enum": words }))
}

/// A list of what `item` allows.
pub(super) fn list<T: 'static>(item: Rule<T>) -> Rule<Vec<T>> {
    let Rule { allowed, schema, secret, read, show } = item;
    Rule {
        allowed: format!("a list of: {allowed}"),
        schema: json!({ "type": "array", "items": schema }),
        secret,
        read: Box::new(move |raw| {
            let items = raw.items().ok_or_else(Refusal::default)?;
            let read_one =
                |one: &Raw| read(one).map_err(|refusal| Refusal { culprit: Some(one.quoted()), ..refusal });
            items.iter().map(read_one).collect()
        }),
        show: Box::new(move |items| items.iter().map(&show).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::choice::Claim;

    #[test]
    fn a_refusal_names_the_value_and_what_is_allowed() {
        let said = integer(1..=64).read(&Raw::literal("65")).expect_err("65");
        assert_eq!(said, "65 is refused; allowed: an integer from 1 to 64");
        let said = flag().read(&Raw::literal("\"yes\"")).expect_err("yes");
        assert_eq!(said, "\"yes\" is refused; allowed: true or false");
        let said = list(choice::<Claim>()).read(&Raw::literal("[\"email\", \"emial\"]")).expect_err("emial");
        assert!(said.starts_with("\"emial\" is refused; allowed: a list of: \"email\", "), "{said}");
    }

    #[test]
    fn a_number_is_within_its_range() {
        for (text, read) in [("1", Some(1)), ("64", Some(64)), ("0", None), ("-1", None), ("1.0", None)] {
            assert_eq!(integer(1..=64).read(&Raw::literal(text)).ok(), read, "{text}");
            assert_eq!(integer(1..=64).read(&Raw::Word(text.into())).ok(), read, "{text}");
        }
    }

    #[test]
    fn what_is_read_is_shown_as_it_can_be_read_again() {
        let rule = integer(1..=9).or_off();
        for (raw, shown) in [(Raw::literal("\"off\""), json!("off")), (Raw::literal("3"), json!(3))] {
            assert_eq!(rule.show(&rule.read(&raw).expect("allowed")), shown);
        }
    }

    #[test]
    fn a_secret_is_not_repeated() {
        let rule = name().secret();
        assert!(!rule.read(&Raw::Word("kanarie vogel".into())).expect_err("a space").contains("vogel"));
    }
}
