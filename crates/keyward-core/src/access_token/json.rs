//! Is this JSON one that everybody reads alike?
//!
//! A member that is there twice means one thing to one parser and another to the next (RFC 7519
//! §4, RFC 8725 §2.4). serde notices it for the fields of a struct alone; what is here notices it
//! everywhere. The depth is bounded by serde_json, at 128.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// A string, borrowed where nothing in it is escaped.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// The value of a member that must not be there yet.
pub(super) fn once<'de, T: Deserialize<'de>, A: MapAccess<'de>>(
    slot: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    if slot.is_some() {
        return Err(A::Error::custom("a member is there twice"));
    }
    *slot = Some(map.next_value()?);
    Ok(())
}

/// Notices a member of a name that was there before.
#[derive(Default)]
pub(super) struct Names<'a>(BTreeSet<Cow<'a, str>>);

impl<'a> Names<'a> {
    pub(super) fn add<E: Error>(&mut self, name: Text<'a>) -> Result<(), E> {
        if self.0.insert(name.0) { Ok(()) } else { Err(E::custom("a member is there twice")) }
    }
}

/// Any value, read through and thrown away.
pub(super) struct Ignored;

impl<'de> Deserialize<'de> for Ignored {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct IgnoredVisitor;
        impl<'de> Visitor<'de> for IgnoredVisitor {
            type Value = Ignored;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_unit<E>(self) -> Result<Ignored, E> {
                Ok(Ignored)
            }

            fn visit_bool<E>(self, _: bool) -> Result<Ignored, E> {
                Ok(Ignored)
            }

            fn visit_i64<E>(self, _: i64) -> Result<Ignored, E> {
                Ok(Ignored)
            }

            fn visit_u64<E>(self, _: u64) -> Result<Ignored, E> {
                Ok(Ignored)
            }

            fn visit_f64<E>(self, _: f64) -> Result<Ignored, E> {
                Ok(Ignored)
            }

            fn visit_str<E>(self, _: &str) -> Result<Ignored, E> {
                Ok(Ignored)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Ignored, A::Error> {
                while seq.next_element::<Ignored>()?.is_some() {}
                Ok(Ignored)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Ignored, A::Error> {
                let mut names = Names::default();
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    names.add(name)?;
                    map.next_value::<Ignored>()?;
                }
                Ok(Ignored)
            }
        }
        deserializer.deserialize_any(IgnoredVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ignored_is_read_all_the_same() {
        let reads = |text: &str| serde_json::from_str::<Ignored>(text).is_ok();
        for good in [
            r#"{"a":[1,-2,3.5,"x",null,true,{"a":{"b":1},"b":{"b":1}}]}"#,
            r#"[{"a":1},{"a":2}]"#,
            r#""\ud83d\ude00""#,
            "{}",
        ] {
            assert!(reads(good), "{good}");
        }
        for bad in [
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"\u0061":2}"#,
            r#"[[{"x":{"a":1,"b":2,"a":3}}]]"#,
            r#"{"":0,"":0}"#,
            r#""\ud83d""#,
            "1e400",
            "[1,]",
            "nul",
            "NaN",
        ] {
            assert!(!reads(bad), "{bad}");
        }
        assert!(reads(&format!("{}{}", "[".repeat(127), "]".repeat(127))));
        assert!(!reads(&format!("{}{}", "[".repeat(128), "]".repeat(128))));
        assert!(!reads(&"[".repeat(100_000)));
    }
}
