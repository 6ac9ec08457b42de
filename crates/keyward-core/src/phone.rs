//! Is this a phone number?

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// A phone number in E.164: `+`, then 7 to 15 digits of which the first is no zero.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct Phone(String);

/// A text that is no phone number in E.164.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidPhone;

impl fmt::Display for InvalidPhone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a phone number in E.164, such as +4915112345678")
    }
}

impl std::error::Error for InvalidPhone {}

impl Phone {
    /// The number as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Phone {
    type Err = InvalidPhone;

    fn from_str(text: &str) -> Result<Self, InvalidPhone> {
        let digits = text.strip_prefix('+').ok_or(InvalidPhone)?;
        let valid = (7..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidPhone) }
    }
}

impl fmt::Display for Phone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_e164_is_a_number() {
        for text in ["+4915112345678", "+14155550123", "+123456789012345"] {
            assert_eq!(text.parse::<Phone>().expect(text).as_str(), text);
        }
        for text in [
            "",
            "+",
            "4915112345678",
            "+0151123456",
            "+49 151 1234",
            "+1234567890123456",
            "+49\u{661}5112345",
            "+123456",
            "++123456789",
        ] {
            assert_eq!(text.parse::<Phone>(), Err(InvalidPhone), "{text}");
        }
    }
}
